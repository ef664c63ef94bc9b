"""Dot products of bytes: four products a step, summed in 32 bits, as CPUs do for quantized layers.

Everything is exact but for what happens at the edge of the accumulator, and for one instruction of
AVX2 at the edge of 16 bits. A is ``[M, K]``, B ``[K, N]``, C ``[M, N]`` of int32; four neighbors
along K meet in one 32-bit lane, and steps follow each other from k = 0 on.
"""

from collections.abc import Iterator

import numpy as np

from minisparse.core.dtypes import Array

_STEP = 4


def wrap(x: Array) -> Array:
    """Return int64 modulo 2**32, as int32 (two's complement)."""
    return np.asarray(x).astype(np.int32)


def dot_wrapping(a: Array, b: Array, c: Array) -> Array:
    """Return ``A @ B + C`` modulo 2**32: VPDPBUSD, SDOT, ``mma`` on integers without .satfinite.

    No order and no width of the steps shows: the last 32 bits of a sum depend on no others.
    """
    # Every partial sum is below 255 * 255 * K, which float64 holds exactly up to K of 2**36.
    total = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    return wrap(total + c)


def dot_saturating(a: Array, b: Array, c: Array) -> Array:
    """Return ``A @ B + C`` cut to int32 after every four products: VPDPBUSDS.

    Within a step the five addends are summed exactly, and cut once (Intel SDM, volume 2C).
    """
    found = c.astype(np.int64)
    for pairs in _steps(a, b, _STEP):
        found = np.clip(found + pairs.sum(axis=0), -(2**31), 2**31 - 1)
    return wrap(found)


def dot_through_words(a: Array, b: Array, c: Array) -> Array:
    """Return what VPMADDUBSW, VPMADDWD by ones and VPADDD give: pairs are cut to int16 first.

    ``255 * 127 + 255 * 127`` does not fit: two large weights side by side lose up to half of their
    sum. That is why quantizers for AVX2 keep weights within 7 bits.
    """
    found = c.astype(np.int64)
    for products in _steps(a, b, _STEP):
        words = np.clip(products[0::2] + products[1::2], -(2**15), 2**15 - 1)
        found = found + words.sum(axis=0)
    return wrap(found)


def _steps(a: Array, b: Array, size: int) -> Iterator[Array]:
    """Yield the products of each step, int64 ``[size, M, N]``; the last filled up with zeros."""
    fill = -a.shape[1] % size
    a = np.pad(a.astype(np.int64), [(0, 0), (0, fill)])
    b = np.pad(b.astype(np.int64), [(0, fill), (0, 0)])
    for k in range(0, a.shape[1], size):
        yield a.T[k : k + size, :, None] * b[k : k + size, None, :]
