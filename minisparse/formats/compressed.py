"""Compressed storage: one major line after another, with pointers to where each one starts.

CSR compresses rows, CSC columns, BSR block rows. Below, *major* is what is compressed and *minor*
what ``indices`` number: columns, rows, block columns. p runs over the stored slots; those of
major line i are ``indptr[i] <= p < indptr[i + 1]``.

Sorting is a radix sort by 16-bit digits, linear in the number of entries: NumPy's stable sort of
16-bit integers is a counting sort, and each digit is one such pass (Knuth, The Art of Computer
Programming 3, 5.2.5).
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError
from minisparse.formats.intake import check_range


class Compressed(NamedTuple):
    """Sorted, merged entries: the arrays of CSR, CSC or BSR, in the order of their constructors."""

    data: Array
    indices: Array
    indptr: Array


def check_compressed(
    arrays: Compressed, sizes: tuple[int, int], name: str, units: tuple[str, str]
) -> None:
    """Verify rules F4 to F9, which CSR, CSC and BSR share.

    Parameters
    ----------
    arrays : Compressed
        Integers of any width, of the right number of dimensions.
    sizes : tuple of int
        Numbers of major and minor lines.
    name : str
        The format's name for messages: ``"CSR"``.
    units : tuple of str
        What major and minor lines are called: ``("rows", "columns")``.
    """
    data, indices, indptr = arrays
    majors, minors = sizes
    if len(indptr) != majors + 1:
        raise FormatError(
            f"{name} (F4): indptr has {len(indptr)} elements: it must have {majors + 1}, "
            f"one more than there are {units[0]}"
        )
    if len(indices) != len(data):
        raise FormatError(
            f"{name} (F5): indices has {len(indices)} elements but data has {len(data)}: "
            f"each stored value needs one index"
        )
    if indptr[0] != 0:
        raise FormatError(f"{name} (F6): indptr[0] is {indptr[0]}: it must be 0")
    falls = indptr[1:] < indptr[:-1]
    if falls.any():
        i = int(falls.argmax())
        raise FormatError(
            f"{name} (F7): indptr[{i + 1}] is {indptr[i + 1]} but indptr[{i}] is {indptr[i]}: "
            f"pointers must not decrease"
        )
    if indptr[-1] != len(data):
        raise FormatError(
            f"{name} (F8): indptr[{majors}] is {indptr[-1]} but data has {len(data)} elements: "
            f"the last pointer must be the number of them"
        )
    check_range(indices, minors, f"{name} (F9): indices", units[1])


def is_increasing(indices: Array, indptr: Array, *, strictly: bool) -> bool:
    """Tell whether indices never decrease, or strictly increase, within each major line."""
    if indices.size < 2:
        return True
    after, before = indices[1:], indices[:-1]
    fine = after > before if strictly else after >= before
    starts = indptr[1:-1]
    # From one line to the next anything goes.
    fine[starts[(starts > 0) & (starts < indices.size)] - 1] = True
    return bool(fine.all())


def expand(indptr: Array) -> Array:
    """Return the major line of every slot: ``[0, 0, 2]`` for ``indptr = [0, 2, 2, 3]``.

    Examples
    --------
    >>> expand(np.array([0, 2, 2, 3]))
    array([0, 0, 2])
    """
    return np.repeat(np.arange(len(indptr) - 1, dtype=indptr.dtype), np.diff(indptr))


def pointers(counts: Array) -> Array:
    """Return ``indptr`` of lines that hold so many entries.

    Examples
    --------
    >>> pointers(np.array([2, 0, 1]))
    array([0, 2, 2, 3])
    """
    indptr = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    return indptr


def compress(major: Array, minor: Array, data: Array, sizes: tuple[int, int]) -> Compressed:
    """Sort entries by major, then minor line, sum duplicates in stored order, and compress.

    Parameters
    ----------
    major, minor : ndarray of int, shape (nnz,)
        Coordinates of the entries, valid and in any order.
    data : ndarray, shape (nnz, ...)
        Their values, or their blocks.
    sizes : tuple of int
        Numbers of major and minor lines.

    Examples
    --------
    >>> compress(np.array([1, 0, 1]), np.array([2, 1, 2]), np.array([1., 2., 3.]), (2, 3))
    Compressed(data=array([2., 4.]), indices=array([1, 2]), indptr=array([0, 1, 2]))
    """
    order = lexical_order(major, minor, sizes)
    if order is not None:
        major, minor, data = major[order], minor[order], data[order]
    first = starts_of_runs(major, minor)
    if not first.all():
        major, minor, data = major[first], minor[first], sum_runs(data, first)
    return Compressed(data, minor, pointers(np.bincount(major, minlength=sizes[0])))


def group(major: Array, minor: Array, data: Array, majors: int) -> Compressed:
    """Compress entries in stored order within each major line, duplicates and all."""
    order = stable_order(major, majors)
    return Compressed(data[order], minor[order], pointers(np.bincount(major, minlength=majors)))


def lexical_order(major: Array, minor: Array, sizes: tuple[int, int]) -> Array | None:
    """Return the stable order by major, then minor line; None where entries are in it already."""
    same = major[1:] == major[:-1]
    if ((major[1:] > major[:-1]) | (same & (minor[1:] >= minor[:-1]))).all():
        return None
    if (minor[1:] >= minor[:-1]).all():
        return stable_order(major, sizes[0])  # so it is when CSR becomes CSC, or CSC CSR
    by_minor = stable_order(minor, sizes[1])
    return by_minor[stable_order(major[by_minor], sizes[0])]


def stable_order(keys: Array, bound: int) -> Array:
    """Return the order that sorts ``0 <= keys < bound``, equal keys in stored order.

    Examples
    --------
    >>> stable_order(np.array([70000, 3, 70000, 1]), 70001)
    array([3, 1, 0, 2])
    """
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    shift = 16
    while (bound - 1) >> shift > 0:
        digit = (keys >> shift).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
        shift += 16
    return order


def starts_of_runs(major: Array, minor: Array) -> Array:
    """Return for each of sorted entries whether its cell differs from the one before."""
    first = np.ones(len(major), bool)
    first[1:] = (major[1:] != major[:-1]) | (minor[1:] != minor[:-1])
    return first


def sum_runs(data: Array, first: Array) -> Array:
    """Return the sum of each run of duplicates, added one by one in stored order.

    The order is that of :meth:`Triplets.to_dense`, so the sums are the same bit for bit.
    """
    cell = np.cumsum(first) - 1
    total = data[first]
    again = ~first
    with np.errstate(all="ignore"):  # inf - inf and overflow are values here, not accidents
        np.add.at(total, cell[again], data[again])
    return total
