"""Transposed convolution, phase by phase, each a convolution with some places of the window.

Place q of Y gets ``X[p] * W[i]`` of all p and i with ``p * s + i * d = q + b``. Which i these are
depends on the remainder of ``q + b`` by the stride s alone. So the places of one remainder are a
convolution of X with stride 1 and those weights, backwards: nothing is added twice to a place in
memory, and no zeros are put between the elements of X (Shi et al., "Is the deconvolution layer the
same as a convolutional layer?", arXiv:1609.07009). With several axes there is a phase for each
remainder along each of them.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.conv.dense import convolve_dense
from minisparse.kernels.conv.tiles import Result
from minisparse.kernels.conv.windows import windows_of
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.wide import all_finite, common_dtype, wide_dtype
from minisparse.ops.conv_transpose import CONV_TRANSPOSE, spread_size
from minisparse.ops.windows import Sliding, numbers, seen_places, sliding


class _Phase(NamedTuple):
    """The places of one remainder along an axis.

    Attributes
    ----------
    places : slice
        Of the result.
    taps : slice
        Which weights they get, in the order in which the images are.
    seen : slice
        Which elements of X.
    pads : tuple of int
        How many zeros before and after these.
    apart : int
        How far apart are the elements that one place sees.
    """

    places: slice
    taps: slice
    seen: slice
    pads: tuple[int, int]
    apart: int


def _phases(slide: Sliding, axis: int, length: int, size: int) -> list[_Phase | slice]:
    """Return the phases of an axis, of X's length and the result's size; a slice has no weights."""
    stride, apart, begin = slide.strides[axis], slide.dilations[axis], slide.begins[axis]
    step = math.gcd(stride, apart)
    found: list[_Phase | slice] = []
    for remainder in range(stride):
        first = -(-(begin - remainder) // stride)  # of the places that have it, from X's begin on
        count = (begin + size - 1 - remainder) // stride - first + 1
        if count < 1:
            continue
        start = remainder + first * stride - begin
        places = slice(start, start + (count - 1) * stride + 1, stride)
        taps = [i for i in range(slide.kernel[axis]) if i * apart % stride == remainder]
        if not taps:
            found.append(places)
            continue
        reach = (len(taps) - 1) * (apart // step)
        before = (taps[0] * apart - remainder) // stride + reach - first
        after = count + reach - before - length
        seen = slice(max(0, -before), max(0, length + min(0, after)))
        if seen.start >= seen.stop:
            found.append(places)  # they see nothing of X
            continue
        backwards = slice(taps[-1], taps[0] - 1 if taps[0] else None, -(stride // step))
        pads = max(0, before), max(0, after)
        found.append(_Phase(places, backwards, seen, pads, apart // step))
    return found


def bytes_moved(x: TensorType, w: TensorType, bias: TensorType | None = None) -> int:
    """Count X and W once, and Y as if it were as large as X for each of its channels."""
    result = x.size // max(x.dims[1], 1) * w.dims[1]
    return (x.size + w.size + result) * x.itemsize


def loops(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
    output_padding: Sequence[int] | None,
) -> Array:
    """Follow the op's formula: each element of X adds a copy of a filter, cut off at the edges."""
    dtype = common_dtype(x, w, bias)
    attrs = _steps(pads, strides, dilations, output_padding)
    slide, size = sliding(attrs, w.shape[2:]), numbers(spread_size(x.shape, w.shape[2:], attrs))
    x = x.astype(wide_dtype(dtype), copy=False)
    result = np.zeros((x.shape[0], w.shape[1] * group, *size), x.dtype)
    if bias is not None:
        for n, m, *q in np.ndindex(result.shape):
            result[n, m, *q] = bias[m]
    for n, c, *p in np.ndindex(x.shape):
        first = c // (x.shape[1] // group) * w.shape[1]
        for m, *i in np.ndindex(w.shape[1:]):
            steps = zip(p, slide.strides, i, slide.dilations, slide.begins, strict=True)
            q = [place * s + tap * d - begin for place, s, tap, d, begin in steps]
            if all(0 <= place < length for place, length in zip(q, size, strict=True)):
                result[n, first + m, *q] += w[c, m, *i] * x[n, c, *p]
    return result.astype(dtype)


