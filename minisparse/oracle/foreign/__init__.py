"""Implementations in other languages and processes, as functions that the oracle can call."""

from minisparse.oracle.foreign.c_abi import HEADER
from minisparse.oracle.foreign.frames import BadFrame
from minisparse.oracle.foreign.shards import Request, merged, run, run_sharded
from minisparse.oracle.foreign.stream import Answers, questions
from minisparse.oracle.foreign.target import ForeignError, open_target

__all__ = [
    "HEADER",
    "Answers",
    "BadFrame",
    "ForeignError",
    "Request",
    "merged",
    "open_target",
    "questions",
    "run",
    "run_sharded",
]
