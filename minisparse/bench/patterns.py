"""How zeros lie in pruned networks: one function a pattern, from shape and density to a mask.

Values are uniform in [1, 2): where nothing is negative no sum cancels, so that a result that is
wrong in one term stands out against rounding.
"""

from collections.abc import Callable

import numpy as np

from minisparse.core.dtypes import Array, as_dtype

Mask = Callable[[np.random.Generator, int, int, float], Array]
_ROWS = 1024
"""Random numbers are drawn for so many rows at once."""


def unstructured(rng: np.random.Generator, m: int, k: int, density: float) -> Array:
    """Keep each element by itself."""
    return _below(rng, np.full(m, density), k)


def skewed(rng: np.random.Generator, m: int, k: int, density: float) -> Array:
    """Keep log-normally many (sigma 1) elements in each row, wherever in it."""
    share = rng.lognormal(0.0, 1.0, m)
    for _ in range(20):  # full rows keep no more, so the others must
        share = np.minimum(share * (density / max(share.mean(), 1e-12)), 1.0)
    return _below(rng, share, k)


def banded(rng: np.random.Generator, m: int, k: int, density: float) -> Array:
    """Keep a run of equal length in each row, along the diagonal."""
    width = max(1, round(density * k))
    middle = np.arange(m) * (k - 1) // max(m - 1, 1)
    begin = np.clip(middle - width // 2, 0, k - width)[:, None]
    column = np.arange(k)
    return (begin <= column) & (column < begin + width)


def _blocks(side: int) -> Mask:
    """Keep whole blocks, each by itself."""

    def mask(rng: np.random.Generator, m: int, k: int, density: float) -> Array:
        kept = rng.random((-(-m // side), -(-k // side))) < density
        return np.kron(kept, np.ones((side, side), bool))[:m, :k]

    return mask


def two_of_four(rng: np.random.Generator, m: int, k: int, density: float) -> Array:
    """Keep two of each four neighbors in a row, whatever the density."""
    order = rng.random((m, -(-k // 4), 4), np.float32).argsort(axis=2)
    return np.asarray((order < 2).reshape(m, -1)[:, :k])


def pruned_rows(rng: np.random.Generator, m: int, k: int, density: float) -> Array:
    """Keep whole rows."""
    kept = np.zeros(m, bool)
    kept[rng.choice(m, max(1, round(density * m)), replace=False)] = True
    return np.repeat(kept[:, None], k, axis=1)


def pruned_columns(rng: np.random.Generator, m: int, k: int, density: float) -> Array:
    """Keep whole columns."""
    return np.ascontiguousarray(pruned_rows(rng, k, m, density).T)


PATTERNS: dict[str, Mask] = {
    "unstructured": unstructured,
    "skewed": skewed,
    "banded": banded,
    "4x4": _blocks(4),
    "16x16": _blocks(16),
    "32x32": _blocks(32),
    "2:4": two_of_four,
    "rows": pruned_rows,
    "columns": pruned_columns,
}
"""Every pattern by the name that ``--pattern`` takes."""


def draw_csr(
    rng: np.random.Generator, pattern: str, shape: tuple[int, int], density: float, dtype: str
) -> dict[str, Array]:
    """Return ``data``, ``indices``, ``indptr`` (int32) of a random matrix, rows sorted."""
    mask = PATTERNS[pattern](rng, *shape, density)
    flat = np.flatnonzero(mask)
    indptr = np.zeros(shape[0] + 1, np.int32)
    np.cumsum(mask.sum(axis=1), out=indptr[1:])
    return {
        "data": draw_values(rng, (len(flat),), dtype),
        "indices": (flat % max(shape[1], 1)).astype(np.int32),
        "indptr": indptr,
    }


def draw_values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Return values in [1, 2)."""
    values: Array = rng.random(shape, np.float32)
    values += 1
    return values.astype(as_dtype(dtype, "bench"), copy=False)


def _below(rng: np.random.Generator, share: Array, k: int) -> Array:
    """Return which of uniform numbers lie below a row's share."""
    parts = [
        rng.random((len(part), k), np.float32) < part[:, None]
        for part in np.split(share.astype(np.float32), range(_ROWS, len(share), _ROWS))
    ]
    return np.concatenate(parts)
