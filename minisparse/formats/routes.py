"""The way that a conversion takes, and its price: found by watching one.

There is no list of ways that could differ from the code. :func:`route` converts a matrix, has
Python report each function that :func:`~minisparse.formats.convert` calls, and notes what went
in, what came out, and what was sorted on the way.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import Layout
from minisparse.core.triplets import Triplets
from minisparse.formats.base import Matrix
from minisparse.formats.conversion import convert, from_triplets, resolve
from minisparse.formats.intake import on_cpu
from minisparse.show import card, card_text, human_bytes, paragraph, table, table_text, wrap

_EXAMPLES: dict[str, Any] = {"block": (4, 4), "n": 2, "m": 4}
_SIDE = 256
_HOLDERS = (np.ndarray, dict, tuple, list)
_SORTS = ("sort", "argsort", "lexsort", "partition", "argpartition")


@dataclass(frozen=True)
class Step:
    """One function on the way from format to format.

    Attributes
    ----------
    source, target : str
        What goes in and what comes out: a layout, or what the arrays are between two formats:
        ``"triplets"``, ``"compressed"`` or just ``"arrays"``.
    function : str
        What does it: ``"CSR.triplets"``.
    read : int
        Bytes of the arrays that go in; those that are only handed on do not count.
    written : int
        Bytes of the arrays that come out, without those that went in.
    sorted : int
        How many numbers were sorted, each sort counted.
    passes : int
        How often the stored entries were gone through, at the least: once to read or write as
        much as there are, and once for each time that they were sorted.
    """

    source: str
    target: str
    function: str
    read: int
    written: int
    sorted: int
    passes: int


@dataclass(frozen=True)
class Route:
    """The steps of a conversion and their price; made by :func:`route`.

    Attributes
    ----------
    source, target : str
        The layouts.
    steps : tuple of Step
        In order; none where nothing is to be done.
    subject : str
        The matrix that was converted.
    per : int
        What the bytes are divided by when they are shown: the nonzeros of an example, or 1.
    """

    source: str
    target: str
    steps: tuple[Step, ...]
    subject: str
    per: int = 1

    @property
    def read(self) -> int:
        """Bytes read in all steps."""
        return sum(step.read for step in self.steps)

    @property
    def written(self) -> int:
        """Bytes written in all steps."""
        return sum(step.written for step in self.steps)

    @property
    def passes(self) -> int:
        """How often the stored entries are gone through, at the least."""
        return sum(step.passes for step in self.steps)

    def __str__(self) -> str:
        """Return the steps as a table of at most 80 columns."""
        sections = [table_text(*self._table())] if self.steps else []
        return card_text(self._title, *sections, wrap(self._footnote))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the same as a card for a notebook."""
        sections = [table(*self._table())] if self.steps else []
        return card(self._title, *sections, paragraph(self._footnote))

    @property
    def _title(self) -> str:
        return f"{self.source} -> {self.target}"

    @property
    def _footnote(self) -> str:
        if not self.steps:
            return "Nothing is to be done: it is stored so already."
        if self.per == 1:
            return f"Measured on {self.subject}."
        return f"Bytes for each nonzero, measured on an example: {self.subject}."

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        rows: list[tuple[str, ...]] = [
            (f"{s.source} -> {s.target}", s.function, str(s.passes), self._bytes(s.read),
             self._bytes(s.written))
            for s in self.steps
            if s.passes or s.read or s.written  # others only hand arrays on
        ]  # fmt: skip
        total = (
            "",
            "together",
            str(self.passes),
            self._bytes(self.read),
            self._bytes(self.written),
        )
        last = [total] if len(rows) > 1 else []
        return ("step", "function", "passes", "read", "written"), rows + last

    def _bytes(self, n: int) -> str:
        return human_bytes(n) if self.per == 1 else f"{n / self.per:.1f} B"


def route(source: Matrix | str | Layout, target: str | Layout, **layout: Any) -> Route:
    """Return the way of a conversion and its price in bytes and passes over the data.

    Parameters
    ----------
    source : Matrix or str or Layout
        A matrix, which is then converted once, or a format. A format stands for an example: a
        canonical 256 x 256 matrix of float32, of which one in eight is nonzero, at random.
    target : str or Layout
        As for :func:`~minisparse.formats.convert`. For a format alone, blocks are 4x4 and n:m is
        2:4.
    **layout
        ``block=(r, c)`` for BSR, ``n=`` and ``m=`` for NM.

    Returns
    -------
    Route
        Prints as a table; in a notebook it is a card.

    Raises
    ------
    UsageError, FormatError
        As for :func:`~minisparse.formats.convert`.

    Examples
    --------
    >>> found = route("csr", "csr")
    >>> print(found)
    csr -> csr
    <BLANKLINE>
    Nothing is to be done: it is stored so already.
    >>> route("csr", "coo").passes > 0
    True
    """
    goal = _layout(target)
    if layout:
        cls, block = resolve(target, layout, "route")
        goal = Layout(cls.format, block)
    per = 1
    if not isinstance(source, Matrix):
        source = _example(_layout(source), goal)
        per = int(np.count_nonzero(source.data))
    on_cpu(source, "route")
    watch = _Watch(source)
    with watch.watching():
        made = convert(source, goal)
    return Route(
        str(source.type.layout), str(made.type.layout), tuple(watch.steps), repr(source), per
    )


