"""What an atlas of break-evens is made of: cases, the patterns they draw, and sweeps of them."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from minisparse.bench.breakeven_search import Range
from minisparse.bench.patterns import PATTERNS, Mask
from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError

DTYPES = ("float32", "float64")
LARGEST = 1 << 24
"""Elements of the largest matrix, which is laid out with its zeros too."""
MOST_COLUMNS = 1 << 14
GROUPS = ((1, 16), (1, 8), (1, 4), (2, 4))
"""The n:m that are drawn, by density."""
_LEAST_DENSITY = 0.002


class Case(NamedTuple):
    """One break-even to find.

    Attributes
    ----------
    pattern : str
        A name in :data:`MASKS`.
    shape : tuple of int
        M and K of the sparse matrix.
    columns : int
        N, the columns of B.
    dtype : str
        Of both.
    """

    pattern: str
    shape: tuple[int, int]
    columns: int
    dtype: str

    def __str__(self) -> str:
        """Return ``16x16 of 1024x1024, N 256, float32``."""
        m, k = self.shape
        return f"{self.pattern} of {m}x{k}, N {self.columns}, {self.dtype}"

    @property
    def over(self) -> Range:
        """The densities that are tried: never so few that nothing would be stored."""
        m, k = self.shape
        if self.pattern == "n:m":
            return Range(1 / 16, 0.5, tuple(n / group for n, group in GROUPS))
        side = int(self.pattern.partition("x")[0]) if "x" in self.pattern else 1
        pieces = {"rows": m, "columns": k, "banded": k}.get(
            self.pattern, -(-m // side) * -(-k // side)
        )
        return Range(min(max(_LEAST_DENSITY, 1 / pieces), 0.5))


class Drawn(NamedTuple):
    """A matrix of a case, and what it is multiplied with.

    Attributes
    ----------
    a : ndarray, shape (M, K)
        With its zeros; values in [1, 2).
    b : ndarray, shape (K, N)
        The same without zeros.
    density : float
        Of ``a``, which may be a little off what was asked for.
    """

    a: Array
    b: Array
    density: float


def _blocks(side: int) -> Mask:
    """Keep so many whole blocks, at least one."""

    def mask(rng: np.random.Generator, m: int, k: int, density: float) -> Array:
        rows, columns = -(-m // side), -(-k // side)
        kept = np.zeros(rows * columns, bool)
        some = rng.permutation(rows * columns)[: max(1, round(density * rows * columns))]
        kept[some] = True
        return np.kron(kept.reshape(rows, columns), np.ones((side, side), bool))[:m, :k]

    return mask


def _groups(rng: np.random.Generator, m: int, k: int, density: float) -> Array:
    """Keep n of each m neighbors in a row, n:m being that of the nearest density."""
    n, group = min(GROUPS, key=lambda nm: abs(np.log(density * nm[1] / nm[0])))
    order = rng.random((m, -(-k // group), group), np.float32).argsort(axis=2)
    return np.asarray((order < n).reshape(m, -1)[:, :k])


MASKS: dict[str, Mask] = {
    "unstructured": PATTERNS["unstructured"],
    "skewed": PATTERNS["skewed"],
    "banded": PATTERNS["banded"],
    **{f"{side}x{side}": _blocks(side) for side in (4, 8, 16, 32)},
    "n:m": _groups,
    "rows": PATTERNS["rows"],
    "columns": PATTERNS["columns"],
}
"""Every pattern by the name that ``--pattern`` takes; ``skewed`` rows are of log-normal length."""


def draw(case: Case, density: float, rng: np.random.Generator) -> Drawn:
    """Draw a matrix of about this density; at least one entry is kept."""
    m, k = case.shape
    mask = MASKS[case.pattern](rng, m, k, density)
    if not mask.any():
        mask[rng.integers(m), rng.integers(k)] = True
    a = np.where(mask, rng.random((m, k), np.float32) + 1, 0).astype(case.dtype)
    b = (rng.random((k, case.columns), np.float32) + 1).astype(case.dtype)
    return Drawn(a, b, np.count_nonzero(mask) / mask.size)


def sweep(
    patterns: Sequence[str], shapes: Sequence[tuple[int, int]], columns: Sequence[int], dtype: str
) -> list[Case]:
    """Return all cases of some values; no patterns stands for all.

    Raises
    ------
    UsageError
        If there is no such pattern or dtype, or a size is out of bounds; the message names those
        that there are.
    """
    for pattern in patterns:
        if pattern not in MASKS:
            raise UsageError(f"--pattern {pattern}: patterns: {', '.join(MASKS)}")
    if dtype not in DTYPES:
        raise UsageError(f"--dtype {dtype}: dtypes: {', '.join(DTYPES)}")
    for m, k in shapes:
        if min(m, k) < 16 or m * k > LARGEST:
            raise UsageError(
                f"--shape {m}x{k}: both must be at least 16, and the matrix have at most {LARGEST} "
                "elements"
            )
    for n in columns:
        if not 1 <= n <= MOST_COLUMNS:
            raise UsageError(f"--columns {n}: it must be between 1 and {MOST_COLUMNS}")
    chosen = dict.fromkeys(patterns or MASKS)
    whole = product(chosen, dict.fromkeys(shapes), dict.fromkeys(columns))
    return [Case(pattern, shape, n, dtype) for pattern, shape, n in whole]


def read_shape(text: str) -> tuple[int, int]:
    """Return M and K of ``MxK``.

    Raises
    ------
    UsageError
        If it is not two whole numbers.

    Examples
    --------
    >>> read_shape("1024x768")
    (1024, 768)
    """
    m, times, k = text.partition("x")
    if not (times and m.isdecimal() and k.isdecimal() and len(text) < 20):
        raise UsageError(f"--shape {text!r:.30}: write M and K as in 1024x768")
    return int(m), int(k)
