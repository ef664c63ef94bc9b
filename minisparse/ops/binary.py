"""Functions of several elements, broadcast: ``sub``, ``div``, ``mod``, ``pow``, ``max``, ``min``.

Integers wrap; their quotient is cut off towards zero, as in C and ONNX, and one by zero is 0, since
there is no other number to give.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.symbolic import add, divide, multiply
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.constraints import plain_kind, plain_mix
from minisparse.ops.dims import broadcast, result_dtype
from minisparse.ops.elementwise import float_dtypes
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.known import Element, OnNames, of_dims, order, with_known
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

Dense = Callable[[Sequence[Array], Attrs], Array]


def meets(number: str) -> Constraint:
    """Every operand broadcasts with all others."""
    return Constraint(
        number,
        "shapes must broadcast: aligned at the last, dimensions are equal or 1",
        lambda types, attrs: broadcast([t.shape for t in types]) is not None,
    )


def broadcast_type(types: Types, dtype: Any) -> TensorType:
    """Return the type to which all broadcast, of the given dtype."""
    return TensorType(broadcast([t.shape for t in types]) or (), np.dtype(dtype))


def meeting(
    dense: Dense,
    dtype: Callable[[Types], Any] = result_dtype,
    on_names: OnNames | None = None,
) -> Callable[[Types, Attrs], TensorType]:
    """Return what tells the type of an op whose operands broadcast, of a dtype told by theirs."""

    def result(types: Types, attrs: Attrs) -> TensorType:
        found = broadcast_type(types, dtype(types))
        return with_known(found, types, lambda operands: dense(operands, attrs), on_names)

    return result


def one_each(types: Types, attrs: Attrs) -> int:
    """Count one operation for each element of the result."""
    return broadcast_type(types, types[0].dtype).size


def pair_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    """Yield pairs of arrays that meet in every way in which shapes broadcast."""
    x = random_values(rng, (4, 3, 5), "float32")
    yield Sample("same shape", (x, x[::-1]))
    yield Sample("one row", (x, x[0, :1]))
    yield Sample("both broadcast", (x[:, :1], x[0]))
    yield Sample("a number", (np.array(x[0, 0, 0]), x))
    yield Sample("no dimensions", (np.array(x[0, 0, 0]), np.array(x[0, 0, 1])))
    yield Sample("no elements", (x[:0], x[0]))
    yield Sample("in Fortran order", (np.asfortranarray(x[0]), x[1]))
    yield Sample("two dtypes", (x, random_values(rng, (5,), "float64")))
    for dtype in float_dtypes():
        yield Sample(dtype, (random_values(rng, (3, 4), dtype), random_values(rng, (4,), dtype)))
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -2.5], "float32")
    yield Sample("NaN and inf", (special[:, None], special))


def integer_pairs(*dtypes: str) -> Iterator[Sample]:
    """Yield for each dtype its ends and small numbers, each beside each."""
    for dtype in dtypes:
        limits = np.iinfo(dtype)
        ends = np.array([limits.min, limits.min + 1, 0, 1, 2, 3, 7, limits.max], dtype)
        if limits.min < 0:
            ends = np.concatenate([ends, np.array([-1, -2, -3, -7], dtype)])
        yield Sample(dtype, (ends[:, None], ends))


INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from pair_samples(rng)
    yield from integer_pairs(*INTEGERS)


def _complex_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from _samples(rng)
    z = random_values(rng, (3, 4), "complex64")
    yield Sample("complex", (z, z[::-1] + 1))


_NUMBERS = "the dtypes must be those of numbers, not bool"
_REAL = "the dtypes must be real, and not bool"


def _sub(operands: Sequence[Array], attrs: Attrs) -> Array:
    return asarray(np.subtract(*operands))


SUB = Op(
    "sub",
    ("a", "b"),
    (meets("C1"), plain_mix("C2"), plain_kind("C3", "iufc", _NUMBERS)),
    meeting(_sub, on_names=of_dims(lambda dims: add([dims[0], multiply([-1, dims[1]])]))),
    _sub,
    one_each,
    _complex_samples,
    broadcasts=True,
)


def _div(operands: Sequence[Array], attrs: Attrs) -> Array:
    dtype = np.result_type(*operands)
    a, b = (o.astype(dtype, copy=False) for o in operands)
    if dtype.kind not in "iu":
        return asarray(np.divide(a, b))
    floor = np.floor_divide(a, b)  # 0 where b is 0
    # A remainder means that the quotient was cut off downwards: of negative ones that is wrong.
    cut = (np.fmod(a, b) != 0) & ((a < 0) != (b < 0))
    return asarray(floor + cut.astype(dtype))


DIV = Op(
    "div",
    ("a", "b"),
    (meets("C1"), plain_mix("C2"), plain_kind("C3", "iuf", _REAL)),
    meeting(_div, on_names=of_dims(lambda dims: divide(*dims))),
    _div,
    one_each,
    _samples,
    broadcasts=True,
)


def _mod(operands: Sequence[Array], attrs: Attrs) -> Array:
    dtype = np.result_type(*operands)
    wide = accumulator(dtype)
    a, b = (o.astype(dtype, copy=False).astype(wide, copy=False) for o in operands)
    found = asarray(np.fmod(a, b) if attrs["fmod"] else np.mod(a, b))
    return found.astype(dtype, copy=False)


def _mod_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for sample in _samples(rng):
        yield sample
        yield Sample(f"{sample.label}, as in C", sample.operands, {"fmod": 1})


MOD = Op(
    "mod",
    ("a", "b"),
    (
        meets("C1"),
        plain_mix("C2"),
        plain_kind("C3", "iuf", _REAL),
        Constraint("C4", "fmod must be 0 or 1", lambda types, attrs: attrs["fmod"] in (0, 1)),
    ),
    meeting(_mod),
    _mod,
    one_each,
    _mod_samples,
    attrs={"fmod": 0},
    broadcasts=True,
)


def _pow(operands: Sequence[Array], attrs: Attrs) -> Array:
    """Return powers in a's dtype: of integers wrapped or, with other exponents, cut off."""
    a, b = operands
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        return _whole_power(a, b)
    wide = np.result_type(accumulator(a.dtype), accumulator(b.dtype))
    found = asarray(np.power(a.astype(wide, copy=False), b.astype(wide, copy=False)))
    if a.dtype.kind not in "iu":  # for a root NumPy has its own way, which loses this
        np.copyto(found, np.inf, where=(a == -np.inf) & (b == 0.5))
    return found.astype(a.dtype, copy=False)


