"""What stands between the brackets of ``A[…]``, understood: which rows, and which columns.

Lines are the rows, or the columns, of a matrix. A selection of them is a :class:`Run` (a slice:
start, step, length) or a :class:`Picked` (an array of line numbers, in any order, repeats allowed).
Both answer one question: which entries lie in a chosen line, and where did that line go? Neither
needs memory for lines that hold nothing, so that a matrix may be as wide as ``2**63 - 1``.
"""

import operator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import SelectionError, UsageError
from minisparse.core.xp import is_on_gpu, namespace

Found = tuple[Array, Array]
"""How often each entry was chosen, and for each choice, entry after entry, the new line."""

_AXES = ("row", "column")


class Run(NamedTuple):
    """The lines ``start, start + step, …``, ``length`` of them."""

    start: int
    step: int
    length: int

    def numbers(self, xp: ModuleType = np) -> Array:
        """Return the numbers of the chosen lines, ``[length]``, as an array of that library."""
        counted: Array = xp.arange(self.length, dtype=np.int64)
        return self.start + self.step * counted

    def find(self, lines: Array) -> Found:
        """Return which of the entries that lie in ``lines [nnz]`` are chosen, and where they go.

        Examples
        --------
        >>> Run(4, -2, 3).find(np.array([0, 1, 2, 4]))
        (array([ True, False,  True,  True]), array([2, 1, 0]))
        """
        place, rest = np.divmod(lines.astype(np.int64) - self.start, self.step)
        chosen: Array = (rest == 0) & (place >= 0) & (place < self.length)
        return chosen, place[chosen]

    def keeps_units(self, unit: int, size: int) -> bool:
        """Tell whether no unit of so many neighboring lines is cut or moved apart."""
        stop = self.start + self.length
        whole = self.step == 1 and self.start % unit == 0 and (stop % unit == 0 or stop == size)
        return unit == 1 or whole


class Picked(NamedTuple):
    """Lines by number, ``[length]`` integers from 0 on."""

    lines: Array

    @property
    def length(self) -> int:
        """How many are chosen; a line that was picked twice counts twice."""
        return len(self.lines)

    def numbers(self, xp: ModuleType = np) -> Array:
        """Return the numbers of the chosen lines, ``[length]``: they lie where they are needed."""
        return self.lines

    def find(self, lines: Array) -> Found:
        """Return how often each entry is chosen, and where it goes; see :meth:`Run.find`.

        Examples
        --------
        >>> Picked(np.array([3, 1, 3])).find(np.array([1, 2, 3]))
        (array([1, 0, 2]), array([1, 0, 2]))
        """
        order = np.argsort(self.lines, kind="stable")
        ranked = self.lines[order]
        first = np.searchsorted(ranked, lines, "left")
        times: Array = np.searchsorted(ranked, lines, "right") - first
        behind = np.cumsum(times) - times  # choices of the entries before
        rank = namespace(times).arange(int(times.sum())) + np.repeat(first - behind, times)
        return times, order[rank]

    def keeps_units(self, unit: int, size: int) -> bool:
        """Tell whether units are single lines: then none can be cut."""
        return unit == 1


Lines = Run | Picked


class Part(NamedTuple):
    """A submatrix: all cells where a chosen row meets a chosen column."""

    rows: Lines
    cols: Lines


class Cells(NamedTuple):
    """Single cells ``(row[i], col[i])``: two integers, or two arrays of one shape."""

    row: Array
    col: Array


def understand(key: Any, shape: tuple[int, int]) -> Part | Cells:
    """Return what ``A[key]`` asks for, checked against A's shape.

    Parameters
    ----------
    key : int, slice, array_like, Ellipsis, or a tuple of at most two of them
        Integers may be negative; arrays hold integers, or one bool for each line. Two integers
        or arrays name cells, as in NumPy, unless they come from ``np.ix_``.
    shape : tuple of int
        ``(M, K)``.

    Raises
    ------
    SelectionError
        If a row or column does not exist, or a mask has another length than the axis.
    UsageError
        If it is nothing that selects.
    """
    both = _two_axes(key)
    if _is_open_mesh(both):
        both = both[0].ravel(), both[1].ravel()
        rows, cols = (_lines(k, n, a) for k, n, a in zip(both, shape, _AXES, strict=True))
        return Part(_as_lines(rows), _as_lines(cols))
    rows, cols = (_lines(k, n, a) for k, n, a in zip(both, shape, _AXES, strict=True))
    if isinstance(rows, Run) or isinstance(cols, Run):
        return Part(_as_lines(rows), _as_lines(cols))
    xp = namespace(rows, cols)
    if xp is not np:  # an integer beside an array on a card
        rows, cols = (x if is_on_gpu(x) else xp.full((), int(x)) for x in (rows, cols))
    try:
        row, col = np.broadcast_arrays(rows, cols)
    except ValueError as error:
        raise SelectionError(
            f"A[rows, columns]: {len(rows)} rows but {len(cols)} columns: two arrays name cells "
            f"one by one; for all cells where they meet write A[np.ix_(rows, columns)]"
        ) from error
    return Cells(row, col)


