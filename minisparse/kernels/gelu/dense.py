"""``y = x Phi(x)`` element by element, Phi the normal distribution function; or its form by tanh.

Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", arXiv:1606.08415, and ONNX's Gelu. The
form ``1 + tanh v`` is ``2 / (1 + exp(-2 v))``, in which nothing cancels.
"""

import math

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.normal import log_odds_against, normal_distribution
from minisparse.kernels.pieces import in_pieces
from minisparse.kernels.silu.dense import over_exponential
from minisparse.ops import GELU

SCALE = math.sqrt(2 / math.pi)
CUBIC = 0.044715


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def loops(x: Array, *, approximate: str) -> Array:
    """Follow the formula, one element at a time; erfc keeps what ``1 + erf`` would lose."""
    y = np.empty(x.shape, x.dtype)
    for i in np.ndindex(x.shape):
        v = float(x[i])
        if approximate == "none":
            y[i] = v * 0.5 * math.erfc(-v / math.sqrt(2))
        else:
            y[i] = v * 0.5 * (1 + math.tanh(SCALE * (v + CUBIC * v * v * v)))
    return y


def counts(x: Array, *, approximate: str) -> Counts:
    """Count what the loops do."""
    flops = (4 if approximate == "none" else 9) * x.size
    return Counts(flops, 2 * x.nbytes, 0, 0, 0, calls=2 * x.size)


def vectorized(x: Array, *, approximate: str, out: Array | None = None) -> Array:
    """Compute piece by piece, in float32 at least."""
    return in_pieces(_exactly if approximate == "none" else _by_tanh, x, out)


def _exactly(x: Array, out: Array) -> None:
    if x.dtype == np.float32:
        over_exponential(x, log_odds_against(x), out)
    else:
        namespace(x).multiply(normal_distribution(x), x, out=out)


def _by_tanh(x: Array, out: Array) -> None:
    t = x * x
    t *= x.dtype.type(-2 * SCALE * CUBIC)
    t += x.dtype.type(-2 * SCALE)
    t *= x
    over_exponential(x, t, out)


GELU_DENSE = Kernel(
    GELU,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True),
    counts=counts,
)
