"""Sums, means, largest and least along axes; sorting."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisparse.core.errors import UnsupportedOpError
from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.sizes import Size
from minisparse.frontends.torch.table import Table

Axes = int | Sequence[int] | None


def _axes(g: Lowering, x: str, axes: Axes) -> tuple[int, ...] | None:
    """Return axes from the front; none, which is all of them, as None."""
    given = [axes] if isinstance(axes, int) else list(axes or [])
    return tuple(g.axis(a, x) for a in given) or None


def _along(op: str) -> Callable[..., str]:
    """Return the rule of a reduction along axes, computed in the dtype of its result."""

    def lower(g: Lowering, x: str, axes: Axes = None, keepdim: bool = False, **rest: Any) -> str:
        x = g.cast(x, g.dtype)
        if g.ndim(x) == 0:
            return x
        return g.op(op, x, axes=_axes(g, x, axes), keepdims=int(keepdim))

    return lower


def _over_all(op: str) -> Callable[..., str]:
    """Return the rule of a reduction of everything."""

    def lower(g: Lowering, x: str, **rest: Any) -> str:
        return _along(op)(g, x)

    return lower


def _with_places(values: str, places: str) -> Callable[..., tuple[str, str]]:
    """Return the rule of ``max`` or ``min`` along an axis, with the places where they are."""

    def lower(g: Lowering, x: str, axis: int, keepdim: bool = False) -> tuple[str, str]:
        kept = int(keepdim)
        best = g.op(values, x, axes=_axes(g, x, axis), keepdims=kept)
        return best, g.op(places, x, part="places", axis=g.axis(axis, x), keepdims=kept)

    return lower


def _place(op: str) -> Callable[..., str]:
    """Return the rule of ``argmax`` or ``argmin``; without an axis that of all elements."""

    def lower(g: Lowering, x: str, axis: int | None = None, keepdim: bool = False) -> str:
        if axis is not None:
            return g.op(op, x, axis=g.axis(axis, x), keepdims=int(keepdim))
        found = g.op(op, g.reshape(x, [-1], part="flat"), axis=0, keepdims=0)
        return g.reshape(found, [1] * g.result.ndim, part="kept") if keepdim else found

    return lower


def _truth(op: str) -> Callable[..., str]:
    """Return the rule of ``any`` or ``all``: the largest or the least of truths."""

    def lower(g: Lowering, x: str, axes: Axes = None, keepdim: bool = False) -> str:
        truths = g.cast(x, np.dtype(bool))
        return g.op(op, truths, axes=_axes(g, x, axes), keepdims=int(keepdim))

    return lower


def _count(g: Lowering, x: str, axes: tuple[int, ...] | None) -> int:
    """Return how many elements go into each result."""
    sizes = [g.extent(x, a) for a in (range(g.ndim(x)) if axes is None else axes)]
    if any(not isinstance(size, int) for size in sizes):
        raise UnsupportedOpError("a variance over a size that only the run tells")
    return int(np.prod([size for size in sizes if isinstance(size, int)]))


def _variance(
    g: Lowering, x: str, axes: Axes, correction: float | None, keepdim: bool
) -> tuple[str, str]:
    """Return the variance and the mean: the sum of squared distances over count - correction."""
    along, dtype = _axes(g, x, axes), g.type(x).dtype
    mean = g.op("reduce_mean", x, part="mean", axes=along, keepdims=1)
    distance = g.op("sub", x, mean, part="distance")
    squares = g.op("multiply", distance, distance, part="squares")
    total = g.op("reduce_sum", squares, part="total", axes=along, keepdims=int(keepdim))
    less = 1 if correction is None else correction
    divisor = max(0.0, _count(g, x, along) - less)
    found = g.op("div", total, g.number(divisor, dtype))
    if not keepdim:
        mean = g.op("reduce_mean", x, part="mean", axes=along, keepdims=0)
    return found, mean


def variance(
    g: Lowering,
    x: str,
    axes: Axes = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> str:
    """``aten.var``."""
    return _variance(g, x, axes, correction, keepdim)[0]


def deviation(
    g: Lowering,
    x: str,
    axes: Axes = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> str:
    """``aten.std``."""
    return g.op("sqrt", _variance(g, x, axes, correction, keepdim)[0])


def variance_and_mean(
    g: Lowering,
    x: str,
    axes: Axes = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> tuple[str, str]:
    """``aten.var_mean``."""
    return _variance(g, x, axes, correction, keepdim)


def vector_norm(
    g: Lowering, x: str, order: float = 2, axes: Axes = None, keepdim: bool = False, **rest: Any
) -> str:
    """``aten.linalg_vector_norm`` of order 1, 2 or infinity."""
    ops = {1: "reduce_l1", 2: "reduce_l2", float("inf"): "reduce_max"}
    if order not in ops:
        raise UnsupportedOpError(f"a norm of order {order}")
    x = g.cast(x, g.dtype)
    if order == float("inf"):
        x = g.op("abs", x, part="abs")
    return g.op(ops[order], x, axes=_axes(g, x, axes), keepdims=int(keepdim))


def cumsum(g: Lowering, x: str, axis: int, **rest: Any) -> str:
    """``aten.cumsum``."""
    return g.op("cum_sum", g.cast(x, g.dtype), g.number(g.axis(axis, x), np.int64))


def topk(
    g: Lowering, x: str, k: Size, axis: int = -1, largest: bool = True, ordered: bool = True
) -> tuple[str, ...]:
    """``aten.topk``."""
    return g.several(
        2,
        "top_k",
        x,
        g.vector([k]),
        axis=g.axis(axis, x),
        largest=int(largest),
        sorted=int(ordered),
    )


def sort(g: Lowering, x: str, axis: int = -1, descending: bool = False) -> tuple[str, ...]:
    """``aten.sort``: all of them, the largest or the least first; equal ones keep their order."""
    return topk(g, x, g.extent(x, axis), axis, descending)


def stable_sort(
    g: Lowering,
    x: str,
    *,
    stable: bool | None = None,
    dim: int = -1,
    descending: bool = False,
) -> tuple[str, ...]:
    """``aten.sort.stable``."""
    return sort(g, x, dim, descending)


def argsort(g: Lowering, x: str, axis: int = -1, descending: bool = False) -> str:
    """``aten.argsort``."""
    return sort(g, x, axis, descending)[1]


REDUCTIONS = Table(
    {
        "aten.sum.default": _over_all("reduce_sum"),
        "aten.sum.dim_IntList": _along("reduce_sum"),
        "aten.mean.default": _over_all("reduce_mean"),
        "aten.mean.dim": _along("reduce_mean"),
        "aten.amax.default": _along("reduce_max"),
        "aten.amin.default": _along("reduce_min"),
        "aten.max.default": _over_all("reduce_max"),
        "aten.min.default": _over_all("reduce_min"),
        "aten.prod.default": _over_all("reduce_prod"),
        "aten.prod.dim_int": _along("reduce_prod"),
        "aten.logsumexp.default": _along("reduce_log_sum_exp"),
        "aten.max.dim": _with_places("reduce_max", "arg_max"),
        "aten.min.dim": _with_places("reduce_min", "arg_min"),
        "aten.argmax.default": _place("arg_max"),
        "aten.argmin.default": _place("arg_min"),
        **{f"aten.any.{o}": _truth("reduce_max") for o in ("default", "dim", "dims")},
        **{f"aten.all.{o}": _truth("reduce_min") for o in ("default", "dim", "dims")},
        "aten.var.correction": variance,
        "aten.std.correction": deviation,
        "aten.var_mean.correction": variance_and_mean,
        "aten.linalg_vector_norm.default": vector_norm,
    }
)

ORDERS = Table(
    {
        "aten.cumsum.default": cumsum,
        "aten.topk.default": topk,
        "aten.sort.default": sort,
        "aten.sort.stable": stable_sort,
        "aten.argsort.default": argsort,
    }
)
