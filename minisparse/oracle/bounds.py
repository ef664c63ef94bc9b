"""Error bounds: by how much a right computation may differ from the exact result.

u is the unit roundoff of a dtype, half the distance from 1 to the next number; eta its smallest
subnormal; p its precision in bits. K is the number of stored terms of an element, stored zeros not
counted (they lose nothing), S the sum of their absolute values. All assume rounding to nearest,
gradual underflow and no overflow, and hold for every order of summation, with fused multiply-add
or without.

Sources: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, chapters 2 to
4; Jeannerod and Rump, Improved error bounds for inner products in floating-point arithmetic, SIAM
J. Matrix Anal. Appl. 34(2), 2013: ``K u S`` without Higham's terms of higher order.
"""

import numpy as np

from minisparse.core.dtypes import Array, DType

_BFLOAT16 = (8, 2.0**-133, (2 - 2.0**-7) * 2.0**127)


def precision(dtype: DType) -> int:
    """Return p, the bits of a significand: 24 for float32; of a part, for complex dtypes.

    Examples
    --------
    >>> [precision(np.dtype(d)) for d in ("float16", "float32", "complex128")]
    [11, 24, 53]
    """
    return _BFLOAT16[0] if dtype.name == "bfloat16" else int(np.finfo(dtype).nmant) + 1


def unit_roundoff(dtype: DType) -> float:
    """Return ``u = 2**-p``: the largest relative error of one rounding."""
    return 2.0 ** -precision(dtype)


def smallest_subnormal(dtype: DType) -> float:
    """Return eta: the smallest positive number, twice the largest absolute error of underflow."""
    return _BFLOAT16[1] if dtype.name == "bfloat16" else float(np.finfo(dtype).smallest_subnormal)


def largest_finite(dtype: DType) -> float:
    """Return the largest finite number."""
    return _BFLOAT16[2] if dtype.name == "bfloat16" else float(np.finfo(dtype).max)


def sum_of_products(count: Array, magnitude: Array, dtype: DType) -> Array:
    """Return ``K u S + K eta``: a sum of K products, in any order, rounded to ``dtype`` each time.

    Jeannerod and Rump 2013, theorem 4.2, for K terms and any K; each product that underflows
    adds at most eta / 2 (Higham, section 2.1), sums cannot underflow inexactly.
    """
    bound: Array = count * (unit_roundoff(dtype) * magnitude + smallest_subnormal(dtype))
    return bound


def one_rounding(value: Array, error: Array, dtype: DType) -> Array:
    """Return ``E + u (abs(C) + E) + eta``: what is within E of C, rounded once more to ``dtype``.

    Higham, section 2.1. For a wide accumulator and a narrow result, and for one more addition.
    """
    return error + unit_roundoff(dtype) * (np.abs(value) + error) + smallest_subnormal(dtype)


def relu(value: Array, error: Array) -> Array:
    """Return how far ``max(x, 0)`` may lie from ``max(C, 0)`` where x is within E of C.

    max(., 0) is monotone and 1-Lipschitz: E where C > 0, else what reaches above 0.
    """
    above: Array = np.maximum(error + np.minimum(value, 0), 0)
    return above


def batch_normalization(
    magnitude: Array, smallest_variance: Array, distance: Array, dtype: DType
) -> Array:
    """Return ``8 u S + S eta / (var + epsilon) + 2 (1 + d) eta``.

    S = ``(abs(x) + abs(mean)) abs(alpha) + abs(bias)``, d = ``abs(x) + abs(mean)``, alpha =
    ``scale / sqrt(var + epsilon)``. Counting roundings: epsilon, its addition, root, division and
    product give alpha within 4 u; ``x - mean``, the product and the last sum are 3 more. The form
    ``x * alpha + (bias - mean * alpha)`` has as many. The two eta terms are for an epsilon that is
    subnormal in the dtype and for products that underflow. First order in u: 8 leaves room.
    """
    u, eta = unit_roundoff(dtype), smallest_subnormal(dtype)
    return magnitude * (8 * u + eta / smallest_variance) + 2 * (1 + distance) * eta


def is_vacuous(value: Array, bound: Array) -> Array:
    """Tell where a bound says nothing: it is not zero, and at least as large as the exact value.

    There neither a digit nor the sign of the result is judged: zero would pass as well. Such
    elements count neither for nor against an implementation.
    """
    return (bound > 0) & (bound >= np.abs(value))


def reaches_infinity(value: Array, bound: Array, dtype: DType) -> Array:
    """Tell where a right result may be infinite: ``abs(C) + bound`` is the largest finite or more.

    Higham, section 2.1: rounding to nearest overflows from half a unit above the largest finite.
    """
    return np.abs(value) + bound >= largest_finite(dtype)
