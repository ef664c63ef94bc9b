"""Fused multiply-add, ``a * b + c`` rounded once, and the orders in which loops use it.

IEEE 754-2019, section 5.4.1, fusedMultiplyAdd. It is computed here from ordinary additions: the
exact sum is first rounded to odd, in a precision wide enough that rounding it once more gives what
one rounding of the exact value would (Boldo and Melquiond, Emulation of a FMA and correctly rounded
sums: proved algorithms using rounding to odd, IEEE Trans. Computers 57(4), 2008).
"""

from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError

_FAR = 170
"""Exponents further apart than this: the smaller addend only decides on which side of a number."""
_TILE = 2**13
"""Elements that are computed at a time, so that the steps' results stay in a cache."""


@dataclass(frozen=True)
class Order:
    """The order in which a loop of multiply-adds sums ``sum_k A[m, k] * B[k, n]``.

    With one lane and one accumulator, k runs from 0 to K - 1 and the chain begins with C: what a
    scalar loop does, and a SIMD loop whose lanes lie along n.

    Otherwise the lanes lie along k: accumulator u, lane l sums those k whose remainder modulo
    ``accumulators * lanes`` is ``u * lanes + l``, starting from 0; the last step is filled up with
    zeros, as a masked load does. Then the upper half of the accumulators is added to the lower
    one, until one is left; then its lanes in the same way; and at last C is added.

    Attributes
    ----------
    lanes, accumulators : int
        Powers of two.
    """

    lanes: int = 1
    accumulators: int = 1

    def __post_init__(self) -> None:
        """Check that halving ends at one."""
        for name, count in (("lanes", self.lanes), ("accumulators", self.accumulators)):
            if count < 1 or count & (count - 1):
                raise UsageError(f"Order: {name} is {count}; it must be a power of two")


CHAIN = Order()
"""One multiply-add after the other, from k = 0 on."""


def fused_multiply_add(a: Array, b: Array, c: Array) -> Array:
    """Return ``a * b + c`` rounded once, for arrays of float32 or of float64 that broadcast.

    Examples
    --------
    >>> a = np.float32(1 + 2**-12)
    >>> float(fused_multiply_add(a, a, np.float32(-1 - 2**-11)))  # a * a alone would lose it
    5.960464477539063e-08
    """
    with np.errstate(all="ignore"):  # overflow to infinity, and NaN, are results like any other
        if np.result_type(a, b, c) == np.float32:
            return _single(a, b, c)
        if all(map(_is_moderate, (a, b, c))):
            return _double_moderate(a, b, c)
        return _double(*np.broadcast_arrays(a, b, c))


