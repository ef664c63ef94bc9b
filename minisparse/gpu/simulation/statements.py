"""Statements of a checked run: how many lanes ran each, and what the lanes of one warp did."""

import sys
from types import FrameType
from typing import Any

from minisparse.gpu.simulation.arithmetic import Arithmetic
from minisparse.gpu.simulation.sites import Site
from minisparse.gpu.simulation.thread import Thread


class Statements(Arithmetic):
    """Counts statements, and notes those of the threads that have a trace."""

    threadIdx: Thread  # noqa: N815 - CUDA's own name

    def step(self, site: Site) -> None:
        """Note that a statement begins."""
        thread = self.threadIdx
        thread.lines[site] = thread.lines.get(site, 0) + 1
        if thread.trace is not None:
            thread.trace.step(site, self._depth())

    def enter(self, site: Site) -> None:
        """Note that a loop begins."""
        if self.threadIdx.trace is not None:
            self.threadIdx.trace.enter(site)

    def turn(self, site: Site, name: str = "", value: Any = None) -> None:
        """Note that a turn of a loop begins, and what its name is set to."""
        trace = self.threadIdx.trace
        if trace is not None:
            trace.turn(site)
        self.step(site)
        if trace is not None and name:
            trace.keep(name, value, self._depth())

    def call(self) -> None:
        """Note that a device function begins."""
        if self.threadIdx.trace is not None:
            self.threadIdx.trace.call(self._depth())

    def keep(self, site: Site, name: str, value: Any, *arguments: Any) -> Any:
        """Return what a name is given, and note it."""
        if self.threadIdx.trace is not None:
            self.threadIdx.trace.keep(name, value, self._depth())
        return super().keep(site, name, value, *arguments)

    def _depth(self) -> int:
        """Return in how many functions of the program the running one was called."""
        frame: FrameType | None = sys._getframe(2)
        depth = -1
        while frame is not None:
            if frame.f_globals.get("jit") is self:
                depth += 1
            frame = frame.f_back
        return depth
