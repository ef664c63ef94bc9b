"""Ops that repeat elements: ``expand`` by broadcasting, ``tile`` by copies side by side."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import UNKNOWN, Dim, multiply
from minisparse.core.tensor_type import KNOWN_LIMIT, TensorType
from minisparse.ops.axes import (
    as_ints,
    dtypes_are,
    is_vector,
    length,
    no_flops,
    settled,
    sizes_known,
)
from minisparse.ops.dims import broadcast, may_equal
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

_MEET = "X and shape must broadcast together"
_SIZES = "shape must be sizes, none negative"


def _wanted(types: Types) -> tuple[Dim, ...]:
    """Return the second operand's elements, each unknown where nothing tells them."""
    return sizes_known(types[1]) or (UNKNOWN,) * (length(types[1]) or 0)


def _no_negative(types: Types, attrs: Attrs) -> bool:
    return all(isinstance(d, str) or d >= 0 for d in _wanted(types))


def _expanded(types: Types, attrs: Attrs) -> TensorType:
    x, shape = types[0], broadcast([types[0].shape, _wanted(types)]) or ()
    size = shape[0] if len(shape) == 1 else 1
    known = None
    if len(shape) < 2 and x.known is not None and isinstance(size, int) and size <= KNOWN_LIMIT:
        known = x.known if len(x.known) == size else x.known * size
    return TensorType(tuple(map(settled, shape)), x.dtype, known=known)


def _expand(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, shape = operands
    found = broadcast([x.shape, as_ints(shape)])
    if found is None:
        raise ShapeError(
            f"expand (C4): X is {list(x.shape)}, shape {list(as_ints(shape))}: {_MEET}"
        )
    return np.broadcast_to(x, tuple(map(int, found)))


def _expand_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 1, 5), "float32")
    for shape in ((3, 4, 5), (2, 1, 4, 1), (5,), (), (3, 0, 1)):
        yield Sample(f"to {list(shape)}", (x, np.array(shape, np.int64)))
    yield Sample("whole numbers", (np.array([7]), np.array([3])))
    yield Sample("a number", (np.array(7), np.array([2, 2])))
    yield Sample("bool", (x > 0, np.array([3, 2, 5])))


EXPAND = Op(
    "expand",
    ("x", "shape"),
    (
        Constraint(
            "C1",
            "shape must be a vector whose length is a number",
            lambda types, attrs: types[1].ndim == 1 and is_vector(types[1]),
        ),
        dtypes_are("C2", "X's dtype must be supported, and shape whole numbers", whole=(1,)),
        Constraint("C3", _SIZES, _no_negative),
        Constraint(
            "C4",
            _MEET,
            lambda types, attrs: broadcast([types[0].shape, _wanted(types)]) is not None,
        ),
    ),
    _expanded,
    _expand,
    no_flops,
    _expand_samples,
    moves=True,
    told=(1,),
)


def _tiled(types: Types, attrs: Attrs) -> TensorType:
    x = types[0]
    times = sizes_known(types[1]) or (UNKNOWN,) * x.ndim
    shape = tuple(settled(multiply(pair)) for pair in zip(x.shape, times, strict=True))
    known = None
    if x.ndim < 2 and x.known is not None:
        count = times[0] if times else 1
        if isinstance(count, int) and len(x.known) * count <= KNOWN_LIMIT:
            known = x.known * count
    return TensorType(shape, x.dtype, known=known)


def _tile_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (2, 3), "float32")
    for repeats in ((2, 3), (1, 1), (0, 2)):
        yield Sample(f"{list(repeats)} times", (x, np.array(repeats)))
    yield Sample("whole numbers", (np.arange(4), np.array([2])))
    yield Sample("a number", (np.array(7), np.empty(0, np.int64)))
    yield Sample("no elements", (x[:0], np.array([2, 2])))
    yield Sample("bool", (x > 0, np.array([2, 1])))


TILE = Op(
    "tile",
    ("x", "repeats"),
    (
        Constraint(
            "C1",
            "repeats must be a vector of one element for each of X's dimensions",
            lambda types, attrs: types[1].ndim == 1 and may_equal(types[1].shape[0], types[0].ndim),
        ),
        dtypes_are("C2", "X's dtype must be supported, and repeats whole numbers", whole=(1,)),
        Constraint("C3", "repeats must not be negative", _no_negative),
    ),
    _tiled,
    lambda operands, attrs: np.tile(operands[0], as_ints(operands[1])),
    no_flops,
    _tile_samples,
    told=(1,),
)
