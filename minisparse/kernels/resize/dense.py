"""``Y = ... W2 (W1 X)``: each axis that changes is multiplied by a band of weights.

Row i of W has the weights of element i, two for ``linear`` and four for ``cubic``, in neighboring
columns. So some rows of W together are a small dense block, and BLAS multiplies it with the part of
X that they need. Axes that shrink come first, and of the others the last one: where elements lie
apart, there are fewer of them then.

Zeros beside the band count for nothing, unless they meet an infinity or a NaN: then the result is
computed by the op's meaning, which leaves them out. So are whole numbers, whose ties are decided
there. ``nearest`` only picks.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.kernels.blas import one_thread
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.rows import rows_along
from minisparse.kernels.threads import share, usable_threads
from minisparse.ops.interpolation import Taps
from minisparse.ops.resize import RESIZE, axes_to_resize, fill_outside, taps_of

_BLOCK = 16
"""Rows of W that are multiplied at once: with more of them more zeros are multiplied, too."""
_PIECE = 1 << 19
"""Elements of a result that a thread makes at once: between small products threads would wait."""


def bytes_moved(x: TensorType, roi: TensorType, scales: TensorType, sizes: TensorType) -> int:
    """Count X once, and a result as large: what it is is not told by a type."""
    return 2 * x.size * x.itemsize


def vectorized(x: Array, roi: Array, scales: Array, sizes: Array, **attrs: Any) -> Array:
    """Pick along the axes, or multiply them with bands of weights."""
    operands = (x, roi, scales, sizes)
    changed = axes_to_resize(operands, attrs)
    found = {axis: taps_of(how, attrs) for axis, how in changed.items()}
    order = sorted(changed, key=lambda axis: (min(changed[axis].scale, 1.0), -axis))
    if attrs["mode"] == "nearest":
        y = x
        for axis in order:
            y = _along(_pick, y, axis, found[axis])
        y = y if found else y.copy()
    elif x.dtype.kind in "iu" or not found:
        return asarray(RESIZE.dense(operands, attrs))
    else:
        y = x.astype(accumulator(x.dtype), copy=False)
        for axis in order:
            y = _along(_multiply, y, axis, found[axis])
        if not np.isfinite(min(x, y, key=np.size)).all():
            return asarray(RESIZE.dense(operands, attrs))
        y = y.astype(x.dtype, copy=False)
    return fill_outside(y, found, attrs)


_Work = Callable[[Array, Array, Taps], None]
"""From ``[outer, n, inner]`` to ``[outer, count, inner]``."""


def _along(work: _Work, x: Array, axis: int, taps: Taps) -> Array:
    """Return what work makes of an axis, some of the outer ones at a time."""
    rows = rows_along(x.shape, axis)
    x, shape = np.ascontiguousarray(x), x.shape
    y = np.empty((*shape[:axis], len(taps.places), *shape[axis + 1 :]), x.dtype)
    given, result = x.reshape(rows), y.reshape(rows[0], len(taps.places), rows[2])

    def one(which: slice) -> None:
        work(given[which], result[which], taps)

    if y.size:
        step = max(1, _PIECE // max(1, result[0].size))
        pieces = (slice(i, i + step) for i in range(0, rows[0], step))
        with one_thread():  # the products are too small for BLAS to share them
            share(one, pieces, usable_threads() if y.size >= 2 * _PIECE else 1)
    return y


def _pick(x: Array, y: Array, taps: Taps) -> None:
    """Pick one element for each."""
    np.take(x, taps.places[:, 0], 1, out=y, mode="clip")


def _multiply(x: Array, y: Array, taps: Taps) -> None:
    """Multiply with a band of weights, block by block."""
    flat = x.shape[2] == 1
    for rows, columns, weights in _blocks(taps, x.dtype):
        if flat:  # one product for all, with the weights on the right
            np.matmul(x[:, columns, 0], weights.T, out=y[:, rows, 0])
        else:
            np.matmul(weights, x[:, columns], out=y[:, rows])


def _blocks(taps: Taps, dtype: Any) -> Iterator[tuple[slice, slice, Array]]:
    """Yield some rows of W: which they are, which columns they have, and the weights there."""
    for start in range(0, len(taps.places), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(taps.places)))
        places = taps.places[rows]
        first, last = int(places.min()), int(places.max())
        weights = np.zeros((len(places), last + 1 - first))
        for t in range(places.shape[1]):  # at the ends several taps are the same element
            weights[np.arange(len(places)), places[:, t] - first] += taps.weights[rows, t]
        yield rows, slice(first, last + 1), weights.astype(dtype)


RESIZE_DENSE = Kernel(
    RESIZE, None, bytes_moved, vectorized=Level(vectorized, device=by_meaning(RESIZE))
)
