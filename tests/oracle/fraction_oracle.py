"""A second oracle: dense, slow, of exact fractions, sharing no code with minisparse.oracle."""

import math
from fractions import Fraction
from typing import Any

import numpy as np

Cell = tuple[str, Any]


def products(
    row: Any, col: Any, data: Any, shape: tuple[int, int], b: Any
) -> list[list[list[Any]]]:
    """Return for every element of the product its list of pairs of factors."""
    cells: list[list[list[Any]]] = [[[] for _ in range(b.shape[1])] for _ in range(shape[0])]
    for i, k, value in zip(row.tolist(), col.tolist(), data, strict=True):
        for n in range(b.shape[1]):
            cells[i][n].append((value, b[k, n]))
    return cells


def dot(pairs: list[Any]) -> Fraction | float:
    """Return the exact sum of real products, or NaN or an infinity by IEEE's rules."""
    total, special = Fraction(0), set()
    for x, y in pairs:
        x, y = float(x), float(y)
        if math.isfinite(x) and math.isfinite(y):
            total += Fraction(x) * Fraction(y)
        else:
            special.add(
                math.nan
                if x == 0 or y == 0 or x != x or y != y
                else math.copysign(math.inf, x) * math.copysign(1, y)
            )
    if not special:
        return total
    if len(special) > 1 or any(s != s for s in special):
        return math.nan
    return special.pop()


def integer_dot(pairs: list[Any], dtype: Any) -> int:
    """Return the sum of products wrapped to an integer dtype; "or of ands" for bool."""
    if dtype == np.bool_:
        return int(any(bool(x) and bool(y) for x, y in pairs))
    info = np.iinfo(dtype)
    total = sum(int(x) * int(y) for x, y in pairs)
    return (total - int(info.min)) % (int(info.max) - int(info.min) + 1) + int(info.min)


def complex_parts(pairs: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the pairs whose sums are the real and the imaginary part."""
    real = [p for x, y in pairs for p in ((x.real, y.real), (-x.imag, y.imag))]
    imag = [p for x, y in pairs for p in ((x.real, y.imag), (x.imag, y.real))]
    return real, imag
