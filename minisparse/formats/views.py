"""How the arrays of a format spell a matrix: side by side, and one row or column at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.formats.base import Matrix
from minisparse.formats.intake import on_cpu
from minisparse.show import (
    Strip,
    arrays_html,
    arrays_text,
    card,
    card_text,
    paragraph,
    strip_html,
    strip_text,
    wrap,
)

_MOST_ROWS = 8
"""Rows of a block row that are drawn as a dense matrix."""


@dataclass(frozen=True, eq=False)
class View:
    """What :meth:`Matrix.show` returns: prints as text, and is a card in a notebook.

    Attributes
    ----------
    title : str
        The matrix in one line.
    parts : tuple
        Sentences, strips of arrays, and mappings from names to arrays, from top to bottom.
    """

    title: str
    parts: tuple[str | Strip | dict[str, Array], ...]

    def __str__(self) -> str:
        """Return it in ASCII, at most 80 columns wide."""
        return card_text(self.title, *map(_part_text, self.parts))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the same as a card."""
        return card(self.title, *map(_part_html, self.parts))


def _part_text(part: str | Strip | dict[str, Array]) -> str:
    if isinstance(part, str):
        return wrap(part)
    return strip_text(part) if isinstance(part, Strip) else arrays_text(part)


def _part_html(part: str | Strip | dict[str, Array]) -> str:
    if isinstance(part, str):
        return paragraph(part)
    return strip_html(part) if isinstance(part, Strip) else arrays_html(part)


def show(A: Matrix, array: str | None, line: dict[str, int | None]) -> View:
    """Return a view of a matrix's arrays; see :meth:`Matrix.show`.

    Parameters
    ----------
    A : Matrix
        Any format.
    array : str, optional
        The array to follow: ``"indptr"``, ``"row"``, ``"col"`` or ``"positions"``.
    line : dict
        Under ``"row"`` and ``"col"``, which one to follow the array for, or None.

    Raises
    ------
    UsageError
        If the format has no such array to follow, follows no such lines, or has no such line.
    """
    on_cpu(A, "show")
    guides = [name for name in A.arrays if name in _WALKS]
    if array is None:
        asked = [f"{name}=" for name, number in line.items() if number is not None]
        if asked:
            raise UsageError(f"show: {asked[0]} was given, but no array to follow: {guides}")
        return View(repr(A), (_in_reading_order(A),))
    if array not in guides:
        raise UsageError(
            f"show: {array!r} cannot be followed in a {A.format} matrix; "
            f"{' or '.join(map(repr, guides)) or 'no array'} can"
        )
    major = "col" if array == "col" or A.format == "csc" else "row"
    unit, sides = ("row", 0) if major == "row" else ("column", 1)
    other = {"row": "col", "col": "row"}[major]
    if line[other] is not None:
        raise UsageError(
            f"show: {array} of {A.format} leads to {unit}s: write {major}=, not {other}="
        )
    if not A.shape[sides]:
        return View(repr(A), (f"There is no {unit} to follow.", _in_reading_order(A)))
    return View(repr(A), _WALKS[array](A, unit, _check_line(line[major], A.shape[sides], major)))


def _check_line(number: int | None, size: int, name: str) -> int | None:
    if number is not None and not 0 <= number < size:
        raise UsageError(f"show: {name} is {number}: it must lie between 0 and {size - 1}")
    return number


def _in_reading_order(A: Matrix) -> dict[str, Array]:
    """Return the arrays as one reads them: pointers lead to indices, and both to values."""
    order = {"pointers": 0, "indices": 1, "values": 2}
    return dict(sorted(A.arrays.items(), key=lambda item: order[A.roles[item[0]]]))


# -- one walk for each array that can be followed ------------------------------------------------

Parts = tuple[str | Strip, ...]


