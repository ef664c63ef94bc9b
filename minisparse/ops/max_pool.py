"""Maximum pooling, ONNX MaxPool on ``[N, C, *spatial]``: the largest element under each window.

``Y[n, c, *p] = max_{*i} X[n, c, *(p * s + i * d - b)]``, with strides s, dilations d and pads b
before each axis; places around X are never chosen, and NaN wins. With indices, there is a second
result: where in X, taken as one long row, the chosen element stands. Of equal ones it is the first
that the window sees. Source: ONNX operators, MaxPool (version 12).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.ops.constraints import are_ints, has_kind
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types
from minisparse.ops.windows import (
    all_see_something,
    can_be_counted,
    numbers,
    places,
    slide_fits,
    sliding,
    taps,
    with_padding,
)


def pooled_size(x_shape: Sequence[Dim], attrs: Attrs) -> tuple[Dim, ...]:
    """Return the spatial sizes of the result."""
    slide = sliding(attrs, attrs["kernel_shape"])
    return places(x_shape[2:], slide, bool(attrs["ceil_mode"]))


def lowest(dtype: DType) -> float | int:
    """Return the value that every other one of ``dtype`` is at least: what padding holds."""
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min)
    return 0 if dtype.kind == "b" else -np.inf


def _attrs_fit(types: Types, attrs: Attrs) -> bool:
    axes = types[0].ndim - 2
    names = "ceil_mode storage_order count_include_pad".split()
    flags = [attrs[name] for name in names if name in attrs]
    return (
        are_ints(attrs["kernel_shape"], axes, 1)
        and slide_fits(attrs, axes)
        and all(flag in (0, 1) for flag in flags)
    )


def windows_see_something(types: Types, attrs: Attrs) -> bool:
    """Tell whether every window fits, and sees an element of X."""
    x = types[0].shape
    slide = sliding(attrs, attrs["kernel_shape"])
    return all_see_something(x[2:], slide, pooled_size(x, attrs))


POOLED = (
    Constraint(
        "C1",
        "X must be [N, C, *spatial] with a spatial axis at least",
        lambda types, attrs: types[0].ndim >= 3,
    ),
    Constraint(
        "C2",
        "for each spatial axis there must be a positive kernel_shape, stride and dilation and two "
        "pads (all begins, then all ends), and flags must be 0 or 1",
        _attrs_fit,
    ),
    Constraint(
        "C3",
        "spatial sizes must be numbers; bind named ones first",
        lambda types, attrs: can_be_counted(types[0].shape[2:]),
    ),
    Constraint(
        "C4",
        "the window must fit into the padded X, and see an element of X wherever it stands",
        windows_see_something,
    ),
)
"""What every op asks for that pools."""


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    slide = sliding(attrs, attrs["kernel_shape"])
    counts = numbers(pooled_size(x.shape, attrs))
    padded = with_padding(x, slide, counts, lowest(x.dtype))
    y: Array = namespace(x).full((*x.shape[:2], *counts), lowest(x.dtype), x.dtype)
    for _, index in taps(slide, counts):
        y = np.maximum(y, padded[index])
    return y


def _dense_with_indices(operands: Sequence[Array], attrs: Attrs) -> tuple[Array, Array]:
    (x,) = operands
    slide = sliding(attrs, attrs["kernel_shape"])
    counts, spatial = numbers(pooled_size(x.shape, attrs)), x.shape[2:]
    padded = with_padding(x, slide, counts, lowest(x.dtype))
    xp = namespace(x)
    number = xp.arange(math.prod(spatial), dtype=np.int64)
    number = number.reshape(spatial, order="F" if attrs["storage_order"] else "C")
    number = with_padding(number, slide, counts, -1)
    y = xp.full((*x.shape[:2], *counts), lowest(x.dtype), x.dtype)
    where = xp.full(y.shape, -1, np.int64)
    for _, index in taps(slide, counts):
        seen, at = padded[index], number[index]
        better = (where < 0) | (seen > y) | ((seen != seen) & (y == y))
        better &= at >= 0
        y = np.where(better, seen, y)
        where = np.where(better, at, where)
    channel = xp.arange(math.prod(x.shape[:2]), dtype=np.int64).reshape(x.shape[:2])
    where += channel.reshape(*x.shape[:2], *[1] * len(spatial)) * math.prod(spatial)
    return y, where


def _result(types: Types, attrs: Attrs) -> TensorType:
    (x,) = types
    return TensorType((*x.shape[:2], *pooled_size(x.shape, attrs)), x.dtype)


def _result_with_indices(types: Types, attrs: Attrs) -> tuple[TensorType, TensorType]:
    y = _result(types, attrs)
    return y, TensorType(y.shape, np.dtype(np.int64))


def _flops(types: Types, attrs: Attrs) -> int:
    """Count a comparison for every element under a window but its first."""
    return _result(types, attrs).size * int(math.prod(attrs["kernel_shape"]) - 1)


def pool_samples(rng: "np.random.Generator", dtypes: Sequence[str]) -> Iterator[Sample]:
    """Yield images, sounds and volumes with windows of many kinds, and images in some dtypes."""
    x = random_values(rng, (2, 3, 7, 6), "float32")
    halves: dict[str, Any] = {"kernel_shape": (2, 2), "strides": (2, 2)}
    yield Sample("halves", (x,), halves)
    yield Sample("windows overlap", (x,), {"kernel_shape": (3, 2)})
    yield Sample("padded", (-np.abs(x),), {**halves, "pads": (1, 0, 1, 1)})
    yield Sample("the whole image", (x,), {"kernel_shape": (7, 6)})
    yield Sample("no images", (x[:0],), halves)
    spread = {"kernel_shape": (2, 3), "dilations": (3, 2), "pads": (1, 1, 1, 1)}
    yield Sample("dilations", (x,), spread)
    reaching = {"kernel_shape": (3, 3), "strides": (2, 3), "ceil_mode": 1}
    yield Sample("beyond the edge", (x,), reaching)
    yield Sample("beyond the padding", (x,), {**reaching, "pads": (1, 0, 1, 2)})
    sound = random_values(rng, (2, 3, 9), "float32")
    yield Sample("one axis", (sound,), {"kernel_shape": (3,), "strides": (2,), "pads": (0, 1)})
    volume = random_values(rng, (1, 2, 4, 3, 5), "float32")
    yield Sample("three axes", (volume,), {"kernel_shape": (2, 3, 2), "pads": (1, 0, 0, 0, 1, 1)})
    special = x.copy()
    special[0, 0, :2, :2], special[1, 1] = np.nan, -np.inf
    yield Sample("NaN and -inf", (special,), halves)
    for dtype in dtypes:
        padded = {"kernel_shape": (2, 2), "pads": (1, 1, 0, 0)}
        yield Sample(dtype, (random_values(rng, (1, 2, 4, 4), dtype),), padded)


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from pool_samples(rng, ("float16", "int8", "uint8", "float64"))


def _samples_with_indices(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from _samples(rng)
    x = random_values(rng, (2, 2, 5, 4), "float32")
    yield Sample("columns first", (x,), {"kernel_shape": (2, 2), "storage_order": 1})
    ties = np.where(np.isnan(x) | (x > 0), np.float32(1), np.float32(-np.inf))
    yield Sample("ties", (ties,), {"kernel_shape": (3, 2), "pads": (1, 1, 1, 0)})


_ATTRS = {
    "kernel_shape": None,
    "strides": None,
    "pads": None,
    "dilations": None,
    "ceil_mode": 0,
}
_REAL = has_kind("C5", "biuf", "the dtype must be real: complex numbers have no order")

MAX_POOL = Op(
    "max_pool",
    ("x",),
    (*POOLED, _REAL),
    _result,
    _dense,
    _flops,
    _samples,
    attrs=_ATTRS,
)
MAX_POOL_WITH_INDICES = Op(
    "max_pool_with_indices",
    ("x",),
    (*POOLED, _REAL),
    _result_with_indices,
    _dense_with_indices,
    _flops,
    _samples_with_indices,
    attrs={**_ATTRS, "storage_order": 0},
)
