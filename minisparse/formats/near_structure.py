"""How near a matrix comes to blocks or to n:m: what stands in the way, what a permutation mends.

:func:`~minisparse.formats.find_pattern` counts what is there; this looks for what almost is.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError, UsageError
from minisparse.core.xp import is_on_gpu
from minisparse.formats.base import Matrix
from minisparse.formats.intake import as_array, on_cpu

STRAY_SHARE = 0.02
"""Most nonzeros that may stand in the way of a structure for it to be near."""
_FULL = 0.5  # blocks that are emptier on average than this are no blocks
_CLEARED = 0.01  # strays that clear fewer blocks than this are not in the way of much
_WORK = 1e8  # elements looked at in each half of a search, some tenths of a second


@dataclass(frozen=True)
class NearBlocks:
    """Blocks of one size, and the entries without which more of them would be empty.

    Attributes
    ----------
    size : int
        Height and width.
    blocks : int
        How many blocks there are, those cut at the edges included.
    occupied : int
        How many hold a nonzero.
    strays : int
        Nonzeros in blocks that hold next to nothing: at most 2 % of all nonzeros, in the emptiest
        blocks, chosen so that they end where the number of nonzeros in a block jumps most.
    cleared : int
        How many blocks would be empty besides, if the strays were zero.
    fill : float
        Share of nonzeros in the other occupied blocks.
    """

    size: int
    blocks: int
    occupied: int
    strays: int
    cleared: int
    fill: float

    @property
    def empty(self) -> float:
        """Share of blocks that are empty."""
        return 1 - self.occupied / self.blocks if self.blocks else 0.0

    @property
    def empty_without_strays(self) -> float:
        """Share of blocks that would be empty without the strays."""
        return 1 - (self.occupied - self.cleared) / self.blocks if self.blocks else 0.0

    @property
    def is_near(self) -> bool:
        """Whether strays keep the matrix from consisting of blocks, most of them empty.

        At least one block in a hundred has to be cleared by them.
        """
        clears = self.cleared >= max(1, _CLEARED * self.blocks)
        return clears and self.empty_without_strays >= 0.5 and self.fill >= _FULL

    def __str__(self) -> str:
        """Return it in words."""
        told = f"{self.empty:.0%} of {self.size}x{self.size} blocks are empty"
        if not self.is_near:
            return told
        more = self.empty_without_strays
        entries = "entry stands" if self.strays == 1 else "entries stand"
        return f"{told}; {self.strays} {entries} in the way of {more:.0%}"


def find_near_blocks(x: Any, size: int) -> NearBlocks:
    """Return how near a matrix comes to consisting of square blocks.

    Parameters
    ----------
    x : Matrix or array_like, shape (M, K)
        Its nonzero values count.
    size : int
        Height and width of the blocks.

    Examples
    --------
    >>> x = np.kron(np.eye(8), np.ones((4, 4)))
    >>> x[0, 9] = x[30, 2] = 1
    >>> print(find_near_blocks(x, 4))
    84% of 4x4 blocks are empty; 2 entries stand in the way of 88%
    """
    if size < 1:
        raise UsageError(f"blocks of {size}x{size}: their size must be at least 1")
    mask = nonzeros(x)
    m, k = mask.shape
    rows, columns = -(-m // size), -(-k // size)
    row, col = np.nonzero(mask)
    counts = np.bincount(row // size * columns + col // size, minlength=rows * columns)
    held = np.sort(counts[counts > 0])
    cleared = _gap(held)
    strays = int(held[:cleared].sum())
    full = held[cleared:]
    fill = float(full.mean()) / size**2 if len(full) else 0.0
    return NearBlocks(size, rows * columns, len(held), strays, cleared, fill)


def _gap(held: Array) -> int:
    """Return how many of the emptiest blocks hold strays: up to the widest jump, or none."""
    few = int(np.searchsorted(np.cumsum(held), STRAY_SHARE * held.sum(), side="right"))
    if not 0 < few < len(held):
        return 0
    jumps = held[1 : few + 1] / held[:few]
    widest = int(np.argmax(jumps))
    return widest + 1 if jumps[widest] >= 2 else 0


@dataclass(frozen=True)
class NearGroups:
    """How far a matrix is from n:m, as it is and with its columns in the best order found.

    Attributes
    ----------
    n, m : int
        At most n nonzeros among m neighbors in a row.
    groups : int
        How many groups there are, shorter ones at the ends of rows included.
    violations : int
        How many groups hold more than n.
    excess : int
        How many nonzeros are too many.
    permutation : tuple of int or None
        An order of the columns with less excess: column ``permutation[j]`` comes to j. None if
        none was found, or none was needed.
    excess_permuted : int
        Excess in that order.
    """

    n: int
    m: int
    groups: int
    violations: int
    excess: int
    permutation: tuple[int, ...] | None
    excess_permuted: int

    @property
    def compliance(self) -> float:
        """Share of groups that hold at most n."""
        return 1 - self.violations / self.groups if self.groups else 1.0

    def __str__(self) -> str:
        """Return it in words."""
        name = f"{self.n}:{self.m}"
        if not self.violations:
            return f"fits {name}"
        told = f"{name} in all but {self.violations} of {self.groups} groups"
        if self.permutation is None:
            return f"{told}; no order of columns that was tried is better"
        if not self.excess_permuted:
            return f"{told}; fits after a permutation of columns"
        return (
            f"{told}, {self.excess} entries too many; after a permutation of columns "
            f"{self.excess_permuted}"
        )


def find_near_groups(x: Any, n: int, m: int, permute: bool = True) -> NearGroups:
    """Return how near a matrix comes to n:m.

    Parameters
    ----------
    x : Matrix or array_like, shape (M, K)
        Its nonzero values count.
    n, m : int
        At most n nonzeros in m neighbors of a row.
    permute : bool
        Whether to look for an order of columns that fits better: groups are filled one after the
        other by the column that adds least excess, then pairs of columns are exchanged while that
        helps, as in Pool and Yu, Channel permutations for N:M sparsity, NeurIPS 2021, with excess
        in place of lost magnitude. The search is bounded; that it finds nothing proves nothing.

    Examples
    --------
    >>> print(find_near_groups([[1, 1, 1, 0, 0, 0, 0, 1]], 2, 4))
    2:4 in all but 1 of 2 groups; fits after a permutation of columns
    """
    if not 0 < n <= m:
        raise UsageError(f"{n}:{m}: n must lie between 1 and m")
    mask = nonzeros(x)
    counts = _group_counts(mask, m)
    excess = int(np.maximum(counts - n, 0).sum())
    found, left = None, excess
    if permute and excess:
        order = _Search(mask, n, m).run()
        better = int(np.maximum(_group_counts(mask[:, order], m) - n, 0).sum())
        if better < excess:
            found, left = tuple(map(int, order)), better
    return NearGroups(n, m, counts.size, int((counts > n).sum()), excess, found, left)


def _group_counts(mask: Array, m: int) -> Array:
    """Return nonzeros in each group, int64 ``[M, ceil(K / m)]``."""
    starts = np.arange(0, mask.shape[1], m)
    if not mask.size:
        return np.zeros((mask.shape[0], len(starts)), np.int64)
    return np.add.reduceat(mask, starts, axis=1, dtype=np.int64)


@dataclass(frozen=True)
class _Search:
    """Looks for an order of columns in which groups of m hold at most n nonzeros a row."""

    mask: Array
    n: int
    m: int

    @cached_property
    def columns(self) -> Array:
        """Columns as contiguous rows of int16, ``[K, M]``."""
        return np.ascontiguousarray(self.mask.T).astype(np.int16)

    def run(self) -> Array:
        """Return the best order found."""
        given = np.arange(self.mask.shape[1])
        filled = self._filled()
        start = min((given, filled), key=self._excess)
        return self._exchanged(start)

    def _excess(self, order: Array) -> int:
        counts = _group_counts(self.mask[:, order], self.m)
        return int(np.maximum(counts - self.n, 0).sum())

    def _filled(self) -> Array:
        """Fill group by group, each time with the column that fits best beside those there.

        Of many columns only the fullest that are left are tried.
        """
        z = self.columns
        tried = max(4 * self.m, int(_WORK / max(1, self.mask.size)))
        sizes = z.sum(axis=1, dtype=np.int64)
        left = list(np.argsort(-sizes, kind="stable"))
        order: list[int] = []
        while left:
            group = [left.pop(0)]
            held = z[group[0]].copy()
            while left and len(group) < self.m:
                rest = z[left[:tried]]
                too_many = np.maximum(held + rest - self.n, 0).sum(axis=1, dtype=np.int64)
                shared = rest @ held.astype(np.int64)  # nonzeros in rows that hold some already
                best = int(np.lexsort((-sizes[left[:tried]], shared, too_many))[0])
                group.append(left.pop(best))
                held += z[group[-1]]
            order += group
        return np.array(order)

    def _exchanged(self, order: Array) -> Array:
        """Exchange a column of a group in excess with any other while the excess falls."""
        z, m, n = self.columns, self.m, self.n
        order = order.copy()
        size = max(1, self.mask.size)
        for _ in range(int(min(2000, _WORK / size))):
            counts = _group_counts(self.mask[:, order], m)
            over = np.maximum(counts - n, 0)
            of_group = over.sum(axis=0)
            best_gain, best = 0, (0, 0)
            g = int(np.argmax(of_group))
            if not of_group[g]:
                break
            group_of = np.arange(len(order)) // m
            for i in np.flatnonzero(group_of == g):
                without = counts[:, g] - z[order[i]]
                here = np.maximum(without + z[order] - n, 0).sum(axis=1)
                there = counts.T[group_of] - z[order] + z[order[i]]
                elsewhere = np.maximum(there - n, 0).sum(axis=1)
                gain = of_group[g] + of_group[group_of] - here - elsewhere
                gain[group_of == g] = 0
                j = int(np.argmax(gain))
                if gain[j] > best_gain:
                    best_gain, best = int(gain[j]), (int(i), j)
            if not best_gain:
                break
            first, second = best
            order[first], order[second] = order[second], order[first]
        return order


def nonzeros(x: Any) -> Array:
    """Return where the nonzero values of a matrix are, bool ``[M, K]``.

    Raises
    ------
    ShapeError
        If ``x`` is not 2-D.
    """
    if isinstance(x, Matrix):
        on_cpu(x, "looking for what a matrix is near to")
        row, col, data, shape = x.canonical().triplets()
        mask = np.zeros(shape, bool)
        mask[row[data != 0], col[data != 0]] = True
        return mask
    found = as_array(x, "x")
    if is_on_gpu(found):
        raise UsageError(
            "looking for what a matrix is near to: x is on the GPU, and nothing is copied unasked: "
            "write x.get()"
        )
    if found.ndim != 2:
        raise ShapeError(f"x has shape {found.shape}: it must be a matrix [M, K]")
    return np.asarray(found != 0)
