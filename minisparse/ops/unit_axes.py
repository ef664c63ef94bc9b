"""Ops that take axes of length 1 away or put them in: ``squeeze``, ``unsqueeze``."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import UNKNOWN
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.axes import (
    are_axes,
    as_ints,
    dtypes_are,
    is_vector,
    length,
    no_flops,
    whole_known,
)
from minisparse.ops.dims import may_equal
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _given_axes(types: Types) -> tuple[int, ...] | None:
    """Return the axes where they are known; for ``squeeze`` without any those of length 1."""
    if len(types) < 2:
        return tuple(i for i, d in enumerate(types[0].shape) if d == 1)
    return whole_known(types[1])


def _squeezed(types: Types, attrs: Attrs) -> TensorType:
    x, axes = types[0], _given_axes(types)
    if axes is None:
        ndim = max(0, x.ndim - (length(types[1]) or 0))
        return TensorType((UNKNOWN,) * ndim, x.dtype, known=x.known)
    gone = {axis % x.ndim for axis in axes}
    return TensorType(
        tuple(d for i, d in enumerate(x.shape) if i not in gone), x.dtype, known=x.known
    )


def _may_be_squeezed(types: Types, attrs: Attrs) -> bool:
    x, axes = types[0], _given_axes(types)
    if len(types) < 2:
        return all(isinstance(d, int) for d in x.shape)
    return axes is None or all(may_equal(x.shape[axis], 1) for axis in axes)


_AXES_VECTOR = "axes must be a vector whose length is a number"
_AXES_DTYPES = "X's dtype must be supported, and axes whole numbers"
_ONES = "every axis that goes must have length 1; without axes every length must be a number"


def _squeeze(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, *rest = operands
    if not rest:
        return asarray(x.squeeze())
    axes = as_ints(rest[0])
    if any(x.shape[axis] != 1 for axis in axes):
        raise ShapeError(f"squeeze (C4): X is {list(x.shape)}, axes {list(axes)}: {_ONES}")
    return asarray(x.squeeze(axes))


def _squeeze_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (1, 3, 1, 5), "float32")
    yield Sample("all", (x,))
    yield Sample("one", (x, np.array([0])))
    yield Sample("from the end", (x, np.array([-2, 0], np.int32)))
    yield Sample("none", (x, np.empty(0, np.int64)))
    yield Sample("whole numbers", (np.arange(4).reshape(4, 1), np.array([1])))
    yield Sample("to a number", (x[:, :1, 0, 0], np.array([0, 1])))
    yield Sample("no elements", (x[:, :0], np.array([0])))
    yield Sample("no dimensions", (x[0, 0, 0, 0, ...],))


SQUEEZE = Op(
    "squeeze",
    ("x", "axes?"),
    (
        Constraint("C1", _AXES_VECTOR, lambda types, attrs: all(map(is_vector, types[1:]))),
        dtypes_are("C2", _AXES_DTYPES, whole=(1,)),
        Constraint(
            "C3",
            "axes must name axes of X, each once",
            lambda types, attrs: (
                len(types) < 2 or (are_axes(whole_known(types[1]), types[0].ndim) and _fit(types))
            ),
        ),
        Constraint("C4", _ONES, _may_be_squeezed),
    ),
    _squeezed,
    _squeeze,
    no_flops,
    _squeeze_samples,
    moves=True,
    told=(1,),
)


def _fit(types: Types) -> bool:
    return (length(types[1]) or 0) <= types[0].ndim


def _unsqueezed(types: Types, attrs: Attrs) -> TensorType:
    x, axes = types[0], whole_known(types[1])
    ndim = x.ndim + (length(types[1]) or 0)
    if axes is None:
        return TensorType((UNKNOWN,) * ndim, x.dtype)
    new = {axis % ndim for axis in axes}
    old = iter(x.shape)
    shape = tuple(1 if i in new else next(old) for i in range(ndim))
    return TensorType(shape, x.dtype, known=x.known if ndim < 2 else None)


def _unsqueeze(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, axes = operands
    return np.expand_dims(x, as_ints(axes))


def _unsqueeze_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 4), "float32")
    for axes in ((0,), (1,), (-1,), (3, 0), (0, 1, -1), ()):
        yield Sample(f"axes {list(axes)}", (x, np.array(axes, np.int64)))
    yield Sample("whole numbers", (np.arange(4), np.array([1])))
    yield Sample("a number", (x[0, 0, ...], np.array([0])))
    yield Sample("no elements", (x[:0], np.array(0)))


UNSQUEEZE = Op(
    "unsqueeze",
    ("x", "axes"),
    (
        Constraint("C1", _AXES_VECTOR, lambda types, attrs: is_vector(types[1])),
        dtypes_are("C2", _AXES_DTYPES, whole=(1,)),
        Constraint(
            "C3",
            "axes must name axes of the result, each once",
            lambda types, attrs: are_axes(
                whole_known(types[1]), types[0].ndim + (length(types[1]) or 0)
            ),
        ),
    ),
    _unsqueezed,
    _unsqueeze,
    no_flops,
    _unsqueeze_samples,
    moves=True,
    told=(1,),
)
