"""The pattern to expect of zeros that lie at random, without drawing them."""

import math

import numpy as np

from minisparse.formats.pattern import BLOCK_SIZES, GROUP_SIZES, Pattern


def expected_pattern(shape: tuple[int, int], density: float, block: int = 1) -> Pattern:
    """Return what to expect of a matrix in which each entry is stored with the same probability.

    Rows and columns hold as many entries as on average, to within one; blocks and groups are
    counted by the probability that they hold so many. Entries may come in whole blocks.

    Parameters
    ----------
    shape : tuple of int
        ``(M, K)``.
    density : float
        Entries over elements, from 0 to 1.
    block : int
        Entries come in full ``block x block`` blocks on a grid; 1, 2, 4, 8, 16 or 32.

    Examples
    --------
    >>> found = expected_pattern((1024, 1024), 0.1)
    >>> round(found.density, 3), round(found.block_occupancy(4), 3), found.fits_nm(2, 4)
    (0.1, 0.815, False)
    >>> expected_pattern((1024, 1024), 0.1, block=16).describe()
    '16x16 blocks, 90 % empty'
    """
    m, k = shape
    nnz = round(density * m * k)
    blocks = {
        s: round(-(-m // s) * -(-k // s) * _held(density, max(s // block, 1) ** 2))
        for s in BLOCK_SIZES
    }
    groups = {g: _groups(m * -(-k // g), g, density, block) for g in GROUP_SIZES}
    far = max(m, k) - 1 if nnz else 0
    return Pattern(shape, _even(nnz, m), _even(nnz, k), blocks, groups, max(far, 0))


def _held(density: float, count: int) -> float:
    """Return the probability that one of ``count`` places at least holds an entry."""
    return 1.0 - (1.0 - density) ** count


def _even(total: int, count: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return ``count`` numbers that add up to a total and differ by one at most."""
    ends = np.arange(count + 1, dtype=np.int64) * total // max(count, 1)
    return np.diff(ends)


def _groups(count: int, m: int, density: float, block: int) -> tuple[int, ...]:
    """Return how many of ``count`` groups of m hold 0, 1 … m entries."""
    runs = max(m // block, 1)  # parts of a group that are empty or full as a whole
    length = m // runs
    shares = np.zeros(m + 1)
    for i in range(runs + 1):
        shares[i * length] = math.comb(runs, i) * density**i * (1 - density) ** (runs - i)
    found = np.diff(np.round(np.concatenate(([0], np.cumsum(shares))) * count)).astype(int)
    return tuple(found.tolist())
