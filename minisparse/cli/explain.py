"""``minisparse explain``: every candidate of every node with its price, and why one was chosen."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minisparse.cli.numbers import positive, size
from minisparse.core.errors import UsageError

if TYPE_CHECKING:
    from minisparse.dispatch.explanation import Explanation


def add_explain(command: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    command.add_argument(
        "model", nargs="?", default="digits_mlp", metavar="MODEL",
        help="a .onnx or .npz file, or a shipped model's name (default: digits_mlp)",
    )  # fmt: skip
    command.add_argument(
        "--target", default="cpu", metavar="NAME", help="machine to compile for (default: cpu)"
    )
    command.add_argument(
        "--diff", nargs=2, metavar=("A", "B"),
        help="two targets, or two models: show where they choose otherwise",
    )  # fmt: skip
    command.add_argument(
        "--size", dest="sizes", type=size, action="append", default=[], metavar="NAME=N",
        help="size to expect of a named dimension, such as batch=256; may be given again",
    )  # fmt: skip
    command.add_argument(
        "--calls", type=positive, default=10_000, metavar="N",
        help="in how many runs conversions have to be earned (default: 10000)",
    )  # fmt: skip
    command.add_argument(
        "--libraries", default="none", metavar="NAMES",
        help="other libraries' kernels that may be chosen: auto, or names with commas between",
    )  # fmt: skip
    command.add_argument(
        "--measured", action="store_true", help="time the best three candidates of each weight here"
    )
    command.add_argument("--node", metavar="NAME", help="only this node")
    command.add_argument("--html", metavar="FILE", help="write a page for a browser")
    command.add_argument("--json", metavar="FILE", help="write everything as data; - for stdout")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.set_defaults(verb=explain_model)


def explain_model(options: argparse.Namespace) -> int:
    """Print why a plan is as it is, or where two plans differ."""
    if options.diff is not None:
        first, second = _two(options)
        found: Any = first.diff(second)
        data: Any = {"A": first.as_data(), "B": second.as_data(), "otherwise": found.reasons}
    else:
        found = _explanation(options, options.model, options.target)
        if options.node is not None:
            found = found.only(options.node)
        data = found.as_data()
    _write(options, found, data)
    return 0


def _write(options: argparse.Namespace, found: Any, data: Mapping[str, Any]) -> None:
    """Write text, unless data are wanted in its place, and the files that are wanted besides."""
    if options.html is not None:
        from minisparse.show import page

        Path(options.html).write_text(page("minisparse explain", found._repr_html_()), "utf-8")
    if options.json is not None and options.json != "-":
        Path(options.json).write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    shown = json.dumps(data, indent=1) if options.json == "-" else str(found)
    sys.stdout.write(f"{shown}\n")


def _two(options: argparse.Namespace) -> "tuple[Explanation, Explanation]":
    """Return what ``--diff`` names: one model for two targets, or two models for one."""
    from minisparse.cost import MACHINES

    if options.node is not None:
        raise UsageError("--node shows one node of one plan: leave it or --diff out")
    named = [name == "cpu" or name in MACHINES for name in options.diff]
    if all(named):
        a, b = (_explanation(options, options.model, target) for target in options.diff)
    elif any(named):
        raise UsageError(
            f"--diff takes two targets or two models, and {' and '.join(options.diff)} are one of "
            f"each; targets: {', '.join(['cpu', *MACHINES])}"
        )
    else:
        a, b = (_explanation(options, model, options.target) for model in options.diff)
    return a, b


def _explanation(options: argparse.Namespace, model: str, target: str) -> "Explanation":
    from minisparse.api import compile
    from minisparse.cli.models import find_inputs, find_model

    graph = find_model(model)
    libraries = options.libraries
    plan = compile(
        graph,
        target,
        sizes=find_inputs(graph, model, None).sizes(graph) | dict(options.sizes),
        libraries=libraries if libraries in ("none", "auto") else libraries.split(","),
        policy="measured" if options.measured else "predicted",
        calls=options.calls,
    )
    return plan.explain()
