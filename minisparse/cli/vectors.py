"""The verbs ``vectors`` and ``replay``: write a suite of portable test vectors, and show a case.

The oracle is imported when one of them runs.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minisparse.cli.campaign import reach_current_folder
from minisparse.core.errors import UsageError
from minisparse.show import clean, human_bytes, shorten

if TYPE_CHECKING:
    from minisparse.oracle.vectors import Case

_WIDTH = 100


def add_vectors(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minisparse vectors``, and what it does as ``verb``."""
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write it")
    parser.add_argument(
        "--level", type=int, default=1, help="1: hard cases; 2: random ones too (default 1)"
    )
    parser.add_argument(
        "--op", action="append", metavar="OP", help="only this contract; may be repeated"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(verb=_vectors)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``minisparse replay``, and what it does as ``verb``."""
    parser.add_argument("case", metavar="DIR/ID", help="a suite's folder and a case's id in it")
    parser.add_argument(
        "target", nargs="?", metavar="TARGET", help="package.module:function, to be called with it"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(verb=_replay)


def _vectors(options: argparse.Namespace) -> int:
    from minisparse.oracle.vectors import write_suite

    header = write_suite(options.out, options.level, options.op)
    counts = ", ".join(f"{op} {count}" for op, count in header["ops"].items())
    size = human_bytes(header["bin_nbytes"])
    print(f"{header['cases']} cases, {size} of arrays, in {options.out}: {counts}")
    return 0


def _replay(options: argparse.Namespace) -> int:
    from minisparse.oracle.campaign import load_target
    from minisparse.oracle.vectors import read_suite

    reach_current_folder()
    folder, name = _split(options.case)
    case = read_suite(folder).find(name)
    target = load_target(options.target) if options.target else None
    print(describe_case(case))
    if target is None:
        return 0
    verdict, passed = _judged(target, case)
    print(f"{options.target}: {verdict}")
    return 0 if passed else 1


def _split(path: str) -> tuple[Path, str]:
    """Return the folder, and the id after it: an id has a slash of its own."""
    for folder in Path(path).parents:
        if (folder / "suite.jsonl").is_file():
            return folder, str(Path(path).relative_to(folder))
    raise UsageError(f"replay: no folder of {path!r} holds a suite.jsonl")


def describe_case(case: "Case") -> str:
    """Return the inputs and the expected result of a case as text."""
    rules = ", ".join(case.rules) or "none in particular"
    lines = [case.id, f"  {clean(case.call)}", f"  {clean(case.label)}; rules: {rules}"]
    lines += [f"  {name} = {_told(value)}" for name, value in case.arguments().items()]
    truth: Any = case.truth()
    expected = truth.rounded()
    if isinstance(expected, dict):
        lines += [f"  expected {name} = {_told(x)}" for name, x in expected.items()]
        return "\n".join(lines)
    lines.append(f"  expected = {_told(expected)}")
    lines.append(f"  within {_told(truth.bound)}")
    return "\n".join(lines)


def _told(value: Any) -> str:
    """Return an array in a line: its dtype and shape, and its first elements."""
    if not isinstance(value, np.ndarray):
        return str(value)
    with np.printoptions(threshold=40, edgeitems=6, precision=8):
        text = " ".join(str(value).split())
    return shorten(f"{value.dtype}{list(value.shape)} {text}", _WIDTH)


def _judged(target: Callable[..., Any], case: "Case") -> tuple[str, bool]:
    """Call a function with a case; return the verdict, and whether nothing is wrong."""
    from minisparse.oracle.outcomes import Unsupported

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            got = target(*case.arguments().values())
        except Unsupported as error:
            return f"UNSUPPORTED, {error}", True
        except Exception as error:  # noqa: BLE001 - whatever a foreign function raises is the finding
            return f"FAIL, {type(error).__name__}: {error}", False
        found = case.truth().judge(got)
    if found.verdict == "FAIL":
        return f"FAIL, rule {found.rule}: {found.message}", False
    worst = f"worst error {found.error_over_bound:.3g} of its bound"
    return f"{found.verdict}, {worst}" + (f"; {found.message}" if found.message else ""), True
