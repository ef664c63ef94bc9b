"""``minisparse breakeven``: below which density sparse is faster than dense, on this machine."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minisparse.cli.numbers import natural, positive
from minisparse.core.errors import UsageError

if TYPE_CHECKING:
    from minisparse.bench.breakeven import Finding, Settings

_WIDTH = 24


def add_breakeven(command: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    for name, what in (
        ("--pattern", "unstructured, skewed, banded, 4x4 ... 32x32, n:m, rows, columns; again"),
        ("--shape", "MxK of the sparse matrix, such as 1024x768; again"),
    ):
        command.add_argument(name, action="append", default=[], metavar="WHAT", help=what)
    command.add_argument(
        "--columns", type=positive, action="append", default=[], metavar="N",
        help="of the dense matrix beside it; again",
    )  # fmt: skip
    command.add_argument("--dtype", default="float32", metavar="NAME", help="or float64")
    command.add_argument(
        "--libraries", default="none", metavar="WHICH",
        help="whose kernels take part beside ours: none, auto, or names as scipy,mkl",
    )  # fmt: skip
    command.add_argument(
        "--way", default="", metavar="NAME",
        help="look at this alone, not at the best: csr, 'bsr 16x16', 'csr scipy' ...",
    )  # fmt: skip
    command.add_argument(
        "--target", default="cpu", choices=("cpu", "gpu"),
        help="gpu: compute and time on the graphics card that is here (default: cpu)",
    )  # fmt: skip
    command.add_argument("--quick", action="store_true", help="few cases, in under a minute")
    command.add_argument(
        "--budget", type=float, metavar="MINUTES", help="for all of it (default: 14; --quick: 1)"
    )
    command.add_argument(
        "--threads", type=positive, default=os.cpu_count() or 1, metavar="N",
        help="of BLAS and ours (default: as many as there are cores)",
    )  # fmt: skip
    command.add_argument("--seed", type=natural, default=0, metavar="N", help="of what is drawn")
    command.add_argument("--json", metavar="FILE", help="also write all figures there")
    command.add_argument("--plot", metavar="FILE", help="also draw curves: .png, .svg or .pdf")
    command.add_argument("--markdown", action="store_true", help="print a table for a page")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.set_defaults(verb=find_break_evens)


def find_break_evens(options: argparse.Namespace) -> int:
    """Measure, print, write and draw; 1 if a result of ours was wrong."""
    from minisparse.bench.breakeven import has_wrong_results
    from minisparse.bench.breakeven_report import as_json, atlas_markdown, atlas_text

    settings = _settings(options)
    target = _check_targets(options)
    machine = _machine(settings)
    found = _measure(settings)
    if target is not None:
        figures = json.dumps(as_json(settings, machine, found), indent=1, allow_nan=False)
        try:
            target.write_text(figures + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--json {target}: {error.strerror}") from error
    told = atlas_markdown(found) if options.markdown else atlas_text(settings, machine, found)
    sys.stdout.write(told + "\n")
    if options.plot:
        from minisparse.bench.breakeven_plot import draw_atlas

        draw_atlas(found, Path(options.plot))
    return 1 if has_wrong_results(found) else 0


def _settings(options: argparse.Namespace) -> "Settings":
    """Return what is asked for, checked before anything is timed."""
    from minisparse.bench.breakeven import (
        FULL,
        FULL_COLUMNS,
        FULL_SHAPES,
        QUICK,
        QUICK_COLUMNS,
        QUICK_SHAPES,
        Settings,
        check_ways,
    )
    from minisparse.bench.breakeven_cases import read_shape, sweep
    from minisparse.gpu.device import require_device

    minutes = options.budget
    if minutes is not None and not 0 < minutes <= 1440:
        raise UsageError(f"--budget {minutes:g}: it must be a number of minutes, up to 1440")
    shapes = [read_shape(text) for text in options.shape]
    cases = sweep(
        options.pattern,
        shapes or (QUICK_SHAPES if options.quick else FULL_SHAPES),
        options.columns or (QUICK_COLUMNS if options.quick else FULL_COLUMNS),
        options.dtype,
    )
    if options.target == "gpu":
        require_device("minisparse breakeven --target gpu")
    check_ways(cases, options.libraries, options.way, options.target)
    seconds = (QUICK if options.quick else FULL) if minutes is None else 60 * minutes
    return Settings(
        tuple(cases),
        seconds,
        options.seed,
        options.threads,
        options.libraries,
        options.way,
        options.target,
    )


def _check_targets(options: argparse.Namespace) -> Path | None:
    """Return where JSON goes; mistakes are not found out after minutes."""
    for option, name in (("--json", options.json), ("--plot", options.plot)):
        if name and not Path(name).absolute().parent.is_dir():
            raise UsageError(f"{option} {name}: there is no folder {Path(name).parent}")
        if name and Path(name).is_dir():
            raise UsageError(f"{option} {name}: there is a folder of this name")
    if options.plot:
        from minisparse.bench.plot import check_plot

        check_plot(Path(options.plot))
    return Path(options.json) if options.json else None


def _machine(settings: "Settings") -> dict[str, str]:
    """Return what was measured on, and for which machine prices are."""
    from minisparse.bench.machine import describe_machine
    from minisparse.cost import find_machine

    told = describe_machine(("torch",) if settings.libraries != "none" else ())
    told["blas"] = told["blas"].partition(",")[0]  # whose threads are set for the measuring process
    return {
        **told,
        "threads": str(settings.threads),
        "priced for": find_machine(settings.target).name,
    }


def _measure(settings: "Settings") -> "Sequence[Finding]":
    from minisparse.bench.breakeven_cases import Case
    from minisparse.bench.breakeven_process import measure_cases
    from minisparse.bench.kernels import tell_on_screen

    total = len(settings.cases)

    def tell(done: int, case: Case) -> None:
        filled = _WIDTH * done // total
        bar = "#" * filled + "." * (_WIDTH - filled)
        tell_on_screen(f"[{bar}] {done} of {total}: {case}")

    found = list(measure_cases(settings, tell))
    tell_on_screen("")
    return found
