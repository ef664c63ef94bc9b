"""Sliced ELLPACK: rows of similar length side by side, so that NumPy adds up many rows at once.

``y[m] = sum_p data[p] * x[indices[p]]``. Rows are sorted by length and cut into slices; within a
slice every row has as many slots as its longest, and what is missing is a 0 that meets a 0 of its
own, one place behind the end of x: rule S1 holds without a look at x. Slot by slot a slice is
``[W, R]``: R rows are added up together, W times. Long rows lie row by row, ``[R, W]``, and are
added up one by one. After Monakov, Lokhmotov and Avetisyan, "Automatically tuning sparse
matrix-vector multiplication for GPU architectures", HiPEAC 2010, and the sorting of Kreutzer et
al., SIAM J. Sci. Comput. 36(5), 2014 (SELL-C-sigma).

A gather of single elements takes as long as everything else together. It wants indices of 64 bits;
where these would no longer stay in a cache they are stored in 16 or 32, and widened part by part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.scratch import scratch
from minisparse.kernels.spmm.rows import StoredRows
from minisparse.kernels.threads import share, usable_threads
from minisparse.kernels.wide import wide_dtype

PART = 1 << 15
"""Slots that are gathered at once: with their indices, half of a common level-2 cache."""
CALL = 2000
"""As many slots of padding cost as much as one slice more."""
LONG = 192
"""From so many slots on, rows lie one by one."""
NEAR = 1 << 17
"""Up to so many slots, indices of 64 bits stay in a cache."""
SHARED = 1 << 19
"""From so many slots on, threads share the work; below, to hand it over costs more."""


class Slice(NamedTuple):
    """Rows of similar length.

    Attributes
    ----------
    values : ndarray, shape (W, R) or, of long rows, (R, W)
        Stored values, and zeros where a row is shorter.
    letters : str
        Which of the two, and how to add up: ``"wr,wr->r"`` or ``"rw,rw->r"``.
    slots : slice
        Where in the part's indices it lies.
    rows : slice
        Which of the sorted rows it holds.
    """

    values: Array
    letters: str
    slots: slice
    rows: slice


class Part(NamedTuple):
    """Slices that are gathered together.

    Attributes
    ----------
    indices : ndarray of int, shape (slots,)
        The element of x that each slot meets; K, one behind the last, for padding.
    slices : tuple of Slice
        In the order of ``indices``.
    """

    indices: Array
    slices: tuple[Slice, ...]


@dataclass(frozen=True, eq=False)
class Slices:
    """A matrix packed for products with vectors.

    Attributes
    ----------
    parts : tuple of Part
        All slices, longest rows first.
    position : ndarray of intp, shape (M,)
        Where each row stands among the sorted ones; of a row that stores nothing, behind them.
    filled : int
        How many rows store anything.
    shape : tuple of int
        ``(M, K)``.
    dtype : numpy.dtype
        The matrix's own.
    wide : numpy.dtype
        That in which products are summed, and values stored.
    """

    parts: tuple[Part, ...]
    position: Array
    filled: int
    shape: tuple[int, int]
    dtype: DType
    wide: DType

    @cached_property
    def slots(self) -> int:
        """Stored values and padding."""
        return sum(part.indices.size for part in self.parts)

    @property
    def nbytes(self) -> int:
        """Bytes of everything packed."""
        values = sum(s.values.nbytes for part in self.parts for s in part.slices)
        return values + self.position.nbytes + sum(part.indices.nbytes for part in self.parts)

    def __repr__(self) -> str:
        """Return size and shape in one line."""
        m, k = self.shape
        count = sum(len(part.slices) for part in self.parts)
        return f"Slices({m}x{k}, {count} slices, {self.slots} slots, {self.nbytes / 1000:.3g} kB)"


def cut(lengths: Array) -> Iterator[tuple[int, int]]:
    """Cut rows, longest first, where padding would cost more than a slice of its own.

    Parameters
    ----------
    lengths : ndarray of int
        Descending, none of them 0.

    Yields
    ------
    tuple of int
        The first row of a slice, and the one behind its last.

    Examples
    --------
    >>> list(cut(np.repeat([3000, 30, 1], 9)))
    [(0, 9), (9, 27)]
    """
    first = 0
    while first < len(lengths):
        width = int(lengths[first])
        some = lengths[first : first + max(1, PART // width)]
        padding = np.cumsum(width - some)
        last = first + max(1, int(np.searchsorted(padding, CALL, side="right")))
        yield first, last
        first = last


def pack(a: StoredRows) -> Slices:
    """Pack stored rows; duplicates keep slots of their own.

    Parameters
    ----------
    a : StoredRows
        The entries.
    """
    m, k = a.shape
    lengths = np.diff(a.starts, append=len(a.indices))
    order = _longest_first(lengths)
    lengths, starts = lengths[order], a.starts[order]
    position = np.full(m, len(order), np.intp)
    position[a.rows[order]] = np.arange(len(order))
    cuts = list(cut(lengths))
    stops = np.cumsum([lengths[first] * (last - first) for first, last in cuts], dtype=np.intp)
    indices = np.empty(stops[-1] if cuts else 0, _index_width(stops, k))
    a = a._replace(indices=a.indices.astype(indices.dtype, copy=False))
    slices = []
    for (first, last), stop in zip(cuts, stops.tolist(), strict=True):
        rows = slice(first, last)
        columns, values = _side_by_side(a, starts[rows], lengths[rows])
        slots = slice(stop - values.size, stop)
        indices[slots] = columns.reshape(-1)
        letters = "rw,rw->r" if lengths[first] >= LONG else "wr,wr->r"
        slices.append(Slice(values, letters, slots, rows))
    return Slices(
        tuple(_parts(slices, indices)), position, len(order), a.shape, a.dtype, a.data.dtype
    )


def _longest_first(lengths: Array) -> Array:
    """Return the order of rows by length; equal ones as they stand."""
    longest = int(lengths.max(initial=0))
    key = longest - lengths
    # NumPy sorts 16-bit numbers by counting.
    return np.argsort(key.astype(np.uint16) if longest < 1 << 16 else key, kind="stable")


def _index_width(stops: Array, k: int) -> DType:
    """Return the dtype of packed indices, of which K is the largest."""
    if not len(stops) or stops[-1] <= NEAR:
        return np.dtype(np.intp)
    return np.dtype(np.uint16 if k < 1 << 16 else np.int32 if k < 1 << 31 else np.intp)


def _side_by_side(a: StoredRows, starts: Array, lengths: Array) -> tuple[Array, Array]:
    """Return columns and values of some rows, ``[W, R]`` or ``[R, W]``, the longest row first."""
    widest, narrowest = int(lengths[0]), int(lengths[-1])
    slot = np.arange(widest)
    by_row = widest >= LONG
    entry = starts[:, None] + slot if by_row else starts + slot[:, None]
    columns, values = (x.take(entry, mode="wrap") for x in (a.indices, a.data))
    if narrowest < widest:
        late = slot[narrowest:]
        missing = late >= lengths[:, None] if by_row else late[:, None] >= lengths
        some = (slice(None), slice(narrowest, None)) if by_row else slice(narrowest, None)
        np.copyto(columns[some], a.shape[1], where=missing)
        np.copyto(values[some], 0, where=missing)
    return columns, values


def _parts(slices: list[Slice], indices: Array) -> Iterator[Part]:
    """Yield neighboring slices together, as many as make a part."""
    first = 0
    while first < len(slices):
        start = slices[first].slots.start
        last = first + 1
        while last < len(slices) and slices[last].slots.stop - start <= PART:
            last += 1
        stop = slices[last - 1].slots.stop
        some = tuple(
            s._replace(slots=slice(s.slots.start - start, s.slots.stop - start))
            for s in slices[first:last]
        )
        yield Part(indices[start:stop], some)
        first = last


def run(a: Slices, x: Array, out: Array | None = None) -> Array:
    """Return ``A @ x``.

    Parameters
    ----------
    a : Slices
        The packed matrix ``[M, K]``.
    x : ndarray, shape (K,)
        Of any dtype and stride.
    out : ndarray, shape (M,), optional
        Where to write.
    """
    dtype, wide = a.dtype, a.wide
    if x.dtype != dtype:
        dtype = np.result_type(dtype, x)
        wide = wide_dtype(dtype)
    padded = np.empty(len(x) + 1, wide)
    padded[:-1], padded[-1] = x, 0
    sums = np.empty(a.filled + 1, wide)
    sums[-1] = 0

    def add_up(part: Part) -> None:
        indices = part.indices
        if indices.dtype != np.intp:
            indices = scratch("indices", indices.shape, np.dtype(np.intp))
            indices[...] = part.indices
        gathered = scratch("gathered", indices.shape, wide)
        # The indices are valid; "wrap" only spares take the copy it would make to be safe.
        padded.take(indices, None, gathered, "wrap")
        for values, letters, slots, rows in part.slices:
            factor = gathered[slots].reshape(values.shape)
            np.einsum(letters, values.astype(wide, copy=False), factor, out=sums[rows])

    if a.slots >= SHARED:
        share(add_up, a.parts, usable_threads())
    else:
        for part in a.parts:
            add_up(part)
    y = sums.take(a.position).astype(dtype, copy=False)
    if out is None:
        return y
    out[...] = y
    return out
