"""Average pooling, ONNX AveragePool on ``[N, C, *spatial]``: the mean of what each window sees.

``Y[n, c, *p] = sum_{*i} X[n, c, *(p * s + i * d - b)] / count[*p]``, with strides s, dilations d,
pads b before each axis, and zeros around X. The count is that of the places of X that the window
sees; with ``count_include_pad`` that of the places of X and of its padding, but not of those that
``ceil_mode`` adds beyond. Source: ONNX operators, AveragePool (version 19).
"""

import math
from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.ops.constraints import has_kind
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.max_pool import POOLED, pool_samples, pooled_size
from minisparse.ops.op import Attrs, Op, Sample, Types
from minisparse.ops.windows import numbers, places, seen_places, sliding, taps, with_padding


def divisor(spatial: Sequence[int], attrs: Attrs) -> Array:
    """Return by what each window's sum is divided, an array of one axis for each spatial one.

    Examples
    --------
    >>> divisor((4,), AVERAGE_POOL.complete({"kernel_shape": (3,), "pads": (1, 1)})).tolist()
    [2, 3, 3, 2]
    """
    slide = sliding(attrs, attrs["kernel_shape"])
    counts = numbers(places(spatial, slide, bool(attrs["ceil_mode"])))
    sizes = list(spatial)
    if attrs["count_include_pad"]:  # then the padding is a part of the image
        sizes = [b + d + e for b, d, e in zip(slide.begins, spatial, slide.ends, strict=True)]
        slide = slide._replace(begins=(0,) * len(sizes))
    along = [
        (seen_places(size, slide, axis, count) >= 0).sum(axis=1)
        for axis, (size, count) in enumerate(zip(sizes, counts, strict=True))
    ]
    product: Array = reduce(np.multiply.outer, along)
    return product


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    slide = sliding(attrs, attrs["kernel_shape"])
    counts = numbers(pooled_size(x.shape, attrs))
    wide = accumulator(x.dtype)
    padded = with_padding(x.astype(wide, copy=False), slide, counts, 0)
    xp = namespace(x)
    y: Array = xp.zeros((*x.shape[:2], *counts), wide)
    for _, index in taps(slide, counts):
        y += padded[index]
    y /= xp.asarray(divisor(x.shape[2:], attrs).astype(wide))
    return y.astype(x.dtype)


def _result(types: Types, attrs: Attrs) -> TensorType:
    (x,) = types
    return TensorType((*x.shape[:2], *pooled_size(x.shape, attrs)), x.dtype)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count an addition for every element under a window but its first, and a division."""
    return _result(types, attrs).size * math.prod(attrs["kernel_shape"])


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from pool_samples(rng, ("float16", "float64"))
    x = random_values(rng, (2, 3, 7, 6), "float32")
    padded = {"kernel_shape": (3, 3), "strides": (2, 3), "pads": (1, 0, 1, 2)}
    yield Sample("padding counts", (x,), {**padded, "count_include_pad": 1})
    both = {"ceil_mode": 1, "count_include_pad": 1}
    yield Sample("padding counts, what is beyond does not", (x,), {**padded, **both})


AVERAGE_POOL = Op(
    "average_pool",
    ("x",),
    (*POOLED, has_kind("C5", "f", "the dtype must be floating-point: a mean is no whole number")),
    _result,
    _dense,
    _flops,
    _samples,
    attrs={
        "kernel_shape": None,
        "strides": None,
        "pads": None,
        "dilations": None,
        "ceil_mode": 0,
        "count_include_pad": 0,
    },
)
