"""``y = min(max(x, min), max)`` element by element; NaN goes through, as NumPy lets it."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import CLIP
from minisparse.ops.activations import bound_in


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def loops(x: Array, *, min: float | None, max: float | None) -> Array:  # noqa: A002 - ONNX's names
    """Follow the formula, one comparison at a time."""
    low = None if min is None else bound_in(min, x.dtype)
    high = None if max is None else bound_in(max, x.dtype)
    y = np.empty(x.shape, x.dtype)
    for i in np.ndindex(x.shape):
        v = x[i]
        if low is not None and v < low:
            v = low
        if high is not None and v > high:
            v = high
        y[i] = v
    return y


def counts(x: Array, *, min: float | None, max: float | None) -> Counts:  # noqa: A002 - ONNX's names
    """Count what the loops do: each element is read once and written once."""
    return Counts(0, 2 * x.nbytes, 0, 0, 0, calls=2 * x.size)


def vectorized(
    x: Array,
    *,
    min: float | None,  # noqa: A002 - ONNX's names
    max: float | None,  # noqa: A002
    out: Array | None = None,
) -> Array:
    """Compare all elements with both bounds in one call."""
    xp = namespace(x)
    y = xp.empty(x.shape, x.dtype) if out is None else out
    low = None if min is None else bound_in(min, x.dtype)
    high = None if max is None else bound_in(max, x.dtype)
    if low is not None and high is not None and x.dtype.kind in "iuf" and xp is np:
        np.clip(x, low, high, out=y)
    elif low is None and high is None:
        np.copyto(y, x)
    else:  # bfloat16 among them, for which NumPy has no clip; CuPy's takes no min above max
        given = x
        if low is not None:
            given = np.maximum(given, low, out=y)
        if high is not None:
            np.minimum(given, high, out=y)
    return y


CLIP_DENSE = Kernel(
    CLIP,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True),
    counts=counts,
)
