"""The command ``minisparse bench gpu``: what is asked for, the run, what is printed and written."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from minisparse.bench.gpu.part import Part
from minisparse.bench.gpu.parts import parts
from minisparse.bench.gpu.report import Record, list_text, part_text
from minisparse.bench.gpu.runner import run_parts
from minisparse.core.errors import UsageError
from minisparse.gpu.device import require_device

SECONDS, QUICK_SECONDS = 530.0, 200.0
USUAL = Path("minisparse-gpu.json")
"""Where the figures go unless ``--json`` says otherwise."""


def run_on_card(options: argparse.Namespace, target: Path | None) -> int:
    """Run the parts that are asked for, and return 1 if anything was found wrong.

    Parameters
    ----------
    options : Namespace
        Of the command line.
    target : Path, optional
        Where the figures go.

    Raises
    ------
    UsageError, MissingExtraError
        If there is no such part, or no card.
    """
    chosen, seconds = _parts(options.part), _seconds(options.budget, options.quick)
    if options.dry_run:
        sys.stdout.write(list_text(chosen, seconds, options.quick) + "\n")
        return 0
    require_device("minisparse bench gpu")
    path = target or USUAL
    settings = {"seconds": seconds, "quick": options.quick, "parts": [p.name for p in chosen]}
    record, begin = Record(path, settings), time.monotonic()
    for part, result in run_parts(chosen, seconds, options.quick, _say):
        record.add(part, result)
        _say(part_text(part, result))
    _say(f"{time.monotonic() - begin:.0f} s in all; every figure is in {path}")
    return 1 if record.has_failed else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parts(names: Sequence[str]) -> list[Part]:
    known = parts()
    for name in names:
        if name not in known:
            raise UsageError(f"--part {name}: parts: {', '.join(known)}")
    return [part for name, part in known.items() if not names or name in names]


def _seconds(minutes: float | None, quick: bool) -> float:
    if minutes is None:
        return QUICK_SECONDS if quick else SECONDS
    if not 0 < minutes <= 60:
        raise UsageError(f"--budget {minutes:g}: it must be a number of minutes, up to 60")
    return 60 * minutes
