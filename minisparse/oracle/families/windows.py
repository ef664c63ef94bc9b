"""Exact answers of the ops whose windows slide over spatial axes, from one table of what they see.

Row p of the table lists which elements of a channel window p sees, -1 standing for padding. A
convolution multiplies filters with them, a pool sums them or chooses one. A transposed convolution
is read from its result: place q gets the products of all (p, i) with ``p * s + i * d - b = q``, and
nothing where no element reaches it. The bounds are those of :mod:`minisparse.oracle.bounds`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import dense_type
from minisparse.core.triplets import Triplets
from minisparse.ops import OPS
from minisparse.oracle.elementwise import add
from minisparse.oracle.reductions import divided
from minisparse.oracle.sums import Sums, addend, exact_products, stacked
from minisparse.oracle.truth import Truth, from_array, widened

Attrs = Mapping[str, Any]


def _per_axis(attrs: Attrs, name: str, axes: int, default: int, part: int = 0) -> list[int]:
    """Return an attribute's numbers, of pads those of one side."""
    given = attrs[name]
    return [default] * axes if given is None else list(given[part * axes : (part + 1) * axes])


def seen_elements(
    spatial: Sequence[int], kernel: Sequence[int], counts: Sequence[int], attrs: Attrs
) -> Array:
    """Return the table, ``[windows, taps]``: numbers of elements in C order; -1 is padding.

    Examples
    --------
    >>> attrs = {"strides": None, "dilations": None, "pads": (1, 0)}
    >>> seen_elements((3,), (2,), (3,), attrs).tolist()
    [[-1, 0], [0, 1], [1, 2]]
    """
    axes = len(spatial)
    steps = zip(
        spatial,
        counts,
        kernel,
        _per_axis(attrs, "strides", axes, 1),
        _per_axis(attrs, "dilations", axes, 1),
        _per_axis(attrs, "pads", axes, 0),
        strict=True,
    )
    number, outside = np.zeros((1, 1), np.int64), np.zeros((1, 1), bool)
    for size, count, k, stride, apart, pad in steps:
        seen = np.arange(count)[:, None] * stride + np.arange(k) * apart - pad
        shape = (len(number) * count, number.shape[1] * k)
        number = (number[:, None, :, None] * size + seen[None, :, None, :]).reshape(shape)
        beyond = ((seen < 0) | (seen >= size))[None, :, None, :]
        outside = (outside[:, None, :, None] | beyond).reshape(shape)
    return np.where(outside, -1, number)


def seen_columns(x: Array, table: Array) -> Array:
    """Return what filters see of ``[N, C, *spatial]``, 0 of padding: ``[C * taps, N * places]``."""
    flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    flat = np.concatenate([flat, np.zeros((*x.shape[:2], 1), x.dtype)], axis=2)
    seen = flat[:, :, table].transpose(1, 3, 0, 2)  # -1 is the last, the zero
    return seen.reshape(x.shape[1] * table.shape[1], x.shape[0] * table.shape[0])


def _pooled(op: str, x: Array, attrs: Attrs) -> tuple[Array, tuple[int, ...]]:
    """Return the table of a pool, and the shape of its result."""
    shape = OPS[op].infer([dense_type(x)], attrs)[0].dims
    return seen_elements(x.shape[2:], attrs["kernel_shape"], shape[2:], attrs), shape


def _max_pool(operands: Sequence[Array], attrs: Attrs) -> Truth:
    """Return the largest element under each window: chosen, never computed; NaN wins."""
    return _largest("max_pool", operands[0], attrs)[0]


def _max_pool_with_indices(operands: Sequence[Array], attrs: Attrs) -> tuple[Truth, Truth]:
    """Return it, and where in X it is: the first of equal ones under the window."""
    (x,) = operands
    y, number = _largest("max_pool_with_indices", x, attrs)
    spatial = x.shape[2:]
    if attrs["storage_order"]:
        number = np.arange(math.prod(spatial)).reshape(spatial, order="F").reshape(-1)[number]
    channel = np.arange(math.prod(x.shape[:2])).reshape(*x.shape[:2], *[1] * len(spatial))
    return y, from_array((channel * math.prod(spatial) + number).astype(np.int64))


