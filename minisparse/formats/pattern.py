"""What the positions of a matrix's nonzeros look like: the facts that formats are chosen by."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import Layout

BLOCK_SIZES = (2, 4, 8, 16, 32)
"""Heights of the square blocks that every pattern counts."""
GROUP_SIZES = (2, 4, 8, 16)
"""The m of every n:m that a pattern knows about."""

_DENSE = 0.95  # this full, zeros are not worth an index
_FULL_BLOCKS = 0.9
_FULL_GROUPS = 0.75
_SOME_EMPTY = 0.1  # fewer empty rows than this are chance, not structure


@dataclass(frozen=True, eq=False)
class Pattern:
    """Where the nonzero values of a matrix are; made by :func:`find_pattern`.

    Attributes
    ----------
    shape : tuple of int
        ``(M, K)``.
    row_counts : ndarray of int64, shape (M,)
        Nonzeros in each row.
    col_counts : ndarray of int64, shape (K,)
        Nonzeros in each column.
    blocks : mapping
        From s to the number of s x s blocks that hold a nonzero, for s in ``BLOCK_SIZES``; the
        blocks at the edges included.
    groups : mapping
        From m to how many groups of m neighbors in a row hold 0, 1 … m nonzeros, for m in
        ``GROUP_SIZES``; the last, shorter group of a row included.
    bandwidth : int
        Largest distance of a nonzero from the diagonal.
    rectangles : mapping
        Like ``blocks``, for the (height, width) that ``find_pattern`` was asked for besides, and
        for the blocks of a BSR matrix.
    """

    shape: tuple[int, int]
    row_counts: Array
    col_counts: Array
    blocks: Mapping[int, int]
    groups: Mapping[int, tuple[int, ...]]
    bandwidth: int
    rectangles: Mapping[tuple[int, int], int] = field(default_factory=dict)

    @property
    def nnz(self) -> int:
        """Number of nonzero values."""
        return int(self.row_counts.sum())

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.shape[0] * self.shape[1]

    @property
    def density(self) -> float:
        """Nonzeros over elements; 0 for a matrix without elements."""
        return self.nnz / self.size if self.size else 0.0

    @property
    def nonzero_rows(self) -> int:
        """Number of rows that hold a nonzero."""
        return int((self.row_counts > 0).sum())

    @property
    def nonzero_cols(self) -> int:
        """Number of columns that hold a nonzero."""
        return int((self.col_counts > 0).sum())

    @property
    def zero_rows(self) -> int:
        """Number of rows without a nonzero."""
        return self.shape[0] - self.nonzero_rows

    @property
    def zero_cols(self) -> int:
        """Number of columns without a nonzero."""
        return self.shape[1] - self.nonzero_cols

    @property
    def row_imbalance(self) -> float:
        """The fullest row's nonzeros over the mean row's; 1 where all rows hold as many."""
        nnz = self.nnz
        return float(self.row_counts.max()) * self.shape[0] / nnz if nnz else 1.0

    @property
    def nm(self) -> dict[tuple[int, int], int]:
        """From (n, m) to the number of groups of m in a row that hold more than n nonzeros."""
        return {
            (n, m): sum(self.groups[m][n + 1 :]) for m in self.groups for n in (1, 2, 4, 8) if n < m
        }

    def fits_nm(self, n: int, m: int) -> bool:
        """Tell whether no group of m in a row holds more than n nonzeros.

        Raises
        ------
        UsageError
            If m is not among ``GROUP_SIZES``.
        """
        if m not in self.groups:
            raise UsageError(
                f"{n}:{m}: groups of {m} were not counted; counted: "
                f"{', '.join(map(str, self.groups))}"
            )
        return not any(self.groups[m][n + 1 :])

    def count_blocks(self, r: int, c: int) -> int:
        """Return the number of r x c blocks that hold a nonzero.

        Raises
        ------
        UsageError
            If blocks of that size were not counted.
        """
        if (r, c) == (1, 1):
            return self.nnz
        if (r, c) in self.rectangles:
            return self.rectangles[r, c]
        if r != c or r not in self.blocks:
            raise UsageError(
                f"blocks of {r}x{c} were not counted; counted are squares of "
                f"{', '.join(map(str, self.blocks))}, and what find_pattern(x, "
                f"rectangles=[({r}, {c})]) asks for"
            )
        return self.blocks[r]

    def block_occupancy(self, s: int) -> float:
        """Return the fraction of s x s blocks that hold a nonzero."""
        blocks = -(-self.shape[0] // s) * -(-self.shape[1] // s)
        return self.count_blocks(s, s) / blocks if blocks else 0.0

    def block_fill(self, s: int) -> float:
        """Return nonzeros over what BSR with s x s blocks would store, padding included."""
        return self.nnz / (self.count_blocks(s, s) * s * s) if self.nnz else 0.0

    @property
    def kind(self) -> str:
        """One word: ``empty dense rows columns blocks nm unstructured``, the first that holds."""
        return self._classify()[0]

    def describe(self) -> str:
        """Return a few words for a table.

        Examples
        --------
        >>> import numpy as np
        >>> from minisparse.formats import find_pattern
        >>> find_pattern(np.kron(np.eye(5), np.ones((8, 8)))).describe()
        '8x8 blocks, 80 % empty'
        >>> find_pattern(np.tile([[0, 1, 1, 0], [1, 1, 0, 0]], (3, 2))).describe()
        '2:4'
        """
        return self._classify()[1]

    def table(self, itemsize: int = 4) -> str:
        """Return all that was counted, and the bytes in every format, as text.

        Parameters
        ----------
        itemsize : int
            Bytes of one value; a pattern does not know.

        Examples
        --------
        >>> import numpy as np
        >>> from minisparse.formats import find_pattern
        >>> print(find_pattern(np.eye(64)).table())  # doctest: +ELLIPSIS
        64x64: 0.984 unstructured
        <BLANKLINE>
        nonzeros   64 of 4096, density 0.0156
        rows       1 to 1 nonzeros each, 1 on average; 0 rows are zero
        ...
        """
        from minisparse.formats.pattern_card import pattern_text

        return pattern_text(self, itemsize)

    def __str__(self) -> str:
        """Return :meth:`table`."""
        return self.table()

    def _repr_html_(self) -> str:
        """Return the same as a card for a notebook."""
        from minisparse.formats.pattern_card import pattern_html

        return pattern_html(self, 4)

    def _classify(self) -> tuple[str, str]:
        if not self.nnz:
            return "empty", "empty"
        if self.density >= _DENSE:
            return "dense", "dense"
        return self._as_lines() or self._as_blocks() or self._as_groups() or self._as_chance()

    def _as_lines(self) -> tuple[str, str] | None:
        """Look whether whole rows or columns are gone, and the rest is dense."""
        if self.nnz < _DENSE * self.nonzero_rows * self.nonzero_cols:
            return None
        rows = 1 - self.nonzero_rows / self.shape[0]
        return "rows" if rows else "columns", self._empty_lines(0.0)

    def _as_blocks(self) -> tuple[str, str] | None:
        """Look for the largest blocks that are (nearly) full where they are not empty."""
        full = [s for s in self.blocks if self.block_fill(s) >= _FULL_BLOCKS]
        if not full:
            return None
        s = max(full)
        return "blocks", f"{s}x{s} blocks, {_percent(1 - self.block_occupancy(s))} empty"

    def _as_groups(self) -> tuple[str, str] | None:
        """Look for the n:m that holds everywhere and is best filled, the smallest m first."""
        fits = [nm for nm, violations in self.nm.items() if not violations]
        if not fits:
            return None
        n, m = min(fits, key=lambda nm: (self._room(*nm), nm[1]))
        if self.nnz < _FULL_GROUPS * self._room(n, m):
            return None
        return "nm", f"{n}:{m}"

    def _room(self, n: int, m: int) -> int:
        """Return how many nonzeros n:m allows."""
        rows, cols = self.shape
        return rows * (cols // m * n + min(n, cols % m))

    def _as_chance(self) -> tuple[str, str]:
        sparsity = f"{1 - self.density:.3g}"
        text = f"{sparsity if sparsity != '1' else '>0.999'} unstructured"
        lines = self._empty_lines(_SOME_EMPTY)
        return "unstructured", f"{text}, {lines}" if lines else text

    def _empty_lines(self, least: float) -> str:
        """Return ``rows 50 % empty, columns 25 % empty`` for more than ``least`` of them."""
        rows = 1 - self.nonzero_rows / self.shape[0]
        cols = 1 - self.nonzero_cols / self.shape[1]
        named = (("rows", rows), ("columns", cols))
        return ", ".join(f"{name} {_percent(x)} empty" for name, x in named if x > least)


def stored_bytes(pattern: Pattern, layout: Layout, itemsize: int) -> int:
    """Return the bytes that a matrix would take in a format, without converting it.

    Parameters
    ----------
    pattern : Pattern
        Where the nonzeros are; explicit zeros are not stored.
    layout : Layout
        Format and block; ``Layout("dense")`` too. That an n:m fits is not asked here.
    itemsize : int
        Bytes of one value.

    Raises
    ------
    UsageError
        If the format is unknown, or the pattern does not know blocks of that size.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.formats import find_pattern, from_dense
    >>> x = np.eye(8, dtype="float32")
    >>> stored_bytes(find_pattern(x), Layout("csr"), 4), from_dense(x, "csr").nbytes
    (100, 100)
    """
    from minisparse.formats.conversion import resolve

    if layout.format == "dense":
        return pattern.size * itemsize
    target, block = resolve(layout, {}, "stored_bytes")
    return target._predicted_bytes(pattern, block, itemsize)


def _percent(fraction: float) -> str:
    """Return ``80 %``; neither 0 nor 100 unless it is exactly that."""
    whole = round(100 * fraction)
    if whole == 100 and fraction < 1:
        return ">99 %"
    if whole == 0 and fraction > 0:
        return "<1 %"
    return f"{whole} %"
