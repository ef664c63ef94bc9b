"""Fragments: which lane of a warp holds which elements of a tile, and in which of its registers.

A tensor core multiplies tiles that no thread holds as a whole: each of the 32 lanes has a few
elements of A, of B and of C. With ``g = lane // 4`` and ``t = lane % 4`` every table is a formula
of g, t and the number of the element; two elements of 16 bits share a register of 32 (PTX ISA 8.7,
section 9.7.14.5.8, "Matrix fragments for mma.m16n8k16 with floating point type", and 9.7.14.6.2,
"Matrix fragments for sparse mma.m16n8k32").
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.xp import namespace
from minisparse.gpu.jit import WARP

G, T = np.divmod(np.arange(WARP)[:, None], 4)
"""The group of four lanes that each lane belongs to, and its number in the group."""


@dataclass(frozen=True, eq=False)
class Fragment:
    """How a warp holds a tile.

    Attributes
    ----------
    name : str
        Of the operand, and its tile.
    shape : tuple of int
        Of the tile.
    rows, cols : ndarray of int, shape (32, elements)
        The place in the tile of each element of each lane.
    """

    name: str
    shape: tuple[int, int]
    rows: Array
    cols: Array

    def pack(self, tile: Array) -> Array:
        """Return what each lane holds of a tile.

        Parameters
        ----------
        tile : ndarray, shape (…, rows, columns)
            Perhaps many tiles.

        Returns
        -------
        ndarray, shape (…, 32, elements)

        Examples
        --------
        >>> C.pack(np.arange(128).reshape(16, 8))[5]
        array([10, 11, 74, 75])
        """
        xp: Any = namespace(tile)
        found: Array = tile[..., xp.asarray(self.rows), xp.asarray(self.cols)]
        return found

    def unpack(self, held: Array) -> Array:
        """Return the tile whose elements the lanes hold; the inverse of :meth:`pack`."""
        tile = np.empty((*held.shape[:-2], *self.shape), held.dtype)
        tile[..., self.rows, self.cols] = held
        return tile

    @property
    def lanes(self) -> Array:
        """Which lane holds each place of the tile, shape (rows, columns)."""
        elements = self.rows.shape[1]
        return self.unpack(np.broadcast_to(np.arange(WARP)[:, None], (WARP, elements)))

    @property
    def elements(self) -> Array:
        """As which of its elements that lane holds it, shape (rows, columns)."""
        return self.unpack(np.broadcast_to(np.arange(self.rows.shape[1]), self.rows.shape))


def _numbers(count: int) -> tuple[Array, Array]:
    """Return for each element the number of its register, and which half of it."""
    return np.divmod(np.arange(count), 2)


_R, _H = _numbers(8)
A = Fragment("A 16x16", (16, 16), G + 8 * (_R % 2), 2 * T + _H + 8 * (_R // 2))
"""A ``[m, k]`` of ``m16n8k16``; also the compressed A of the sparse ``m16n8k32``."""
SparseB = Fragment("B 32x8", (32, 8), 2 * T + _H + 8 * _R, G + 0 * _R)
"""B ``[k, n]`` of the sparse ``m16n8k32``."""

_R, _H = _numbers(4)
B = Fragment("B 16x8", (16, 8), 2 * T + _H + 8 * _R, G + 0 * _R)
"""B ``[k, n]`` of ``m16n8k16``."""
C = Fragment("C 16x8", (16, 8), G + 8 * _R, 2 * T + _H)
"""C ``[m, n]`` of both, in float32: an element is a register."""
