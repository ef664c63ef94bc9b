"""Convolution, ONNX Conv: a window slides over X, and each filter gives one sum a place.

``Y[n, m, *p] = bias[m] + sum_{c, *i} W[m, c, *i] * X[n, c', *(p * s + i * d - b)]``, with strides
s, dilations d, pads b before each axis, and c' the c-th channel of m's group; around X there are
zeros. There may be any number of spatial axes: of images ``p`` is (y, x) and ``i`` is (i, j). W is
``[M, C / group, *kernel]``. Beside images it may be the same flattened to a matrix
``[M, C * kh * kw]`` in any format; then ``kernel_shape`` says what kh and kw are. Source: ONNX
operators, Conv (version 11).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.symbolic import UNKNOWN, Dim, multiply
from minisparse.core.tensor_type import TensorType
from minisparse.core.triplets import Triplets
from minisparse.core.xp import namespace
from minisparse.ops.constraints import are_ints, dtypes_mix
from minisparse.ops.dims import may_equal, result_dtype
from minisparse.ops.hard_matrices import hard_matrices, random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types
from minisparse.ops.windows import (
    can_be_counted,
    numbers,
    places,
    slide_fits,
    sliding,
    taps,
    with_padding,
)


def kernel_shape(w_shape: Sequence[Dim], attrs: Attrs) -> tuple[Dim, ...]:
    """Return the window's size, from the attribute or, where that is None, from W's shape."""
    given = attrs["kernel_shape"]
    return tuple(w_shape[2:]) if given is None else tuple(given)


def output_size(x_shape: Sequence[Dim], kernel: Sequence[Dim], attrs: Attrs) -> tuple[Dim, ...]:
    """Return the spatial sizes of the result."""
    known = [d if isinstance(d, int) else 1 for d in kernel]
    found = places(x_shape[2:], sliding(attrs, known))
    return tuple(UNKNOWN if isinstance(d, str) else n for d, n in zip(kernel, found, strict=True))


def _attrs_fit(types: Types, attrs: Attrs) -> bool:
    given, (x, w) = attrs["kernel_shape"], types[:2]
    return (
        slide_fits(attrs, x.ndim - 2)
        and are_ints((attrs["group"],), 1, 1)
        and (given is None or are_ints(given, x.ndim - 2, 1))
        and (w.ndim == 2 or given is None or all(map(may_equal, given, w.shape[2:])))
    )


def _channels_fit(types: Types, attrs: Attrs) -> bool:
    x, w = types[:2]
    channels, filters, group = x.shape[1], w.shape[0], attrs["group"]
    if not can_be_counted((channels, *w.shape[:2])):
        return False
    if w.ndim == 2:
        return may_equal(w.shape[1], multiply((channels, *attrs["kernel_shape"])))
    divides = isinstance(filters, str) or filters % group == 0
    return divides and may_equal(multiply((w.shape[1], group)), channels)


def _window_fits(types: Types, attrs: Attrs) -> bool:
    size = output_size(types[0].shape, kernel_shape(types[1].shape, attrs), attrs)
    return all(isinstance(d, str) or d >= 1 for d in size)


def _result(types: Types, attrs: Attrs) -> TensorType:
    x, w = types[:2]
    size = output_size(x.shape, kernel_shape(w.shape, attrs), attrs)
    return TensorType((x.shape[0], w.shape[0], *size), result_dtype(types))


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, w, *bias = operands
    kernel, group = attrs["kernel_shape"] or w.shape[2:], attrs["group"]
    slide = sliding(attrs, kernel)
    counts = numbers(places(x.shape[2:], slide))
    filters, channels = w.shape[0], x.shape[1] // group
    dtype = np.result_type(*operands)
    wide = accumulator(dtype)
    padded = with_padding(x.astype(wide), slide, counts, 0)
    w = w.reshape(group, filters // group, channels, *kernel).astype(wide)
    y: Array = namespace(x).zeros((x.shape[0], group, filters // group, *counts), wide)
    for tap, index in taps(slide, counts):
        seen = padded[index].reshape(x.shape[0], group, channels, *counts)
        y += np.einsum("gmc,ngc...->ngm...", w[tap], seen)
    y = y.reshape(x.shape[0], filters, *counts)
    if bias:
        y = y + bias[0].astype(wide).reshape(-1, *[1] * len(counts))
    return y.astype(dtype)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count a multiply-add per stored weight and place, and the bias's addition per element."""
    images, filters, *size = _result(types, attrs).dims
    each = images * math.prod(size)
    return 2 * types[1].nnz * each + (filters * each if len(types) > 2 else 0)


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (2, 4, 7, 6), "float32")
    w = random_values(rng, (6, 4, 3, 2), "float32")
    bias = random_values(rng, (6,), "float32")
    yield Sample("plain", (x, w))
    yield Sample("bias and padding", (x, w, bias), {"pads": (1, 0, 2, 1)})
    yield Sample("strides", (x, w, bias), {"strides": (2, 3), "pads": (1, 1, 1, 1)})
    yield Sample("strides without padding", (x, w), {"strides": (3, 2)})
    yield Sample("dilations", (x, w), {"dilations": (2, 3)})
    yield Sample("two groups", (x, w[:, :2].copy(), bias), {"group": 2})
    yield Sample("depthwise", (x, random_values(rng, (4, 1, 3, 3), "float32")), {"group": 4})
    yield Sample("1x1", (x, w[:, :, :1, :1].copy()))
    yield Sample("window as large as the image", (x, random_values(rng, (3, 4, 7, 6), "float32")))
    yield Sample("no images", (x[:0], w, bias))
    for dtype in ("float64", "float16", "int8", "complex64"):
        yield Sample(
            dtype,
            (random_values(rng, (1, 2, 4, 4), dtype), random_values(rng, (3, 2, 3, 3), dtype)),
        )
    yield from _flattened_samples(rng)
    yield from _other_ranks(rng)


