"""What the interpreter tells while it runs: before a node, and after it."""

from dataclasses import dataclass

from minisparse.dispatch import Step
from minisparse.graph import Constant


@dataclass(frozen=True)
class WillRun:
    """A node is about to run.

    Attributes
    ----------
    index : int
        The step's number in the plan, from 0.
    step : Step
        Node, kernel and reason.
    operands : tuple
        The node's operands, plain arrays or sparse matrices, in order.
    """

    index: int
    step: Step
    operands: tuple[Constant, ...]


@dataclass(frozen=True)
class DidRun:
    """A node has run.

    Attributes
    ----------
    index : int
        The step's number in the plan, from 0.
    step : Step
        Node, kernel and reason.
    operands : tuple
        What it read.
    results : tuple
        What it computed.
    start, seconds : float
        When the kernel was called, on the clock of ``time.perf_counter``, and for how long.
    """

    index: int
    step: Step
    operands: tuple[Constant, ...]
    results: tuple[Constant, ...]
    start: float
    seconds: float


Event = WillRun | DidRun
