"""Sums of products, exactly: what spmv, spmm, gemm and conv have in common.

``C[m, n] = sum of A's stored entries (m, k, a) times B[k, n]``. Products of numbers of at most 24
bits are exact in float64, those of float64 become a product and its error; both are summed with
all rounding errors kept (:mod:`minisparse.oracle.errorfree`). Elements whose sum is not proven to
2**-70 that way are computed again with fractions. NaN and infinities are handled first and apart.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.triplets import Triplets
from minisparse.oracle.errorfree import sum_pairs, two_product
from minisparse.oracle.truth import joined, wrapped

_AT_ONCE = 1 << 16
"""Products held at a time: some arrays of 512 kB, to stay in a cache."""
_PROVEN = 2.0**-70


class ExactProducts(NamedTuple):
    """Sums of products as pairs, and what error bounds need to know of them.

    Attributes
    ----------
    hi, lo : ndarray, shape (M, N)
        The sums; int64 and wrapped for integers, else float64 or complex128. NaN and ±inf in
        ``hi`` stand where the terms say so, or where the exact sum is beyond float64.
    residual : ndarray, shape (M, N)
        By how much ``hi + lo`` may be off: 0, or at most 2**-70 of it.
    magnitude : ndarray, shape (M, N)
        Sums of the products' absolute values, rounded up; by parts for complex.
    terms : ndarray of int, shape (M, 1)
        Number of products of each row's elements, those with a stored 0 not counted; for complex
        of each of its parts, so twice as many where no stored part is 0.
    """

    hi: Array
    lo: Array
    residual: Array
    magnitude: Array
    terms: Array


class _Chunk(NamedTuple):
    """Some rows and columns of the result, and the slots of those rows' entries.

    ``slots [L, R]`` numbers entries; -1 pads rows that have fewer than L.
    """

    rows: Array
    columns: slice
    slots: Array


def sum_products(a: Triplets, b: Array, dtype: DType) -> ExactProducts:
    """Return the exact sums of products over the stored entries of ``a``.

    Parameters
    ----------
    a : Triplets
        ``[M, K]``; in any order, duplicates are summed, explicit zeros multiplied.
    b : ndarray, shape (K, N)
        The dense factor.
    dtype : numpy.dtype
        The result's; operands are converted to it first, as every implementation must.
    """
    with np.errstate(all="ignore"):
        data, b = a.data.astype(dtype), b.astype(dtype)
        a = a._replace(data=data)
        if dtype.kind in "biu":
            return _integer_products(a, b, dtype)
        if dtype.kind == "c":
            return _complex_products(a, b)
        return _real_products(a._replace(data=data.astype(np.float64)), b.astype(np.float64), dtype)


def add_implicit_zeros(a: Triplets, b: Array) -> Triplets:
    """Return ``a`` with those zeros stored that matter when every element is computed with.

    They are the ones beside NaN and infinities of ``b [K, N]``; other products are zero.
    """
    if b.dtype.kind in "biu":
        return a
    rows_of_b = np.flatnonzero(~np.isfinite(b).all(axis=1))
    stored = np.zeros((a.shape[0], len(rows_of_b)), bool)
    wanted = np.isin(a.col, rows_of_b)
    stored[a.row[wanted], np.searchsorted(rows_of_b, a.col[wanted])] = True
    row, i = np.nonzero(~stored)
    return Triplets(
        np.concatenate([a.row, row]),
        np.concatenate([a.col, rows_of_b[i]]),
        np.concatenate([a.data, np.zeros(len(row), a.data.dtype)]),
        a.shape,
    )


def _chunks(a: Triplets, columns: int) -> Iterator[_Chunk]:
    """Cut the work so that a chunk has at most about ``_AT_ONCE`` products; long rows first."""
    count = np.bincount(a.row, minlength=a.shape[0])
    by_row = np.argsort(a.row, kind="stable")
    starts = np.cumsum(count) - count
    order = np.argsort(-count, kind="stable")
    order = order[: np.count_nonzero(count)]
    done = 0
    while done < len(order):
        length = int(count[order[done]])
        width = max(1, min(columns, _AT_ONCE // length))
        rows = order[done : done + max(1, _AT_ONCE // (length * width))]
        slot = np.arange(length)[:, None]
        inside = slot < count[rows]
        slots = np.where(inside, by_row[np.where(inside, starts[rows] + slot, 0)], -1)
        for first in range(0, columns, width):
            yield _Chunk(rows, slice(first, min(first + width, columns)), slots)
        done += len(rows)


def _integer_products(a: Triplets, b: Array, dtype: DType) -> ExactProducts:
    """Sum in int64, which wraps modulo 2**64 and so keeps the low bits of every narrower dtype."""
    data, b = np.append(a.data.astype(np.int64), 0), b.astype(np.int64)
    col = np.append(a.col, 0)
    total = np.zeros((a.shape[0], b.shape[1]), np.int64)
    for rows, columns, slots in _chunks(a, b.shape[1]):
        products = data[slots][:, :, None] * b[col[slots], columns]
        total[rows, columns] = products.sum(axis=0)
    zero = np.zeros(total.shape)
    return ExactProducts(wrapped(total, dtype), np.zeros_like(total), zero, zero, _count(a))


def _complex_products(a: Triplets, b: Array) -> ExactProducts:
    """Sum real and imaginary parts as two real sums of twice as many products."""
    shape = (a.shape[0], 2 * a.shape[1])
    row, col = np.tile(a.row, 2), np.concatenate([a.col, a.col + a.shape[1]])
    both = np.concatenate([b.real, b.imag]).astype(np.float64)
    x, y = a.data.real.astype(np.float64), a.data.imag.astype(np.float64)
    part = np.dtype(a.data.real.dtype)
    real = _real_products(Triplets(row, col, np.concatenate([x, -y]), shape), both, part)
    imag = _real_products(Triplets(row, col, np.concatenate([y, x]), shape), both, part)
    hi, lo, residual, magnitude = map(joined, real[:4], imag[:4])
    return ExactProducts(hi, lo, residual, magnitude, real.terms)


def _real_products(a: Triplets, b: Array, dtype: DType) -> ExactProducts:
    """Sum products of float64 arrays whose values are ones of ``dtype``."""
    shape = (a.shape[0], b.shape[1])
    hi, lo, residual, magnitude, special = (np.zeros(shape) for _ in range(5))
    a_finite, b_finite = np.isfinite(a.data), np.isfinite(b)
    data = np.append(np.where(a_finite, a.data, 0), 0)
    finite_b = np.where(b_finite, b, 0)
    col = np.append(a.col, 0)
    some_special = not (a_finite.all() and b_finite.all())
    for rows, columns, slots in _chunks(a, shape[1]):
        factor, beside = data[slots][:, :, None], finite_b[col[slots], columns]
        if dtype.itemsize == 8:
            products, errors = two_product(factor, beside)
        else:
            products, errors = factor * beside, None
        here = rows, columns
        hi[here], lo[here], residual[here] = sum_pairs(products, errors)
        magnitude[here] = _rounded_up(np.abs(products).sum(axis=0))
        if some_special:
            special[here] = _special_products(a, b, slots, columns)
    found = ExactProducts(hi, lo, residual, magnitude, _count(a))
    _settle_doubtful(found, a._replace(data=data[:-1]), finite_b)
    beyond = ~np.isfinite(special)
    hi[beyond], lo[beyond], residual[beyond] = special[beyond], 0, 0
    return found


def _rounded_up(size: Array) -> Array:
    """Return sums of absolute values with room for their own rounding; not beyond what is finite.

    So the relative error of L additions, L / 2**53, is covered.
    """
    largest = np.finfo(np.float64).max
    return np.where(np.isfinite(size), np.minimum(size * (1 + 2.0**-30), largest), size)


def _count(a: Triplets) -> Array:
    """Count the entries of each row that are not zero: a product with 0 is 0, and loses nothing."""
    return np.bincount(a.row[a.data != 0], minlength=a.shape[0])[:, None]


def _special_products(a: Triplets, b: Array, slots: Array, columns: slice) -> Array:
    """Sum the products that have a NaN or an infinity among their factors, and only those."""
    data, col = np.append(a.data, 0), np.append(a.col, 0)
    factor, beside = data[slots][:, :, None], b[col[slots], columns]
    counts = ~(np.isfinite(factor) & np.isfinite(beside)) & (slots >= 0)[:, :, None]
    result: Array = np.where(counts, factor * beside, 0).sum(axis=0)
    return result


def _settle_doubtful(found: ExactProducts, a: Triplets, b: Array) -> None:
    """Compute with fractions, in place, what the sum of pairs did not prove."""
    small = found.residual <= _PROVEN * np.abs(found.hi)
    doubtful = ~(small & np.isfinite(found.hi) & np.isfinite(found.lo))
    for m, n in zip(*np.nonzero(doubtful), strict=True):
        slots = np.flatnonzero(a.row == m)
        terms = [Fraction(float(a.data[p])) * Fraction(float(b[a.col[p], n])) for p in slots]
        hi, lo = fraction_to_pair(sum(terms, Fraction(0)))
        found.hi[m, n], found.lo[m, n] = hi, lo
        found.residual[m, n] = abs(lo) * 2.0**-53
        size = fraction_to_pair(sum(map(abs, terms), Fraction(0)))[0]
        found.magnitude[m, n] = _rounded_up(np.asarray(size))


def fraction_to_pair(value: Fraction) -> tuple[float, float]:
    """Return a fraction as ``hi + lo``, each correctly rounded; ±inf where float64 ends.

    Examples
    --------
    >>> fraction_to_pair(Fraction(1) + Fraction(1, 2**80))
    (1.0, 8.271806125530277e-25)
    """
    try:
        hi = float(value)
    except OverflowError:
        return (float("inf") if value > 0 else float("-inf")), 0.0
    return hi, float(value - Fraction(hi))