def _largest(op: str, x: Array, attrs: Attrs) -> tuple[Truth, Array]:
    """Return the largest elements, and their numbers within their channel."""
    table, shape = _pooled(op, x, attrs)
    wide = widened(x)
    flat = wide.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    lowest = np.iinfo(np.int64).min if wide.dtype.kind == "i" else -np.inf
    seen = np.where(table < 0, lowest, flat[:, :, table])
    largest = seen.max(axis=3)
    same = (seen == largest[..., None]) | ((seen != seen) & (largest != largest)[..., None])
    tap = (same & (table >= 0)).argmax(axis=3)
    number = np.take_along_axis(np.broadcast_to(table, seen.shape), tap[..., None], axis=3)
    truth = replace(from_array(largest.reshape(shape)), dtype=x.dtype)
    return truth, number.reshape(shape)


def _average_pool(operands: Sequence[Array], attrs: Attrs) -> Truth:
    """Return what windows see, summed and divided by how much that is."""
    (x,) = operands
    table, shape = _pooled("average_pool", x, attrs)
    size = math.prod(x.shape[2:])
    window, tap = np.nonzero(table >= 0)
    one = np.ones(len(window), x.dtype)
    chosen = Triplets(window, table[window, tap], one, (len(table), size))
    flat = x.reshape(x.shape[0] * x.shape[1], size).T
    sums = exact_products(chosen, np.ascontiguousarray(flat), x.dtype)
    truth = divided(sums, _divisor(table, x.shape[2:], shape[2:], attrs)[:, None])
    return truth.map(lambda y: y.T.reshape(shape))


def _divisor(table: Array, spatial: Sequence[int], counts: Sequence[int], attrs: Attrs) -> Array:
    """Return how many places each window counts: those of X, or those of X and its padding."""
    seen = table
    if attrs["count_include_pad"]:
        axes = len(spatial)
        before, after = (_per_axis(attrs, "pads", axes, 0, side) for side in (0, 1))
        whole = [b + size + a for b, size, a in zip(before, spatial, after, strict=True)]
        seen = seen_elements(whole, attrs["kernel_shape"], counts, {**attrs, "pads": None})
    found: Array = np.count_nonzero(seen >= 0, axis=1)
    return found


def _conv_transpose(operands: Sequence[Array], attrs: Attrs) -> Sums | Truth:
    """Multiply, for each filter, the matrix from elements of X to places of Y with the images."""
    x, w, *bias = operands
    dtype = np.result_type(x, w)
    (result,) = OPS["conv_transpose"].infer([dense_type(x), dense_type(w)], attrs)
    images, filters, *size = result.dims
    place, element, tap = _reached(x.shape[2:], w.shape[2:], size, attrs)
    group, each = attrs["group"], math.prod(x.shape[2:])
    channels, width = x.shape[1] // group, w.shape[1]
    weights = w.reshape(group, channels, width, math.prod(w.shape[2:]))
    parts = []
    for g, m in np.ndindex(group, width):
        row = np.tile(place, channels)
        col = (np.arange(channels)[:, None] * each + element).reshape(-1)
        data = weights[g, :, m][:, tap].reshape(-1)
        a = Triplets(row, col, data, (math.prod(size), channels * each))
        seen = x[:, g * channels : (g + 1) * channels].reshape(images, channels * each).T
        parts.append(exact_products(a, np.ascontiguousarray(seen), dtype))
    sums = stacked(parts).map(lambda y: y.reshape(filters, *size, images))
    sums = sums.map(lambda y: np.moveaxis(y, -1, 0))
    if not bias:
        return sums
    more = bias[0].reshape(-1, *[1] * len(size))
    if np.result_type(dtype, more) != dtype:
        return add(sums.truth(), from_array(more))
    return sums.plus(addend(more, dtype, sums.hi.shape))


def _reached(
    spatial: Sequence[int], kernel: Sequence[int], size: Sequence[int], attrs: Attrs
) -> tuple[Array, Array, Array]:
    """Return all (place of Y, element of X, place of the window) that belong together."""
    table = seen_elements(size, kernel, spatial, attrs)  # windows slide over Y, one an element
    element, tap = np.nonzero(table >= 0)
    return table[element, tap], element, tap


ANSWERS = {
    "max_pool": _max_pool,
    "max_pool_with_indices": _max_pool_with_indices,
    "average_pool": _average_pool,
    "conv_transpose": _conv_transpose,
}
