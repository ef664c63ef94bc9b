"""Ops that keep elements in their order: ``reshape``, ``identity``."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import UNKNOWN, Dim, divide, multiply
from minisparse.core.tensor_type import TensorType
from minisparse.ops.axes import (
    as_ints,
    dtypes_are,
    is_vector,
    length,
    no_flops,
    settled,
    sizes_known,
)
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

_COUNT = "shape must hold as many elements as X, -1 standing for what the others leave"


def _copied(shape: Sequence[Dim], wanted: Sequence[Dim], allowzero: int) -> list[Dim]:
    """Return wanted dimensions with X's own in place of each 0."""
    if allowzero:
        return list(wanted)
    return [shape[i] if d == 0 else d for i, d in enumerate(wanted)]


def target_shape(
    shape: Sequence[Dim], wanted: Sequence[Dim], allowzero: int = 0
) -> tuple[Dim, ...] | None:
    """Return the shape to which a ``reshape`` leads, None where the elements do not fit into it.

    Dimensions that stay as they are are left out of the division that -1 asks for: so it has an
    answer for names, and for no elements too.

    Parameters
    ----------
    shape, wanted : sequence of int or str
        X's own, and the operand ``shape``.
    allowzero : int
        Whether a 0 means no elements; otherwise it stands for X's dimension at the same place.

    Examples
    --------
    >>> target_shape(("batch", "seq", 768), (0, -1, 12, 64))
    ('batch', 'seq', 12, 64)
    >>> target_shape((2, 3), (4, -1)) is None, target_shape((0, 3), (0, -1))
    (True, (0, 3))
    """
    found = _copied(shape, wanted, allowzero)
    if -1 not in found:
        fits = may_be_as_many(multiply(shape), multiply(found))
        return tuple(map(settled, found)) if fits else None
    rest, others = list(shape), [d for d in found if d != -1]
    for d in list(others):
        if d in rest and settled(d) != UNKNOWN:
            rest.remove(d)
            others.remove(d)
    left = _left(multiply(rest), multiply(others))
    return None if left is None else tuple(left if d == -1 else settled(d) for d in found)


def _left(elements: Dim, others: Dim) -> Dim | None:
    """Return what -1 stands for; None where there is no whole number."""
    if isinstance(elements, int) and isinstance(others, int):
        if others == 0:
            return 0 if elements == 0 else None
        return None if elements % others else elements // others
    return settled(divide(elements, others)) if others != 0 else UNKNOWN


def may_be_as_many(a: Dim, b: Dim) -> bool:
    """Tell whether two counts may be equal: what names stand for is looked at during the run."""
    return a == b or isinstance(a, str) or isinstance(b, str)


def _wanted(types: Types) -> tuple[Dim, ...] | None:
    return sizes_known(types[1])


def _shape_is_plain(types: Types, attrs: Attrs) -> bool:
    wanted = _wanted(types)
    if wanted is None:
        return attrs["allowzero"] in (0, 1)
    if any(isinstance(d, int) and d < -1 for d in wanted) or wanted.count(-1) > 1:
        return False
    if attrs["allowzero"]:
        return attrs["allowzero"] == 1 and not (0 in wanted and -1 in wanted)
    return all(d != 0 or i < types[0].ndim for i, d in enumerate(wanted))


def _holds_as_many(types: Types, attrs: Attrs) -> bool:
    wanted = _wanted(types)
    return wanted is None or bool(
        target_shape(types[0].shape, wanted, attrs["allowzero"]) is not None
    )


def _reshaped(types: Types, attrs: Attrs) -> TensorType:
    x = types[0]
    wanted, ndim = _wanted(types), length(types[1])
    shape: tuple[Dim, ...] | None = (UNKNOWN,) * (ndim or 0)
    if wanted is not None:
        shape = target_shape(x.shape, wanted, attrs["allowzero"])
    return TensorType(shape or (), x.dtype, known=x.known if len(shape or ()) < 2 else None)


def _reshape(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, shape = operands
    wanted = as_ints(shape)
    fits = attrs["allowzero"] or all(d != 0 or i < x.ndim for i, d in enumerate(wanted))
    if x.size and fits:  # NumPy divides for -1 as this op does
        try:
            return x.reshape([int(d) for d in _copied(x.shape, wanted, attrs["allowzero"])])
        except ValueError:
            pass
    found = target_shape(x.shape, wanted, attrs["allowzero"]) if fits else None
    if found is None or math.prod(map(int, found)) != x.size:
        raise ShapeError(f"reshape (C4): X is {list(x.shape)}, shape {list(wanted)}: {_COUNT}")
    return x.reshape(tuple(map(int, found)))


def _reshape_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (2, 3, 4, 5), "float32")
    for wanted in ((6, 20), (0, -1), (2, 0, 2, 2, 5), (-1,), (2, 1, 3, 4, 5)):
        yield Sample(f"to {list(wanted)}", (x, np.array(wanted)))
    yield Sample("an element to a number", (x[:1, 0, 0, 0], np.empty(0, np.int64)))
    yield Sample("whole numbers", (np.arange(6), np.array([3, -1])))
    yield Sample("no elements", (x[:0], np.array([0, -1])))
    yield Sample("a zero that is meant", (x[:, :0], np.array([0, 7])), {"allowzero": 1})
    yield Sample("in Fortran order", (np.asfortranarray(x), np.array([-1, 10])))
    yield Sample("bool", (x > 0, np.array([0, -1, 2])))
    yield Sample("uint16", (random_values(rng, (2, 3), "uint8").astype("uint16"), np.array([6])))


RESHAPE = Op(
    "reshape",
    ("x", "shape"),
    (
        Constraint(
            "C1",
            "shape must be a vector whose length is a number",
            lambda types, attrs: types[1].ndim == 1 and is_vector(types[1]),
        ),
        dtypes_are("C2", "X's dtype must be supported, and shape whole numbers", whole=(1,)),
        Constraint(
            "C3",
            "shape must be sizes, one of them -1 at most, a 0 only where X has a dimension; with "
            "allowzero=1 either zeros or a -1",
            _shape_is_plain,
        ),
        Constraint("C4", _COUNT, _holds_as_many),
    ),
    _reshaped,
    _reshape,
    no_flops,
    _reshape_samples,
    attrs={"allowzero": 0},
    moves=True,
    told=(1,),
)


def _identity_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 4), "float32")
    yield Sample("a matrix", (x,))
    yield Sample("a number", (x[0, 0, ...],))
    yield Sample("no elements", (x[:0],))
    yield Sample("whole numbers", (np.arange(4),))
    yield Sample("complex64", (random_values(rng, (3, 4), "complex64"),))


IDENTITY = Op(
    "identity",
    ("x",),
    (dtypes_are("C1", "X's dtype must be supported"),),
    lambda types, attrs: replace(types[0]),
    lambda operands, attrs: operands[0],
    no_flops,
    _identity_samples,
    moves=True,
)
