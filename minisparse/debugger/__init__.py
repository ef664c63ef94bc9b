"""Watching a plan run: step, back, breakpoints, any value, into a kernel's loops and threads.

All of it is plain Python that pdb can follow: no thread, no trace hook.
"""

from collections.abc import Mapping
from typing import Any

from minisparse.debugger.bisection import Bisection, bisect
from minisparse.debugger.breakpoints import Breakpoint
from minisparse.debugger.difference import Difference
from minisparse.debugger.element import Element, Term
from minisparse.debugger.into import KernelSession
from minisparse.debugger.moment import Moment
from minisparse.debugger.session import Session
from minisparse.debugger.terminal import step_through
from minisparse.debugger.threads import ThreadReport, WarpSteps, step_threads
from minisparse.debugger.views import NodeView, Why
from minisparse.dispatch import Plan

__all__ = [
    "Bisection",
    "Breakpoint",
    "Difference",
    "Element",
    "KernelSession",
    "Moment",
    "NodeView",
    "Session",
    "Term",
    "ThreadReport",
    "WarpSteps",
    "Why",
    "bisect",
    "debug",
    "step_threads",
    "step_through",
]


def debug(plan: Plan, feeds: Mapping[str, Any]) -> Session:
    """Return a session that steps through a run of a plan; see :class:`Session`."""
    return Session(plan, feeds)
