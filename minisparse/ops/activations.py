"""Activations, each element by itself: ``relu``, ``gelu``, ``silu``, ``clip``.

All are zero at zero (``clip`` where 0 lies between its bounds), so what a sparse matrix does not
store stays zero, and the result stores what X stores.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.tensor_type import TensorType
from minisparse.core.triplets import Triplets
from minisparse.core.xp import asarray
from minisparse.ops.constraints import has_kind, plain_kind
from minisparse.ops.hard_matrices import hard_matrices, random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _same(types: Types, attrs: Attrs) -> TensorType:
    """Return x's own type: a sparse result stores what x stores."""
    return replace(types[0], known=None)


def _one_each(types: Types, attrs: Attrs) -> int:
    """Count one operation for each element that is stored."""
    return types[0].nnz


def stored_samples(rng: "np.random.Generator", kinds: str) -> Iterator[tuple[str, Triplets]]:
    """Yield hard matrices in which no cell is stored twice, of dtypes of these kinds."""
    for label, x in hard_matrices(rng):
        kind = "f" if x.data.dtype.name == "bfloat16" else x.data.dtype.kind
        if "duplicates" not in label and kind in kinds:
            yield f"stored, {label}", x
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0], "float32")
    yield "stored, NaN and inf", Triplets(np.arange(6) // 2, np.arange(6), special, (4, 7))


def _samples(rng: "np.random.Generator", kinds: str) -> Iterator[Sample]:
    x = random_values(rng, (5, 7), "float32")
    yield Sample("plain", (x,))
    yield Sample("no elements", (x[:0],))
    yield Sample("no dimensions", (np.array(x[0, 0]),))
    yield Sample("in Fortran order", (np.asfortranarray(x),))
    yield Sample("strided", (np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],))
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0], "float32")
    yield Sample("NaN goes through", (special,))
    for dtype in ("float64", "float16", "int8", "bool"):
        if np.dtype(dtype).kind in kinds:
            yield Sample(dtype, (random_values(rng, (3, 4), dtype),))
            if np.dtype(dtype).kind == "f":
                values = np.linspace(-30, 30, 41) ** 3 / 900
                yield Sample(f"{dtype} small and large", (values.astype(dtype),))
    for label, matrix in stored_samples(rng, kinds):
        yield Sample(label, (matrix,))


def _relu(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    result: Array = np.maximum(x, x.dtype.type(0))
    return result


RELU = Op(
    "relu",
    ("x",),
    (plain_kind("C1", "biuf", "the dtype must be real: complex numbers have no order"),),
    _same,
    _relu,
    _one_each,
    lambda rng: _samples(rng, "biuf"),
    sparse=(0,),
    elementwise=True,
)


def _each(function: Any, x: Array) -> Array:
    """Return a function of Python floats for every element, rounded to x's dtype."""
    values = [function(float(v)) for v in x.reshape(-1)]
    return np.array(values, np.float64).reshape(x.shape).astype(x.dtype)


def _normal(v: float) -> float:
    return v * 0.5 * math.erfc(-v / math.sqrt(2))


def _normal_by_tanh(v: float) -> float:
    return v * 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v * v * v)))


def _gelu(operands: Sequence[Array], attrs: Attrs) -> Array:
    return _each(_normal if attrs["approximate"] == "none" else _normal_by_tanh, operands[0])


def _gelu_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from _samples(rng, "f")
    x = random_values(rng, (40, 3), "float32") * 4
    yield Sample("by tanh", (x,), {"approximate": "tanh"})
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, -1e30, 1e30], "float64")
    yield Sample("by tanh, NaN goes through", (special,), {"approximate": "tanh"})


GELU = Op(
    "gelu",
    ("x",),
    (
        has_kind("C1", "f", "the dtype must be real floating-point"),
        Constraint(
            "C2",
            'approximate must be "none" or "tanh"',
            lambda types, attrs: attrs["approximate"] in ("none", "tanh"),
        ),
    ),
    _same,
    _gelu,
    lambda types, attrs: 4 * types[0].nnz,
    _gelu_samples,
    attrs={"approximate": "none"},
    sparse=(0,),
    elementwise=True,
)


def _sigmoid(v: float) -> float:
    """Return ``1 / (1 + exp(-v))``; exp is never asked for what overflows."""
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))


def _silu(operands: Sequence[Array], attrs: Attrs) -> Array:
    return _each(lambda v: v * _sigmoid(v), operands[0])


SILU = Op(
    "silu",
    ("x",),
    (has_kind("C1", "f", "the dtype must be real floating-point"),),
    _same,
    _silu,
    lambda types, attrs: 4 * types[0].nnz,
    lambda rng: _samples(rng, "f"),
    sparse=(0,),
    elementwise=True,
)


def bound_in(value: Any, dtype: DType) -> Any:
    """Return one of clip's bounds as the dtype holds it; None where it holds no such number."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return None
    if isinstance(value, int) and abs(value) > 2**1023:
        return None
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        whole = float(value).is_integer() and int(limits.min) <= int(value) <= int(limits.max)
        return dtype.type(int(value)) if whole else None
    with np.errstate(all="ignore"):
        found = np.float64(value).astype(dtype)
    held = np.isfinite(found) or np.isinf(np.float64(value))
    return found if held else None


def _bounds_fit(types: Types, attrs: Attrs) -> bool:
    given = [attrs[name] for name in ("min", "max") if attrs[name] is not None]
    return all(bound_in(value, types[0].dtype) is not None for value in given)


def _keeps_zero(types: Types, attrs: Attrs) -> bool:
    low, high = attrs["min"], attrs["max"]
    around = (low is None or low <= 0) and (high is None or high >= 0)
    return types[0].format == "dense" or around


def _clip(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    y = x.copy()
    if attrs["min"] is not None:
        y = np.maximum(y, bound_in(attrs["min"], x.dtype))
    if attrs["max"] is not None:
        y = np.minimum(y, bound_in(attrs["max"], x.dtype))
    return asarray(y)


def _clip_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for sample in _samples(rng, "iuf"):
        unsigned = sample.label.endswith("uint8")
        yield Sample(sample.label, sample.operands, {"min": 0 if unsigned else -1, "max": 6})
    x = random_values(rng, (5, 7), "float32")
    yield Sample("no bounds", (x,))
    yield Sample("from below", (x,), {"min": 0.1})
    yield Sample("from above", (x,), {"max": -0.25})
    yield Sample("min above max", (x,), {"min": 2.0, "max": 1.0})
    half = random_values(rng, (9,), "float16")
    yield Sample("bounds that are rounded", (half,), {"min": -0.1, "max": 0.1})
    yield Sample("infinite bounds", (half,), {"min": -np.inf, "max": np.inf})


CLIP = Op(
    "clip",
    ("x",),
    (
        plain_kind("C1", "iuf", "the dtype must be real, and not bool"),
        Constraint(
            "C2", "min and max must be None or numbers that the dtype can hold", _bounds_fit
        ),
        Constraint(
            "C3",
            "0 must lie between min and max where X is sparse: nothing becomes dense by itself; "
            "write X.to_dense()",
            _keeps_zero,
            UnsupportedOpError,
        ),
    ),
    _same,
    _clip,
    lambda types, attrs: 2 * types[0].nnz,
    _clip_samples,
    attrs={"min": None, "max": None},
    sparse=(0,),
    elementwise=True,
)
