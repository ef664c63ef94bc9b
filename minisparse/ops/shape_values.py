"""Ops between shapes and values: ``shape``, ``size``, ``range``, ``constant_of_shape``.

What they give is often known before the run, and then it is part of its type: shapes that a model
computes are found with it.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, as_dtype
from minisparse.core.errors import DTypeError, MinisparseError, ShapeError
from minisparse.core.symbolic import UNKNOWN, Dim, add, multiply
from minisparse.core.tensor_type import KNOWN_LIMIT, TensorType
from minisparse.ops.axes import (
    as_ints,
    dtypes_are,
    is_single,
    is_size,
    is_vector,
    length,
    no_flops,
    settled,
    sizes_known,
)
from minisparse.ops.constraints import kind_of, plain_dtypes_mix
from minisparse.ops.dims import result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

_INT64 = np.dtype(np.int64)


def _sizes(types: Types, attrs: Attrs) -> tuple[Dim, ...]:
    return types[0].shape[attrs["start"] : attrs["end"]]


def _shape_type(types: Types, attrs: Attrs) -> TensorType:
    sizes = _sizes(types, attrs)
    unsettled = any(settled(d) == UNKNOWN for d in sizes)
    return TensorType((len(sizes),), _INT64, known=None if unsettled else sizes)


def _shape_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 4, 5), "float32")
    yield Sample("all", (x,))
    yield Sample("without the first", (x,), {"start": 1})
    yield Sample("the last two but one", (x,), {"start": -2, "end": -1})
    yield Sample("beyond the ends", (x,), {"start": -9, "end": 9})
    yield Sample("none", (x,), {"start": 2, "end": 1})
    yield Sample("no dimensions", (x[0, 0, 0, ...],))
    yield Sample("no elements", (x[:0],))
    yield Sample("whole numbers", (np.arange(4),))


SHAPE = Op(
    "shape",
    ("x",),
    (
        Constraint(
            "C1",
            "start must be a whole number, end one or None",
            lambda types, attrs: (
                isinstance(attrs["start"], int) and isinstance(attrs["end"], int | None)
            ),
        ),
        dtypes_are("C2", "X's dtype must be supported"),
    ),
    _shape_type,
    lambda operands, attrs: np.array(
        operands[0].shape[attrs["start"] : attrs["end"]], dtype=np.int64
    ),
    no_flops,
    _shape_samples,
    attrs={"start": 0, "end": None},
    of_sizes=True,
)


def _size_type(types: Types, attrs: Attrs) -> TensorType:
    count = settled(multiply(types[0].shape))
    return TensorType((), _INT64, known=None if count == UNKNOWN else (count,))


def _size_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 4, 5), "float32")
    yield Sample("three axes", (x,))
    yield Sample("no dimensions", (x[0, 0, 0, ...],))
    yield Sample("no elements", (x[:0],))
    yield Sample("whole numbers", (np.arange(4),))


SIZE = Op(
    "size",
    ("x",),
    (dtypes_are("C1", "X's dtype must be supported"),),
    _size_type,
    lambda operands, attrs: np.array(operands[0].size, np.int64),
    no_flops,
    _size_samples,
    of_sizes=True,
)


MOST = 2**40
"""A range of more numbers is a mistake, and would fill any memory."""


def range_length(start: float, limit: float, delta: float) -> int | None:
    """Return how many numbers from ``start`` on come before ``limit``; None for too many.

    Floating-point numbers are divided in float64, as NumPy and ONNX Runtime do it.

    Examples
    --------
    >>> range_length(3, 10, 3), range_length(0.0, 1.0, 0.25), range_length(1, 5, -1)
    (3, 4, 0)
    """
    if isinstance(start, int) and isinstance(limit, int) and isinstance(delta, int):
        count: float = -((start - limit) // delta)
    else:
        count = (limit - start) / delta
    return max(0, math.ceil(count)) if count < MOST else None


def _numbers(types: Types) -> tuple[Dim | float, ...]:
    """Return start, limit and delta, unknown where nothing tells them."""
    return tuple(t.known[0] if t.known else UNKNOWN for t in types)


def _counted(values: Sequence[Any]) -> int | None:
    """Return how many numbers a range has; None for no finite number, or none that is sensible."""
    if not all(math.isfinite(x) for x in values) or not values[2]:
        return None
    return range_length(*values)


def _range_is_finite(types: Types, attrs: Attrs) -> bool:
    values = _numbers(types)
    if any(isinstance(x, str) for x in values):
        return values[2] != 0
    return _counted(values) is not None


def _range_type(types: Types, attrs: Attrs) -> TensorType:
    dtype = result_dtype(types)
    values = _numbers(types)
    start, limit, delta = values
    if not any(isinstance(x, str) for x in values):
        count = _counted(values) or 0
        known = None
        if dtype.kind in "iu" and count <= KNOWN_LIMIT:
            known = tuple(int(start) + i * int(delta) for i in range(count))
        return TensorType((count,), dtype, known=known)
    ends = [x for x in (start, limit) if isinstance(x, int | str) and settled(x) != UNKNOWN]
    if delta != 1 or len(ends) < 2:
        return TensorType((UNKNOWN,), dtype)
    size = add([ends[1], multiply([-1, ends[0]])])
    return TensorType((size if is_size(size) else UNKNOWN,), dtype)


def _range(operands: Sequence[Array], attrs: Attrs) -> Array:
    dtype = np.result_type(*operands)
    whole = kind_of(dtype) != "f"
    values = [int(x.item()) if whole else float(x.item()) for x in operands]
    count = _counted(values)
    if count is None:
        start, limit, delta = values
        raise ShapeError(f"range (C3): from {start} to {limit} by {delta}: {_FINITE}")
    # In float64, so that no step is rounded to a narrower dtype before it is added; whole numbers
    # in their own, where steps may wrap, but what comes of them fits.
    first, step = (np.array(values[i]).astype(dtype if whole else np.float64) for i in (0, 2))
    found = np.arange(count).astype(first.dtype) * step + first
    return np.asarray(found).astype(dtype)


def _range_dtypes(types: Types, attrs: Attrs) -> bool:
    return plain_dtypes_mix(types, attrs) and all(kind_of(t.dtype) in "iuf" for t in types)


def _range_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for label, parts, dtype in (
        ("up", (0, 7, 1), "int64"),
        ("by threes", (1, 11, 3), "int32"),
        ("down", (10, -3, -4), "int16"),
        ("none", (3, 3, 1), "int64"),
        ("the other way", (3, 9, -1), "int64"),
        ("by quarters", (0.5, 2.0, 0.25), "float32"),
        ("by tenths", (0.0, 1.0, 0.1), "float64"),
        ("thirds that are rounded", (1 / 3, 100.0, 2 / 3), "float32"),
        ("float16", (0.1, 9.0, 0.3), "float16"),
    ):
        yield Sample(label, tuple(np.array(x, dtype) for x in parts))
    large = (np.array(2**63 + i, np.uint64) for i in (0, 3))
    yield Sample("beyond int64", (*large, np.array(1, np.uint64)))
    yield Sample("vectors of one element", tuple(np.array([x]) for x in (0, 5, 2)))


_FINITE = "start, limit and delta must be finite, delta not 0, and the numbers no more than 2**40"

RANGE = Op(
    "range",
    ("start", "limit", "delta"),
    (
        Constraint(
            "C1",
            "start, limit and delta must be single numbers",
            lambda types, attrs: all(map(is_single, types)),
        ),
        Constraint("C2", "dtypes must be real numbers, and mix", _range_dtypes, DTypeError),
        Constraint("C3", _FINITE, _range_is_finite),
    ),
    _range_type,
    _range,
    no_flops,
    _range_samples,
    told=(0, 1, 2),
)


def _filled_type(types: Types, attrs: Attrs) -> TensorType:
    (given,) = types
    wanted = sizes_known(given) or (UNKNOWN,) * (length(given) or 0)
    dtype = as_dtype(attrs["dtype"], "constant_of_shape", plain=True)
    size = wanted[0] if wanted else 1
    known = None
    if len(wanted) < 2 and isinstance(size, int) and size <= KNOWN_LIMIT and dtype.kind in "biuf":
        known = (np.array(attrs["value"]).astype(dtype).item(),) * size
    return TensorType(tuple(map(settled, wanted)), dtype, known=known)


def _fill(operands: Sequence[Array], attrs: Attrs) -> Array:
    shape = as_ints(operands[0])
    if any(d < 0 for d in shape):
        raise ShapeError(f"constant_of_shape (C3): shape is {list(shape)}: {_SIZES}")
    dtype = as_dtype(attrs["dtype"], "constant_of_shape", plain=True)
    return np.full(shape, np.array(attrs["value"]).astype(dtype), dtype)


def _is_dtype(types: Types, attrs: Attrs) -> bool:
    try:
        as_dtype(attrs["dtype"], "constant_of_shape", plain=True)
    except MinisparseError:
        return False
    return True


def _fill_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield Sample("zeros", (np.array([2, 3]),))
    yield Sample("ones", (np.array([4]),), {"value": 1, "dtype": "int64"})
    yield Sample("true", (np.array([2, 2]),), {"value": True, "dtype": "bool"})
    yield Sample("a number", (np.empty(0, np.int64),), {"value": -2.5, "dtype": "float16"})
    yield Sample("no elements", (np.array([3, 0], np.int32),), {"value": 7, "dtype": "uint64"})
    yield Sample("NaN", (np.array([3]),), {"value": math.nan, "dtype": "float64"})


_SIZES = "shape must be sizes, none negative"

CONSTANT_OF_SHAPE = Op(
    "constant_of_shape",
    ("shape",),
    (
        Constraint(
            "C1",
            "shape must be a vector whose length is a number",
            lambda types, attrs: types[0].ndim == 1 and is_vector(types[0]),
        ),
        dtypes_are("C2", "shape must be whole numbers", whole=(0,)),
        Constraint(
            "C3",
            _SIZES,
            lambda types, attrs: all(
                isinstance(d, str) or d >= 0 for d in sizes_known(types[0]) or ()
            ),
        ),
        Constraint("C4", "dtype must be the name of a dtype", _is_dtype, DTypeError),
    ),
    _filled_type,
    _fill,
    no_flops,
    _fill_samples,
    attrs={"value": 0.0, "dtype": "float32"},
    told=(0,),
)