def counts(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
    output_padding: Sequence[int] | None,
) -> Counts:
    """Count what the loops do: what falls outside of the result takes no part."""
    dtype = common_dtype(x, w, bias)
    wide, images = wide_dtype(dtype), x.shape[0]
    attrs = _steps(pads, strides, dilations, output_padding)
    slide, size = sliding(attrs, w.shape[2:]), numbers(spread_size(x.shape, w.shape[2:], attrs))
    # Windows slide over the result, one for each element of X.
    seen = [seen_places(n, slide, i, x.shape[2 + i]) >= 0 for i, n in enumerate(size)]
    pairs, elements, taps = (
        math.prod(int(np.count_nonzero(of(axis))) for axis in seen)
        for of in (np.asarray, lambda axis: axis.any(axis=1), lambda axis: axis.any(axis=0))
    )
    results = images * w.shape[1] * group * math.prod(size)
    steps = images * w.shape[0] * w.shape[1] * pairs
    read = images * x.shape[1] * elements * x.itemsize * (w.shape[1] > 0)
    read += w.shape[0] * w.shape[1] * taps * w.itemsize * (images > 0)
    added = 0 if bias is None else results
    if bias is not None and results:
        read += bias.nbytes
    return Counts(
        flops=2 * steps,
        value_bytes=read + results * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=x.size * wide.itemsize * (x.dtype != wide) + results * wide.itemsize,
        calls=4 * steps + 2 * added,
    )


def _steps(
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    output_padding: Sequence[int] | None,
) -> dict[str, Any]:
    """Return the attributes that say where windows lie."""
    return {
        "pads": pads,
        "strides": strides,
        "dilations": dilations,
        "output_padding": output_padding,
    }


def vectorized(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
    output_padding: Sequence[int] | None,
    out: Array | None = None,
) -> Array:
    """Convolve for each phase; zeros around X must not meet weights that are not finite."""
    attrs = _steps(pads, strides, dilations, output_padding)
    kernel = w.shape[2:]
    size = numbers(spread_size(x.shape, kernel, attrs))
    dtype = common_dtype(x, w, bias)
    y = np.empty((x.shape[0], w.shape[1] * group, *size), dtype) if out is None else out
    if not all_finite(w):
        operands = (x, w) if bias is None else (x, w, bias)
        y[...] = CONV_TRANSPOSE.dense(operands, {**attrs, "group": group})
        return y
    by_group = w.reshape(group, w.shape[0] // group, *w.shape[1:]).swapaxes(1, 2)
    filters = by_group.reshape(y.shape[1], w.shape[0] // group, *kernel)
    slide = sliding(attrs, kernel)
    for phase in product(*(_phases(slide, i, x.shape[2 + i], n) for i, n in enumerate(size))):
        part = y[_inside(p if isinstance(p, slice) else p.places for p in phase)]
        axes = [p for p in phase if isinstance(p, _Phase)]
        if len(axes) < len(phase):
            part[...] = 0 if bias is None else bias.reshape(-1, *[1] * len(size))
        else:
            _convolve(x, filters, axes, group, Result(dtype, wide_dtype(dtype), bias, part, None))
    return y


def _inside(axes: Iterable[slice]) -> Any:
    """Return the index of a part of each spatial axis, all of those before."""
    return (..., *axes)


def _convolve(x: Array, filters: Array, axes: Sequence[_Phase], group: int, result: Result) -> None:
    """Write the places of one phase along each axis."""
    seen = x[_inside(p.seen for p in axes)]
    weights = filters[_inside(p.taps for p in axes)]
    pads = (*(p.pads[0] for p in axes), *(p.pads[1] for p in axes))
    apart = [p.apart for p in axes]
    windows = windows_of(seen.shape, weights.shape[2:], pads, None, apart)
    convolve_dense(seen, weights, windows, group, result)


CONV_TRANSPOSE_DENSE = Kernel(
    CONV_TRANSPOSE,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True, device=by_meaning(CONV_TRANSPOSE)),
    counts=counts,
)
