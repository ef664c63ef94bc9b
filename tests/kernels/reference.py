"""Exact sums over stored terms, and how far a kernel may be from them.

Nothing here calls a kernel or a matrix product: terms are listed one by one and added as
fractions, so that only the bound of docs/language.md, rule S9, stands between right and wrong.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import fsum, isfinite
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix, from_triplets


class Precision(NamedTuple):
    """Unit roundoff, smallest subnormal and largest finite value of a dtype, exactly."""

    u: Fraction
    eta: Fraction
    largest: Fraction

    @classmethod
    def of(cls, dtype: DType) -> "Precision":
        if dtype.name == "bfloat16":
            return cls(Fraction(1, 2**8), Fraction(1, 2**133), Fraction(2**128 - 2**120))
        info = np.finfo(dtype)
        return cls(
            Fraction(float(info.eps)) / 2,
            Fraction(float(info.smallest_subnormal)),
            Fraction(float(info.max)),
        )


def terms_of(a: Array | Matrix, b: Array) -> Iterator[tuple[int, int, list[tuple[Any, Any]]]]:
    """Yield m, n and the factors of each term of ``C[m, n]``; implicit zeros have no term."""
    stored: list[list[tuple[int, Any]]] = [[] for _ in range(a.shape[0])]
    entries = _entries(a)
    for m, k, value in zip(entries.row, entries.col, entries.data.tolist(), strict=True):
        stored[m].append((int(k), value))
    columns = b.T.tolist()
    for m, row in enumerate(stored):
        for n, column in enumerate(columns):
            yield m, n, [(value, column[k]) for k, value in row]


def _entries(a: Array | Matrix) -> Triplets:
    if isinstance(a, Matrix):
        return a.triplets()
    row, col = np.indices(a.shape).reshape(2, -1)
    return Triplets(row, col, a.reshape(-1), (a.shape[0], a.shape[1]))


def assert_is_product(c: Array, a: Array | Matrix, b: Array, label: str) -> None:
    """Assert that ``c`` is ``a @ b``: dtype, shape, and each element within its bound."""
    dtype = np.result_type(a.dtype, b.dtype)
    assert (c.dtype, c.shape) == (dtype, (a.shape[0], b.shape[1])), label
    values = c.tolist()
    for m, n, terms in terms_of(a, b):
        where = f"{label}: C[{m}, {n}] is {values[m][n]}"
        if dtype.kind in "biu":
            _check_integer(values[m][n], terms, dtype, where)
        elif dtype.kind == "c":
            parts = _complex_parts(terms)
            for found, part in zip((values[m][n].real, values[m][n].imag), parts, strict=True):
                _check_real(found, part, np.dtype(f"f{dtype.itemsize // 2}"), where)
        else:
            _check_real(float(values[m][n]), terms, dtype, where)


def _check_integer(found: Any, terms: list[tuple[Any, Any]], dtype: DType, where: str) -> None:
    if dtype.kind == "b":
        assert found == any(x and y for x, y in terms), where
        return
    bits = 8 * dtype.itemsize
    assert (sum(int(x) * int(y) for x, y in terms) - found) % 2**bits == 0, where


def _complex_parts(terms: list[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """Return the terms of the real and of the imaginary part."""
    pairs = [(complex(x), complex(y)) for x, y in terms]
    real = [(x.real, y.real) for x, y in pairs] + [(-x.imag, y.imag) for x, y in pairs]
    return real, [(x.real, y.imag) for x, y in pairs] + [(x.imag, y.real) for x, y in pairs]


def _check_real(found: float, terms: list[tuple[Any, Any]], dtype: DType, where: str) -> None:
    terms = [(float(x), float(y)) for x, y in terms]
    wide = Precision.of(accumulator(dtype))
    finite = [(x, y) for x, y in terms if isfinite(x) and isfinite(y)]
    exact, absolute = _sums(finite, dtype)
    if len(finite) < len(terms):
        if absolute < wide.largest:  # else a finite term may overflow to an infinity of its own
            np.testing.assert_equal(found, _special_sum(terms), where)
        return
    error = len(terms) * (wide.u * absolute + wide.eta)
    own = Precision.of(dtype)
    if accumulator(dtype) != dtype:
        error += own.u * (abs(exact) + error) + own.eta
    if absolute + error >= wide.largest:
        return  # an intermediate sum may overflow in one order and not in another
    if isfinite(found):
        assert abs(Fraction(found) - exact) <= error, f"{where}, not {float(exact)}"
    else:
        assert abs(exact) + error >= own.largest, f"{where}, not {float(exact)}"
        assert found == (np.inf if exact > 0 else -np.inf), where


def _sums(terms: list[tuple[float, float]], dtype: DType) -> tuple[Fraction, Fraction]:
    """Return the sum and the sum of absolute values: exact, or to 2**-53 where u is far larger."""
    if accumulator(dtype) == np.float32:  # then products are exact in float64
        products = [x * y for x, y in terms]
        return Fraction(fsum(products)), Fraction(fsum(map(abs, products)))
    exact = [Fraction(x) * Fraction(y) for x, y in terms]
    return sum(exact, Fraction(0)), sum(map(abs, exact), Fraction(0))


def _special_sum(terms: list[tuple[float, float]]) -> float:
    """Return what IEEE 754 says of a sum with factors that are not finite: inf, -inf or NaN."""
    specials = {x * y for x, y in terms if not (isfinite(x) and isfinite(y))}
    return specials.pop() if len(specials) == 1 else float("nan")


def hold(triplets: Triplets, format: str, block: tuple[int, int] = (2, 3)) -> Matrix:
    """Return the triplets in a format, as unsorted and repeated as it can hold them.

    ``block`` is that of BSR. For n:m, what does not fit into 2:4 is dropped: the matrix is another
    one, but as good.
    """
    if format == "bsr":
        return from_triplets(triplets, "bsr", block=block, canonical=False)
    if format == "nm":
        kept = from_triplets(triplets, "coo").triplets()
        rank = _rank_in_group(kept.row * (1 + kept.shape[1]) + kept.col // 4)
        fits = rank < 2
        fitting = Triplets(kept.row[fits], kept.col[fits], kept.data[fits], kept.shape)
        return from_triplets(fitting, "nm", n=2, m=4)
    return from_triplets(triplets, format, canonical=False)


def _rank_in_group(groups: Array) -> Array:
    """Return for each of sorted group numbers how many equal ones are before it."""
    place = np.arange(len(groups))
    starts = np.ones(len(groups), bool)
    starts[1:] = groups[1:] != groups[:-1]
    return place - np.maximum.accumulate(np.where(starts, place, 0)) if len(groups) else place
