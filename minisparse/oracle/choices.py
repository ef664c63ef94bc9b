"""What a profile's choices make of operands, before anything is computed."""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.triplets import Triplets
from minisparse.oracle import bounds
from minisparse.oracle.problem import cell_numbers
from minisparse.oracle.profile import Profile
from minisparse.oracle.structures import SparseTruth
from minisparse.oracle.sums import Sums, cut, exact_products
from minisparse.oracle.truth import Truth, by_parts, parts, widened
from minisparse.oracle.values import is_float


def meant(entries: Triplets, profile: Profile) -> Triplets:
    """Return the entries that count: the last of each cell, those that are not 0, or all.

    Examples
    --------
    >>> twice = Triplets(np.array([0, 0]), np.array([1, 1]), np.array([2.0, 3.0]), (1, 2))
    >>> meant(twice, Profile("p", duplicates="last")).data
    array([3.])
    """
    entries = without_duplicates(entries, profile)
    if profile.explicit_zeros == "drop":
        entries = _chosen(entries, np.flatnonzero(entries.data != 0))
    return entries


def without_duplicates(entries: Triplets, profile: Profile) -> Triplets:
    """Return the last entry of each cell, where that is what duplicates mean."""
    if profile.duplicates != "last":
        return entries
    return _chosen(entries, _last_of_each(entries))


def _chosen(entries: Triplets, numbers: Array) -> Triplets:
    row, col, data, shape = entries
    return Triplets(row[numbers], col[numbers], data[numbers], shape)


def _last_of_each(entries: Triplets) -> Array:
    """Return the numbers of the entries that no other of the same cell follows."""
    cells = cell_numbers(entries)
    _, first = np.unique(cells[::-1], return_index=True)
    return np.sort(len(cells) - 1 - first)


def result_dtype(profile: Profile, first: DType, *others: DType) -> DType:
    """Return the dtype of what is computed from operands of these dtypes."""
    if profile.result_dtype == "first":
        return first
    return np.result_type(first, *others)


def products(a: Triplets, b: Array, dtype: DType, profile: Profile) -> Sums:
    """Return ``A @ b`` over the entries of ``a [M, K]``, with what the profile says of rounding.

    See :func:`~minisparse.oracle.sums.exact_products`.
    """
    sums = exact_products(a, b, dtype)
    if sums.is_integer:
        return _saturated(sums, a, b) if profile.integer_overflow == "saturate" else sums
    if profile.accumulator == "own":
        sums = replace(sums, accumulates_in=dtype)
    return _flushed(sums, a, b) if profile.flush_to_zero else sums


def _saturated(sums: Sums, a: Triplets, b: Array) -> Sums:
    """Return the sums, which wrapped, cut to their dtype instead: once, when they are complete."""
    total = np.zeros(sums.hi.shape, object)
    for m, k, value in zip(a.row.tolist(), a.col.tolist(), a.data.tolist(), strict=True):
        total[m] += int(value) * b[k].astype(object)
    return replace(sums, hi=cut(total, sums.dtype).astype(np.int64), saturates=True)


def _flushed(sums: Sums, a: Triplets, b: Array) -> Sums:
    """Return the sums with room for what is lost where subnormal numbers are taken as 0.

    Of each of the K products and of each of their K sums at most the smallest normal number is
    lost, once more in a narrow result; and a product with a subnormal factor is lost whole.
    """
    tiny = smallest_normal(_part(sums.dtype))
    lost = (2 * sums.terms + 1) * tiny * _one(sums.dtype)
    x, y = a.data.astype(sums.dtype), b.astype(sums.dtype)
    for left, right in ((_subnormal(x, tiny), y), (x, _subnormal(y, tiny))):
        if left.any() and right.any():
            few = exact_products(a._replace(data=_finite(left)), _finite(right), sums.dtype)
            lost = lost + few.magnitude
    return replace(sums, slack=sums.slack + np.where(sums.whole, 0, lost))


