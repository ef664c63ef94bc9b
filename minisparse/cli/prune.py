"""``minisparse prune``: set weights of a model to zero, say what it cost, and write the result."""

import argparse
import sys

from minisparse.cli.output import check_output, write_graph
from minisparse.core.errors import UsageError


def add_prune(command: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    command.add_argument(
        "model", metavar="MODEL", help="a .onnx or .npz file, or a shipped model's name"
    )
    command.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="where to: .npz or .onnx"
    )
    command.add_argument(
        "--method", default="magnitude",
        help="magnitude (default), block, nm, channel, filter, input_channel, head",
    )  # fmt: skip
    command.add_argument(
        "--sparsity", type=float, default=0.5, metavar="SHARE", help="share that goes (default 0.5)"
    )
    command.add_argument("--scope", help="compare scores within each row, layer, or global")
    command.add_argument(
        "--block", default="8x8", metavar="RxC", help="block of --method block (default 8x8)"
    )
    command.add_argument(
        "--nm", default="2:4", metavar="N:M", help="pattern of --method nm (default 2:4)"
    )
    command.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="layers to prune; repeatable"
    )
    command.add_argument(
        "--skip", action="append", default=[], metavar="NAME", help="layers to leave; repeatable"
    )
    command.add_argument(
        "--calibration", metavar="FILE",
        help=".npz or .npy of inputs: scores count them, and the effect on outputs is told",
    )  # fmt: skip
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.set_defaults(verb=prune_model)


def prune_model(options: argparse.Namespace) -> int:
    """Prune a model, print the report and save the graph."""
    from minisparse.cli.models import find_inputs, find_model
    from minisparse.pruning import prune, pruning_report

    check_output(options.output)
    graph = find_model(options.model)
    feeds = None
    if options.calibration is not None:
        feeds = find_inputs(graph, options.model, options.calibration).feeds
    n, m = _pair(options.nm, ":", "--nm", "2:4")
    pruned = prune(
        graph, options.method, sparsity=options.sparsity, scope=options.scope,
        only=options.only, skip=options.skip, block=_pair(options.block, "x", "--block", "8x8"),
        n=n, m=m, calibration=feeds,
    )  # fmt: skip
    report = pruning_report(graph, pruned, feeds)
    write_graph(pruned, options.output)
    sys.stdout.write(f"{report}\nwritten to {options.output}\n")
    return 0


def _pair(text: str, sign: str, option: str, example: str) -> tuple[int, int]:
    """Return two numbers written with a sign between them."""
    parts = text.split(sign)
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise UsageError(f"{option} is '{text}'; it must be two numbers, such as {example}")
    return int(parts[0]), int(parts[1])
