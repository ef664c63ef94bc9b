"""Sort small whole numbers and remember where each one stood.

The trick is to sort numbers alone, without an order that is carried along: a key and its slot are
packed into one word, ``key << bits | slot``, so that NumPy's vector sort of 32- or 64-bit words
(x86-simd-sort and Highway; Bramas, IJACSA 8(10), 2017) puts the keys in order and equal keys in
the order of their slots. That is a stable sort, several times faster than any argsort.

Where key and slot do not fit into 64 bits, as in shapes beyond 2**31 x 2**31, there is a radix
sort by 16-bit digits: NumPy's stable sort of 16-bit integers is a counting sort, and each digit is
one such pass (Knuth, The Art of Computer Programming 3, 5.2.5).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.xp import is_on_gpu, namespace

CHUNK = 2**15
"""Entries of which a few numbers each stay in a processor's own cache."""
_FEWEST = 2**12
"""Entries below which a chunk costs more in calls than in work."""


def chunks(of: Array, share: int = 16) -> Iterator[slice]:
    """Yield the parts of an array's entries that are worked on at a time.

    Each is at most what a cache holds, and one ``share``-th of them, so that what is found out
    about a part is small beside the whole. On a card, where every call is a launch, all are one
    part.

    Examples
    --------
    >>> list(chunks(np.zeros(5000)))
    [slice(0, 4096, None), slice(4096, 8192, None)]
    """
    count = len(of)
    step = max(count, 1) if is_on_gpu(of) else min(max(count // share, _FEWEST), CHUNK)
    for p in range(0, count, step):
        yield slice(p, p + step)


def gather(source: Array, slots: Array, out: Array) -> None:
    """Write ``source[slots]`` to ``out``; the slots exist."""
    if is_on_gpu(source):
        source.take(slots, axis=0, out=out)
    else:  # what else is to be done about slots that do not exist takes time
        source.take(slots, axis=0, out=out, mode="clip")


class Words(NamedTuple):
    """Sorted words, each a key above the slot that it came from.

    Attributes
    ----------
    words : ndarray of uint32 or uint64, shape (n,)
        ``key << bits | slot``.
    bits : int
        How many bits the slots have.
    """

    words: Array
    bits: int

    def keys(self, part: slice = slice(None)) -> Array:
        """Return the keys in order, of unsigned type; or a part of them."""
        keys: Array = self.words[part] >> self.words.dtype.type(self.bits)
        return keys

    def slots(self, part: slice = slice(None)) -> Array:
        """Return where each key stood, so that ``given[slots]`` is in order; or a part of it."""
        mask = self.words.dtype.type((1 << self.bits) - 1)
        slots: Array = (self.words[part] & mask).astype(np.intp)
        return slots


def cell_words(major: Array, minor: Array, sizes: tuple[int, int]) -> Words | None:
    """Return cells sorted by major, then minor line; None where 64 bits do not suffice.

    The key of a cell is ``major * sizes[1] + minor``. Of equal cells, the first slot comes first.

    Examples
    --------
    >>> found = cell_words(np.array([2, 0]), np.array([0, 1]), (3, 4))
    >>> found.keys().tolist(), found.slots().tolist()
    ([1, 8], [1, 0])
    """
    count = len(minor)
    bits = max(count - 1, 0).bit_length()
    needed = bits + max(sizes[0] * sizes[1] - 1, 0).bit_length()
    if needed > 64:
        return None
    width = np.dtype(np.uint32 if needed <= 32 else np.uint64)
    xp = namespace(minor)
    words = xp.empty(count, width)
    major, minor = _unsigned(major), _unsigned(minor)
    for part in chunks(words):
        word = words[part]
        if sizes[0] > 1:
            np.multiply(major[part], width.type(sizes[1]), out=word, dtype=width, casting="unsafe")
            word += minor[part].astype(width, copy=False)
        else:
            word[:] = minor[part]
        word <<= width.type(bits)
        word |= xp.arange(part.start, part.start + len(word), dtype=width)
    words.sort()
    return Words(words, bits)


def _unsigned(lines: Array) -> Array:
    """Return line numbers as unsigned integers, which mix with words."""
    return lines.view(f"u{lines.dtype.itemsize}")


def key_words(keys: Array, bound: int) -> Words | None:
    """Return keys sorted, ``0 <= key < bound``; None where 64 bits do not suffice."""
    return cell_words(keys, keys, (1, bound))


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
    words = key_words(keys, bound)
    if words is None:
        order = stable_order(keys, bound)
        return keys[order], order
    return words.keys(), words.slots()


def is_ordered(major: Array, minor: Array) -> bool:
    """Tell whether entries stand by major, then minor line; the same cell may follow itself.

    Examples
    --------
    >>> is_ordered(np.array([0, 0, 1]), np.array([1, 1, 0]))
    True
    >>> is_ordered(np.array([0, 0]), np.array([1, 0]))
    False
    """
    sample = major[:: max(1, len(major) // 16)]
    if (sample[1:] < sample[:-1]).any():  # most of what is not in order shows that at once
        return False
    for part in chunks(major[1:]):
        here, after = part, slice(part.start + 1, part.stop + 1)
        next_major, next_minor = major[after], minor[after]
        this_major, this_minor = major[here][: len(next_major)], minor[here][: len(next_major)]
        fine = next_minor >= this_minor
        fine &= next_major == this_major
        fine |= next_major > this_major
        if not fine.all():
            return False
    return True


def lexical_order(major: Array, minor: Array, sizes: tuple[int, int]) -> Array | None:
    """Return the stable order by major, then minor line; None where entries are in it already."""
    if is_ordered(major, minor):
        return None
    words = cell_words(major, minor, sizes)
    if words is not None:
        return words.slots()
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
    xp = namespace(lines)
    if len(lines) > 32 * count:  # few lines are found faster than many entries are counted
        starts: Array = np.searchsorted(lines, xp.arange(count + 1, dtype=lines.dtype))
        return starts
    indptr: Array = xp.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(lines, minlength=count), out=indptr[1:])
    return indptr