def _layout(format: str | Layout) -> Layout:
    """Return a format's layout, with the blocks of an example where none are given."""
    from minisparse.formats import FORMATS

    if isinstance(format, Layout):
        return format
    if format not in FORMATS:
        raise UsageError(f"route: unknown format {format!r}; formats: {', '.join(FORMATS)}")
    sizes = [_EXAMPLES[name] for name in FORMATS[format].layout_names]
    block = sizes[0] if len(sizes) == 1 else tuple(sizes)
    return Layout(format, block or None)


def _example(source: Layout, target: Layout) -> Matrix:
    """Return a matrix that both layouts can hold: at most one nonzero in a group of columns."""
    blocks = [layout.block for layout in (source, target) if layout.block]
    wide = max([8, *(block[1] for block in blocks)])
    groups = _SIDE // wide
    rng = np.random.default_rng(0)
    row = np.repeat(np.arange(_SIDE), groups)
    col = np.tile(np.arange(groups) * wide, _SIDE) + rng.integers(0, wide, len(row))
    data = rng.standard_normal(len(row)).astype(np.float32)
    return from_triplets(Triplets(row, col, data, (_SIDE, _SIDE)), source)


class _Watch:
    """Notes the functions that a conversion calls; a Python profile function."""

    def __init__(self, A: Matrix) -> None:
        self.steps: list[Step] = []
        self._entries = max(1, A.nnz)
        self._frame: FrameType | None = None
        self._inputs: list[Any] = []
        self._sorted = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have this thread's calls reported, and whoever asked before after that again."""
        before = sys.getprofile()
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _note(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and self._frame is None and _is_step(frame):
            self._frame, self._sorted = frame, 0
            self._inputs = [x for x in frame.f_locals.values() if _arrays(x)]
        elif event == "c_call" and getattr(arg, "__name__", "") in _SORTS:
            self._sorted += getattr(getattr(arg, "__self__", None), "size", self._entries)
        elif event == "return" and frame is self._frame:
            self._frame = None
            if _arrays(arg) and self._inputs:
                self.steps.append(self._step(frame, arg))

    def _step(self, frame: FrameType, made: Any) -> Step:
        given, out = [a for x in self._inputs for a in _arrays(x)], _arrays(made)
        read, written = _not_among(given, out), _not_among(out, given)
        through = sum(a.size for a in (*read, *written)) >= self._entries
        return Step(
            _name(self._inputs[0]),
            _name(made),
            frame.f_code.co_qualname,
            sum(a.nbytes for a in read),
            sum(a.nbytes for a in written),
            self._sorted,
            through + -(-self._sorted // self._entries),
        )


def _not_among(arrays: list[Array], others: list[Array]) -> list[Array]:
    """Return the arrays that share no memory with the others."""
    return [a for a in arrays if not any(np.may_share_memory(a, b) for b in others)]


def _is_step(frame: FrameType) -> bool:
    """Tell whether a function of the formats is called, by one that only leads the way."""
    caller = frame.f_back
    return (
        caller is not None
        and _leads(caller)
        and not _leads(frame)
        and str(frame.f_globals.get("__name__", "")).startswith("minisparse.formats.")
    )


def _leads(frame: FrameType) -> bool:
    code = frame.f_code
    return code in (convert.__code__, Matrix.to.__code__) or code.co_name == "_from_matrix"


def _arrays(x: Any) -> list[Array]:
    """Return the arrays that something holds."""
    if isinstance(x, Matrix):
        return list(x.arrays.values())
    held = [x] if isinstance(x, np.ndarray) else x.values() if isinstance(x, dict) else x
    return [a for a in held if isinstance(a, np.ndarray)] if isinstance(x, _HOLDERS) else []


def _name(x: Any) -> str:
    if isinstance(x, Matrix):
        return str(x.type.layout)
    return type(x).__name__.lower() if hasattr(x, "_fields") else "arrays"
