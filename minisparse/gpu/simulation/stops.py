"""Stop a simulated thread in pdb.

The debugger sees the program in its file, on its lines. ``next`` and ``until`` stay in the thread,
also across barriers, where the other threads run on; the simulator's own functions are not stepped
into. When the thread ends the others run on.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from minisparse.gpu.simulation.here import Here
from minisparse.gpu.simulation.observer import place

if TYPE_CHECKING:
    import pdb

Where = tuple[int, ...]
"""A place ``(x, y, z)``; what is left out at its end is 0."""
Stop = tuple[Where, Where] | Callable[[tuple[int, int, int], tuple[int, int, int]], bool]
"""A block and a thread in it, or a function that tells of both whether to stop there."""

HIDDEN = (
    "minisparse.gpu.jit",
    "minisparse.gpu.program",
    "minisparse.gpu.simulator",
    "minisparse.gpu.simulation.*",
    "numpy",
    "numpy.*",
    "contextlib",
)
"""Modules that are not stepped into."""


class Stops:
    """Opens pdb where a thread begins.

    Parameters
    ----------
    stop : Stop
        In which threads.
    debugger : pdb.Pdb, optional
        By default one on standard input and output.
    here : Here
        What ``jit`` is to the threads; its ``pause`` is called where each begins.
    """

    def __init__(self, stop: Stop, debugger: "pdb.Pdb | None", here: Here) -> None:
        import pdb  # takes a while, and is seldom needed

        self._stop = stop if callable(stop) else tuple((*w, 0, 0, 0)[:3] for w in stop)
        self._debugger = debugger or pdb.Pdb(nosigint=True)
        if not self._debugger.skip:
            self._debugger.skip = set(HIDDEN)
        self._inside: Any = None
        self._opened = False
        self._traced: Any = None
        self._here = here
        here.pause = self.begin

    def begin(self) -> None:
        """Open pdb in the function that calls this, if its thread is wanted."""
        block, thread = place(self._here.blockIdx), place(self._here.threadIdx)
        wanted = self._stop
        if wanted(block, thread) if callable(wanted) else (block, thread) == wanted:
            self._inside = self._here.threadIdx
            self._open(sys._getframe(1))

    def _open(self, frame: FrameType) -> None:
        """Stop at the next line of a frame, which is the outermost that pdb is to know."""
        if not self._opened:
            self._opened, self._traced = True, sys.gettrace()
        self._debugger.set_trace(frame)
        self._debugger.botframe = frame
        around = frame.f_back
        while around is not None:  # they run other threads too
            around.f_trace = None
            around = around.f_back
        sys.settrace(None)  # else pdb would step into itself
        self._debugger.set_step()  # by lines: Python 3.13 would begin by instructions
        sys.settrace(self._debugger.trace_dispatch)

    def end(self, thread: Any) -> None:
        """Let the others run on if the thread that has ended is the one in pdb."""
        if thread is self._inside:
            self._inside = None
            sys.settrace(None)  # else pdb would step into itself
            self._debugger.set_continue()
            stops_again = bool(self._debugger.breaks)
            sys.settrace(self._debugger.trace_dispatch if stops_again else self._traced)

    def close(self) -> None:
        """Run on without pdb, whatever breakpoints it has."""
        if self._opened:
            sys.settrace(self._traced)
