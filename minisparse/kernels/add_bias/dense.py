"""``y[m, n] = c[m, n] + bias[m]``: one value a row, because features are rows here."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import ADD_BIAS


def bytes_moved(c: TensorType, bias: TensorType) -> int:
    """Count c and y once each, and the bias."""
    return 2 * c.size * c.itemsize + bias.size * bias.itemsize


def vectorized(c: Array, bias: Array, out: Array | None = None) -> Array:
    """Add in one call."""
    return np.asarray(np.add(c, bias[:, None], out=out))


ADD_BIAS_DENSE = Kernel(ADD_BIAS, None, bytes_moved, vectorized=Level(vectorized, takes_out=True))