def _two_axes(key: Any) -> tuple[Any, Any]:
    keys = key if isinstance(key, tuple) else (key,)
    dots = [i for i, k in enumerate(keys) if k is Ellipsis]
    if len(dots) > 1 or len(keys) - len(dots) > 2:
        raise UsageError(f"A[…]: {len(keys)} indices: a matrix has two axes, rows and columns")
    missing = [slice(None)] * (2 - len(keys) + len(dots))
    at = dots[0] if dots else len(keys)
    both = [*keys[:at], *missing, *keys[at + 1 :]]
    return both[0], both[1]


def _is_open_mesh(keys: tuple[Any, Any]) -> bool:
    """Tell whether the keys are arrays ``[n, 1]`` and ``[1, m]``, as ``np.ix_`` makes them."""
    shapes = [k.shape if isinstance(k, np.ndarray) or is_on_gpu(k) else () for k in keys]
    if [len(shape) for shape in shapes] != [2, 2]:
        return False
    return shapes[0] == (keys[0].size, 1) and shapes[1] == (1, keys[1].size)


def _lines(key: Any, size: int, axis: str) -> "Run | Array":
    """Return one axis' key as a Run, an array ``[length]``, or an array ``[]`` for an integer."""
    if isinstance(key, slice):
        return _as_run(key, size, axis)
    found = np.asarray(key) if isinstance(key, np.ndarray | list | range) else None
    found = key if is_on_gpu(key) else found
    if found is None or found.ndim == 0:
        return _checked(np.array(_as_integer(key, axis)), size, axis)
    if found.ndim != 1:
        raise UsageError(
            f"A[…]: the {axis}s have shape {found.shape}: they must be 1-D; what a mask of A's "
            f"shape selects is A.to_dense()[mask]"
        )
    if found.dtype == np.bool_:
        if len(found) != size:
            raise SelectionError(
                f"A[…]: the mask has {len(found)} elements: it must have {size}, one for each "
                f"{axis}"
            )
        return np.flatnonzero(found)
    if found.size and found.dtype.kind not in "iu":
        raise UsageError(f"A[…]: the {axis}s are {found.dtype}: they must be integers or bools")
    return _checked(found, size, axis)


def _as_lines(lines: "Run | Array") -> Lines:
    if isinstance(lines, Run):
        return lines
    return Run(int(lines), 1, 1) if lines.ndim == 0 else Picked(lines)


def _as_run(key: slice, size: int, axis: str) -> Run:
    try:
        start, stop, step = key.indices(size)
    except (TypeError, ValueError) as error:
        raise UsageError(f"A[…]: the slice of the {axis}s: {error}") from error
    length = len(range(start, stop, step))
    # The step of a single line means nothing, and may be too large for an array.
    return Run(start, step, length) if length > 1 else Run(start if length else 0, 1, length)


def _as_integer(key: Any, axis: str) -> int:
    if not isinstance(key, bool | np.bool_):
        try:
            return operator.index(key)
        except TypeError:
            pass
    hint = "; where A's cells meet a condition is A * condition" if hasattr(key, "nnz") else ""
    raise UsageError(
        f"A[…]: {type(key).__name__} does not select a {axis}: use an integer, a slice, or an "
        f"array of integers or bools{hint}"
    )


def _checked(lines: Array, size: int, axis: str) -> Array:
    """Return line numbers as int64 from 0 on; negative ones count from the end."""
    wrong = (lines < -size) | (lines >= size)
    if wrong.any():
        bad = lines if lines.ndim == 0 else lines[wrong][0]
        raise SelectionError(
            f"A[…]: {axis} {bad} does not exist: A has {size} {axis}s, {-size} to {size - 1}"
            if size
            else f"A[…]: {axis} {bad} does not exist: A has no {axis}s"
        )
    found = lines.astype(np.int64)
    return np.where(found < 0, found + size, found)
