"""Portable vectors: the answer key as two files that any language can read, without Python.

``suite.jsonl`` tells line by line what each case is, and ``suite.bin`` holds its arrays: the inputs
of a call, and the exact result with its bound. ``docs/vectors.md`` describes both.
"""

from minisparse.oracle.vectors.case import Case, Entry
from minisparse.oracle.vectors.read import Suite, read_suite
from minisparse.oracle.vectors.write import write_suite

__all__ = ["Case", "Entry", "Suite", "read_suite", "write_suite"]
