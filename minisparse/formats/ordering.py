"""Sort small whole numbers and remember where each one stood.

The trick is to sort numbers alone, without an order that is carried along: a key and its slot are
packed into one word, ``key << bits | slot``, so that NumPy's vector sort of 32- or 64-bit words
(x86-simd-sort and Highway; Bramas, IJACSA 8(10), 2017) puts the keys in order and equal keys in
the order of their slots. That is a stable sort, several times faster than any argsort.

Where key and slot do not fit into 64 bits, as in shapes beyond 2**31 x 2**31, there is a radix
sort by 16-bit digits: NumPy's stable sort of 16-bit integers is a counting sort, and each digit is
one such pass (Knuth, The Art of Computer Programming 3, 5.2.5).
"""

import numpy as np

from minisparse.core.dtypes import Array


def cell_keys(major: Array, minor: Array, sizes: tuple[int, int]) -> Array | None:
    """Return the number of each cell, ``major * sizes[1] + minor``, or None beyond 64 bits.

    Examples
    --------
    >>> cell_keys(np.array([0, 2]), np.array([1, 0]), (3, 4))
    array([1, 8], dtype=uint32)
    """
    count = sizes[0] * sizes[1]
    if count >= 2**63:
        return None
    width = np.dtype(np.uint32 if count <= 2**32 else np.uint64)
    keys: Array = major.astype(width)
    # A lone cell may stand in a row of 2**32: then there is nothing to multiply.
    keys *= width.type(sizes[1] if sizes[0] > 1 else 0)
    keys += minor.astype(width, copy=False)
    return keys


def sorted_keys(keys: Array, bound: int) -> tuple[Array, Array]:
    """Return keys in order and the slots they came from; equal keys by slot.

    Parameters
    ----------
    keys : ndarray of int, shape (n,)
        ``0 <= keys < bound``.
    bound : int
        Tells how many bits a key has.

    Returns
    -------
    keys : ndarray of int, shape (n,)
        Sorted; of unsigned type, except beyond 64 bits.
    order : ndarray of intp, shape (n,)
        So that the first result is the argument's ``keys[order]``.

    Examples
    --------
    >>> keys, order = sorted_keys(np.array([7, 3, 7, 1]), 8)
    >>> keys.tolist(), order.tolist()
    ([1, 3, 7, 7], [3, 1, 0, 2])
    """
    bits = max(len(keys) - 1, 0).bit_length()
    needed = bits + max(bound - 1, 0).bit_length()
    if needed > 64:
        order = stable_order(keys, bound)
        return keys[order], order
    width = np.dtype(np.uint32 if needed <= 32 else np.uint64)
    words = keys.astype(width)
    words <<= width.type(bits)
    words |= np.arange(len(keys), dtype=width)
    words.sort()
    order = (words & width.type((1 << bits) - 1)).astype(np.intp)
    words >>= width.type(bits)
    return words, order


def lexical_order(major: Array, minor: Array, sizes: tuple[int, int]) -> Array | None:
    """Return the stable order by major, then minor line; None where entries are in it already."""
    keys = cell_keys(major, minor, sizes)
    if keys is not None:
        if (keys[1:] >= keys[:-1]).all():
            return None
        return sorted_keys(keys, sizes[0] * sizes[1])[1]
    same = major[1:] == major[:-1]
    if ((major[1:] > major[:-1]) | (same & (minor[1:] >= minor[:-1]))).all():
        return None
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


def starts_of_lines(lines: Array, count: int) -> Array:
    """Return where each of so many lines starts among sorted line numbers, and where all end.

    Examples
    --------
    >>> starts_of_lines(np.array([0, 0, 2]), 3)
    array([0, 2, 2, 3])
    """
    if len(lines) > 32 * count:  # few lines are found faster than many entries are counted
        return np.searchsorted(lines, np.arange(count + 1, dtype=lines.dtype))
    indptr = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(lines, minlength=count), out=indptr[1:])
    return indptr
