"""Maximum pooling, ONNX MaxPool on images ``[N, C, H, W]``: the largest element under each window.

``Y[n, c, y, x] = max_{i, j} X[n, c, y*s + i - p, x*s + j - p]``; places around the image are never
chosen, and NaN wins. Source: ONNX operators, MaxPool (version 12), without ceil_mode and dilations.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.tensor_type import TensorType
from minisparse.ops.constraints import are_ints, has_kind, has_ndim
from minisparse.ops.dims import window_count
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def pooled_size(x_shape: Sequence[int | str], attrs: Attrs) -> tuple[int, int]:
    """Return height and width of the result."""
    (kh, kw), (sh, sw) = attrs["kernel_shape"], attrs["strides"]
    top, left, bottom, right = attrs["pads"]
    height = window_count(int(x_shape[2]), kh, sh, 1, top + bottom)
    return height, window_count(int(x_shape[3]), kw, sw, 1, left + right)


def lowest(dtype: DType) -> float | int:
    """Return the value that every other one of ``dtype`` is at least: what padding holds."""
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min)
    return 0 if dtype.kind == "b" else -np.inf


def _attrs_fit(types: Types, attrs: Attrs) -> bool:
    return (
        are_ints(attrs["kernel_shape"], 2, 1)
        and are_ints(attrs["strides"], 2, 1)
        and are_ints(attrs["pads"], 4, 0)
    )


def _pads_fit(types: Types, attrs: Attrs) -> bool:
    (kh, kw), (top, left, bottom, right) = attrs["kernel_shape"], attrs["pads"]
    return bool(max(top, bottom) < kh and max(left, right) < kw)


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    height, width = pooled_size(x.shape, attrs)
    top, left, bottom, right = attrs["pads"]
    margins = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(x, margins, constant_values=lowest(x.dtype))
    (kh, kw), (sh, sw) = attrs["kernel_shape"], attrs["strides"]
    y = np.full((*x.shape[:2], height, width), lowest(x.dtype), x.dtype)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i, i + (height - 1) * sh + 1, sh)
            columns = slice(j, j + (width - 1) * sw + 1, sw)
            y = np.maximum(y, padded[:, :, rows, columns])
    return y


def _result(types: Types, attrs: Attrs) -> TensorType:
    (x,) = types
    return TensorType((*x.shape[:2], *pooled_size(x.shape, attrs)), x.dtype)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count a comparison for every element under a window but its first."""
    kh, kw = attrs["kernel_shape"]
    return _result(types, attrs).size * int(kh * kw - 1)


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    x = random_values(rng, (2, 3, 7, 6), "float32")
    halves = {"kernel_shape": (2, 2), "strides": (2, 2)}
    yield Sample("halves", (x,), halves)
    yield Sample("windows overlap", (x,), {"kernel_shape": (3, 2)})
    yield Sample("padded", (-np.abs(x),), {**halves, "pads": (1, 0, 1, 1)})
    yield Sample("the whole image", (x,), {"kernel_shape": (7, 6)})
    yield Sample("no images", (x[:0],), halves)
    special = x.copy()
    special[0, 0, :2, :2], special[1, 1] = np.nan, -np.inf
    yield Sample("NaN and -inf", (special,), halves)
    for dtype in ("float16", "int8", "uint8", "float64"):
        padded = {"kernel_shape": (2, 2), "pads": (1, 1, 0, 0)}
        yield Sample(dtype, (random_values(rng, (1, 2, 4, 4), dtype),), padded)


MAX_POOL = Op(
    "max_pool",
    ("x",),
    (
        has_ndim("C1", "X must be [N, C, H, W]", {0: 4}),
        Constraint(
            "C2",
            "kernel_shape and strides must be 2 positive numbers, pads 4: top, left, bottom, right",
            _attrs_fit,
        ),
        Constraint("C3", "pads must be smaller than the window", _pads_fit),
        Constraint(
            "C4",
            "H and W must be numbers; bind named ones first",
            lambda types, attrs: all(isinstance(d, int) for d in types[0].shape[2:]),
        ),
        Constraint(
            "C5",
            "the window must fit into the padded image",
            lambda types, attrs: min(pooled_size(types[0].shape, attrs)) >= 1,
        ),
        has_kind("C6", "biuf", "the dtype must be real: complex numbers have no order"),
    ),
    _result,
    _dense,
    _flops,
    _samples,
    attrs={"kernel_shape": None, "strides": (1, 1), "pads": (0, 0, 0, 0)},
)
