"""Error bounds: by how much a right computation may differ from the exact result.

u is the unit roundoff of a dtype, half the distance from 1 to the next number; eta its smallest
subnormal; p its precision in bits. K is the number of stored terms of an element, stored zeros not
counted (they lose nothing), S the sum of their absolute values. All assume

- rounding to nearest, ties either way, gradual underflow, and no overflow on the way (where some
  order may overflow, :class:`~minisparse.oracle.truth.Truth` says so);
- that every term is computed as the product of its own two factors, and terms are then added, in
  any order and any grouping, with fused multiply-add or without. Algorithms that add *before* they
  multiply, Winograd's and Strassen's and complex products of three multiplications, obey no bound
  element by element, only one of norms (Higham, chapter 23): they are outside of these.

========================  =====================================================================
float32, float64          ``K u S + K eta``: :func:`sum_of_products`
float16, bfloat16         the same with float32's u and eta, then :func:`one_rounding`
complex                   by parts: a part is a real sum of ``2 K`` products, those of its own S
integers, bool            0; what does not fit wraps: :func:`integer_sums_fit`
scaled or added to        :func:`one_more` for each operation: ``(K + 2) u S`` for alpha and beta
SDDMM                     ``(K + 1) u abs(s) S``, likewise
softmax                   :func:`softmax`
TF32                      :func:`rounded_factors` with ``p = 11``: ``2**-10 S`` more
whole numbers             0 where ``S <= 2**p``: no order rounds
========================  =====================================================================

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

    Jeannerod and Rump 2013, theorem 4.2, for any K. Their proof needs of an addition only that it
    errs by at most either addend, which holds for a fused multiply-add too. Each product that
    underflows adds at most eta / 2 (Higham, section 2.1); sums cannot underflow inexactly. An
    addend that is no product, such as a bias, counts as one term more.

    For complex numbers K is twice the number of terms and S that of a part: ``sum abs(x.re y.re) +
    abs(x.im y.im)`` for the real one. That holds for products of four multiplications, in whatever
    order the 2 K are added. With three, as in ``(x.re + x.im) (y.re + y.im) - …``, the imaginary
    part may err by u times the real part's terms, and is not within the bound (Higham, 23.2.4).

    Examples
    --------
    >>> float(sum_of_products(np.array(4), np.array(1.0), np.dtype("float64")) * 2**51)
    1.0
    """
    bound: Array = count * (unit_roundoff(dtype) * magnitude + smallest_subnormal(dtype))
    return bound


def one_more(count: Array, dtype: DType) -> Array:
    """Return ``K (1 + u) + 1``: which K stands for a result of error ``K u S``, rounded once more.

    From ``(K u S) (1 + u) + u S`` (Higham, section 3.1). It is where a sum is scaled (alpha, beta,
    the stored value of SDDMM), whether before or after it is summed, or is added to.
    """
    more: Array = count * (1 + unit_roundoff(dtype)) + 1
    return more


def rounded_factors(count: Array, magnitude: Array, bits: int, dtype: DType) -> Array:
    """Return the bound of a sum of products whose factors are first rounded to ``bits`` bits.

    With ``v = 2**-bits`` each product errs by ``2 v + v**2`` of itself, and what is then summed is
    larger by that: ``(2 v + v**2) S + (1 + v)**2 (K u S + K eta)`` (Higham, section 3.1). TF32 has
    11 bits, so it adds ``2**-10 S``. Assumes that factors are rounded to nearest, keep the dtype's
    range (TF32 keeps float32's), and are not subnormal.

    Examples
    --------
    >>> tf32 = rounded_factors(np.array(1), np.array(1.0), 11, np.dtype("float32"))
    >>> round(float(tf32) * 2**10, 3)
    1.0
    """
    v = 2.0**-bits
    return (2 * v + v * v) * magnitude + (1 + v) ** 2 * sum_of_products(count, magnitude, dtype)


def integer_sums_fit(magnitude: Array, dtype: DType) -> Array:
    """Tell where every sum of integers, in every order, fits ``dtype``: where S does.

    Elsewhere the profile decides. Where sums wrap (rule S8) they are due bit for bit all the same,
    since the last bits of a sum depend on no others, whatever the order and the width. Where they
    saturate, only the exact sum, cut once, has a meaning: cut at every step, the order matters.

    Examples
    --------
    >>> integer_sums_fit(np.array([2**31 - 1, 2**31]), np.dtype("int32")).tolist()
    [True, False]
    """
    largest = 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
    fits: Array = magnitude <= largest
    return fits


def one_rounding(value: Array, error: Array, dtype: DType) -> Array:
    """Return ``E + u (abs(C) + E) + eta``: what is within E of C, rounded once more to ``dtype``.

    Higham, section 2.1. For a wide accumulator and a narrow result, and for one more addition. E
    stands before the rounding as well as in it, since x may be as far as ``abs(C) + E`` from 0.
    For float16 it is mostly the rounding: float32's ``K u`` reaches it at K near 8000.
    """
    return error + unit_roundoff(dtype) * (np.abs(value) + error) + smallest_subnormal(dtype)


def relu(value: Array, error: Array) -> Array:
    """Return how far ``max(x, 0)`` may lie from ``max(C, 0)`` where x is within E of C.

    max(., 0) is monotone and 1-Lipschitz: E where C > 0, else what reaches above 0.
    """
    above: Array = np.maximum(error + np.minimum(value, 0), 0)
    return above


def softmax(value: Array, distance: Array, dtype: DType) -> Array:
    """Return the bound of one row, ``y (d + r + t + 2 u) / (1 - t) + eta``.

    ``d = u abs(x - m) + 6 u`` is the relative error of an element's ``exp(x - m)``, m the row's
    maximum: a rounded difference, and an exponential that is wrong by at most 3 units in the last
    place (NumPy's own float32 one by 2.52, those of CUDA and of glibc by fewer than 2). ``t = sum y
    d + n u`` is that of the sum of n terms; then comes one division or, by way of ``exp(x - m - log
    sum)``, one more rounded difference and a logarithm, ``r = u (abs(x - m) + 2 log n)``. After
    Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax functions, IMA J.
    Numer. Anal. 41(4), 2021, section 3: ``y (d + sum y d + (n + 1) u)`` to first order, with a
    division. Assumes that the maximum is found before the sum begins; a sum that is rescaled
    whenever a larger element comes ("online softmax") has as many roundings and exponentials more
    as it has rescalings, and what it loses by them is not proven to fit.

    Parameters
    ----------
    value : ndarray, shape (n,)
        y, the exact values of the row.
    distance : ndarray, shape (n,)
        ``abs(x - m)``; anything where y is 0.
    dtype : numpy.dtype
        What is computed in.
    """
    u = unit_roundoff(dtype)
    off = np.expm1(u * np.where(value == 0, 0, distance)) + 6 * u
    total = float(value @ off) + len(value) * u
    by_logarithm = u * (np.where(value == 0, 0, distance) + 2 * np.log(max(1, len(value))))
    bound: Array = value * (off + by_logarithm + total + 2 * u) / (1 - min(total, 0.5))
    return bound + np.where(value == 1, 0, smallest_subnormal(dtype))


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