def _along_pointers(A: Any, unit: str, line: int | None) -> Parts:
    """Follow ``indptr`` of CSR, CSC or BSR to the slots of a row, a column or a block row."""
    r, c = A.block or (1, 1)
    i = int(np.diff(A.indptr).argmax()) if line is None else line // r
    p, q = int(A.indptr[i]), int(A.indptr[i + 1])
    name = f"Block row {i} (rows {i * r} to {i * r + r - 1})" if A.block else f"{unit.title()} {i}"
    pointers = Strip("i", {"indptr": A.indptr}, (i, i + 1))
    start = f"{name} starts at slot indptr[{i}] = {p} and ends before indptr[{i + 1}] = {q}:"
    if p == q:
        return f"{start} it is empty.", pointers
    minor = (A.indices[p:q].astype(np.int64)[:, None] * c + np.arange(c)).reshape(-1)
    size = A.shape[0] if unit == "column" else A.shape[1]
    inside = minor < size
    # Of a tall block those rows are drawn that the asked one is among.
    top = i * r if line is None else line - line % r % _MOST_ROWS
    lines = range(top, min(top + _MOST_ROWS, i * r + r, A.shape[0])) if A.block else [i]
    blocks = A.data[p:q].reshape(q - p, r, c)
    values = {f"{unit} {m}": blocks[:, m % r if A.block else 0].reshape(-1)[inside] for m in lines}
    one, many = ("block", "blocks") if A.block else ("entry", "entries")
    stored = f"one {one}" if q - p == 1 else f"{q - p} {many}"
    return (
        f"{start} {stored}.",
        pointers,
        f"indices says which {'block ' if A.block else ''}{_ACROSS[unit]} each of them is in, "
        f"data what stands there.",
        Strip("p", {"indices": A.indices, "data": A.data}, range(p, q)),
        *_as_dense(unit, minor[inside], values, size),
    )


def _along_coordinates(A: Any, unit: str, line: int | None) -> Parts:
    """Look for all entries of a COO matrix that are in one row, or in one column."""
    major, minor = (A.row, A.col) if unit == "row" else (A.col, A.row)
    if line is None:
        found, counts = np.unique(major, return_counts=True)
        line = int(found[counts.argmax()]) if len(found) else 0
    slots = np.flatnonzero(major == line)
    size = A.shape[1] if unit == "row" else A.shape[0]
    return (
        f"There are no pointers: {unit} {line} is found by looking at all {A.nnz} entries for "
        f"{unit[:3]}[p] = {line}, and {len(slots)} of them have it.",
        Strip("p", _in_reading_order(A), slots.tolist()),
        *_as_dense(unit, minor[slots], {f"{unit} {line}": A.data[slots]}, size),
    )


def _along_positions(A: Any, unit: str, line: int | None) -> Parts:
    """Place the n values of every group of an n:m row."""
    line = line or 0
    slots = np.arange(A.positions.shape[1])
    group, cols = slots // A.n, slots // A.n * A.m + A.positions[line]
    inside = cols < A.shape[1]
    rows = {"group": group, "positions": A.positions[line], "column": cols, "data": A.data[line]}
    return (
        f"Every group of {A.m} columns stores {A.n}: slot p of row {line} belongs to group "
        f"p // {A.n}, and stands in column p // {A.n} * {A.m} + positions[{line}, p]. There is "
        f"nothing to look up: the row is row {line} of data and of positions.",
        Strip("p", rows, slots[inside].tolist()),
        *_as_dense(unit, cols[inside], {f"row {line}": A.data[line][inside]}, A.shape[1]),
    )


def _as_dense(unit: str, minor: Array, lines: dict[str, Array], size: int) -> Parts:
    """Draw lines whose entries are at ``minor``, in stored order, as a dense matrix shows them."""
    across = _ACROSS[unit]
    if not len(minor):
        return ()
    cells, where, counts = np.unique(minor, return_inverse=True, return_counts=True)
    said = [
        f"As a dense {unit if len(lines) == 1 else 'matrix'}, with a dot where nothing is stored:"
    ]
    if (counts > 1).any():
        twice = int(cells[counts.argmax()])
        said.insert(0, f"The cell in {across} {twice} is stored {counts.max()} times: a sum.")
    if (np.diff(minor) < 0).any():
        said.insert(0, f"The {across}s are not sorted, and need not be.")
    summed = {}
    for name, values in lines.items():
        summed[name] = np.zeros(len(cells), values.dtype)
        with np.errstate(all="ignore"):  # inf - inf and overflow are values here, not accidents
            np.add.at(summed[name], where, values)
    return " ".join(said), Strip(across, summed, cells.tolist(), sparse=size)


_ACROSS = {"row": "column", "column": "row"}
_WALKS: dict[str, Callable[[Any, str, int | None], Parts]] = {
    "indptr": _along_pointers,
    "row": _along_coordinates,
    "col": _along_coordinates,
    "positions": _along_positions,
}
