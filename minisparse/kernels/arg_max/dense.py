"""Where the largest or least element lies along an axis that is not the last.

Elements of a line lie apart there, and NumPy's own search goes line by line. Here the best of all
lines are kept side by side, some of them at a time, so that they stay in cache: one pass over them
for each place along the axis. Along the last axis, and of few elements, NumPy's own is taken.
"""

from functools import partial

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.rows import rows_along
from minisparse.kernels.threads import share, usable_threads
from minisparse.ops import Op
from minisparse.ops.choice import ARG_MAX, ARG_MIN

_PIECE = 1 << 15
"""Lines at a time: their best, and where those lie, stay in a core's own cache."""
_LEAST = 1 << 14
"""Elements from which it pays."""
_LONGEST = 256
"""Places that are counted in one byte."""


def bytes_moved(x: TensorType) -> int:
    """Count X once, and an index for each line of one element at most."""
    return x.size * x.itemsize


def _vectorized(op: Op, x: Array, axis: int, keepdims: int, select_last_index: int) -> Array:
    """Compare place after place with the best so far."""
    outer, n, inner = rows_along(x.shape, axis)
    few = x.size < _LEAST or n > _LONGEST or inner < n
    if few or x.dtype.kind not in "iuf" or (x.dtype.kind == "f" and x.dtype.itemsize < 4):
        attrs = {"axis": axis, "keepdims": keepdims, "select_last_index": select_last_index}
        return asarray(op.dense((x,), attrs))
    lines = np.ascontiguousarray(x).reshape(outer, n, inner)
    found = np.empty((outer, inner), np.int64)

    def search(piece: tuple[int, slice]) -> None:
        row, columns = piece
        found[row, columns] = _best(lines[row, :, columns], op.name, bool(select_last_index))

    starts = range(0, inner, _PIECE)
    pieces = [(row, slice(i, i + _PIECE)) for row in range(outer) for i in starts]
    share(search, pieces, usable_threads())
    shape = list(x.shape)
    shape[axis] = 1
    found = found.reshape(shape)
    return found if keepdims else found.squeeze(axis)


def _best(x: Array, name: str, last: bool) -> Array:
    """Return for each column of ``[n, columns]`` the row of its best."""
    choose, compare = _WAYS[name, last]
    best, place = x[0].copy(), np.zeros(x.shape[1], np.uint8)
    better, here = np.empty(x.shape[1], bool), np.empty(x.shape[1], np.uint8)
    for i in range(1, len(x)):
        compare(x[i], best, out=better)
        choose(x[i], best, out=best)
        np.multiply(better.view(np.uint8), np.uint8(i), out=here)
        np.maximum(place, here, out=place)  # rows come in order, so the last that was better
    if x.dtype.kind == "f" and np.isnan(best).any():  # with NaN nothing compares
        attrs = {"axis": 0, "keepdims": 0, "select_last_index": int(last)}
        place = _OPS[name].dense((x,), attrs)
    return place


_WAYS: dict[tuple[str, bool], tuple[np.ufunc, np.ufunc]] = {
    ("arg_max", False): (np.maximum, np.greater),
    ("arg_max", True): (np.maximum, np.greater_equal),
    ("arg_min", False): (np.minimum, np.less),
    ("arg_min", True): (np.minimum, np.less_equal),
}
_OPS = {op.name: op for op in (ARG_MAX, ARG_MIN)}

ARG_MAX_DENSE = Kernel(
    ARG_MAX,
    None,
    bytes_moved,
    vectorized=Level(partial(_vectorized, ARG_MAX), device=by_meaning(ARG_MAX)),
)
ARG_MIN_DENSE = Kernel(
    ARG_MIN,
    None,
    bytes_moved,
    vectorized=Level(partial(_vectorized, ARG_MIN), device=by_meaning(ARG_MIN)),
)
