"""More reductions along axes: norms, products, sums of squares, and the log of a sum of exp.

``reduce_l1`` is ``sum abs(x)``, ``reduce_l2`` is ``sqrt(sum x**2)``, ``reduce_sum_square`` is ``sum
x**2``, ``reduce_prod`` the product, ``reduce_log_sum_exp`` is ``max + log(sum exp(x - max))``. X is
a plain array, and the result has its dtype. Source: ONNX operators, ReduceL1 to ReduceSumSquare
(version 18).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.xp import asarray
from minisparse.ops.constraints import plain_kind
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Op, Sample
from minisparse.ops.reductions import (
    AXES,
    KEEPDIMS,
    largest_along,
    reduced_axes,
    reduced_type,
)

_Reducing = Callable[[Array, tuple[int, ...]], Array]


def _l1(x: Array, axes: tuple[int, ...]) -> Array:
    return _sum(np.abs(x), axes)


def _l2(x: Array, axes: tuple[int, ...]) -> Array:
    root: Array = np.sqrt(_sum(x * x, axes))
    return root


def _sum_square(x: Array, axes: tuple[int, ...]) -> Array:
    return _sum(x * x, axes)


def _prod(x: Array, axes: tuple[int, ...]) -> Array:
    return asarray(x.prod(axis=axes, dtype=x.dtype, keepdims=True))


def _sum(x: Array, axes: tuple[int, ...]) -> Array:
    return asarray(x.sum(axis=axes, dtype=x.dtype, keepdims=True))


def log_sum_exp(x: Array, axes: tuple[int, ...]) -> Array:
    """Return ``max + log(sum exp(x - max))`` over axes, which keep length 1; of nothing -inf.

    Where the largest is infinite, it is the answer: nothing is taken off.

    Examples
    --------
    >>> log_sum_exp(np.array([1000.0, 1000.0]), (0,)) - 1000
    array([0.69314718])
    """
    largest = largest_along(x, -np.inf, axes)
    shift = np.where(np.isinf(largest), x.dtype.type(0), largest)
    total = _sum(np.exp(x - shift), axes)
    result: Array = np.log(total) + shift
    return result


def _dense(reducing: _Reducing) -> Callable[[Sequence[Array], Attrs], Array]:
    """Return the meaning: in the accumulator's dtype, rounded once."""

    def dense(operands: Sequence[Array], attrs: Attrs) -> Array:
        (x,) = operands
        axes = reduced_axes(x.ndim, attrs["axes"])
        y = reducing(x.astype(accumulator(x.dtype)), axes)
        if not attrs["keepdims"]:
            y = np.squeeze(y, axes)
        return asarray(y).astype(x.dtype)

    return dense


def _samples(rng: "np.random.Generator", kinds: str) -> Iterator[Sample]:
    x = random_values(rng, (3, 4, 5), "f4")
    choices: tuple[dict[str, Any], ...] = (
        {},
        {"axes": (1,), "keepdims": 0},
        {"axes": (-1, 0)},
        {"axes": (), "keepdims": 0},
    )
    for i, attrs in enumerate(choices):
        yield Sample(f"three axes, {i}", (x,), attrs)
    yield Sample("no dimensions", (x[0, 0, 0, ...],))
    yield Sample("no elements", (x[:0],), {"axes": (0,)})
    yield Sample("no results", (x[:0],), {"axes": (1,)})
    yield Sample("in Fortran order", (np.asfortranarray(x),), {"axes": (1,)})
    special = np.array([[np.nan, 1], [np.inf, -np.inf], [-np.inf, 2], [-3, 0]], "f4")
    yield Sample("NaN and inf", (special,), {"axes": (1,)})
    yield Sample("inf alone", (special[1:2, 1:],), {"axes": (1,)})
    yield Sample("large and small", (x[0] * np.float32(1e30),), {"axes": (1,)})
    yield Sample("small and large", (x[0] * np.float32(1e-30),), {"axes": (1,)})
    for dtype in ("float64", "float16", "int8", "uint16", "int64"):
        if np.dtype(dtype).kind in kinds:
            values = random_values(rng, (6, 9), dtype if dtype[0] != "u" else "u1").astype(dtype)
            yield Sample(dtype, (values,), {"axes": (1,)})
    if "i" in kinds:
        yield from _large_integers()


def _large_integers() -> Iterator[Sample]:
    """Yield integers whose sums and products wrap."""
    for dtype, large in (("uint64", 2**63 + 1), ("int8", -128), ("int64", -(2**63))):
        x = np.array([[1, 3], [5, 2]], dtype)
        x[0, 0] = large
        yield Sample(f"large {dtype}", (x,), {"axes": (1,)})


def _reduction(name: str, reducing: _Reducing, kinds: str, text: str, flops: int) -> Op:
    return Op(
        name,
        ("x",),
        (AXES, KEEPDIMS, plain_kind("C3", kinds, text)),
        reduced_type,
        _dense(reducing),
        lambda types, attrs: flops * types[0].size,
        lambda rng: _samples(rng, kinds),
        attrs={"axes": None, "keepdims": 1},
    )


_NUMBERS = "the dtype must be real, and not bool"
_FLOATING = "the dtype must be real floating-point"

REDUCE_L1 = _reduction("reduce_l1", _l1, "iuf", _NUMBERS, 2)
REDUCE_L2 = _reduction("reduce_l2", _l2, "f", _FLOATING, 2)
REDUCE_PROD = _reduction("reduce_prod", _prod, "iuf", _NUMBERS, 1)
REDUCE_SUM_SQUARE = _reduction("reduce_sum_square", _sum_square, "iuf", _NUMBERS, 2)
REDUCE_LOG_SUM_EXP = _reduction("reduce_log_sum_exp", log_sum_exp, "f", _FLOATING, 4)
