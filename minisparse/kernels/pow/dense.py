"""``c = a ** b`` element by element, broadcasting as ONNX and NumPy do; in a's dtype.

Where b is one number that models are fond of, such as 2 or 0.5, a product or a root does: NumPy's
power takes up to a hundred times as long where a is negative.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray, namespace
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.ops.binary import POW
from minisparse.ops.constraints import kind_of


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count a, b and the power once each."""
    (c,) = POW.infer((a, b))
    return sum(t.size * t.itemsize for t in (a, b, c))


def vectorized(a: Array, b: Array) -> Array:
    """Take the short way where there is one, in float32 at least."""
    if kind_of(a.dtype) == "f" and b.size == 1 and b.ndim <= a.ndim:
        found = _by_products(a.astype(accumulator(a.dtype), copy=False), float(b.reshape(-1)[0]))
        if found is not None:
            return found.astype(a.dtype, copy=False)
    return asarray(POW.dense((a, b), {}))


def _by_products(a: Array, exponent: float) -> Array | None:
    """Return a power that takes one or two operations; None where there is no such way."""
    xp = namespace(a)
    found: Array = xp.empty_like(a)
    if exponent in (2, 3):
        xp.multiply(a, a, out=found)
        if exponent == 3:
            found *= a
    elif exponent == -1:
        xp.reciprocal(a, out=found)
    elif exponent == 0.5:
        xp.sqrt(a, out=found)
        xp.abs(a, out=found, where=a == -np.inf)  # where C has infinity, and a root NaN
    else:
        return None
    return found


POW_DENSE = Kernel(POW, None, bytes_moved, vectorized=Level(vectorized, device=by_meaning(POW)))
