"""The verbs ``check``, ``gen`` and ``verify``: other authors' implementations, judged.

Exit status 0: nothing wrong was found; 1: something was; 2: it could not be asked.
"""

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from minisparse.cli.numbers import natural, positive, seconds
from minisparse.core.errors import UsageError

if TYPE_CHECKING:
    from minisparse.oracle import Report
    from minisparse.oracle.contracts import Contract

_TARGET = "package.module:function, file.py:function, ./lib.so:symbol, or './program arguments'"


def add_checks(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the three verbs; each sets ``verb``, a function of the options."""
    check = commands.add_parser("check", help="judge an implementation in any language")
    check.add_argument("target", nargs="?", metavar="TARGET", help=_TARGET)
    _add_common(check)
    _add_verdict(check)
    check.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="processes at once (default 1)"
    )
    check.add_argument(
        "--timeout", type=seconds, default=10.0, metavar="SECONDS",
        help="how long a call may take (default 10)",
    )  # fmt: skip
    check.add_argument(
        "--repeat", type=positive, default=1, metavar="N",
        help="make every call N times, to catch results that differ (default 1)",
    )  # fmt: skip
    check.add_argument(
        "--peer", metavar="NAME",
        help="judge another library: scipy, torch, sparse, mkl, jax, onnxruntime, graphblas",
    )  # fmt: skip
    check.add_argument("--header", action="store_true", help="print minisparse.h, for C")
    check.add_argument("--include", action="store_true", help="print the folder of minisparse.h")
    check.set_defaults(verb=_check)
    gen = commands.add_parser("gen", help="write questions to stdout: gen | yours | verify")
    _add_common(gen)
    gen.set_defaults(verb=_gen)
    verify = commands.add_parser("verify", help="judge answers on stdin to the questions of gen")
    _add_common(verify)
    _add_verdict(verify)
    verify.set_defaults(verb=_verify)


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--op", metavar="OP", help="what is implemented; without, a list of ops")
    command.add_argument(
        "--examples", type=positive, default=500, metavar="N", help="how many inputs (default 500)"
    )
    command.add_argument(
        "--seed", type=natural, default=0, metavar="N", help="the same seed, the same inputs"
    )
    command.add_argument(
        "--dtypes", type=_dtypes, default=(), metavar="A,B",
        help="of the values, such as float32,float64 (default: all)",
    )  # fmt: skip
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _add_verdict(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", metavar="NAME", help="what is right where libraries differ")
    command.add_argument("--json", metavar="FILE", help="also write the report there")


def _check(options: argparse.Namespace) -> int:
    from minisparse.oracle.foreign import HEADER, Request, run_sharded

    if options.include:
        sys.stdout.write(f"{HEADER.parent}\n")
        return 0
    if options.header:
        sys.stdout.write(HEADER.read_text(encoding="utf-8"))
        return 0
    if options.peer is not None:
        from minisparse.cli.peers import check_peer

        return check_peer(options)
    contract = _contract(options.op)
    if options.target is None:
        raise UsageError(f"what should be checked? Give {_TARGET}")
    file = _json_file(options.json)
    request = Request(
        options.target, contract.name, options.examples, options.seed, options.profile,
        options.timeout, options.repeat, options.dtypes,
    )  # fmt: skip
    return _told(run_sharded(request, options.jobs), file)


def _gen(options: argparse.Namespace) -> int:
    from minisparse.oracle.foreign import questions

    contract = _contract(options.op)
    if sys.stdout.isatty():
        raise UsageError("questions are bytes: minisparse gen … | ./yours | minisparse verify …")
    for frame in questions(contract, options.examples, options.seed, options.dtypes):
        sys.stdout.buffer.write(frame)
    sys.stdout.buffer.flush()
    return 0


def _verify(options: argparse.Namespace) -> int:
    from minisparse.oracle import check
    from minisparse.oracle.foreign import Answers, BadFrame

    contract = _contract(options.op)
    file = _json_file(options.json)
    if sys.stdin.isatty():
        raise UsageError("answers come on stdin: minisparse gen … | ./yours | minisparse verify …")
    try:
        answers = Answers(
            sys.stdin.buffer, contract, options.examples, options.seed, options.dtypes
        )
    except BadFrame as error:
        raise UsageError(f"stdin is not a stream of answers: {error}") from error
    if not len(answers):
        raise UsageError("there was no answer on stdin")
    report = check(
        answers,
        contract.name,
        options.examples,
        options.seed,
        options.profile,
        dtypes=options.dtypes,
    )
    return _told(report, file)


def _contract(op: str | None) -> "Contract":
    """Return the contract that is asked for; without one, say on stderr which there are."""
    from minisparse.oracle.contracts import CONTRACTS

    if op in CONTRACTS:
        return CONTRACTS[op]
    width = max(map(len, CONTRACTS))
    for name, contract in sorted(CONTRACTS.items()):
        sys.stderr.write(f"{name:{width}}  {contract.call}\n")
    raise UsageError(f"there is no op {op!r}; see above" if op else "--op is needed; see above")


def _told(report: "Report", file: Path | None) -> int:
    """Print a report, and write it to a file if there is one; return the exit status."""
    from minisparse.show import palette_for

    palette = palette_for(sys.stdout, os.environ)
    first, *rest = str(report).split("\n")
    lines = [palette.good(first) if report.passed else palette.bad(first)]
    lines += [palette.bold(line) if re.match(r"\d+\. ", line) else line for line in rest]
    sys.stdout.write("\n".join(lines) + "\n")
    if file is not None:
        try:
            file.write_text(report.to_json() + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--json {file}: {error.strerror}") from error
    return 0 if report.passed else 1


def _json_file(name: str | None) -> Path | None:
    """Return where to write; whether the folder exists is not found out after minutes."""
    if name is None:
        return None
    if not Path(name).parent.is_dir():
        raise UsageError(f"--json {name}: there is no folder {Path(name).parent}")
    return Path(name)


def _dtypes(text: str) -> tuple[str, ...]:
    """Return the names of dtypes, separated by commas."""
    from minisparse.core.dtypes import as_dtype
    from minisparse.core.errors import MinisparseError

    try:
        return tuple(as_dtype(name.strip(), "--dtypes").name for name in text.split(","))
    except MinisparseError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
