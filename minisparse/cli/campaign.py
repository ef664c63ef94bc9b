"""The verb ``campaign``: a check of many examples on many cores, which can be resumed."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import TextIO

_WIDTH = 40


def add_campaign(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minisparse campaign``, and what it does as ``verb``."""
    parser.add_argument("target", metavar="TARGET", help="package.module:function")
    parser.add_argument("--op", required=True, help="the contract that it should fulfil: spmm_csr")
    parser.add_argument(
        "--examples", type=int, default=100_000, metavar="N", help="how many (default 100000)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first shard")
    parser.add_argument("--profile", metavar="NAME", help="what an implementation may choose")
    parser.add_argument(
        "--out", metavar="FILE", help="append results there, and go on with what it holds"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="processes (default: one for each core)"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(verb=_campaign)


def _campaign(options: argparse.Namespace) -> int:
    from minisparse.oracle.campaign import run_campaign

    reach_current_folder()
    report = run_campaign(
        options.target,
        options.op,
        options.examples,
        options.seed,
        out=options.out,
        profile=options.profile,
        jobs=options.jobs,
        progress=progress_bar(sys.stderr),
    )
    print(report)
    return 0 if report.passed else 1


def reach_current_folder() -> None:
    """Let modules of the current folder be imported, as ``python -m minisparse`` does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def progress_bar(stream: TextIO) -> Callable[[int, int], None] | None:
    """Return what draws a bar into a terminal again and again; None if it is no terminal."""
    if not stream.isatty():
        return None

    def draw(done: int, total: int) -> None:
        filled = _WIDTH * done // max(1, total)
        bar = "#" * filled + "." * (_WIDTH - filled)
        stream.write(f"\r[{bar}] {done} of {total} shards" + ("\n" if done == total else ""))
        stream.flush()

    return draw
