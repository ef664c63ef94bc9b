"""Run parts in processes of their own, one part after another, each within its time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from minisparse.bench.gpu.part import Part

GRACE = 8.0
"""Seconds beyond a part's time that its last items are given to end."""
STARTING = 40.0
"""Seconds that a process may take to begin at all: it imports CuPy."""
RESTARTS = 8
"""How often a process that died is begun anew, behind the item that it died of."""
_LOOK = 0.1

WORKER = (sys.executable, "-m", "minisparse.bench.gpu.worker")
"""The command that does items of a part."""

Result = dict[str, Any]
Tell = Callable[[str], None]


class Shard:
    """One of the processes that share a part's items.

    Parameters
    ----------
    part : Part
        Whose items.
    number : int
        Which of the processes.
    folder : Path
        Where it tells what it does.
    quick : bool
        Whether it takes fewer items.
    worker : sequence of str
        The command that does them.
    """

    def __init__(
        self, part: Part, number: int, folder: Path, quick: bool, worker: Sequence[str]
    ) -> None:
        self._part, self._number, self._quick, self._worker = part, number, quick, worker
        self.file, self._errors = folder / f"{number}.jsonl", folder / f"{number}.err"
        self._begin, self._starts = 0, 0
        self._size, self._told_before, self._changed = 0, 0, 0.0

    def start(self, seconds: float) -> None:
        """Begin, or begin anew behind the item that the last process died of."""
        command = [
            *self._worker, self._part.name, "--out", str(self.file),
            "--seconds", f"{max(seconds, 1.0):.1f}",
            "--workers", str(self._part.workers), "--number", str(self._number),
            "--begin", str(self._begin), *(["--quick"] if self._quick else []),
        ]  # fmt: skip
        self._starts += 1
        self._changed = time.monotonic()
        self._told_before = self._size = self._told()
        with self._errors.open("a", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                command, stdout=errors, stderr=errors, start_new_session=True
            )

    def has_ended(self) -> bool:
        """Tell whether it is not running; one that has told nothing for long is ended."""
        size = self._told()
        if size != self._size:
            self._size, self._changed = size, time.monotonic()
        if self.process.poll() is None and self._is_silent():
            self.end()
        return self.process.poll() is not None

    def _told(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def _is_silent(self) -> bool:
        begun = self._size > self._told_before
        patience = self._part.patience if begun else max(self._part.patience, STARTING)
        return time.monotonic() - self._changed > patience

    def end(self) -> None:
        """Kill it, and what it has started itself."""
        if self.process.poll() is None and hasattr(os, "killpg"):
            os.killpg(self.process.pid, signal.SIGKILL)  # it leads a session of its own
        elif self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def has_more(self, over: bool) -> bool:
        """Note what it was at when it ended, and tell whether another should go on behind that."""
        told = lines_of(self.file)
        if any(x.get("done") or x.get("status") == "late" for x in told):
            return False
        begun = [x for x in told if x.get("begins", -1) >= self._begin]
        ended = {x["index"] for x in told if "index" in x}
        if not begun:
            self._note(self._begin, "", "crashed", self._said())
            return False
        last = begun[-1]
        if last["begins"] not in ended:
            status = "late" if over else "crashed"
            why = "it was not done when the time was over" if over else self._said()
            self._note(last["begins"], last["name"], status, why)
        self._begin = last["begins"] + 1
        return not over and self._starts <= RESTARTS

    def _said(self) -> str:
        """Return why it ended, and the last that it said."""
        how = f"its process ended with status {self.process.returncode}"
        if self._is_silent():
            how = f"it said nothing for {self._part.patience:.0f} s"
        text = self._errors.read_text(encoding="utf-8", errors="replace")
        return "\n".join([how, *text.strip().splitlines()[-5:]])

    def _note(self, index: int, name: str, status: str, why: str) -> None:
        what = {"index": index, "name": name, "status": status, "why": why}
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(what)}\n")  # its own last line may be cut off


def run_parts(
    parts: Sequence[Part],
    seconds: float,
    quick: bool,
    tell: Tell,
    worker: Sequence[str] = WORKER,
) -> Iterator[tuple[Part, Result]]:
    """Yield each part with what became of it, as JSON holds it.

    Parameters
    ----------
    parts : sequence of Part
        In their order.
    seconds : float
        For all of them together; a part has no more than is left.
    quick : bool
        Whether the parts take fewer items.
    tell : callable
        Told what begins.
    worker : sequence of str
        The command that does items.
    """
    end = time.monotonic() + seconds
    for part in parts:
        left = end - time.monotonic()
        share = min(part.share(quick), left)
        if share < 1:
            yield part, {"seconds": 0.0, "items": [], "why": "no time was left for it"}
            continue
        tell(f"{part.name}: {part.title} (at most {share:.0f} s; {left:.0f} s are left)")
        begin = time.monotonic()
        items, why = run_part(part, share, quick, worker)
        yield part, {"seconds": round(time.monotonic() - begin, 1), "items": items, "why": why}


def run_part(
    part: Part, seconds: float, quick: bool, worker: Sequence[str] = WORKER
) -> tuple[list[Result], str]:
    """Return what became of a part's items, in their order, and what kept them from being made."""
    end = time.monotonic() + seconds
    with TemporaryDirectory(prefix="minisparse-gpu-") as folder:
        shards = [
            Shard(part, number, Path(folder), quick, worker) for number in range(part.workers)
        ]
        running = set(shards)
        try:
            for shard in shards:
                shard.start(seconds)
            while running:
                time.sleep(_LOOK)
                left = end - time.monotonic()
                for shard in list(running):
                    if left < -GRACE:
                        shard.end()
                    if shard.has_ended():
                        running.remove(shard)
                        if shard.has_more(over=left < 1):
                            shard.start(left)
                            running.add(shard)
        finally:
            for shard in running:
                shard.end()
        told = [line for shard in shards for line in lines_of(shard.file) if "status" in line]
    items = sorted((x for x in told if x["name"]), key=lambda x: int(x["index"]))
    return items, next((x["why"] for x in told if not x["name"]), "")


def lines_of(file: Path) -> list[Result]:
    """Return what a process told; a line that it could not finish is none."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
