"""Scaled dot-product attention, written as its two products with a softmax between them."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.sizes import Sym
from minisparse.frontends.torch.table import Table


def scaled_dot_product_attention(
    g: Lowering,
    query: str,
    key: str,
    value: str,
    mask: str | None = None,
    dropout: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> str:
    """``softmax(scale * Q @ K^T + mask) @ V``; query is ``[..., L, E]``, key ``[..., S, E]``.

    A row of which nothing may be seen gives zeros, as in torch.
    """
    if dropout:
        raise UnsupportedOpError("dropout that is on in eval mode is random")
    if enable_gqa:
        key, value = _shared(g, query, key), _shared(g, query, value)
    dtype = g.type(query).dtype
    turned = (*range(g.ndim(key) - 2), g.ndim(key) - 1, g.ndim(key) - 2)
    scores = g.op("matmul", query, g.op("transpose", key, part="keys", perm=turned), part="scores")
    factor = _scale(g, query) if scale is None else g.operand(scale, dtype)
    scores = g.op("multiply", scores, factor, part="scaled")
    if is_causal:
        mask = _causal(g, query, key)
    blind = None
    if mask is not None:
        blind = _blind_rows(g, mask)
        if g.type(mask).dtype == bool:
            least = g.number(-np.inf, dtype)
            scores = g.op("where", mask, scores, least, part="masked")
        else:
            scores = g.op("add", scores, g.cast(mask, dtype), part="masked")
    weights = g.op("softmax", scores, part="weights", axis=-1)
    y = g.op("matmul", weights, value)
    return y if blind is None else g.op("where", blind, g.number(0, dtype), y, part="seen")


def _scale(g: Lowering, query: str) -> str:
    """Return ``1 / sqrt(E)``."""
    width, dtype = g.extent(query, -1), g.type(query).dtype
    if isinstance(width, int):
        return g.number(1 / np.sqrt(width), dtype)
    root = g.op("sqrt", g.cast(g.size(width), dtype), part="root")
    return g.op("reciprocal", root, part="scale")


def _causal(g: Lowering, query: str, key: str) -> str:
    """Return the bool mask ``[L, S]`` by which place l sees the places up to l."""
    length, seen = g.extent(query, -2), g.extent(key, -2)
    if isinstance(length, int) and isinstance(seen, int):
        return g.constant(f"{g.base}:causal", np.tri(length, seen, dtype=bool))
    zero, one = g.number(0, np.int64), g.number(1, np.int64)

    def places(size: int | Sym) -> str:
        limit = g.op("squeeze", g.size(size), g.ints(0), part="limit")
        return g.op("range", zero, limit, one, part="places")

    rows = g.op("unsqueeze", places(length), g.ints(1), part="rows")
    return g.op("less_or_equal", places(seen), rows, part="causal")


def _blind_rows(g: Lowering, mask: str) -> str | None:
    """Return where a row of the mask lets nothing be seen, None where no row does."""
    known = g.constants.get(mask)
    if known is not None:
        return None if _sees(np.asarray(known)).all() else _blind(g, mask)
    is_causal = mask.partition(":")[2].startswith("causal")
    return None if is_causal else _blind(g, mask)


def _sees(mask: Array) -> Array:
    """Return for each row of a mask whether anything may be seen."""
    seen: Array = np.asarray(mask if mask.dtype == bool else mask != -np.inf)
    return np.asarray(seen.any(axis=-1))


def _blind(g: Lowering, mask: str) -> str:
    best = g.op("reduce_max", mask, part="best", axes=(-1,), keepdims=1)
    if g.type(mask).dtype == bool:
        return g.op("not", best, part="blind")
    return g.op("equal", best, g.number(-np.inf, g.type(mask).dtype), part="blind")


def _shared(g: Lowering, query: str, key: str) -> str:
    """Repeat each head of the keys for the heads of the query that share it."""
    heads, own = g.extent(query, -3), g.extent(key, -3)
    if not isinstance(heads, int) or not isinstance(own, int) or heads == own:
        return key
    sizes = g.extents(key)
    axis = g.ndim(key) - 2
    apart = g.op("unsqueeze", key, g.ints(axis), part="apart")
    repeats = [1] * axis + [heads // own, 1, 1]
    tiled = g.op("tile", apart, g.ints(*repeats), part="shared")
    return g.reshape(tiled, [*sizes[:-3], heads, *sizes[-2:]], part="heads")


ATTENTION = Table({"aten.scaled_dot_product_attention.default": scaled_dot_product_attention})
