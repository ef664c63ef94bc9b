"""Ops that work element by element: ``relu``, ``add``, ``add_bias``."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.ops.constraints import dtypes_mix, has_kind, has_ndim
from minisparse.ops.dims import broadcast, result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _relu(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    result: Array = np.maximum(x, x.dtype.type(0))
    return result


def _relu_samples(rng: np.random.Generator) -> Iterator[Sample]:
    x = random_values(rng, (5, 7), "float32")
    yield Sample("plain", (x,))
    yield Sample("no elements", (x[:0],))
    yield Sample("no dimensions", (np.array(x[0, 0]),))
    yield Sample("in Fortran order", (np.asfortranarray(x),))
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0], "float32")
    yield Sample("NaN goes through", (special,))
    for dtype in ("float64", "float16", "int8", "bool"):
        yield Sample(dtype, (random_values(rng, (3, 4), dtype),))


RELU = Op(
    "relu",
    ("x",),
    (has_kind("C1", "biuf", "the dtype must be real: complex numbers have no order"),),
    lambda types, attrs: TensorType(types[0].shape, types[0].dtype),
    _relu,
    lambda types, attrs: types[0].size,
    _relu_samples,
    elementwise=True,
)


def _broadcast_shape(types: Types) -> TensorType:
    shape = broadcast([t.shape for t in types]) or ()
    return TensorType(shape, result_dtype(types))


def _add_samples(rng: np.random.Generator) -> Iterator[Sample]:
    x = random_values(rng, (4, 3, 5), "float32")
    yield Sample("same shape", (x, x[::-1]))
    yield Sample("one row", (x, x[0, :1]))
    yield Sample("both broadcast", (x[:, :1], x[0]))
    yield Sample("a number", (x, np.array(x[0, 0, 0])))
    yield Sample("no elements", (x[:0], x[0]))
    yield Sample("two dtypes", (x, random_values(rng, (5,), "float64")))
    yield Sample("int8 that wraps", (np.full(3, 100, np.int8), np.full(3, 100, np.int8)))


def _alike(first: Array, rng: np.random.Generator) -> tuple[Array, ...]:
    """Return a residual: another value of the same shape."""
    return (random_values(rng, first.shape, first.dtype),)


ADD = Op(
    "add",
    ("a", "b"),
    (
        Constraint(
            "C1",
            "shapes must broadcast: aligned at the last, dimensions are equal or 1",
            lambda types, attrs: broadcast([t.shape for t in types]) is not None,
        ),
        dtypes_mix("C2"),
    ),
    lambda types, attrs: _broadcast_shape(types),
    lambda operands, attrs: np.asarray(np.add(*operands)),
    lambda types, attrs: _broadcast_shape(types).size,
    _add_samples,
    companions=_alike,
)


def _add_bias(operands: Sequence[Array], attrs: Attrs) -> Array:
    c, bias = operands
    return np.asarray(c + bias[:, None])


def _bias_for(first: Array, rng: np.random.Generator) -> tuple[Array, ...]:
    """Return a bias for every row of ``first``."""
    return (random_values(rng, first.shape[:1], first.dtype),)


def _add_bias_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in ((5, 7), (1, 4), (4, 1), (0, 3), (3, 0)):
        c = random_values(rng, shape, "float32")
        yield Sample(f"{shape[0]} rows, {shape[1]} columns", (c, *_bias_for(c, rng)))
    c = random_values(rng, (4, 6), "float32")
    yield Sample("in Fortran order", (np.asfortranarray(c), *_bias_for(c, rng)))
    yield Sample("two dtypes", (c, random_values(rng, (4,), "float64")))


ADD_BIAS = Op(
    "add_bias",
    ("c", "bias"),
    (
        has_ndim("C1", "C must be 2-D and bias 1-D", {0: 2, 1: 1}),
        Constraint(
            "C2",
            "bias must have one value for each row of C",
            lambda types, attrs: types[0].shape[0] == types[1].shape[0],
        ),
        dtypes_mix("C3"),
    ),
    lambda types, attrs: TensorType(types[0].shape, result_dtype(types)),
    _add_bias,
    lambda types, attrs: types[0].size,
    _add_bias_samples,
    companions=_bias_for,
)
