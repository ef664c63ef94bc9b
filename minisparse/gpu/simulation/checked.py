"""What ``jit`` is to a thread in a checked run: every access, number and meeting is looked at."""

from collections.abc import Mapping
from typing import Any

from minisparse.gpu.jit import WARP
from minisparse.gpu.simulation.accesses import Access, LineRuns, Tally
from minisparse.gpu.simulation.lockstep import Step, Trace, lockstep
from minisparse.gpu.simulation.observer import place, unsigned
from minisparse.gpu.simulation.races import Moment, after_block, after_warp
from minisparse.gpu.simulation.sites import Finding, Findings
from minisparse.gpu.simulation.statements import Statements
from minisparse.gpu.simulation.thread import Thread
from minisparse.gpu.simulation.touches import Touches
from minisparse.gpu.simulation.waits import Group, Wait, source_lane, why

Watch = tuple[tuple[int, ...], int]
"""A block ``(x, y, z)``, and the number of a warp in it."""


class Checked(Statements, Touches):
    """Looks at what a program does; what it finds it tells.

    Parameters
    ----------
    grid, block : tuple of int
        Sizes.
    findings : Findings
        Where to tell it.
    watch : Watch, optional
        A warp whose steps to note.
    """

    def __init__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        findings: Findings,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(grid, block, findings)
        self._watch = None if watch is None else ((*watch[0], 0, 0)[:3], watch[1])
        self._threads = [unsigned(t) for t in self._threads]
        self._running: list[Thread] = []
        self._tally = Tally()
        self._traces: dict[int, Trace] = {}

    # -- blocks ----------------------------------------------------------------------------------

    def begin(self, block: Any) -> list[Any]:
        """Begin a block; return its threads."""
        self.blockIdx = unsigned(block)
        self.forget_shared()
        number = len(self.started)
        self.started.append(place(block))
        self._running = [
            Thread(where, Moment(number, t), self._trace(t // WARP, t % WARP))
            for t, where in enumerate(self._threads)
        ]
        return self._running

    def _trace(self, warp: int, lane: int) -> Trace | None:
        if self._watch != (place(self.blockIdx), warp):
            return None
        return self._traces.setdefault(lane, Trace())

    def end(self) -> None:
        """End a block: add up what its warps did."""
        for first in range(0, len(self._running), WARP):
            warp = self._running[first : first + WARP]
            self._tally.add([t.log for t in warp], [t.lines for t in warp])

    @property
    def accesses(self) -> tuple[Access, ...]:
        """What the accesses asked of memory."""
        return self._tally.accesses()

    @property
    def lines(self) -> tuple[LineRuns, ...]:
        """How many lanes ran each line."""
        return self._tally.lines()

    @property
    def steps(self) -> tuple[Step, ...]:
        """What the lanes of the watched warp did."""
        return lockstep(self._traces)

    # -- meetings --------------------------------------------------------------------------------

    def joined(self, group: Group) -> None:
        """Look at threads that have met, and note what is ordered by it."""
        kind = next(iter(group.values())).kind
        threads = [self._running[t] for t in sorted(group)]
        if kind == "syncthreads":
            self._check_barrier(group)
            for thread in threads:
                thread.moment = after_block(thread.moment)
        elif kind == "syncwarp":
            first = min(group) - min(group) % WARP
            whole = len(group) == len(self._running[first : first + WARP])
            moments = after_warp([thread.moment for thread in threads], whole)
            for thread, moment in zip(threads, moments, strict=True):
                thread.moment = moment
        else:
            self._check_sources(group)

    def _check_barrier(self, group: Group) -> None:
        t, wait = min(group.items())
        missing = [i for i in range(len(self._running)) if i not in group]
        if missing:
            words = (
                f"{len(group)} threads wait at this barrier, and {len(missing)} of the block have "
                f"ended without coming: every thread must come to it, or none"
            )
            self._unmet("barrier", wait, words, (t, missing[0]))
        for other, there in sorted(group.items()):
            if there.site != wait.site:
                words = (
                    f"threads wait at this barrier while others wait at {there.site}: all must "
                    f"wait at the same one"
                )
                self._unmet("barrier", wait, words, (t, other))
                return

    def _check_sources(self, group: Group) -> None:
        for t, wait in sorted(group.items()):
            lane = source_lane(wait, t % WARP)
            if t - t % WARP + lane not in group:
                words = (
                    f"lane {t % WARP} takes the value of lane {lane}, which takes no part: what it "
                    f"gets is undefined; use a width or a mask that leaves it out"
                )
                self._unmet("warp", wait, words, (t,))

    def stuck(self, program: str, waiting: Mapping[int, Wait]) -> None:
        """Tell that no thread can go on."""
        t, words, threads = why(waiting)
        words = f"thread {t} waits in {waiting[t].kind} {words}"
        self._unmet("warp", waiting[t], words, threads, fatal=True)

    def _unmet(
        self, kind: str, wait: Wait, words: str, threads: tuple[int, ...], fatal: bool = False
    ) -> None:
        where = [place(self._threads[t]) for t in threads]
        names = " and ".join(f"thread {w}" for w in where)
        block = place(self.blockIdx)
        message = f"{wait.site.function}, {wait.site}: {words} ({names} of block {block})"
        self.findings.add(Finding(kind, message, wait.site, block, tuple(where)), fatal=fatal)