def sampled(truth: Truth, mask: Triplets, x: Array, y: Array, profile: Profile) -> Truth:
    """Return what SDDMM's values must be; a stored zero that is dropped gives 0 beside NaN too."""
    if profile.flush_to_zero and not truth.is_integer:
        truth = _sampled_and_flushed(truth, mask, x, y)
    if profile.explicit_zeros == "drop":
        truth = truth.map(lambda values: np.where(mask.data == 0, values.dtype.type(0), values))
    return truth


def _sampled_and_flushed(truth: Truth, mask: Triplets, x: Array, y: Array) -> Truth:
    """Allow the products with a stored value, which may come first, and itself to be 0."""
    with np.errstate(all="ignore"):
        size = np.abs(widened(mask.data.astype(truth.dtype)))
        left, right = np.abs(widened(x)).sum(axis=1), np.abs(widened(y)).sum(axis=0)
        tiny = smallest_normal(_part(truth.dtype))
        lost = 2 * tiny * (1 + left[mask.row] + right[mask.col])
        lost = lost + np.where(size < tiny, np.abs(truth.hi) + np.abs(truth.bound), 0)
    lost = np.where(np.isfinite(truth.hi) & (size != 0) & np.isfinite(lost), lost, 0)
    return replace(truth, bound=truth.bound + lost * _one(truth.dtype))


def softmax(truth: Truth, a: Triplets, profile: Profile) -> Truth:
    """Return what softmax's values must be, those of rows of nothing but -inf by the profile."""
    if profile.flush_to_zero:
        lost = 4 * smallest_normal(truth.dtype)
        truth = replace(truth, bound=truth.bound + np.where(truth.hi == 1, 0, lost))
    if profile.empty_softmax_row != "zero":
        return truth
    some = np.zeros(a.shape[0], bool)
    some[a.row[a.data != -np.inf]] = True
    return replace(truth, hi=np.where(some[a.row], truth.hi, 0))


def converted(truth: SparseTruth, entries: Triplets, profile: Profile) -> SparseTruth:
    """Return what a conversion of ``entries`` must give, as to zeros and their signs."""
    if profile.explicit_zeros == "drop":
        truth = replace(truth, optional=truth.values.hi == 0)
    if profile.signed_zero == "kept" and is_float(entries.data.dtype):
        width = max(1, entries.shape[1])
        cells, first, count = np.unique(
            cell_numbers(entries),
            return_index=True,
            return_counts=True,
        )
        stored = entries.data[first]
        negative = cells[(stored == 0) & np.signbit(stored) & (count == 1)]
        truth = replace(truth, negative_zero=np.isin(truth.row * width + truth.col, negative))
    return truth


def compressed(truth: SparseTruth, profile: Profile) -> SparseTruth:
    """Return what CSR of a dense matrix must be; subnormal values may be taken as 0."""
    values = truth.values
    if not profile.flush_to_zero or values.is_integer:
        return truth
    tiny = smallest_normal(_part(values.dtype))
    size = by_parts(np.abs, values.hi)
    lost = by_parts(lambda x: np.where(x < tiny, x, 0), size)
    gone = (parts(size) == parts(lost)).all(axis=-1)
    return replace(truth, values=replace(values, bound=values.bound + lost), optional=gone)


def _part(dtype: DType) -> DType:
    """Return the real dtype of a part."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def _one(dtype: DType) -> complex:
    """Return 1 in every part."""
    return 1 + 1j if dtype.kind == "c" else 1


def smallest_normal(dtype: DType) -> float:
    """Return the smallest positive number that is not subnormal.

    Examples
    --------
    >>> smallest_normal(np.dtype("float64"))
    2.2250738585072014e-308
    """
    return bounds.smallest_subnormal(dtype) * 2.0 ** (bounds.precision(dtype) - 1)


def _subnormal(x: Array, tiny: float) -> Array:
    """Return the array with all but subnormal numbers set to 0; of complex ones, by parts."""
    if x.dtype.kind == "c":
        both: Array = _subnormal(x.real, tiny) + 1j * _subnormal(x.imag, tiny)
        return both.astype(x.dtype)
    return np.where(np.abs(x.astype(np.float64)) < tiny, x, x.dtype.type(0))


def _finite(x: Array) -> Array:
    found: Array = np.where(np.isfinite(x), x, x.dtype.type(0))
    return found
