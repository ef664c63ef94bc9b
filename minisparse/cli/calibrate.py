"""``minisparse calibrate``: measure this machine, so that prices are those of this machine."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minisparse.core.errors import UsageError

if TYPE_CHECKING:
    from minisparse.bench.calibration import Calibration, Effort, Tell


def add_calibrate(command: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    command.add_argument("--quick", action="store_true", help="in 15 seconds, less surely")
    command.add_argument(
        "--minutes", type=float, metavar="M", help="take so long, and be surer (default: below 1)"
    )
    command.add_argument(
        "--out", metavar="FILE", help="write the profile there, not where target='cpu' finds it"
    )
    command.add_argument(
        "--target", default="cpu", choices=("cpu", "gpu"),
        help="gpu: measure the graphics card that is here (default: cpu)",
    )  # fmt: skip
    command.add_argument(
        "--name", help="what the profile calls the machine (default: that of --target)"
    )
    command.add_argument("--no-libraries", action="store_true", help="leave other libraries out")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.set_defaults(verb=calibrate_machine)


def calibrate_machine(options: argparse.Namespace) -> int:
    """Measure, fit, print each kernel's error, and save the profile."""
    from minisparse.cost.profile import write_profile
    from minisparse.gpu.device import require_device

    if options.target == "gpu":
        require_device("minisparse calibrate --target gpu")
    minutes = options.minutes
    if minutes is not None and not 0.2 <= minutes <= 60:
        raise UsageError(f"--minutes {minutes:g}: it must be from 0.2 to 60")
    measure = _measure_card if options.target == "gpu" else _measure
    target = _target(options.out, options.target)
    with _progress() as tell:
        found = measure(options, tell)
    sys.stdout.write(f"{_report(found)}\n")
    write_profile(found.machine, target)
    sys.stdout.write(f"written to {target}\n")
    return 0


def _measure(options: argparse.Namespace, tell: "Tell") -> "Calibration":
    from minisparse.bench.calibration import FULL, QUICK, calibrate

    effort = _effort(options, FULL, QUICK)
    return calibrate(effort, options.name or "cpu", not options.no_libraries, tell)


def _measure_card(options: argparse.Namespace, tell: "Tell") -> "Calibration":
    from minisparse.bench.gpu_calibration import FULL, QUICK, calibrate_card

    effort = _effort(options, FULL, QUICK)
    return calibrate_card(effort, options.name or "gpu", not options.no_libraries, tell)


def _effort(options: argparse.Namespace, full: "Effort", quick: "Effort") -> "Effort":
    if options.minutes is None:
        return quick if options.quick else full
    return full._replace(seconds=45 * options.minutes, problems=10_000)


def _target(out: str | None, kind: str = "cpu") -> Path:
    """Return where the profile goes; what would keep it from going there is found before."""
    from minisparse.cost.host import VARIABLE, card_profile_path, profile_path

    if out is not None:
        target = Path(out)
        if target.suffix != ".json":
            raise UsageError(f"--out {out}: a profile is written to a file ending in .json")
        if not target.absolute().parent.is_dir():
            raise UsageError(f"--out {out}: there is no folder {target.absolute().parent}")
        return target
    path = profile_path() if kind == "cpu" else card_profile_path()
    if path is None:
        raise UsageError(
            f"{VARIABLE} asks for no profile, so there is no place to save one: name one with --out"
        )
    return path


@contextmanager
def _progress() -> "Iterator[Tell]":
    """Show how far it is: a bar where tqdm is installed, lines elsewhere."""
    from minisparse.core.extras import is_installed, require

    if not is_installed("tqdm"):
        shown = [-1]

        def line(part: float, what: str) -> None:
            if int(10 * part) > shown[0]:
                shown[0] = int(10 * part)
                sys.stderr.write(f"{part:4.0%} {what}\n")

        yield line
        return
    tqdm: Any = require("tqdm", "cli", "showing progress")
    with tqdm.tqdm(
        total=100, file=sys.stderr, leave=False, bar_format="{l_bar}{bar}| {desc}"
    ) as bar:

        def advance(part: float, what: str) -> None:
            bar.set_description_str(what[:40], refresh=False)
            bar.update(100 * part - bar.n)

        yield advance


def _report(found: "Calibration") -> str:
    """Return the machine's figures, and for each kernel how well its time is predicted."""
    from minisparse.bench.verdict import verdict
    from minisparse.show import folded_text, human_bytes, human_seconds, wrap

    m = found.machine
    sizes = [
        (x.name, "all" if x.size == float("inf") else human_bytes(int(x.size)),
         f"{x.bandwidth / 1e9:.3g}", f"{x.gather / 1e9:.3g}")
        for x in m.memory
    ]  # fmt: skip
    fits = [
        (name, level, str(c.fit.problems), f"{c.fit.error:.2f}", f"{c.fit.within:.0%}")
        for (name, level), c in sorted(m.coefficients.items())
        if c.fit is not None
    ]
    peaks = ", ".join(f"{name} {rate / 1e9:.3g}" for name, rate in m.matmul.items())
    rates = (
        f"products, GFLOP/s: {peaks}; others {m.other_matmul / 1e9:.3g}. Elementwise "
        f"{m.elementwise / 1e9:.3g} G elements/s; a call {human_seconds(m.call)}; a Python step "
        f"{human_seconds(m.step)}. Instructions: {', '.join(sorted(m.instructions))}"
    )
    return "\n".join([
        wrap(m.source, 80),
        wrap(rates, 80),
        "",
        folded_text(("memory", "size", "GB/s", "gathered, G/s"), sizes, align="lrrr"),
        "",
        folded_text(("fitted", "what", "problems", "off by", "within 1.5"), fits, align="llrrr"),
        "",
        f"{found.problems} problems in {found.seconds:.0f} s. 'Off by' is the median factor "
        "between predicted and measured\ntime of problems that were left out of the fit (5 folds).",
        "",
        wrap(verdict(m), 80),
    ])  # fmt: skip