def _whole_power(a: Array, b: Array) -> Array:
    """Return ``a**b`` modulo what a's dtype holds; of ``b < 0``, one over it, cut off."""
    upwards = np.where(b < 0, 0, b).astype(np.uint64)
    powers = np.power(a.astype(np.uint64), upwards).astype(a.dtype)
    signs = np.where(b % 2 == 0, 1, a.astype(np.int64))
    inverse = np.where((a == 1) | (a == -1), signs, 0).astype(a.dtype)
    return np.where(b < 0, inverse, powers)


def _pow_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for sample in pair_samples(rng):
        a, b = sample.operands
        if sample.label != "NaN and inf" and isinstance(a, np.ndarray):
            a = np.asarray(np.abs(a))  # of negative numbers most powers are NaN
        yield Sample(sample.label, (a, b))
    x = random_values(rng, (3, 4), "float32")
    exponents = np.array([[2.0], [-3.0], [0.5]], "float32")
    yield Sample("square, inverse cube, root", (x, exponents))
    for exponent in (2.0, 3.0, 0.5, -1.0, 1.0, 0.0, -0.5):
        yield Sample(f"to the power of {exponent}", (x, np.array(exponent, "float32")))
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-30, -2.5], "float32")
    yield Sample("roots of NaN and inf", (special, np.array([0.5], "float32")))
    yield Sample("cubes of NaN and inf", (special, np.array([3.0], "float32")))
    yield Sample("whole exponents", (x, np.array([2, -1, 0, 3], "int64")))
    yield Sample("integers to fractions", (np.array([4, 9, 30], "int32"), np.array([0.5], "f4")))
    yield Sample("beyond the range", (np.array([1e30, 1e-30, -1e20], "f4"), np.array([3.0], "f4")))
    for dtype in INTEGERS:
        a = np.array([0, 1, 2, 3, 10, np.iinfo(dtype).max, *([-1, -2] * (dtype[0] == "i"))], dtype)
        b = np.array([0, 1, 2, 5, 7, 100, *([-1, -2] * (dtype[0] == "i"))], dtype)
        yield Sample(dtype, (a[:, None], b))


POW = Op(
    "pow",
    ("a", "b"),
    (meets("C1"), plain_kind("C2", "iuf", _REAL)),
    meeting(_pow, lambda types: types[0].dtype),
    _pow,
    one_each,
    _pow_samples,
    broadcasts=True,
)


def _extreme(function: Callable[[Array, Array], Array]) -> Dense:
    """Return the meaning of the largest or least of any number of operands; NaN goes through."""

    def dense(operands: Sequence[Array], attrs: Attrs) -> Array:
        dtype = np.result_type(*operands)
        found, *others = (x.astype(dtype, copy=False) for x in operands)
        for x in others:
            found = asarray(function(found, x))
        return found if others else found.copy()

    return dense


def _extreme_of_names(sign: int) -> OnNames:
    """Return the largest (sign 1) or least (-1) of names where their order is the same always."""

    def on_names(*elements: Element) -> Element | None:
        for x in elements:
            orders = [order(x, y) for y in elements if y is not x]
            if all(o is not None and o * sign >= 0 for o in orders):
                return x
        return None

    return on_names


def _extreme_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from _samples(rng)
    x = random_values(rng, (2, 3, 4), "float32")
    yield Sample("one operand", (x,))
    yield Sample("three operands", (x, x[0], -x[:, :1]))
    yield Sample("bool", (np.array([True, False]), np.array([[True], [False]])))


def _extreme_op(name: str, function: Callable[[Array, Array], Array], sign: int) -> Op:
    dense = _extreme(function)
    return Op(
        name,
        ("inputs*",),
        (
            Constraint("C1", "there must be an operand", lambda types, attrs: len(types) > 0),
            meets("C2"),
            plain_mix("C3"),
            plain_kind("C4", "biuf", "the dtypes must be real: complex numbers have no order"),
        ),
        meeting(dense, on_names=_extreme_of_names(sign)),
        dense,
        lambda types, attrs: (len(types) - 1) * one_each(types, attrs),
        _extreme_samples,
        broadcasts=True,
    )


MAX = _extreme_op("max", np.maximum, 1)
MIN = _extreme_op("min", np.minimum, -1)
