"""Ops that find places and values by comparing: ``arg_max arg_min top_k non_zero one_hot``.

NaN counts as larger than every number, so it wins ``arg_max`` and comes first in the largest
``top_k``; for the least it wins ``arg_min`` too (S11), but comes last in the least ``top_k``. Of
equal elements the first comes first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, accumulator, is_plain
from minisparse.core.errors import DTypeError, ShapeError
from minisparse.core.symbolic import UNKNOWN, Dim
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray, namespace
from minisparse.ops.axes import (
    as_ints,
    dtypes_are,
    has_axis,
    is_axis,
    is_single,
    no_flops,
    sizes_known,
)
from minisparse.ops.constraints import kind_of, plain_kind
from minisparse.ops.dims import may_equal
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

_INT64 = np.dtype(np.int64)


def _comparable(x: Array) -> Array:
    """Return elements that NumPy compares fast: bfloat16 as float32."""
    return x.astype(accumulator(x.dtype), copy=False) if x.dtype.kind not in "biuf" else x


def _without(types: Types, attrs: Attrs) -> TensorType:
    x, axis = types[0], attrs["axis"] % types[0].ndim
    one = (1,) if attrs["keepdims"] else ()
    return TensorType((*x.shape[:axis], *one, *x.shape[axis + 1 :]), _INT64)


def _arg(operands: Sequence[Array], attrs: Attrs, name: str) -> Array:
    x, axis = _comparable(operands[0]), attrs["axis"]
    if not x.shape[axis]:
        raise ShapeError(f"{name} (C2): X is {list(x.shape)}, axis is {axis}: {_NOT_EMPTY}")
    choose = np.argmax if name == "arg_max" else np.argmin
    last = bool(attrs["select_last_index"])
    found = choose(np.flip(x, axis) if last else x, axis=axis, keepdims=bool(attrs["keepdims"]))
    return asarray(x.shape[axis] - 1 - found if last else found, np.int64)


def _arg_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 4, 5), "float32")
    yield Sample("the first axis", (x,))
    yield Sample("the last, which goes", (x,), {"axis": -1, "keepdims": 0})
    ties = rng.integers(0, 2, (4, 6))
    yield Sample("ties", (ties,), {"axis": 1})
    yield Sample("ties, the last", (ties,), {"axis": 1, "select_last_index": 1})
    special = np.array([[1, np.nan, np.nan], [np.inf, -np.inf, np.inf], [0.0, -0.0, 0.0]])
    yield Sample("NaN and inf", (special,), {"axis": 1})
    yield Sample("NaN and inf, the last", (special,), {"axis": 1, "select_last_index": 1})
    yield Sample("whole numbers", (np.array([3, 1, 3, 2]),))
    yield Sample("bool", (x > 0,), {"axis": 1})
    yield Sample("float16", (x.astype(np.float16),), {"axis": 2})
    yield Sample("no results", (x[:0],), {"axis": 1})


_NOT_EMPTY = "there must be an element along the axis to choose"


def _arg_op(name: str) -> Op:
    return Op(
        name,
        ("x",),
        (
            has_axis("C1"),
            Constraint(
                "C2", _NOT_EMPTY, lambda types, attrs: types[0].shape[attrs["axis"]] != 0,
            ),
            plain_kind("C3", "biuf", "the dtype must be real: complex numbers have no order"),
            Constraint(
                "C4", "keepdims and select_last_index must be 0 or 1",
                lambda types, attrs: {attrs["keepdims"], attrs["select_last_index"]} <= {0, 1},
            ),
        ),
        _without,
        lambda operands, attrs: _arg(operands, attrs, name),
        lambda types, attrs: types[0].size,
        _arg_samples,
        attrs={"axis": 0, "keepdims": 1, "select_last_index": 0},
    )  # fmt: skip


ARG_MAX = _arg_op("arg_max")
ARG_MIN = _arg_op("arg_min")


def _count(types: Types) -> Dim:
    known = sizes_known(types[1])
    return UNKNOWN if known is None else known[0]


def _top_types(types: Types, attrs: Attrs) -> tuple[TensorType, TensorType]:
    x, axis = types[0], attrs["axis"] % types[0].ndim
    values = TensorType((*x.shape[:axis], _count(types), *x.shape[axis + 1 :]), x.dtype)
    return values, replace(values, dtype=_INT64)


def _order(x: Array, axis: int, largest: bool) -> Array:
    """Return indices in the order in which elements are chosen, ties by their place."""
    if not largest:
        return np.argsort(x, axis, kind="stable")
    backwards = np.argsort(np.flip(x, axis), axis, kind="stable")
    return asarray(x.shape[axis] - 1 - np.flip(backwards, axis))


def _top(operands: Sequence[Array], attrs: Attrs) -> tuple[Array, Array]:
    x, axis = operands[0], attrs["axis"] % operands[0].ndim
    (k,) = as_ints(operands[1])
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(f"top_k (C4): k is {k}, X {list(x.shape)}, axis {axis}: {_ENOUGH}")
    order = _order(_comparable(x), axis, bool(attrs["largest"]))
    chosen = order[(slice(None),) * axis + (slice(0, k),)]
    return np.take_along_axis(x, chosen, axis), chosen.astype(np.int64)


def _top_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 4, 5), "float32")
    yield Sample("the largest", (x, np.array([2])))
    yield Sample("the least", (x, np.array([3])), {"largest": 0, "axis": 1})
    ties = rng.integers(0, 3, (4, 6))
    yield Sample("ties", (ties, np.array([4])))
    yield Sample("ties, the least", (ties, np.array(4)), {"largest": 0})
    special = np.array([[1, np.nan, np.inf, -np.inf, np.nan, 0.0, -0.0]])
    yield Sample("NaN and inf", (special, np.array([7])))
    yield Sample("NaN and inf, the least", (special, np.array([7])), {"largest": 0})
    few = rng.integers(-3, 4, (3, 40))
    yield Sample("few of many", (few, np.array([3])))
    yield Sample(
        "the least of many", (few.T.astype("float32"), np.array(2)), {"largest": 0, "axis": 0}
    )
    yield Sample("none", (x, np.array([0])))
    yield Sample("unsorted", (x, np.array([2])), {"sorted": 0, "axis": 0})
    yield Sample("whole numbers", (np.array([3, 1, 3, 2]), np.array([2])))
    yield Sample("uint64", (np.array([2**63, 1, 2**64 - 1], np.uint64), np.array([2])))
    yield Sample("bool", (x > 0, np.array([3])))


_REAL = plain_kind("C3", "biuf", "")
_ENOUGH = "k must lie between 0 and the length of the axis"

TOP_K = Op(
    "top_k",
    ("x", "k"),
    (
        has_axis("C1"),
        Constraint("C2", "k must be a single number", lambda types, attrs: is_single(types[1])),
        Constraint(
            "C3",
            "X's dtype must be real, and k a whole number",
            lambda types, attrs: _REAL.holds(types, attrs) and types[1].dtype.kind in "iu",
            DTypeError,
        ),
        Constraint(
            "C4",
            _ENOUGH,
            lambda types, attrs: _may_be_up_to(_count(types), types[0].shape[attrs["axis"]]),
        ),
        Constraint(
            "C5",
            "largest and sorted must be 0 or 1",
            lambda types, attrs: {attrs["largest"], attrs["sorted"]} <= {0, 1},
        ),
    ),
    _top_types,
    _top,
    lambda types, attrs: types[0].size,
    _top_samples,
    attrs={"axis": -1, "largest": 1, "sorted": 1},
    told=(1,),
)


def _may_be_up_to(count: Dim, size: Dim) -> bool:
    if isinstance(count, int) and isinstance(size, int):
        return 0 <= count <= size
    return not isinstance(count, int) or count >= 0


def _non_zero_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 4, 5), "float32")
    yield Sample("three axes", (np.where(x > 0, x, 0),))
    yield Sample("NaN and zeros of both signs", (np.array([0.0, np.nan, -0.0, np.inf]),))
    yield Sample("whole numbers", (np.array([3, 0, 0, 2]),))
    yield Sample("bool", (x > 0,))
    yield Sample("nothing", (np.zeros((2, 3)),))
    yield Sample("no elements", (x[:0],))
    yield Sample("a number", (np.array(3.0),))


NON_ZERO = Op(
    "non_zero",
    ("x",),
    (dtypes_are("C1", "X's dtype must be supported"),),
    lambda types, attrs: TensorType((types[0].ndim, UNKNOWN), _INT64),
    lambda operands, attrs: np.argwhere(operands[0]).T.astype(np.int64, order="C"),
    no_flops,
    _non_zero_samples,
    fetches=1,
)


def _depth(types: Types) -> Dim:
    known = types[1].known
    if known is None:
        return UNKNOWN
    return known[0] if isinstance(known[0], str) else int(known[0])


def _hot_type(types: Types, attrs: Attrs) -> TensorType:
    indices, _, values = types
    axis = attrs["axis"] % (indices.ndim + 1)
    shape = (*indices.shape[:axis], _depth(types), *indices.shape[axis:])
    return TensorType(shape, values.dtype)


def _one_hot(operands: Sequence[Array], attrs: Attrs) -> Array:
    indices, depth, values = operands
    count = int(depth.item())
    if count < 0 or values.size != 2:
        raise ShapeError(f"one_hot (C3): depth is {count}, values {list(values.shape)}: {_OFF_ON}")
    axis = attrs["axis"] % (indices.ndim + 1)
    places = np.expand_dims(indices, axis)
    classes = namespace(indices).arange(count).reshape(count, *[1] * (indices.ndim - axis))
    if kind_of(places.dtype) == "f":
        places = places.astype(np.float64)
    hot = places == classes
    if places.dtype.kind != "u":  # what is unsigned counts from no end
        hot |= places == classes - count
    off, on = values[0], values[1]
    return asarray(np.where(hot, on, off))


def _hot_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    off_on = np.array([0.0, 1.0], np.float32)
    indices = np.array([[0, 2, -1], [3, 7, -4]])
    yield Sample("the last axis", (indices, np.array(4), off_on))
    yield Sample("the first axis", (indices, np.array([4]), off_on), {"axis": 0})
    yield Sample("between", (indices, np.array(3), off_on), {"axis": -2})
    yield Sample("floating-point indices", (indices.astype("float32"), np.array(4.0), off_on))
    yield Sample("whole numbers", (np.array([1, 0]), np.array(3), np.array([5, -2])))
    yield Sample("narrow indices", (indices.astype(np.int8), np.array(300), off_on))
    yield Sample("unsigned indices", (indices[:, :2].astype(np.uint8), np.array(300), off_on))
    yield Sample("no classes", (indices, np.array(0), off_on))
    yield Sample("a number", (np.array(1), np.array(3), np.array([2, 3])))
    yield Sample("bool", (indices[0], np.array(3), np.array([False, True])))


_OFF_ON = "depth must be a single number that is not negative, and values the two: off, on"

ONE_HOT = Op(
    "one_hot",
    ("indices", "depth", "values"),
    (
        Constraint(
            "C1",
            "axis must name an axis of the result, which has one more than indices",
            lambda types, attrs: is_axis(attrs["axis"], types[0].ndim + 1),
        ),
        Constraint(
            "C2",
            "dtypes must be supported, those of indices and depth real numbers",
            lambda types, attrs: (
                is_plain(types[2].dtype)
                and all(is_plain(t.dtype) and kind_of(t.dtype) in "iuf" for t in types[:2])
            ),
            DTypeError,
        ),
        Constraint(
            "C3",
            _OFF_ON,
            lambda types, attrs: (
                is_single(types[1])
                and types[2].ndim == 1
                and may_equal(types[2].shape[0], 2)
                and not str(_depth(types)).startswith("-")
            ),
        ),
    ),
    _hot_type,
    _one_hot,
    no_flops,
    _hot_samples,
    attrs={"axis": -1},
    told=(1,),
)
