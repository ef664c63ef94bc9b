"""The process that does some items of a part: ``python -m minisparse.bench.gpu.worker``.

It writes a line before each item and one after, so that whoever waits knows what it died of.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from minisparse.bench.gpu.part import FailedItem, Item, SkippedItem
from minisparse.bench.gpu.parts import parts
from minisparse.core.errors import InternalError, MinisparseError
from minisparse.core.extras import require

LOST = 3
"""Exit status where the card answers no more: what this process would do after means nothing."""
FAILURES = (
    MinisparseError, InternalError, ArithmeticError, AssertionError, AttributeError, ImportError,
    LookupError, MemoryError, NotImplementedError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError,
)  # fmt: skip
"""What an item may raise: whatever its code does wrong is what the run is to find out."""
_LINES = 6


def main(arguments: list[str] | None = None) -> int:
    """Do every n-th item from some number on, until the time is up, and return the exit status."""
    options = _parser().parse_args(arguments)
    part = parts()[options.part]
    end = time.monotonic() + options.seconds
    with Path(options.out).open("a", encoding="utf-8") as file:
        for index, item in _items(part.items(options.quick), file):
            if index % options.workers != options.number or index < options.begin:
                continue
            if time.monotonic() > end:
                _tell(file, index=index, name=item.name, status="late", why="the time was up")
                break
            _tell(file, begins=index, name=item.name)
            _tell(file, index=index, name=item.name, **_done(item))
            if not _answers():
                return LOST
        _tell(file, done=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m minisparse.bench.gpu.worker")
    parser.add_argument("part", choices=list(parts()))
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    for name, default in (("--workers", 1), ("--number", 0), ("--begin", 0)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--quick", action="store_true")
    return parser


def _items(made: Iterator[Item], file: TextIO) -> Iterator[tuple[int, Item]]:
    """Yield items with their numbers; what keeps them from being made is told."""
    index = 0
    while True:
        try:
            item = next(made, None)
        except SkippedItem as error:
            _tell(file, index=index, name="", status="skipped", why=str(error))
            return
        except FAILURES as error:
            _tell(file, index=index, name="", status="failed", why=_said(error))
            return
        if item is None:
            return
        yield index, item
        index += 1


def _done(item: Item) -> dict[str, Any]:
    """Return what became of an item."""
    begin = time.perf_counter()
    found: dict[str, Any] = {"status": "passed"}
    try:
        found["found"] = dict(item.run())
    except SkippedItem as error:
        found = {"status": "skipped", "why": str(error)}
    except FailedItem as error:
        found = {"status": "failed", "why": str(error)}
    except FAILURES as error:
        found = {"status": "failed", "why": _said(error)}
    return {**found, "seconds": round(time.perf_counter() - begin, 4)}


def _said(error: BaseException) -> str:
    """Return an error with where it came from."""
    lines = traceback.format_exception(error)
    where = "".join(lines[-_LINES:]).strip().splitlines()
    return "\n".join([f"{type(error).__name__}: {error}", *where[-_LINES:-1]])


def _answers() -> bool:
    """Tell whether the card can still be used: a fault makes every later call fail."""
    if "cupy" not in sys.modules:
        return True
    cupy = require("cupy", "gpu-cuda13", "bench gpu")
    try:
        cupy.cuda.runtime.deviceSynchronize()
    except RuntimeError:
        return False
    return True


def _tell(file: TextIO, **what: Any) -> None:
    file.write(json.dumps(what) + "\n")
    file.flush()


if __name__ == "__main__":
    sys.exit(main())
