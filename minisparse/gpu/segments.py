"""Sums and extremes of runs of entries, such as the rows of CSR: the seam for segmented work.

Array libraries agree on little here, so kernels and formats say what they mean through these
functions, and what a library is fast at is decided in one place. NumPy has ``reduceat``. CuPy has
it for sums alone; a thread program takes its place, which adds in a fixed order, so that the same
run of values gives the same sum each time (Bell and Garland, SC 2009, of CSR: a thread for each
row, and a warp for each row). Where arrays are is where they are reduced.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.errors import UsageError
from minisparse.core.xp import namespace
from minisparse.gpu import jit
from minisparse.gpu.jit import WARP
from minisparse.gpu.program import (
    DeviceFunction,
    ThreadProgram,
    device_function,
    thread_program,
)

BLOCK = 128
"""Threads of a block."""

wide: type[Any] = np.float32
"""In which values are combined; bound when a program is launched."""
narrow: type[Any] = np.float32
"""In which results are stored; bound as well."""


def segment_sums(values: Array, indptr: Array) -> Array:
    """Return the sum of each run of values, in the values' own dtype, in ascending order.

    Parameters
    ----------
    values : ndarray, shape (P, ...)
        Run after run.
    indptr : ndarray of int, shape (S + 1,)
        Where each run starts; the last is P. A run may be empty: its sum is 0.

    Examples
    --------
    >>> segment_sums(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3]))
    array([3., 0., 4.])
    """
    return reduce_segments(np.add, values, indptr, _filled(values, indptr, 0))


def segment_maxima(values: Array, indptr: Array) -> Array:
    """Return the largest of each run of values, NaN if there is one in it; -inf of an empty run.

    Examples
    --------
    >>> segment_maxima(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3]))
    array([  2., -inf,   4.])
    """
    return reduce_segments(np.maximum, values, indptr, _filled(values, indptr, -np.inf))


def reduce_segments(reduce: np.ufunc, values: Array, indptr: Array, out: Array) -> Array:
    """Write the reduction of each run to ``out``, in its dtype; leave what it has for empty runs.

    Parameters
    ----------
    reduce : ufunc
        ``np.add``, ``np.multiply``, ``np.maximum`` or ``np.minimum``; in main memory any.
    values : ndarray, shape (P, ...)
        Run after run.
    indptr : ndarray of int, shape (S + 1,)
        Where each run starts.
    out : ndarray, shape (S, ...)
        Of the dtype in which to reduce.

    Raises
    ------
    UsageError
        If the values lie on a card, and there is no thread program for ``reduce``.

    Examples
    --------
    >>> reduce_segments(np.minimum, np.array([2, 1, 4]), np.array([0, 2, 2, 3]), np.full(3, 9))
    array([1, 9, 4])
    """
    if namespace(values) is not np:
        return _reduce_on_card(reduce, values, indptr, out)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        out[filled] = reduce.reduceat(values, indptr[filled], axis=0, dtype=out.dtype)
    return out


def add_runs(values: Array, indptr: Array, out: Array) -> Array:
    """Write the sum of each run to ``out`` on a card, one by one in stored order.

    After every addition it is rounded to out's dtype, as ``np.add.at`` does, so that the sums are
    the same bit for bit; but for bfloat16, which is added in float32 and rounded once.

    Parameters
    ----------
    values, indptr, out
        As for :func:`reduce_segments`, on a card, and of one dtype.
    """
    if values.dtype.kind == "b":  # True and True is True
        return reduce_segments(np.maximum, values, indptr, out)
    return _launch(add_one_by_one, values, indptr, out)


def _filled(values: Array, indptr: Array, empty: float) -> Array:
    shape = (len(indptr) - 1, *values.shape[1:])
    filled: Array = namespace(values).full(shape, empty, values.dtype)
    return filled


# -- on a card -----------------------------------------------------------------------------------


@device_function
def add(a: Any, b: Any) -> Any:
    """Return the sum."""
    return a + b


@device_function
def larger(a: Any, b: Any) -> Any:
    """Return the larger one, or the one that is NaN."""
    if b > a or b != b:
        a = b
    return a


@device_function
def smaller(a: Any, b: Any) -> Any:
    """Return the smaller one, or the one that is NaN."""
    if b < a or b != b:
        a = b
    return a


@device_function
def times(a: Any, b: Any) -> Any:
    """Return the product."""
    return a * b


combine: DeviceFunction[Any, Any] = add
"""What makes one of two values; bound when a program is launched."""


@thread_program
def by_thread(values: Array, indptr: Array, out: Array, columns: np.int32) -> None:
    """Reduce with a thread for each run and column: neighbors read neighboring columns."""
    i = np.int64(jit.blockIdx.x) * jit.blockDim.x + jit.threadIdx.x
    s = i // columns
    n = i - s * columns
    if s < len(out):
        first = np.int64(indptr[s])
        last = np.int64(indptr[s + 1])
        if first < last:
            total = wide(values[first, n])
            for p in range(first + 1, last):
                total = wide(combine(total, wide(values[p, n])))
            out[s, n] = narrow(total)


@thread_program
def by_warp(values: Array, indptr: Array, out: Array, columns: np.int32) -> None:
    """Reduce with a warp for each run of single values: lane by lane, then all lanes' results."""
    s = (np.int64(jit.blockIdx.x) * jit.blockDim.x + jit.threadIdx.x) // jit.WARP
    lane = np.int32(jit.threadIdx.x % jit.WARP)
    if s < len(out):  # of all lanes of a warp, or of none
        first = np.int64(indptr[s])
        held = np.int64(indptr[s + 1]) - first
        total = wide(0)
        if lane < held:
            total = wide(values[first + lane, 0])
        for p in range(first + lane + jit.WARP, first + held, jit.WARP):
            total = wide(combine(total, wide(values[p, 0])))
        for step in range(5):
            other = jit.shfl_down_sync(jit.FULL, total, np.uint32(16 >> step))
            if lane + (16 >> step) < held:
                total = wide(combine(total, other))
        if lane == 0 and held > 0:
            out[s, 0] = narrow(total)


