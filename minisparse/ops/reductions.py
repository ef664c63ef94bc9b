"""Reductions along axes: ``reduce_sum``, ``reduce_mean``, ``reduce_max``, ``reduce_min``.

They speak of cells: zeros that are not stored count for the mean's divisor, and as zeros for the
extremes (docs/language.md, rule S22). The result is a plain array, in X's dtype as in ONNX.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray, namespace
from minisparse.ops.activations import stored_samples
from minisparse.ops.constraints import are_ints, plain_kind, plain_mix
from minisparse.ops.hard_matrices import hard_matrices, random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def reduced_axes(ndim: int, axes: Sequence[int] | None) -> tuple[int, ...]:
    """Return which axes are reduced, ascending from 0; all of them for None and for ``()``."""
    if not axes:
        return tuple(range(ndim))
    return tuple(sorted(axis % ndim for axis in axes))


def lowest(dtype: DType) -> Any:
    """Return what the largest of no elements is: -inf, or the least number of the dtype."""
    if dtype.kind == "b":
        return dtype.type(False)
    return dtype.type(np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf)


def highest(dtype: DType) -> Any:
    """Return what the least of no elements is: inf, or the largest number of the dtype."""
    if dtype.kind == "b":
        return dtype.type(True)
    return dtype.type(np.iinfo(dtype).max if dtype.kind in "iu" else np.inf)


def _names_axes(types: Types, attrs: Attrs) -> bool:
    axes, ndim = attrs["axes"], types[0].ndim
    if axes is None:
        return True
    return (
        isinstance(axes, tuple)
        and are_ints(axes, len(axes), -ndim)
        and all(axis < ndim for axis in axes)
        and len({axis % ndim for axis in axes}) == len(axes)
    )


AXES = Constraint("C1", "axes must be None or name axes of X, each once", _names_axes)
KEEPDIMS = Constraint(
    "C2", "keepdims must be 0 or 1", lambda types, attrs: attrs["keepdims"] in (0, 1)
)


def reduced_type(types: Types, attrs: Attrs) -> TensorType:
    """Return X's type without the axes that are reduced, or with length 1 there."""
    (x,) = types
    gone = reduced_axes(x.ndim, attrs["axes"])
    kept = [1 if i in gone else d for i, d in enumerate(x.shape)]
    shape = kept if attrs["keepdims"] else [d for i, d in enumerate(x.shape) if i not in gone]
    return TensorType(tuple(shape), x.dtype)


def largest_along(x: Array, worst: Any, axis: Any, keepdims: bool = True) -> Array:
    """Return the largest along axes, ``worst`` where these have no elements; NaN wins."""
    if x.size:
        return asarray(x.max(axis=axis, keepdims=keepdims), x.dtype)
    found: Array = namespace(x).full(x.sum(axis=axis, keepdims=keepdims).shape, worst, x.dtype)
    return found


def least_along(x: Array, worst: Any, axis: Any, keepdims: bool = True) -> Array:
    """Return the least along axes, ``worst`` where these have no elements; NaN wins."""
    if x.size:
        return asarray(x.min(axis=axis, keepdims=keepdims), x.dtype)
    found: Array = namespace(x).full(x.sum(axis=axis, keepdims=keepdims).shape, worst, x.dtype)
    return found


def _how(x: Array, attrs: Attrs) -> dict[str, Any]:
    return {"axis": reduced_axes(x.ndim, attrs["axes"]), "keepdims": bool(attrs["keepdims"])}


def _sum(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    wide = accumulator(x.dtype)
    return asarray(x.astype(wide).sum(dtype=wide, **_how(x, attrs))).astype(x.dtype)


def _mean(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    total = asarray(x.astype(accumulator(x.dtype)).sum(**_how(x, attrs)))
    count = x.size // total.size if total.size else 1
    return asarray(total / total.dtype.type(count)).astype(x.dtype)


def _max(operands: Sequence[Array], attrs: Attrs) -> Array:
    return largest_along(operands[0], lowest(operands[0].dtype), **_how(operands[0], attrs))


def _min(operands: Sequence[Array], attrs: Attrs) -> Array:
    return least_along(operands[0], highest(operands[0].dtype), **_how(operands[0], attrs))


_CHOICES: tuple[dict[str, Any], ...] = (
    {},
    {"axes": (0,)},
    {"axes": (1,), "keepdims": 0},
    {"axes": (-2,), "keepdims": 0},
    {"axes": (0, 1), "keepdims": 0},
    {"axes": ()},
)


def _samples(rng: "np.random.Generator", kinds: str, twice: bool) -> Iterator[Sample]:
    x = random_values(rng, (3, 4, 5), "float32")
    for i, attrs in enumerate(_CHOICES):
        yield Sample(f"three axes, {i}", (x,), attrs)
    yield Sample("outer axes", (x,), {"axes": (2, 0)})
    yield Sample("no dimensions", (x[0, 0, 0, ...],))
    yield Sample("no elements", (x[:0],), {"axes": (0,)})
    yield Sample("no results", (x[:0],), {"axes": (1,)})
    yield Sample("in Fortran order", (np.asfortranarray(x),), {"axes": (1,)})
    special = np.array([[np.nan, 1], [np.inf, -np.inf], [-np.inf, 2], [-3, -1]], "float32")
    yield Sample("NaN and inf", (special,), {"axes": (1,)})
    for dtype in ("float64", "float16", "int8", "bool", "complex64"):
        if np.dtype(dtype).kind in kinds:
            yield Sample(dtype, (random_values(rng, (6, 40), dtype),), {"axes": (1,)})
    for dtype in ("uint16", "uint32", "uint64") if "u" in kinds else ():
        large = np.array([[1, 2, 3], [0, 2**15, 1]]).astype(dtype) * np.array(2**15 + 1).astype(
            dtype
        )
        yield Sample(dtype, (large * large,), {"axes": (1,)})
    for i, (label, matrix) in enumerate(_matrices(rng, kinds, twice)):
        yield Sample(label, (matrix,), _CHOICES[i % len(_CHOICES)])


def _matrices(rng: "np.random.Generator", kinds: str, twice: bool) -> Iterator[tuple[str, Any]]:
    yield from stored_samples(rng, kinds)
    for label, x in hard_matrices(rng):
        if twice and "duplicates" in label:
            yield f"stored, {label}", x


def _reduction(
    name: str, dense: Any, dtypes: Constraint, kinds: str, twice: bool, flops: int
) -> Op:
    return Op(
        name,
        ("x",),
        (AXES, KEEPDIMS, dtypes),
        reduced_type,
        dense,
        lambda types, attrs: flops * types[0].nnz,
        lambda rng: _samples(rng, kinds, twice),
        attrs={"axes": None, "keepdims": 1},
        sparse=(0,),
    )


_REAL = plain_kind("C3", "biuf", "the dtype must be real: complex numbers have no order")
_FLOATING = plain_kind("C3", "fc", "the dtype must be floating-point: a mean is no whole number")

REDUCE_SUM = _reduction("reduce_sum", _sum, plain_mix("C3"), "biufc", True, 1)
REDUCE_MEAN = _reduction("reduce_mean", _mean, _FLOATING, "fc", True, 1)
REDUCE_MAX = _reduction("reduce_max", _max, _REAL, "biuf", False, 1)
REDUCE_MIN = _reduction("reduce_min", _min, _REAL, "biuf", False, 1)
