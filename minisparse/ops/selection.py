"""``where``, which takes each element from one of two arrays, and ``cast``, to another dtype."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import PLAIN_ONLY, SUPPORTED, Array, DType, as_dtype, bfloat16
from minisparse.core.errors import DTypeError
from minisparse.core.tensor_type import TensorType
from minisparse.ops.binary import broadcast_type, meets, one_each
from minisparse.ops.constraints import plain_dtypes_mix, plain_mix
from minisparse.ops.dims import result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.known import Element, with_known
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

NAMES = (*SUPPORTED, *PLAIN_ONLY, "bfloat16")
"""Names of the dtypes to which can be cast."""


def _where(operands: Sequence[Array], attrs: Attrs) -> Array:
    condition, x, y = operands
    dtype = np.result_type(x, y)
    return np.where(condition, x.astype(dtype, copy=False), y.astype(dtype, copy=False))


def _where_of_names(condition: Element, x: Element, y: Element) -> Element | None:
    return None if isinstance(condition, str) else x if condition else y


def _chosen(types: Types, attrs: Attrs) -> TensorType:
    found = broadcast_type(types, result_dtype(types[1:]))
    return with_known(found, types, lambda operands: _where(operands, attrs), _where_of_names)


def _where_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (4, 3, 5), "float32")
    condition = x > 0
    yield Sample("same shape", (condition, x, x[::-1]))
    yield Sample("a mask and a number", (condition[0], x, np.array(-np.inf, "float32")))
    yield Sample("all broadcast", (condition[:, :1, :1], x[:1, :, :1], x[:1, :1]))
    yield Sample("no dimensions", (np.array(True), x[0, 0, 0, ...], x[0, 0, 1, ...]))
    yield Sample("no elements", (condition[:0], x[0], x[0]))
    yield Sample("two dtypes", (condition, x, x.astype("float64") * 3))
    yield Sample("NaN in what is not taken", (condition, x, np.array([np.nan], "float32")))
    for dtype in NAMES:
        if dtype != "bfloat16" or bfloat16() is not None:
            values = np.array([[1, 2, 3], [4, 5, 6]]).astype(as_dtype(dtype, "samples", plain=True))
            yield Sample(dtype, (rng.random((2, 3)) < 0.5, values, values[::-1]))


WHERE = Op(
    "where",
    ("condition", "x", "y"),
    (
        meets("C1"),
        Constraint(
            "C2",
            "condition must be bool",
            lambda types, attrs: types[0].dtype == np.dtype(bool),
            DTypeError,
        ),
        Constraint(
            "C3",
            "the dtypes of x and y must be supported and mix",
            lambda types, attrs: plain_dtypes_mix(types[1:], attrs),
            DTypeError,
        ),
    ),
    _chosen,
    _where,
    one_each,
    _where_samples,
    broadcasts=True,
)


def _target(attrs: Attrs) -> DType:
    return as_dtype(attrs["to"], "cast", plain=True)


def _cast(operands: Sequence[Array], attrs: Attrs) -> Array:
    return operands[0].astype(_target(attrs))


def _cast_type(types: Types, attrs: Attrs) -> TensorType:
    found = TensorType(types[0].shape, _target(attrs))

    def on_names(x: Element) -> Element | None:
        return x if found.dtype.kind in "iu" else None

    return with_known(found, types, lambda operands: _cast(operands, attrs), on_names)


def _is_castable(types: Types, attrs: Attrs) -> bool:
    return types[0].dtype.kind != "c" or attrs["to"] in ("bool", "complex64", "complex128")


def _cast_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    has = [name for name in NAMES if name != "bfloat16" or bfloat16() is not None]
    for source in has:
        dtype = as_dtype(source, "samples", plain=True)
        x = np.array([[0, 1, 2], [100, 7, 127]]).astype(dtype)
        if dtype.kind not in "biu":
            x = x * dtype.type(0.75)
        for to in has:
            if dtype.kind != "c" or to in ("bool", "complex64", "complex128"):
                yield Sample(f"{source} to {to}", (x,), {"to": to})
    x = random_values(rng, (4, 6), "float32") * 20
    yield Sample("no elements", (x[:0],), {"to": "int8"})
    yield Sample("no dimensions", (np.array(x[0, 0]),), {"to": "int32"})
    yield Sample("towards zero", (np.array([-2.9, -0.5, 0.5, 2.9]),), {"to": "int64"})
    yield Sample("integers that wrap", (np.array([-1, 300, 2**40 + 5]),), {"to": "uint8"})
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 1e30, -1e-30], "float32")
    for to in ("bool", "float16", "float64"):
        yield Sample(f"NaN and inf to {to}", (special,), {"to": to})
    for source, to in (("float64", "float32"), ("float32", "float16"), ("int64", "float16")):
        values = (rng.standard_normal(40) * 1000).astype(source)
        yield Sample(f"rounded, {source} to {to}", (values,), {"to": to})


CAST = Op(
    "cast",
    ("x",),
    (
        plain_mix("C1"),
        Constraint(
            "C2",
            "to must be the name of a dtype: bool, int8, uint8 … float16, float32, bfloat16 …",
            lambda types, attrs: attrs["to"] in NAMES,
            DTypeError,
        ),
        Constraint(
            "C3",
            "complex numbers can be cast to bool, complex64 and complex128 only",
            _is_castable,
            DTypeError,
        ),
    ),
    _cast_type,
    _cast,
    lambda types, attrs: 0,
    _cast_samples,
    attrs={"to": "float32"},
    elementwise=True,
)
