"""What instructions compute, one element at a time, in whole numbers and fractions.

Written from the manuals' and the papers' words; shares nothing with what it is compared with.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array

# Bits of the significand, and exponents of the smallest and the largest normal number.
SINGLE, DOUBLE, HALF = (24, -126, 127), (53, -1022, 1023), (11, -14, 15)
BRAIN, TF32 = (8, -126, 127), (11, -126, 127)
KINDS = {"float16": HALF, "bfloat16": BRAIN, "tf32": TF32, "float32": SINGLE, "float64": DOUBLE}


def exponent(q: Fraction) -> int:
    """Return e with ``2**e <= abs(q) < 2**(e + 1)``; q is not 0."""
    e = q.numerator.bit_length() - q.denominator.bit_length()
    return e if abs(q) >= Fraction(2) ** e else e - 1


def rounded(q: Fraction, kind: tuple[int, int, int], ties: str = "even") -> Fraction | float:
    """Return a fraction rounded once; an infinity where it is too large."""
    precision, smallest, largest = kind
    if q == 0:
        return Fraction(0)
    step = Fraction(2) ** (max(exponent(q), smallest) - precision + 1)
    whole = abs(q) / step
    down = whole.numerator // whole.denominator
    left = whole - down
    up = left > Fraction(1, 2) or (
        left == Fraction(1, 2) and (ties == "away" or (ties == "even" and down % 2 == 1))
    )
    result = (down + (up and ties != "zero")) * step
    if result >= Fraction(2) ** (largest + 1):
        result = (2 - Fraction(2) ** (1 - precision)) * Fraction(2) ** largest
        if ties != "zero" or abs(q) >= Fraction(2) ** (largest + 1):
            return math.inf if q > 0 else -math.inf
    return result if q > 0 else -result


def fma(a: float, b: float, c: float, kind: tuple[int, int, int]) -> Fraction | float:
    """Return ``a * b + c`` rounded once, for finite numbers."""
    return rounded(Fraction(a) * Fraction(b) + Fraction(c), kind)


def tensor_core(
    a: Sequence[float], b: Sequence[float], c: float, kind: tuple[int, int, int], block: int,
    extra: int,
) -> Fraction | float:  # fmt: skip
    """Return one element, block after block: align, cut off, add, normalize and cut off."""

    def shifted_as(x: float, of: tuple[int, int, int]) -> int:
        return max(exponent(Fraction(x)), of[1])

    total: Fraction | float = Fraction(c)
    for k in range(0, len(a), block):
        if isinstance(total, float):  # overflowed
            return total
        addends = []
        if total:
            addends.append((total, shifted_as(float(total), SINGLE)))
        for x, y in zip(a[k : k + block], b[k : k + block], strict=True):
            if x and y:
                addends.append(
                    (Fraction(x) * Fraction(y), shifted_as(x, kind) + shifted_as(y, kind))
                )
        top = max([-126, *(e for _, e in addends)])
        step = Fraction(2) ** (top - 23 - extra)
        whole = sum(math.trunc(value / step) for value, _ in addends)
        total = rounded(whole * step, SINGLE, "zero")
    return total


def dot_of_bytes(
    a: Sequence[int], b: Sequence[int], c: int, saturate: bool = False, words: bool = False
) -> int:
    """Return one element of a dot product of bytes, four at a time."""
    total = c
    for k in range(0, len(a), 4):
        products = [x * y for x, y in zip(a[k : k + 4], b[k : k + 4], strict=True)]
        if words:
            pairs = [sum(products[i : i + 2]) for i in range(0, len(products), 2)]
            products = [min(max(pair, -32768), 32767) for pair in pairs]
        total += sum(products)
        if saturate:
            total = min(max(total, -(2**31)), 2**31 - 1)
        else:
            total = (total + 2**31) % 2**32 - 2**31
    return total


def bits(x: Any) -> Array:
    """Return an array's bits; every NaN the same, so that what is equal has equal bits."""
    array = np.asarray(x)
    if array.dtype.kind != "f":
        return array
    same = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return np.asarray(same.view(f"i{array.dtype.itemsize}"))
