"""The benchmarks as commands; nothing heavy is imported until one of them runs."""

import argparse
import json
import sys
from pathlib import Path

from minisparse.core.errors import UsageError


def add_benches(parser: argparse.ArgumentParser) -> None:
    """Add a sub-command for each benchmark; each sets ``verb``, a function of the options."""
    benches = parser.add_subparsers(dest="bench", required=True, metavar="WHAT")
    formats = benches.add_parser("formats", help="conversions between formats, beside SciPy's")
    formats.add_argument("--quick", action="store_true", help="two matrices, in under 20 s")
    formats.add_argument("--json", metavar="FILE", help="also write the figures there")
    formats.add_argument("--seed", type=int, default=0, metavar="N", help="of the matrices")
    formats.add_argument("--debug", action="store_true", help="show the traceback of an error")
    formats.set_defaults(verb=_formats)


def _formats(options: argparse.Namespace) -> int:
    from minisparse.bench.formats import FULL, QUICK, measure_all
    from minisparse.bench.formats_report import as_json, report_text
    from minisparse.bench.machine import describe_machine

    if options.seed < 0:
        raise UsageError(f"bench: --seed {options.seed}: it must be at least 0")
    target = Path(options.json) if options.json else None
    if target is not None and not target.parent.is_dir():  # not found out after minutes
        raise UsageError(f"bench: --json {target}: there is no folder {target.parent}")
    machine = describe_machine()
    found = measure_all(QUICK if options.quick else FULL, options.seed)
    sys.stdout.write(report_text(machine, found) + "\n")
    if target is not None:
        text = json.dumps(as_json(machine, found, options.seed), indent=1) + "\n"
        try:
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"bench: --json {target}: {error.strerror}") from error
    return 0
