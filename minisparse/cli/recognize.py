"""``minisparse recognize``: where the zeros of each weight lie, and what is narrowly missed."""

import argparse
import sys


def add_recognize(command: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    command.add_argument(
        "model", metavar="MODEL", help="a .onnx or .npz file, or a shipped model's name"
    )
    command.add_argument(
        "--no-permutations", dest="permute", action="store_false",
        help="do not look for orders of inputs in which n:m fits (about a second a large layer)",
    )  # fmt: skip
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.set_defaults(verb=recognize_model)


def recognize_model(options: argparse.Namespace) -> int:
    """Print the structure of each weight of a model."""
    from minisparse.cli.models import find_model
    from minisparse.pruning import recognize

    found = recognize(find_model(options.model), options.permute)
    sys.stdout.write(f"{found}\n" if found.weights else "no layer has a weight\n")
    return 0
