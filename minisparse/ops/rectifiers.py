"""Piecewise functions: ``leaky_relu``, ``prelu``, ``elu``, ``hard_sigmoid``, ``hard_swish``.

Parameters among the attributes are taken as the accumulator's dtype holds them, float32 at least;
the result is rounded once to X's dtype. NaN goes through.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.constraints import plain_kind, plain_mix
from minisparse.ops.dims import broadcast, may_equal, result_dtype
from minisparse.ops.elementwise import FLOATING, float_samples, function_op
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _parameters(names: Sequence[str]) -> Constraint:
    """Every attribute of these names is a finite number."""
    told = " and ".join(names)
    number = "finite numbers" if len(names) > 1 else "a finite number"
    return Constraint(
        "C2",
        f"{told} must be {number}",
        lambda types, attrs: all(_is_finite(attrs[name]) for name in names),
    )


def _is_finite(value: Any) -> bool:
    return not isinstance(value, bool | np.bool_) and math.isfinite(value)


def _with_parameters(function: Callable[..., Array]) -> Callable[[Sequence[Array], Attrs], Array]:
    """Return the meaning ``function(x, parameters...)`` in the accumulator's dtype."""

    def dense(operands: Sequence[Array], attrs: Attrs) -> Array:
        (x,) = operands
        wide = accumulator(x.dtype)
        given = [wide.type(value) for value in attrs.values()]
        return asarray(function(x.astype(wide, copy=False), *given)).astype(x.dtype, copy=False)

    return dense


def _samples(rng: "np.random.Generator", *others: Mapping[str, float]) -> Iterator[Sample]:
    yield from float_samples(rng)
    x = random_values(rng, (4, 6), "float32") * 3
    for attrs in others:
        yield Sample(", ".join(f"{n}={v}" for n, v in attrs.items()), (x,), attrs)


def _hard_sigmoid(x: Array, alpha: Any, beta: Any) -> Array:
    result: Array = np.maximum(0, np.minimum(1, alpha * x + beta))
    return result


HARD_SIGMOID = function_op(
    "hard_sigmoid",
    FLOATING,
    _with_parameters(_hard_sigmoid),
    4,
    _parameters(("alpha", "beta")),
    attrs={"alpha": 0.2, "beta": 0.5},
    samples=lambda rng: _samples(rng, {"alpha": 0.5, "beta": 0.6}, {"alpha": -1.0, "beta": 0.0}),
)


def _hard_swish(x: Array) -> Array:
    """Return ``x * max(0, min(1, x / 6 + 1/2))``."""
    result: Array = x * np.maximum(0, np.minimum(1, x / 6 + 0.5))
    return result


HARD_SWISH = function_op("hard_swish", FLOATING, _with_parameters(_hard_swish), 5)


def _leaky_relu(x: Array, alpha: Any) -> Array:
    return np.where(x < 0, alpha * x, x)


LEAKY_RELU = function_op(
    "leaky_relu",
    FLOATING,
    _with_parameters(_leaky_relu),
    2,
    _parameters(("alpha",)),
    attrs={"alpha": 0.01},
    samples=lambda rng: _samples(rng, {"alpha": 0.0}, {"alpha": 1.5}, {"alpha": -0.5}),
)


def _elu(x: Array, alpha: Any) -> Array:
    return np.where(x < 0, alpha * np.expm1(x), x)


ELU = function_op(
    "elu",
    FLOATING,
    _with_parameters(_elu),
    3,
    _parameters(("alpha",)),
    attrs={"alpha": 1.0},
    samples=lambda rng: _samples(rng, {"alpha": 0.0}, {"alpha": 2.5}, {"alpha": -0.5}),
)


def _fits(types: Types, attrs: Attrs) -> bool:
    x, slope = types
    shape = broadcast([x.shape, slope.shape])
    return shape is not None and len(shape) == x.ndim and all(map(may_equal, shape, x.shape))


def _prelu(operands: Sequence[Array], attrs: Attrs) -> Array:
    dtype = np.result_type(*operands)
    x, slope = (o.astype(accumulator(dtype)) for o in operands)
    return np.where(x < 0, slope * x, x).astype(dtype)


def _prelu_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (2, 3, 4, 5), "float32")
    slope = random_values(rng, (3, 1, 1), "float32")
    yield Sample("a slope for each channel", (x, slope))
    yield Sample("a number", (x, np.array(slope[0, 0, 0])))
    yield Sample("of the same shape", (x[0, 0], x[1, 0]))
    yield Sample("no elements", (x[:0], slope))
    yield Sample("two dtypes", (x, slope.astype("float64")))
    yield Sample("float16", (random_values(rng, (3, 5), "float16"), np.array([0.1], "float16")))
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, -1.0], "float32")
    yield Sample("NaN and inf", (np.tile(special, (6, 1)), special[:, None]))
    yield Sample("int32", (np.array([-7, 0, 2**31 - 1], "int32"), np.array([3], "int32")))


PRELU = Op(
    "prelu",
    ("x", "slope"),
    (
        Constraint("C1", "slope must broadcast to X's shape", _fits),
        plain_mix("C2"),
        plain_kind("C3", "iuf", "the dtypes must be real, and not bool"),
    ),
    lambda types, attrs: TensorType(types[0].shape, result_dtype(types)),
    _prelu,
    lambda types, attrs: 2 * types[0].size,
    _prelu_samples,
    broadcasts=True,
)
