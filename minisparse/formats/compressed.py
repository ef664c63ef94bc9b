"""Compressed storage: one major line after another, with pointers to where each one starts.

CSR compresses rows, CSC columns, BSR block rows. Below, *major* is what is compressed and *minor*
what ``indices`` number: columns, rows, block columns. p runs over the stored slots; those of
major line i are ``indptr[i] <= p < indptr[i + 1]``.
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import FormatError
from minisparse.core.xp import check_one_place, is_on_gpu, namespace
from minisparse.formats.intake import check_range
from minisparse.formats.ordering import (
    cell_words,
    chunks,
    gather,
    is_ordered,
    key_words,
    lexical_order,
    sorted_keys,
    stable_order,
    starts_of_lines,
)
from minisparse.gpu.segments import add_runs

_NEAR = 2**17
"""Entries whose indices are gathered from a cache."""


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
    if not type(data) is type(indices) is type(indptr):
        check_one_place(name, arrays._asdict())
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


def expand(indptr: Array, width: DType | None = None, *, count: int | None = None) -> Array:
    """Return the major line of every slot: ``[0, 0, 2]`` for ``indptr = [0, 2, 2, 3]``.

    In ``indptr``'s dtype, unless another is given. Who knows how many slots there are tells by
    ``count``: then no card is asked for the number.

    Examples
    --------
    >>> expand(np.array([0, 2, 2, 3]))
    array([0, 0, 2])
    """
    xp = namespace(indptr)
    if count is not None and xp is not np:
        slots = xp.arange(count, dtype=indptr.dtype)
        lines: Array = np.searchsorted(indptr, slots, side="right") - 1
        return lines.astype(width or indptr.dtype, copy=False)
    lines = xp.arange(len(indptr) - 1, dtype=width or indptr.dtype)
    return np.repeat(lines, np.diff(indptr))


def pointers(counts: Array) -> Array:
    """Return ``indptr`` of lines that hold so many entries.

    Examples
    --------
    >>> pointers(np.array([2, 0, 1]))
    array([0, 2, 2, 3])
    """
    indptr: Array = namespace(counts).zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, dtype=np.int64, out=indptr[1:])
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
    if is_ordered(major, minor):
        return merge(Compressed(data, minor, starts_of_lines(major, sizes[0])))
    return merge(_in_order(major, minor, data, sizes))


def _in_order(major: Array, minor: Array, data: Array, sizes: tuple[int, int]) -> Compressed:
    indptr = pointers(np.bincount(major, minlength=sizes[0]))
    words = cell_words(major, minor, sizes)
    if words is None:
        order = lexical_order(major, minor, sizes)
        return Compressed(data[order], minor[order], indptr)
    sorted_data, sorted_minor = np.empty_like(data), np.empty_like(minor)
    for part in chunks(data):
        slots = words.slots(part)
        gather(data, slots, sorted_data[part])
        if len(data) <= _NEAR:
            gather(minor, slots, sorted_minor[part])
        else:  # the words tell it too: two operations instead of a gather from far away
            cell = words.keys(part)
            cell -= cell // cell.dtype.type(sizes[1]) * cell.dtype.type(sizes[1])
            sorted_minor[part] = cell
    return Compressed(sorted_data, sorted_minor, indptr)


def merge(entries: Compressed) -> Compressed:
    """Sum duplicates of sorted entries, one by one in stored order; themselves where none are."""
    data, minor, indptr = entries
    first = namespace(minor).empty(len(minor) + 1, bool)
    np.not_equal(minor[1:], minor[:-1], out=first[1:-1])
    first[indptr] = True
    first = first[:-1]
    if first.all():
        return entries
    again = np.flatnonzero(~first)
    starts = indptr - np.searchsorted(again, indptr)
    return Compressed(sum_runs(data, first), minor[first], starts)


def group(major: Array, minor: Array, data: Array, majors: int) -> Compressed:
    """Compress entries in stored order within each major line, duplicates and all."""
    if (major[1:] >= major[:-1]).all():
        return Compressed(data, minor, starts_of_lines(major, majors))
    lines, order = sorted_keys(major, majors)
    return Compressed(data[order], minor[order], starts_of_lines(lines, majors))


def turn(entries: Compressed, minors: int) -> Compressed:
    """Compress the other way: CSR's arrays become CSC's, or CSC's become CSR's.

    Within each of the new lines entries stand by their old line, and in stored order where the old
    line is the same: sorted, duplicates and all.

    Parameters
    ----------
    entries : Compressed
        With 1-D data.
    minors : int
        Number of the new lines.

    Examples
    --------
    >>> turn(Compressed(np.array([1., 2., 3.]), np.array([0, 2, 0]), np.array([0, 2, 3])), 3)
    Compressed(data=array([1., 3., 2.]), indices=array([0, 1, 0]), indptr=array([0, 2, 2, 3]))
    """
    data, minor, indptr = entries
    starts = pointers(np.bincount(minor, minlength=minors))
    words = key_words(minor, minors)
    if words is None:
        order = stable_order(minor, minors)
        return Compressed(data[order], expand(indptr, count=len(data))[order], starts)
    turned_data, turned_major = np.empty_like(data), np.empty_like(minor)
    del entries, minor  # where nobody else holds them, their memory is free again
    # Small beside the result: lines in few bytes, and slots of a few words at a time.
    major = expand(indptr, np.min_scalar_type(len(indptr)), count=len(data))
    for part in chunks(data, 4):
        slots = words.slots(part)
        gather(data, slots, turned_data[part])
        turned_major[part] = major.take(slots)
    return Compressed(turned_data, turned_major, starts)


def starts_of_runs(major: Array, minor: Array) -> Array:
    """Return for each of sorted entries whether its cell differs from the one before."""
    first: Array = namespace(major).ones(len(major), bool)
    first[1:] = (major[1:] != major[:-1]) | (minor[1:] != minor[:-1])
    return first


def sum_runs(data: Array, first: Array) -> Array:
    """Return the sum of each run of duplicates, added one by one in stored order.

    The order is that of :meth:`Triplets.to_dense`, so the sums are the same bit for bit.
    """
    if is_on_gpu(data):
        return _sums_of_runs(data, np.flatnonzero(first))
    again = np.flatnonzero(~first)
    # A run's total stands as many places further to the front as duplicates came before.
    place = again - np.arange(1, len(again) + 1)
    total: Array = data[first]
    add_at(total, place, data[again])
    return total


def add_at(total: Array, place: Array | tuple[Array, Array], data: Array) -> None:
    """Add ``data[p]`` to ``total[place[p]]``, which is 0 before, one by one in stored order.

    Added, not assigned, also where every place is met once: then a stored -0.0 makes 0.0 of a
    zero with and without duplicates elsewhere.
    """
    if is_on_gpu(data):
        _add_on_gpu(total, place, data)
        return
    with np.errstate(all="ignore"):  # inf - inf and overflow are values here, not accidents
        np.add.at(total, place, data)


def _add_on_gpu(total: Array, place: Array | tuple[Array, Array], data: Array) -> None:
    """Add in stored order, where threads would in any: sort by place, and add up each one's run."""
    places = place if isinstance(place, tuple) else (place,)
    key = places[0]
    if len(places) == 2:
        key = key.astype(np.int64) * total.shape[1] + places[1]
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(starts_of_runs(key, key))
    held = order[starts]
    total[tuple(x[held] for x in places)] = _sums_of_runs(data[order], starts) + data.dtype.type(0)


def _sums_of_runs(data: Array, starts: Array) -> Array:
    """Return the sums of runs that start there, on a card."""
    xp = namespace(data)
    indptr = xp.empty(len(starts) + 1, np.int64)
    indptr[:-1], indptr[-1] = starts, len(data)
    return add_runs(data, indptr, xp.empty((len(starts), *data.shape[1:]), data.dtype))


def put_at(
    total: Array, place: Array | tuple[Array, Array], data: Array, *, distinct: bool
) -> None:
    """Add ``data[p]`` to ``total[place[p]]``, which is 0 before.

    Where no place is met twice, it is assigned: that takes less time, and 0 is added as before.
    """
    if distinct:
        # A card has no place for an array of the host, and NumPy is faster with one.
        zero = data.dtype.type(0) if is_on_gpu(data) else np.zeros((), data.dtype)
        with np.errstate(all="ignore"):  # a signaling NaN is a value here, not an accident
            total[place] = data + zero
    else:
        add_at(total, place, data)