def _flattened_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    """Yield the hard matrices whose columns are some channels times 2 x 1, as weights."""
    attrs = {"kernel_shape": (2, 1), "pads": (1, 0, 0, 0)}
    for label, w in hard_matrices(rng):
        if w.shape[1] % 2 == 0:
            x = random_values(rng, (2, w.shape[1] // 2, 4, 3), w.data.dtype)
            yield Sample(f"flattened: {label}", (x, w), attrs)
    row, col = np.nonzero(rng.random((5, 27)) < 0.3)
    w = Triplets(row, col, random_values(rng, (len(row),), "float32"), (5, 27))
    x, bias = random_values(rng, (2, 3, 8, 8), "float32"), random_values(rng, (5,), "float32")
    attrs = {"kernel_shape": (3, 3), "strides": (2, 1), "pads": (1, 1, 1, 1), "dilations": (1, 2)}
    yield Sample("flattened: 3x3 with everything", (x, w, bias), attrs)


def _other_ranks(rng: "np.random.Generator") -> Iterator[Sample]:
    """Yield sounds, with one spatial axis, and volumes, with three."""
    x, bias = random_values(rng, (2, 4, 9), "float32"), random_values(rng, (6,), "float32")
    attrs: dict[str, Any] = {"pads": (2, 1), "strides": (2,), "dilations": (2,)}
    yield Sample("one axis", (x, random_values(rng, (6, 4, 3), "float32"), bias), attrs)
    w = random_values(rng, (8, 1, 3), "float32")
    yield Sample("one axis, depthwise", (x, w), {"group": 4})
    x = random_values(rng, (2, 2, 5, 4, 6), "float32")
    attrs = {"pads": (1, 0, 2, 0, 1, 0), "strides": (2, 1, 2), "dilations": (1, 2, 1)}
    yield Sample("three axes", (x, random_values(rng, (6, 2, 3, 2, 3), "float32"), bias), attrs)
    w = random_values(rng, (2, 1, 2, 2, 2), "float32")
    yield Sample("three axes, depthwise", (x, w), {"group": 2})


CONV = Op(
    "conv",
    ("x", "w", "bias?"),
    (
        Constraint(
            "C1",
            "X must be [N, C, *spatial] with a spatial axis at least, W of as many axes or, beside "
            "images [N, C, H, W], a matrix, bias 1-D",
            lambda types, attrs: (
                types[0].ndim >= 3
                and types[1].ndim in ((2, 4) if types[0].ndim == 4 else (types[0].ndim,))
                and all(t.ndim == 1 for t in types[2:])
            ),
        ),
        Constraint(
            "C2",
            "for each spatial axis there must be two pads (all begins, then all ends), a positive "
            "stride and dilation, and W's own kernel_shape; None stands for none, ones and W's",
            _attrs_fit,
        ),
        Constraint(
            "C3",
            "W as a matrix needs kernel_shape and group=1",
            lambda types, attrs: (
                types[1].ndim > 2 or (attrs["kernel_shape"] is not None and attrs["group"] == 1)
            ),
        ),
        Constraint(
            "C4",
            "W must be [M, C / group, *kernel] or [M, C * prod(kernel)], with group dividing C "
            "and M",
            _channels_fit,
        ),
        Constraint(
            "C5",
            "spatial sizes and those of the kernel must be numbers; bind named ones first",
            lambda types, attrs: can_be_counted((*types[0].shape[2:], *types[1].shape[2:])),
        ),
        Constraint("C6", "the window must fit into the padded image", _window_fits),
        Constraint(
            "C7",
            "bias must have one value for each of W's filters",
            lambda types, attrs: all(may_equal(t.shape[0], types[1].shape[0]) for t in types[2:]),
        ),
        dtypes_mix("C8"),
    ),
    _result,
    _dense,
    _flops,
    _samples,
    attrs={
        "kernel_shape": None,
        "pads": None,
        "strides": None,
        "dilations": None,
        "group": 1,
    },
    sparse=(1,),
    sums_products=True,
)