def sum_in_order(a: Array, b: Array, c: Array, order: Order) -> Array:
    """Return ``A @ B + C`` in an order, A ``[M, K]``, B ``[K, N]``, C ``[M, N]``, one dtype."""
    rows = max(1, _TILE // max(1, b.shape[1] * order.lanes * order.accumulators))
    result = c.copy()
    for start in range(0, len(a), rows):
        tile = slice(start, start + rows)
        if order == CHAIN:
            for k in range(a.shape[1]):
                result[tile] = fused_multiply_add(a[tile, k, None], b[k], result[tile])
        else:
            with np.errstate(all="ignore"):
                result[tile] += _by_lanes(a[tile], b, order)
    return result


def _by_lanes(a: Array, b: Array, order: Order) -> Array:
    """Return ``A @ B`` with lanes along k, and a tree at the end."""
    fill = -a.shape[1] % (order.lanes * order.accumulators)
    steps = (-1, order.accumulators, order.lanes)
    a = np.pad(a, [(0, 0), (0, fill)]).reshape(len(a), 1, *steps)
    b = np.pad(b, [(0, fill), (0, 0)]).T.reshape(1, b.shape[1], *steps)
    held = np.zeros((len(a), b.shape[1], order.accumulators, order.lanes), a.dtype)
    for i in range(a.shape[2]):
        held = fused_multiply_add(a[:, :, i], b[:, :, i], held)
    while (half := held.shape[2] // 2) > 0:
        held = held[:, :, :half] + held[:, :, half:]
    while (half := held.shape[3] // 2) > 0:
        held = held[..., :half] + held[..., half:]
    return held[:, :, 0, 0]


def _two_sum(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the rounded sum and its error, exactly (Knuth)."""
    s = x + y
    back = s - x
    return s, (x - (s - back)) + (y - back)


def _to_odd(s: Array, error: Array) -> Array:
    """Return the exact ``s + error`` rounded to odd: where inexact, the neighbor with an odd end.

    ``s`` is the float64 nearest to that sum.
    """
    bits = np.asarray(s).view(np.int64)
    inexact = (error != 0) & np.isfinite(s) & (bits & 1 == 0)
    # The exact value lies beyond s (away from zero) where s and its error have the same sign.
    outward = np.where((error > 0) == (s > 0), 1, -1)
    return np.asarray((bits + np.where(inexact, outward, 0)).view(np.float64))


def _single(a: Array, b: Array, c: Array) -> Array:
    """Go by way of float64, which holds any product of two float32 exactly."""
    s, error = _two_sum(np.multiply(a, b, dtype=np.float64), np.asarray(c, np.float64))
    return np.asarray(_to_odd(s, error).astype(np.float32))


def _is_moderate(x: Array) -> bool:
    """Tell whether nothing that is done to these numbers can overflow or underflow."""
    size = np.abs(x)
    return bool(((size == 0) | ((size > 2.0**-300) & (size < 2.0**300))).all())


def _double_moderate(a: Array, b: Array, c: Array) -> Array:
    """Follow Boldo and Melquiond's figure 4."""
    v, rest = _exact_sum(a, b, c)
    product = a * b
    return np.asarray(np.where(product == 0, product + c, v + rest))  # for the sign of a zero


def _double(a: Array, b: Array, c: Array) -> Array:
    """Do the same on significands; exponents are put back at the end."""
    (x, i), (y, j), (z, k) = np.frexp(a), np.frexp(b), np.frexp(c)
    e = i.astype(np.int64) + j
    apart = np.clip(k - e, -_FAR, _FAR)
    e = np.where((z != 0) & (apart == _FAR), k - _FAR, e)
    found = _scaled(*_two_sum(*_exact_sum(x, y, np.ldexp(z, apart))), e)
    plain = (a == 0) | (b == 0) | ~(np.isfinite(a) & np.isfinite(b) & np.isfinite(c))
    usual = np.where(np.isfinite(a) & np.isfinite(b) & np.isinf(c), c, a * b + c)
    return np.asarray(np.where(plain, usual, found))


def _exact_sum(x: Array, y: Array, z: Array) -> tuple[Array, Array]:
    """Return two numbers whose sum, rounded, is ``x * y + z`` rounded once."""
    high, low = _product(x, y)
    t, t_error = _two_sum(z, low)
    v, v_error = _two_sum(high, t)
    return v, _to_odd(*_two_sum(t_error, v_error))


def _product(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the rounded product and its error, exactly (Dekker, Veltkamp); nothing over 1."""
    high = x * y
    (p, q), (r, s) = _halves(x), _halves(y)
    return high, ((p * r - high) + p * s + q * r) + q * s


def _halves(x: Array) -> tuple[Array, Array]:
    upper = (2.0**27 + 1) * x
    upper = upper - (upper - x)
    return upper, x - upper


def _scaled(r: Array, error: Array, e: Array) -> Array:
    """Return the exact ``(r + error) * 2**e`` rounded once, r being ``r + error`` rounded.

    Only a subnormal result is rounded here a second time. That goes wrong only where r is a tie,
    and the exact value lies on the far side of it.
    """
    result = np.ldexp(r, e)
    missing = r - np.ldexp(result, -e)
    tie = np.abs(missing) == np.ldexp(0.5, -1074 - e)
    further = tie & (missing != 0) & (np.sign(error) == np.sign(missing))
    return np.asarray(result + np.where(further, np.copysign(2.0**-1074, missing), 0))
