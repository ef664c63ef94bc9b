"""Transposed convolution, ONNX ConvTranspose: each element of X adds a copy of a filter to Y.

``Y[n, m, *(p * s + i * d - b)] += X[n, c, *p] * W[c, m', *i]`` over all c of m's group, p and i,
beside bias[m], with strides s, dilations d, pads b before each axis, and m' the number of m within
its group; what falls outside of Y is lost. It is the gradient of ``conv`` with respect to its
images: there may be any number of spatial axes, and W is ``[C, M / group, *kernel]``. An axis of Y
has ``(L - 1) * stride + span + output_padding - begin - end`` places, span ``dilation * (kernel -
1) + 1``. Source: ONNX operators, ConvTranspose (version 11).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.symbolic import UNKNOWN, Dim, multiply
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.ops.constraints import are_ints, dtypes_mix
from minisparse.ops.conv import kernel_shape
from minisparse.ops.dims import may_equal, result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types
from minisparse.ops.windows import can_be_counted, numbers, slide_fits, sliding, taps


def spread_size(x_shape: Sequence[Dim], kernel: Sequence[Dim], attrs: Attrs) -> tuple[Dim, ...]:
    """Return the spatial sizes of the result."""
    slide = sliding(attrs, [d if isinstance(d, int) else 1 for d in kernel])
    more = attrs["output_padding"] or (0,) * len(kernel)
    found: list[Dim] = []
    for axis, (size, k) in enumerate(zip(x_shape[2:], kernel, strict=True)):
        if isinstance(size, str) or isinstance(k, str):
            found.append(UNKNOWN)
            continue
        full = (size - 1) * slide.strides[axis] + slide.spans[axis]
        found.append(full + more[axis] - slide.begins[axis] - slide.ends[axis])
    return tuple(found)


def _attrs_fit(types: Types, attrs: Attrs) -> bool:
    given, more = attrs["kernel_shape"], attrs["output_padding"]
    x, w = types[:2]
    axes = x.ndim - 2
    return (
        slide_fits(attrs, axes)
        and are_ints((attrs["group"],), 1, 1)
        and (more is None or are_ints(more, axes, 0))
        and (given is None or are_ints(given, axes, 1))
        and (given is None or all(map(may_equal, given, w.shape[2:])))
    )


def _channels_fit(types: Types, attrs: Attrs) -> bool:
    (channels, given), group = (types[0].shape[1], types[1].shape[0]), attrs["group"]
    if not can_be_counted((channels, *types[1].shape[:2])):
        return False
    return may_equal(channels, given) and (isinstance(given, str) or given % group == 0)


def _is_something(types: Types, attrs: Attrs) -> bool:
    size = spread_size(types[0].shape, kernel_shape(types[1].shape, attrs), attrs)
    return all(isinstance(d, str) or d >= 1 for d in (*size, *types[0].shape[2:]))


def _result(types: Types, attrs: Attrs) -> TensorType:
    x, w = types[:2]
    size = spread_size(x.shape, kernel_shape(w.shape, attrs), attrs)
    filters = multiply((w.shape[1], attrs["group"]))
    return TensorType((x.shape[0], filters, *size), result_dtype(types))


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, w, *bias = operands
    kernel, group = w.shape[2:], attrs["group"]
    slide, counts = sliding(attrs, kernel), x.shape[2:]
    size = numbers(spread_size(x.shape, kernel, attrs))
    dtype = np.result_type(*operands)
    wide = accumulator(dtype)
    x = x.reshape(x.shape[0], group, x.shape[1] // group, *counts).astype(wide)
    w = w.reshape(group, w.shape[0] // group, *w.shape[1:]).astype(wide)
    # Everything that any element reaches, and the end of Y where that lies beyond.
    whole = [
        max(b + n, (count - 1) * stride + span)
        for b, n, count, stride, span in zip(
            slide.begins, size, counts, slide.strides, slide.spans, strict=True
        )
    ]
    y = namespace(x).zeros((x.shape[0], group, w.shape[2], *whole), wide)
    for tap, index in taps(slide, counts):
        y[index] += np.einsum("gcm,ngc...->ngm...", w[tap], x)
    inside: Any = (..., *(slice(b, b + n) for b, n in zip(slide.begins, size, strict=True)))
    y = y[inside].reshape(x.shape[0], group * w.shape[2], *size)
    if bias:
        y = y + bias[0].astype(wide).reshape(-1, *[1] * len(size))
    result: Array = y.astype(dtype)
    return result


def _flops(types: Types, attrs: Attrs) -> int:
    """Count a multiply-add per weight and place of X, and the bias's addition per element."""
    x, w = types[:2]
    images, _, *spatial = x.dims
    adds = 2 * images * math.prod(spatial) * w.size
    return adds + (_result(types, attrs).size if len(types) > 2 else 0)


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (2, 4, 3, 4), "float32")
    w = random_values(rng, (4, 3, 3, 2), "float32")
    bias = random_values(rng, (3,), "float32")
    yield Sample("plain", (x, w))
    yield Sample("bias and padding", (x, w, bias), {"pads": (1, 0, 2, 1)})
    apart: dict[str, Any] = {"strides": (2, 3), "output_padding": (1, 2)}
    yield Sample("strides", (x, w, bias), apart)
    yield Sample("strides wider than the window", (x, w[..., :1, :1].copy()), {"strides": (2, 2)})
    yield Sample("dilations", (x, w), {"dilations": (2, 3), "pads": (0, 1, 1, 0)})
    yield Sample("two groups", (x, w[:, :2].copy()), {"group": 2, **apart})
    yield Sample("depthwise", (x, random_values(rng, (4, 1, 3, 3), "float32")), {"group": 4})
    yield Sample("no images", (x[:0], w, bias))
    for dtype in ("float64", "float16", "int8", "complex64"):
        small = random_values(rng, (1, 2, 3, 3), dtype)
        yield Sample(dtype, (small, random_values(rng, (2, 3, 2, 2), dtype)), {"strides": (2, 2)})
    sound, filters = (
        random_values(rng, (2, 4, 5), "float32"),
        random_values(rng, (4, 2, 3), "float32"),
    )
    attrs = {"strides": (2,), "pads": (1, 1), "output_padding": (1,)}
    yield Sample("one axis", (sound, filters), attrs)
    volume = random_values(rng, (1, 2, 2, 3, 2), "float32")
    filters = random_values(rng, (2, 2, 2, 1, 3), "float32")
    attrs = {"strides": (1, 2, 2), "pads": (0, 1, 0, 1, 0, 1)}
    yield Sample("three axes", (volume, filters), attrs)