@thread_program
def add_one_by_one(values: Array, indptr: Array, out: Array, columns: np.int32) -> None:
    """Add with a thread for each run and column, and round each time to what ``out`` can hold."""
    i = np.int64(jit.blockIdx.x) * jit.blockDim.x + jit.threadIdx.x
    s = i // columns
    n = i - s * columns
    if s < len(out):
        first = np.int64(indptr[s])
        last = np.int64(indptr[s + 1])
        if first < last:
            out[s, n] = narrow(values[first, n])
            for p in range(first + 1, last):
                out[s, n] = narrow(wide(out[s, n]) + wide(values[p, n]))


_COMBINE: dict[np.ufunc, DeviceFunction[Any, Any]] = {
    np.add: add,
    np.multiply: times,
    np.maximum: larger,
    np.minimum: smaller,
}
_OF_BOOL: dict[np.ufunc, np.ufunc] = {np.add: np.maximum, np.multiply: np.minimum}
"""What these are of bytes that are 0 or 1: True and True is True."""


def _reduce_on_card(reduce: np.ufunc, values: Array, indptr: Array, out: Array) -> Array:
    # Complex numbers are pairs there, of which sums alone are made one by one.
    known = [np.add] if out.dtype.kind == "c" else list(_COMBINE)
    if reduce not in known:
        raise UsageError(
            f"segments: there is no {reduce.__name__} of runs of {out.dtype} on a GPU, only "
            f"{', '.join(f.__name__ for f in known)}"
        )
    if out.dtype.kind == "b":
        reduce = _OF_BOOL.get(reduce, reduce)
    single = out.size == len(out) and out.dtype.kind != "c"
    program = by_warp if single else by_thread
    return _launch(program, values, indptr, out, combine=_COMBINE[reduce])


def _launch(
    program: ThreadProgram, values: Array, indptr: Array, out: Array, **names: Any
) -> Array:
    """Run a program on what the language can express of the arrays."""
    target = _plain(out, out.dtype)
    columns = target.shape[1]
    threads = target.size * (WARP if program is by_warp else 1)
    if threads:
        number = accumulator(target.dtype).type
        given = (_plain(values, out.dtype), indptr, target, np.int32(columns))
        bound = program.bind(wide=number, narrow=target.dtype.type, **names)
        bound((-(-threads // BLOCK),), (BLOCK,), given)
        if not np.may_share_memory(target, out):
            wide_only = out.dtype.name == "bfloat16"
            found = target.astype(out.dtype) if wide_only else target.view(out.dtype)
            out[...] = found.reshape(out.shape)
    return out


def _plain(x: Array, dtype: DType) -> Array:
    """Return an array ``[len(x), columns]`` of a dtype that the language has.

    Complex numbers are pairs, bool is bytes, and bfloat16 is widened.
    """
    rows = len(x)
    if dtype.kind == "c":
        x = x.astype(dtype, copy=False)
        x = namespace(x).ascontiguousarray(x).view(f"f{dtype.itemsize // 2}")
    elif dtype.name == "bfloat16":
        x = x.astype(np.float32)
    elif x.dtype.kind == "b":
        x = x.view(np.uint8)
    return x.reshape(rows, -1) if rows else x.reshape(0, 1)
