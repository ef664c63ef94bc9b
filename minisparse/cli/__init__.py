"""The command line: ``minisparse run``, ``step``, ``bisect``, ``bench`` and the oracle's verbs.

A mistake of the caller's is one line on standard error and exit status 2; ``--debug`` shows the
traceback too. A mistake of ours is a traceback and exit status 1.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minisparse import __version__
from minisparse.bench.command import add_benches
from minisparse.cli.breakeven import add_breakeven
from minisparse.cli.calibrate import add_calibrate
from minisparse.cli.campaign import add_campaign
from minisparse.cli.check import add_checks
from minisparse.cli.doctor import add_doctor
from minisparse.cli.evaluate import add_evaluate
from minisparse.cli.explain import add_explain
from minisparse.cli.numbers import positive
from minisparse.cli.prune import add_prune
from minisparse.cli.recognize import add_recognize
from minisparse.cli.shrink import add_shrink
from minisparse.cli.vectors import add_replay, add_vectors
from minisparse.core.errors import MinisparseError

if TYPE_CHECKING:
    from minisparse.core.dtypes import Array
    from minisparse.runtime import Executable


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.
    """
    options = _parser().parse_args(argv)
    try:
        status: int = options.verb(options)
        sys.stdout.flush()
    except MinisparseError as error:
        if options.debug:
            traceback.print_exc()
        message = " ".join(str(error).split())
        sys.stderr.write(f"minisparse {options.command}: {message}\n")
        return 2
    except MemoryError as error:
        if options.debug:
            traceback.print_exc()
        reason = " ".join(str(error).split())
        sys.stderr.write(f"minisparse {options.command}: not enough memory: {reason}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        # whatever is still to be written would only fail again when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0  # whoever read our output has enough
        if options.debug:
            traceback.print_exc()
        sys.stderr.write(f"minisparse {options.command}: {error}\n")
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="minisparse",
        description="A readable reference interpreter for sparse neural networks.",
    )
    parser.add_argument("--version", action="version", version=f"minisparse {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run", help="compile a model, run it, and explain, check and time what happened"
    )
    _add_common(run)
    run.set_defaults(verb=_run)
    step = commands.add_parser("step", help="step through a run, node by node and into kernels")
    _add_common(step)
    step.add_argument("--batch", type=positive, default=4, help="how many inputs (default 4)")
    step.add_argument(
        "--break", dest="breaks", action="append", default=[], metavar="NODE|OP", help="stop there"
    )
    step.set_defaults(verb=_step)
    bisect = commands.add_parser(
        "bisect", help="find the first pass after which the values differ, or the wrong node"
    )
    _add_common(bisect)
    bisect.add_argument("--batch", type=positive, default=4, help="how many inputs (default 4)")
    bisect.set_defaults(verb=_bisect)
    evaluate = commands.add_parser(
        "evaluate", help="accuracy or error, time, memory, and what each pass earned or lost"
    )
    _add_common(evaluate)
    add_evaluate(evaluate)
    add_explain(
        commands.add_parser("explain", help="every candidate's price, the choice, and the reason")
    )
    add_prune(commands.add_parser("prune", help="set weights to zero, and say what it cost"))
    add_shrink(commands.add_parser("shrink", help="take dead channels and heads out of a model"))
    add_recognize(commands.add_parser("recognize", help="tell where the zeros of each weight lie"))
    add_calibrate(
        commands.add_parser("calibrate", help="measure this machine, for prices that fit it")
    )
    add_campaign(commands.add_parser("campaign", help="check a function on many cores, resumably"))
    add_vectors(commands.add_parser("vectors", help="write test vectors for other languages"))
    add_replay(commands.add_parser("replay", help="show a test vector, and try a function on it"))
    add_checks(commands)
    add_doctor(commands.add_parser("doctor", help="tell what is installed and what it computes"))
    add_benches(commands.add_parser("bench", help="time what is there against its peers"))
    add_breakeven(
        commands.add_parser("breakeven", help="find below which density sparse is faster, here")
    )
    return parser


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "model", nargs="?", default="digits_mlp", metavar="MODEL",
        help="an .onnx file, a .npz that graph.save wrote, or a shipped model's name (default: "
        "digits_mlp)",
    )  # fmt: skip
    command.add_argument(
        "--input", metavar="FILE",
        help=".npz with an array for each input (and 'labels'), or .npy for a single input",
    )  # fmt: skip
    command.add_argument(
        "--target", default="cpu", metavar="NAME",
        help="machine to compile for: cpu, server-2core (default: cpu)",
    )  # fmt: skip
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _run(options: argparse.Namespace) -> int:
    from minisparse.cli.run import run
    from minisparse.cli.screen import screen
    from minisparse.show import palette_for

    report = run(options.model, options.input, options.target)
    sys.stdout.write(screen(report, palette_for(sys.stdout, os.environ)) + "\n")
    return 0 if report.oracle_passed and report.same_labels else 1


def _planned(options: argparse.Namespace) -> "tuple[Executable, dict[str, Array]]":
    """Return the plan of a model and the first few of its inputs."""
    from minisparse.api import compile
    from minisparse.cli.models import find_inputs, find_model

    graph = find_model(options.model)
    inputs = find_inputs(graph, options.model, options.input)
    # the plan is that of all inputs, as `run` shows it; only the first few are looked at
    plan = compile(graph, options.target, sizes=inputs.sizes(graph))
    return plan, inputs.first(options.batch).feeds


def _bisect(options: argparse.Namespace) -> int:
    from minisparse.debugger import bisect

    found = bisect(*_planned(options))
    sys.stdout.write(f"{found}\n")
    return 0 if found.passed else 1


def _step(options: argparse.Namespace) -> int:
    from minisparse.debugger import step_through

    plan, feeds = _planned(options)
    return step_through(plan, feeds, sys.stdin, sys.stdout, tuple(options.breaks))
