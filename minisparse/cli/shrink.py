"""``minisparse shrink``: take dead channels, filters and heads out of a model, and write it."""

import argparse
import sys

from minisparse.cli.output import check_output, write_graph


def add_shrink(command: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    command.add_argument(
        "model", metavar="MODEL", help="a .onnx or .npz file, or a shipped model's name"
    )
    command.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="where to: .npz or .onnx"
    )
    command.add_argument(
        "--input", metavar="FILE", help="inputs on which to compare, besides random ones"
    )
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.set_defaults(verb=shrink_model)


def shrink_model(options: argparse.Namespace) -> int:
    """Shrink a model, print the report and save the graph; 1 if outputs differ."""
    from minisparse.api import shrink
    from minisparse.cli.models import find_inputs, find_model

    check_output(options.output)
    graph = find_model(options.model)
    feeds = None
    if options.input is not None:
        feeds = find_inputs(graph, options.model, options.input).feeds
    found = shrink(graph, feeds)
    write_graph(found.graph, options.output)
    sys.stdout.write(f"{found}\nwritten to {options.output}\n")
    return 0 if found.equivalent or found.not_compared else 1
