"""Running a plan: an interpreter over slots, the events it tells, and the trace they leave."""

from minisparse.graph.feeds import check_feeds
from minisparse.runtime.events import DidRun, Event, WillRun
from minisparse.runtime.executable import Executable
from minisparse.runtime.interpreter import events, run
from minisparse.runtime.memory import Memory, measure_memory, predict_peak, sizes_of
from minisparse.runtime.timing import Timing, measure
from minisparse.runtime.trace import Record, Trace, trace

__all__ = [
    "DidRun",
    "Event",
    "Executable",
    "Memory",
    "Record",
    "Timing",
    "Trace",
    "WillRun",
    "check_feeds",
    "events",
    "measure",
    "measure_memory",
    "predict_peak",
    "run",
    "sizes_of",
    "trace",
]
