"""``y = slope * x`` where x is negative, else x, element by element; the slope broadcasts.

As ``max(x, 0) + slope * min(x, 0)``, since to choose between two arrays is slow where the signs are
random. That asks for slopes that are finite: 0 times another is not 0.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray, namespace
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.wide import all_finite
from minisparse.ops.dims import result_dtype
from minisparse.ops.rectifiers import PRELU


def bytes_moved(x: TensorType, slope: TensorType) -> int:
    """Count x, the slope and y once each."""
    written = x.size * result_dtype((x, slope)).itemsize
    return x.size * x.itemsize + slope.size * slope.itemsize + written


def vectorized(x: Array, slope: Array) -> Array:
    """Add what is above 0 and what is below, in float32 at least."""
    dtype = np.result_type(x, slope)
    if dtype.kind != "f" or not all_finite(slope):
        return asarray(PRELU.dense((x, slope), {}))
    xp, wide = namespace(x), accumulator(dtype)
    given, slope = (o.astype(wide, copy=False) for o in (x, slope))
    y = xp.minimum(given, wide.type(0), out=xp.empty(x.shape, wide))
    y *= slope
    y += xp.maximum(given, wide.type(0))
    found: Array = y.astype(dtype, copy=False)
    return found


PRELU_DENSE = Kernel(
    PRELU, None, bytes_moved, vectorized=Level(vectorized, device=by_meaning(PRELU))
)