CONV_TRANSPOSE = Op(
    "conv_transpose",
    ("x", "w", "bias?"),
    (
        Constraint(
            "C1",
            "X must be [N, C, *spatial] with a spatial axis at least, W of as many axes, bias 1-D",
            lambda types, attrs: (
                types[0].ndim >= 3
                and types[1].ndim == types[0].ndim
                and all(t.ndim == 1 for t in types[2:])
            ),
        ),
        Constraint(
            "C2",
            "for each spatial axis there must be two pads (all begins, then all ends), a positive "
            "stride and dilation, an output_padding, and W's own kernel_shape; None stands for "
            "none, ones and W's",
            _attrs_fit,
        ),
        Constraint(
            "C3",
            "W must be [C, M / group, *kernel], with group dividing C",
            _channels_fit,
        ),
        Constraint(
            "C4",
            "spatial sizes and those of the kernel must be numbers; bind named ones first",
            lambda types, attrs: can_be_counted((*types[0].shape[2:], *types[1].shape[2:])),
        ),
        Constraint("C5", "X and the result must have a place at least in each axis", _is_something),
        Constraint(
            "C6",
            "bias must have one value for each filter, M",
            lambda types, attrs: all(
                may_equal(t.shape[0], multiply((types[1].shape[1], attrs["group"])))
                for t in types[2:]
            ),
        ),
        dtypes_mix("C7"),
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
        "output_padding": None,
    },
    sums_products=True,
)
