"""Which weights stay: masks from scores, as plain arrays for NumPy and torch alike.

A mask is a bool array of its weights' shape, True where a weight stays. Scores are any array of
that shape, larger where a weight matters more: mostly ``abs(w)``. Of equal scores, the earlier goes
first. Torch tensors on a CPU are taken as arrays; ``torch.from_numpy(mask)`` makes a tensor of one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError, UsageError


def magnitude_mask(scores: Any, sparsity: float) -> Array:
    """Return the mask without the given share of lowest scores.

    Parameters
    ----------
    scores : array_like
        Any shape.
    sparsity : float
        Share of elements that go, from 0 to 1; rounded to a number of elements.

    Returns
    -------
    ndarray of bool, shape of scores

    Raises
    ------
    UsageError
        If the sparsity is no share, or a score is NaN.

    Examples
    --------
    >>> magnitude_mask([[0.1, 3.0], [2.0, 0.2]], 0.5)
    array([[False,  True],
           [ True, False]])
    """
    given = _scores(scores)
    kept = _without_lowest(given.reshape(-1), _count(sparsity, given.size))
    return kept.reshape(given.shape)


def magnitude_masks(scores: Mapping[str, Any], sparsity: float) -> dict[str, Array]:
    """Return masks of several weights without the lowest scores of all together.

    Parameters
    ----------
    scores : mapping
        From names to arrays; they are compared with each other as they are.
    sparsity : float
        Share of all elements that go.

    Examples
    --------
    >>> masks = magnitude_masks({"a": [1.0, 2.0], "b": [0.1, 0.2]}, 0.5)
    >>> masks["a"].tolist(), masks["b"].tolist()
    ([True, True], [False, False])
    """
    given = {name: _scores(x) for name, x in scores.items()}
    flat = np.concatenate([x.reshape(-1) for x in given.values()] or [np.zeros(0)])
    kept = _without_lowest(flat, _count(sparsity, flat.size))
    ends = np.cumsum([x.size for x in given.values()])
    parts = np.split(kept, ends[:-1]) if len(ends) else []
    return {n: part.reshape(x.shape) for (n, x), part in zip(given.items(), parts, strict=True)}


def nm_mask(scores: Any, n: int, m: int) -> Array:
    """Return the mask that keeps the n highest of every m neighbors along the last axis.

    Parameters
    ----------
    scores : array_like, shape (..., K)
        Where m does not divide K the last group is shorter, and keeps at most n as well.
    n, m : int
        ``0 <= n <= m``, m at least 1.

    Examples
    --------
    >>> nm_mask([[1.0, 4.0, 3.0, 2.0]], 2, 4).astype(int)
    array([[0, 1, 1, 0]])
    """
    given = _scores(scores)
    if not 0 <= n <= m or m < 1:
        raise UsageError(f"n:m of {n}:{m}: n must lie between 0 and m, and m must be at least 1")
    if given.ndim < 1:
        raise ShapeError("n:m needs scores with at least one axis")
    m = min(m, max(given.shape[-1], 1))  # a longer group would be cut at the end of the row
    n = min(n, m)
    rest = -given.shape[-1] % m
    padded = np.pad(given, [(0, 0)] * (given.ndim - 1) + [(0, rest)], constant_values=-np.inf)
    groups = padded.reshape(-1, m)
    order = np.argsort(groups, axis=1, kind="stable")
    kept = np.zeros(groups.shape, bool)
    np.put_along_axis(kept, order[:, m - n :], True, axis=1)
    return kept.reshape(padded.shape)[..., : given.shape[-1]]


def block_mask(scores: Any, sparsity: float, block: tuple[int, int]) -> Array:
    """Return the mask without the blocks of lowest mean score, as many as make up the sparsity.

    Parameters
    ----------
    scores : array_like, shape (M, K)
        Blocks at the right and lower edge are cut where ``block`` does not divide the shape.
    sparsity : float
        Share of blocks that go.
    block : tuple of int
        Height and width.

    Examples
    --------
    >>> block_mask([[1.0, 1.0, 5.0], [1.0, 1.0, 5.0]], 0.5, (2, 2)).astype(int)
    array([[0, 0, 1],
           [0, 0, 1]])
    """
    means = block_means(scores, block)
    return spread_blocks(magnitude_mask(means, sparsity), block, np.shape(scores))


def row_mask(scores: Any, sparsity: float) -> Array:
    """Return the mask without whole rows: along the first axis, those of lowest mean score.

    Examples
    --------
    >>> row_mask([[1.0, 1.0], [9.0, 9.0]], 0.5).astype(int)
    array([[0, 0],
           [1, 1]])
    """
    given = _scores(scores)
    if given.ndim < 1:
        raise ShapeError("rows need scores with at least one axis")
    means = given.reshape(given.shape[0], -1).mean(axis=1) if given.size else given[..., :0].sum(-1)
    kept = magnitude_mask(means, sparsity)
    shape = (-1, *(1,) * (given.ndim - 1))
    return np.broadcast_to(kept.reshape(shape), given.shape).copy()


def block_means(scores: Any, block: tuple[int, int]) -> Array:
    """Return the mean score of each block, ``[ceil(M / r), ceil(K / c)]``."""
    given = _scores(scores)
    (r, c) = block
    if min(block) < 1:
        raise UsageError(f"blocks of {r}x{c}: both sides must be at least 1")
    if given.ndim != 2:
        raise ShapeError(f"blocks of {r}x{c} need scores [M, K], not {given.shape}")
    rows, columns = np.arange(0, given.shape[0], r), np.arange(0, given.shape[1], c)
    if not given.size:
        return np.zeros((len(rows), len(columns)))
    sums = np.add.reduceat(np.add.reduceat(given, rows, axis=0), columns, axis=1)
    heights = np.diff([*rows, given.shape[0]])
    widths = np.diff([*columns, given.shape[1]])
    means: Array = sums / (heights[:, None] * widths)
    return means


def spread_blocks(kept: Array, block: tuple[int, int], shape: tuple[int, ...]) -> Array:
    """Return a mask of single weights from one of blocks."""
    whole = np.repeat(np.repeat(kept, block[0], axis=0), block[1], axis=1)
    return whole[: shape[0], : shape[1]]


def _scores(scores: Any) -> Array:
    """Return scores as float64; torch tensors that want gradients are detached first."""
    plain = scores.detach() if hasattr(scores, "detach") else scores
    given = np.asarray(plain, np.float64)
    if np.isnan(given).any():
        raise UsageError("scores hold NaN: there is no order among them")
    return given


def _count(sparsity: float, size: int) -> int:
    if not 0 <= sparsity <= 1:
        raise UsageError(f"sparsity is {sparsity}; it must lie between 0 (all stay) and 1")
    return round(sparsity * size)


def _without_lowest(flat: Array, count: int) -> Array:
    """Return which of a vector stay when so many of the lowest go."""
    kept = np.ones(flat.size, bool)
    kept[np.argsort(flat, kind="stable")[:count]] = False
    return kept
