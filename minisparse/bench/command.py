"""The benchmarks as commands; nothing heavy is imported until one of them runs."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minisparse.core.errors import UsageError

if TYPE_CHECKING:
    from minisparse.bench.kernels import Wanted
    from minisparse.bench.kernels_report import Results
    from minisparse.bench.suite import Suite

_ALL, _DEFAULT = "all", "dnn"


def add_benches(parser: argparse.ArgumentParser) -> None:
    """Add a sub-command for each benchmark; each sets ``verb``, a function of the options."""
    benches = parser.add_subparsers(dest="bench", required=True, metavar="WHAT")
    formats = benches.add_parser("formats", help="conversions between formats, beside SciPy's")
    formats.add_argument("--quick", action="store_true", help="two matrices, in under 20 s")
    formats.set_defaults(verb=_formats)
    kernels = benches.add_parser(
        "kernels", help="kernels beside NumPy dense, SciPy, PyTorch and MKL"
    )
    kernels.add_argument(
        "--suite", metavar="NAME",
        help="dnn, spmv, spgemm, sddmm, conv, or all (default: dnn, or what times --op)",
    )  # fmt: skip
    kernels.add_argument("--op", metavar="OP", help="the suites that time this op")
    kernels.add_argument(
        "--density", type=float, action="append", default=[], metavar="D", help="only this; again"
    )
    kernels.add_argument(
        "--columns", type=int, action="append", default=[], metavar="N", help="only this; again"
    )
    for name in ("--pattern", "--dtype"):
        kernels.add_argument(
            name, action="append", default=[], metavar="NAME", help="only this; again"
        )
    kernels.set_defaults(verb=_kernels)
    models = benches.add_parser("models", help="the shipped models beside their dense twins")
    models.set_defaults(verb=_models)
    networks = benches.add_parser(
        "networks", help="ResNet-18 and BERT-mini, pruned, beside onnxruntime"
    )
    networks.add_argument(
        "--network", dest="pattern", action="append", default=[], metavar="NAME",
        help='only this: "bert_mini", "resnet18, half the channels" ...; again',
    )  # fmt: skip
    networks.add_argument(
        "--batch", dest="columns", type=int, action="append", default=[], metavar="N",
        help="only this; again",
    )  # fmt: skip
    networks.set_defaults(verb=_networks)
    for bench in (kernels, models, networks):
        _add_timing(bench)
    dispatch = benches.add_parser(
        "dispatch", help="how good the choice of kernels is, on problems drawn at random"
    )
    dispatch.add_argument("--quick", action="store_true", help="fewer problems, in half a minute")
    dispatch.add_argument("--cells", type=int, metavar="N", help="so many problems (default: 150)")
    dispatch.add_argument(
        "--target", default="cpu", metavar="NAME", help="whose prices to judge (default: cpu)"
    )
    dispatch.add_argument(
        "--libraries", default="none", choices=("none", "auto"),
        help="auto: libraries that are installed are candidates too",
    )  # fmt: skip
    dispatch.set_defaults(verb=_dispatch)
    passes = benches.add_parser("passes", help="what each pass earns, and which earns nothing")
    passes.add_argument("--quick", action="store_true", help="the shipped models alone")
    passes.add_argument(
        "--batch", type=int, default=16, metavar="N", help="items of a run (default: 16)"
    )
    passes.set_defaults(verb=_passes)
    gpu = benches.add_parser(
        "gpu", help="all checks and timings on a graphics card, in under nine minutes"
    )
    gpu.add_argument("--quick", action="store_true", help="fewer of each, in three minutes")
    gpu.add_argument("--dry-run", action="store_true", help="list the parts; no card is needed")
    gpu.add_argument(
        "--part", action="append", default=[], metavar="NAME", help="only this part; again"
    )
    gpu.add_argument(
        "--budget", type=float, metavar="MINUTES", help="for all of it (default: 9; --quick: 3)"
    )
    gpu.set_defaults(verb=_gpu)
    for bench in (formats, kernels, models, networks, dispatch, passes, gpu):
        bench.add_argument("--json", metavar="FILE", help="also write the figures there")
        bench.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn")
        bench.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _add_timing(bench: argparse.ArgumentParser) -> None:
    """Add what benchmarks of processes in turns have in common."""
    bench.add_argument("--quick", action="store_true", help="a smaller sample, in a minute")
    bench.add_argument(
        "--budget", type=float, metavar="MINUTES", help="for all of it (default: 10; --quick: 1)"
    )
    bench.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, metavar="N",
        help="of each contender (default: as many as there are cores)",
    )  # fmt: skip
    bench.add_argument(
        "--peer", action="append", default=[], metavar="NAME", help="only this contender; again"
    )
    bench.add_argument("--plot", metavar="FILE", help="also draw a picture: .png, .svg or .pdf")


def _formats(options: argparse.Namespace) -> int:
    from minisparse.bench.formats import FULL, QUICK, measure_all
    from minisparse.bench.formats_report import as_json, report_text
    from minisparse.bench.machine import describe_machine

    target = _checked(options)
    machine = describe_machine()
    found = measure_all(QUICK if options.quick else FULL, options.seed)
    sys.stdout.write(report_text(machine, found) + "\n")
    _write(target, lambda: as_json(machine, found, options.seed))
    return 0


def _kernels(options: argparse.Namespace) -> int:
    from minisparse.bench.suites import SUITES

    whole = ("model", "network")
    offered = {name: suite for name, suite in SUITES.items() if suite.op not in whole}
    asked = options.suite or (_DEFAULT if options.op is None else _ALL)
    if asked not in (*offered, _ALL):
        raise UsageError(f"--suite {asked}: suites: {', '.join(offered)}, {_ALL}")
    suites = [suite for name, suite in offered.items() if asked in (name, _ALL)]
    chosen = [suite for suite in suites if options.op in (None, suite.op)]
    if not chosen:
        told = ", ".join(f"{suite.name} times {suite.op}" for suite in suites)
        raise UsageError(f"--op {options.op}: {told}")
    return _run(options, chosen)


def _dispatch(options: argparse.Namespace) -> int:
    from minisparse.bench.dispatch import measure_dispatch
    from minisparse.bench.dispatch_crossing import LINES
    from minisparse.bench.dispatch_report import as_json, report_text
    from minisparse.bench.kernels import tell_on_screen
    from minisparse.cost import Target, find_machine
    from minisparse.kernels import usable_levels

    target = _checked(options)
    cells = options.cells if options.cells is not None else 30 if options.quick else 150
    if not 1 <= cells <= 100_000:
        raise UsageError(f"--cells {cells}: it must be from 1 to 100000")
    goal = Target(find_machine(options.target), {}, usable_levels("vectorized", options.libraries))
    lines = 2 if options.quick else len(LINES)
    found = measure_dispatch(goal, cells, options.seed, lines, tell_on_screen)
    tell_on_screen("")
    sys.stdout.write(report_text(found) + "\n")
    _write(target, lambda: as_json(found))
    return 0


def _passes(options: argparse.Namespace) -> int:
    from minisparse.bench.kernels import tell_on_screen
    from minisparse.bench.passes import (
        QUICK_ROUNDS,
        ROUNDS,
        as_json,
        measure_passes,
        model_names,
    )
    from minisparse.bench.passes_report import report_text
    from minisparse.cost import Target
    from minisparse.kernels import usable_levels

    target, rounds = _checked(options), QUICK_ROUNDS if options.quick else ROUNDS
    if options.batch < 1:
        raise UsageError(f"--batch {options.batch}: it must be at least 1")
    goal, names = Target(levels=usable_levels("vectorized")), model_names(options.quick)
    found = list(measure_passes(names, goal, options.batch, rounds, tell_on_screen))
    tell_on_screen("")
    sys.stdout.write(report_text(found) + "\n")
    _write(target, lambda: as_json(found))
    return 0


def _gpu(options: argparse.Namespace) -> int:
    from minisparse.bench.gpu.verb import run_on_card

    return run_on_card(options, _checked(options))


def _models(options: argparse.Namespace) -> int:
    from minisparse.bench.suites import SUITES

    return _run(options, [suite for suite in SUITES.values() if suite.op == "model"])


def _networks(options: argparse.Namespace) -> int:
    from minisparse.bench.suites import SUITES

    return _run(options, [suite for suite in SUITES.values() if suite.op == "network"])


def _run(options: argparse.Namespace, suites: "Sequence[Suite]") -> int:
    """Run suites one after another, each told as soon as it is done; 1 if we were ever wrong."""
    from minisparse.bench.kernels import check_wanted, run_suite, tell_on_screen
    from minisparse.bench.kernels_json import FORMAT, as_json
    from minisparse.bench.kernels_report import machine_text, results_text
    from minisparse.bench.machine import describe_machine
    from minisparse.bench.plot import check_plot, draw_plot

    target, wanted = _checked(options), _wanted(options, len(suites))
    plot = Path(options.plot) if options.plot else None
    if plot is not None:
        _check_folder("--plot", plot)
        check_plot(plot)
    for suite in suites:
        check_wanted(suite, wanted)
    machine = {
        **describe_machine(("torch",)), "mkl": _mkl_version(), "threads": str(wanted.threads)
    }  # fmt: skip
    found: list[Results] = []
    for suite in suites:
        found.append(run_suite(suite, wanted, tell_on_screen))
        tell_on_screen("")
        head = machine_text(machine) + "\n" if len(found) == 1 else ""
        sys.stdout.write(f"{head}\n{results_text(found[-1])}\n")
        sys.stdout.flush()
    _write(
        target,
        lambda: {"format": FORMAT, "machine": machine, "suites": [as_json(r) for r in found]},
    )
    if plot is not None:
        draw_plot(found, plot)
    ours = [
        name for r in found for f in r.figures for name in f.faults if name == r.suite.ours.name
    ]
    return 1 if ours else 0


def _mkl_version() -> str:
    """Return what is to be said of MKL, which need not have been installed by pip."""
    from minisparse.kernels import PROVIDERS

    mkl = PROVIDERS["mkl"]
    return (mkl.version or "of unknown version") if mkl.is_installed else "not installed"


def _wanted(options: argparse.Namespace, suites: int) -> "Wanted":
    from minisparse.bench.kernels import FULL, QUICK, Wanted

    minutes = options.budget
    if minutes is not None and not 0 < minutes <= 1440:
        raise UsageError(f"--budget {minutes:g}: it must be a number of minutes, up to 1440")
    if options.threads < 1:
        raise UsageError(f"--threads {options.threads}: it must be at least 1")
    seconds = (QUICK if options.quick else FULL) if minutes is None else 60 * minutes
    return Wanted(
        tuple(getattr(options, "pattern", ())),
        tuple(getattr(options, "density", ())),
        tuple(getattr(options, "columns", ())),
        tuple(getattr(options, "dtype", ())),
        tuple(options.peer),
        seconds / suites,
        options.seed,
        options.threads,
    )


def _checked(options: argparse.Namespace) -> Path | None:
    """Return where JSON goes; mistakes are not found out after minutes."""
    if options.seed < 0:
        raise UsageError(f"--seed {options.seed}: it must be at least 0")
    target = Path(options.json) if options.json else None
    if target is not None:
        _check_folder("--json", target)
    return target


def _check_folder(option: str, path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent}")


def _write(target: Path | None, figures: Callable[[], Any]) -> None:
    if target is None:
        return
    text = json.dumps(figures(), indent=1, allow_nan=False) + "\n"
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json {target}: {error.strerror}") from error
