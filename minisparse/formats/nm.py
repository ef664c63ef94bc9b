"""n:m sparsity: of every m neighbors in a row, at most n are nonzero, and n are stored.

The format of sparse tensor cores at n:m = 2:4 (Mishra et al., arXiv:2104.08378, 2021). Values
``data[m, g * n …]`` belong to group g of row m, and stand in its columns ``g * m + positions``.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import FormatError, UnsupportedOpError, UsageError
from minisparse.core.index import index_dtype
from minisparse.core.triplets import Triplets
from minisparse.core.xp import check_one_place, namespace
from minisparse.formats.base import Matrix
from minisparse.formats.compressed import Compressed, compress, expand, pointers, turn
from minisparse.formats.groups import choose, with_room
from minisparse.formats.holder import Block
from minisparse.formats.intake import (
    as_integers,
    as_shape,
    as_values,
    check_range,
    first_true,
)

if TYPE_CHECKING:
    from minisparse.formats.pattern import Pattern

_LARGEST_M = 256  # positions are uint8
_CELLS = 2**14
"""Cells whose groups are filled at a time, so that what is found about them stays in a cache."""


class NM(Matrix):
    """n stored values in every group of m neighbors of a row.

    Parameters
    ----------
    data : array_like, shape (M, G * n)
        The n values of each of the G = ceil(K / m) groups of a row, group after group.
    positions : array_like of int, shape (M, G * n)
        Where in its group each value stands: ``0 … m - 1``, increasing within the group.
    shape : tuple of int
        ``(M, K)``. Where m does not divide K the last group reaches beyond the matrix.
    m : int
        Size of a group, at most 256.
    n : int, optional
        Derived from the arrays; only where K is 0, and there is no group to tell, it counts, and
        is half of m unless given.

    Raises
    ------
    FormatError
        With the number of the first broken rule:
        F1 the shape is two integers of at least 0;
        F2 m is an integer from 1 to 256, n (derived or given) one from 1 to m;
        F3 data is 2-D, M x (G * n) (DTypeError: of a supported dtype);
        F4 positions holds integers and has data's shape;
        F5 every position is less than m;
        F6 positions increase within a group;
        F7 what stands beyond column K is zero.

    Notes
    -----
    A group with fewer than n nonzeros holds explicit zeros as padding. The conversions put them
    at the lowest positions of the group that are free, be these within the shape or beyond.
    Padding within the shape is stored, and so computed with. Always sorted and canonical.
    Arrays that fit are not copied: write into them later, and the matrix changes or breaks.

    Examples
    --------
    >>> from minisparse.formats import NM
    >>> A = NM([[1.0, 2.0, 3.0, 0.0]], [[1, 3, 0, 1]], (1, 8))
    >>> A
    NM(1x8 2:4 float64, 4 stored, density 0.5, 0.036 kB)
    >>> A.to_dense()
    array([[0., 1., 0., 2., 3., 0., 0., 0.]])
    """

    format = "nm"
    roles: ClassVar[Mapping[str, str]] = {"data": "values", "positions": "indices"}
    layout_names = ("n", "m")

    positions: Array
    m: int
    n: int

    def __init__(
        self, data: Any, positions: Any, shape: tuple[int, int], m: int = 4, n: int | None = None
    ) -> None:
        shape = as_shape(shape, "NM (F1)")
        m = _as_group_size(m)
        data = as_values(data, 2, "NM (F3): data")
        n = _derive_n(data.shape, shape, m, n)
        positions = as_integers(positions, 2, "NM (F4): positions")
        _check(data, positions, shape, (n, m))
        self._store(shape, {"data": data, "positions": positions, "m": m, "n": n})

    def check(self) -> None:
        """Verify every invariant; raise FormatError naming the first broken one."""
        _check(self.data, self.positions, self.shape, self.block)

    def _padding(self) -> Array | None:
        if self.shape[1] % self.m == 0:
            return None
        outside: Array = _columns(self.positions, self.block, np.dtype(np.int64)) >= self.shape[1]
        return outside

    def _check_padding(self) -> None:
        _check_padding(self.data, self.positions, self.shape, self.block)

    @property
    def block(self) -> tuple[int, int]:
        """The numbers n and m."""
        return self.n, self.m

    @property
    def _extras(self) -> Mapping[str, Any]:
        return {"n": self.n, "m": self.m}

    @classmethod
    def _from_arrays(cls, arrays: Sequence[Any], shape: tuple[int, int], block: Block) -> Self:
        if not isinstance(block, tuple) or len(block) != 2:
            raise FormatError(f"NM (F2): block is {block!r}: it must be (n, m)")
        construct: Callable[..., Self] = cls
        return construct(*arrays, shape, m=block[1], n=block[0])

    @classmethod
    def _index_dtype(cls, shape: tuple[int, int], stored: int) -> DType:
        return np.dtype(np.uint8)

    def triplets(self) -> Triplets:
        """Return the stored entries row by row; padding beyond the shape left out."""
        # Wide enough for the padding too, which reaches beyond the shape.
        width = index_dtype((self.shape[0], self.shape[1] + self.m), self.nnz)
        col = _columns(self.positions, self.block, width)
        row = np.broadcast_to(namespace(col).arange(self.shape[0], dtype=width)[:, None], col.shape)
        if self.shape[1] % self.m == 0:
            return Triplets(row.reshape(-1), col.reshape(-1), self.data.reshape(-1), self.shape)
        inside = col < self.shape[1]
        return Triplets(row[inside], col[inside], self.data[inside], self.shape)

    @property
    def has_sorted_indices(self) -> bool:
        """True: rule F6."""
        return True

    @property
    def has_canonical_format(self) -> bool:
        """True: rule F6."""
        return True

    @property
    def T(self) -> NoReturn:  # noqa: N802 - the name NumPy gave it
        """None: the transpose of an n:m matrix has its groups along columns, and is not n:m."""
        raise UnsupportedOpError(
            "nm: the transpose would have its groups along columns, and is not n:m; "
            "write A.to('csr').T"
        )

    @classmethod
    def _as_block(cls, layout: Mapping[str, Any]) -> tuple[int, int]:
        n, m = layout["n"], layout["m"]
        try:
            n, m = operator.index(n), operator.index(m)
        except TypeError:
            n = m = 0
        if not 1 <= n <= m <= _LARGEST_M:
            raise UsageError(
                f"nm: n={layout['n']!r}, m={layout['m']!r}: n must be an integer from 1 to m, "
                f"and m at most {_LARGEST_M}, as in n=2, m=4"
            )
        return n, m

    @classmethod
    def _from_dense(cls, x: Array, block: Block) -> Self:
        n, m = block or (2, 4)
        pad = -x.shape[1] % m
        padded = np.pad(x, ((0, 0), (0, pad))) if pad else x
        chosen, positions = choose(namespace(x).ascontiguousarray(padded != 0), (n, m))
        data = padded[chosen].reshape(positions.shape)
        return cls._trusted(x.shape, data=data, positions=positions, n=n, m=m)

    @classmethod
    def _from_triplets(cls, triplets: Triplets, block: Block) -> Self:
        row, col, data, shape = triplets
        return cls._from_rows(compress(row, col, data, shape), shape, block or (2, 4))

    @classmethod
    def _from_matrix(cls, A: Matrix, block: Block) -> Self:
        rows = A._rows()
        if rows is None or not A.has_canonical_format:
            return cls._from_triplets(A.triplets(), block)
        return cls._from_rows(rows, A.shape, block or (2, 4))

    @classmethod
    def _from_rows(cls, rows: Compressed, shape: tuple[int, int], block: tuple[int, int]) -> Self:
        """Return the matrix of CSR's canonical arrays, a few rows at a time."""
        n, m = block
        groups = -(-shape[1] // m)
        xp = namespace(rows.data)
        values = xp.zeros((shape[0], groups * n), rows.data.dtype)
        positions = xp.empty(values.shape, np.uint8)
        step = max(1, _CELLS // max(groups * m, 1) if xp is np else shape[0])
        for i in range(0, shape[0], step):
            indptr = rows.indptr[i : i + step + 1]
            part = slice(int(indptr[0]), int(indptr[-1]))
            cell = expand(indptr).astype(np.int64) * (groups * m) + rows.indices[part]
            data, shown = rows.data[part], (len(indptr) - 1, groups * m)
            kept = with_room(cell // m, data != 0, n)
            occupied = xp.zeros(shown, bool)
            occupied.reshape(-1)[cell[kept]] = True
            chosen, positions[i : i + step] = choose(occupied, block, i)
            # Both are in order, so the kept entries are the occupied ones of the chosen cells.
            values[i : i + step].reshape(-1)[occupied[chosen]] = data[kept]
        return cls._trusted(shape, data=values, positions=positions, n=n, m=m)

    def _rows(self) -> Compressed:
        width = index_dtype((self.shape[0], self.shape[1] + self.m), self.nnz)
        col = _columns(self.positions, self.block, width)
        if self.shape[1] % self.m == 0:
            starts = namespace(col).arange(self.shape[0] + 1, dtype=width) * col.shape[1]
            return Compressed(self.data.reshape(-1), col.reshape(-1), starts)
        inside = col < self.shape[1]
        starts = pointers(np.count_nonzero(inside, axis=1))
        return Compressed(self.data[inside], col[inside], starts.astype(width, copy=False))

    def _columns(self) -> Compressed:
        return turn(self._rows(), self.shape[1])

    @classmethod
    def _predicted_bytes(cls, pattern: "Pattern", block: Block, itemsize: int) -> int:
        n, m = block or (2, 4)
        return pattern.shape[0] * -(-pattern.shape[1] // m) * n * (itemsize + 1)


# -- the rules -----------------------------------------------------------------------------------


def _as_group_size(m: Any) -> int:
    try:
        found = operator.index(m)
    except TypeError:
        found = 0
    if not 1 <= found <= _LARGEST_M:
        raise FormatError(f"NM (F2): m is {m!r}: it must be an integer from 1 to {_LARGEST_M}")
    return found


def _derive_n(stored: tuple[int, ...], shape: tuple[int, int], m: int, given: Any) -> int:
    """Return n, which the width of ``data`` tells wherever there is a group."""
    groups = -(-shape[1] // m)
    if stored[0] != shape[0] or (stored[1] % groups if groups else stored[1]):
        raise FormatError(
            f"NM (F3): data has shape {stored}: it must be {shape[0]} x a multiple of "
            f"{groups}, the number of groups of {m} in a row of {shape[1]}"
        )
    told = stored[1] // groups if groups else None
    if told is not None and given is not None and given != told:
        raise FormatError(f"NM (F2): n is {given!r}, but data of shape {stored} makes it {told}")
    n = told if told is not None else max(1, m // 2) if given is None else given
    if not isinstance(n, int | np.integer) or not 1 <= n <= m:
        raise FormatError(f"NM (F2): n is {n!r}: it must be an integer from 1 to m, which is {m}")
    return int(n)


def _check(data: Array, positions: Array, shape: tuple[int, int], block: tuple[int, int]) -> None:
    """Verify rules F4 to F7."""
    n, m = block
    if type(data) is not type(positions):
        check_one_place("NM", {"data": data, "positions": positions})
    if positions.shape != data.shape:
        raise FormatError(
            f"NM (F4): positions has shape {positions.shape} but data has {data.shape}: "
            f"each stored value needs one position"
        )
    check_range(positions, m, "NM (F5): positions", "columns in a group")
    grouped = positions.reshape(shape[0], -1, n) if data.size else positions.reshape(0, 0, n)
    falls = grouped[..., 1:] <= grouped[..., :-1]
    if falls.any():
        i, g, p = first_true(falls)
        raise FormatError(
            f"NM (F6): in row {i}, group {g}, positions[{i}, {g * n + p + 1}] is "
            f"{grouped[i, g, p + 1]} after {grouped[i, g, p]}: positions must increase"
        )
    _check_padding(data, positions, shape, block)


def _check_padding(
    data: Array, positions: Array, shape: tuple[int, int], block: tuple[int, int]
) -> None:
    """Verify rule F7."""
    if shape[1] % block[1] == 0:
        return
    col = _columns(positions, block, np.dtype(np.int64))
    wrong = (col >= shape[1]) & (data != 0)
    if wrong.any():
        i, p = first_true(wrong)
        raise FormatError(
            f"NM (F7): data[{i}, {p}] is {data[i, p]} but stands for A[{i}, {col[i, p]}], "
            f"outside the shape {shape[0]}x{shape[1]}: padding must be zero"
        )


def _columns(positions: Array, block: tuple[int, int], width: DType) -> Array:
    """Return the column of every stored value, ``[M, G * n]``."""
    n, m = block
    slots: Array = namespace(positions).arange(positions.shape[1], dtype=width)
    return slots // n * m + positions
