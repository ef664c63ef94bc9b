"""The second oracle's answers of the ops whose windows slide: from the formulas, place by place."""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from tests.oracle.fraction_operands import Attrs, Operands, dtype_of, entries_of, largest
from tests.oracle.fraction_oracle import Number, held, number, numbers, parts_of, times, total

Place = tuple[int, ...]


def _steps(attrs: Attrs, axes: int) -> tuple[Place, Place, Place, Place]:
    """Return strides, dilations, and the pads before and after."""
    ones = (1,) * axes
    pads = attrs["pads"] or (0,) * (2 * axes)
    return attrs["strides"] or ones, attrs["dilations"] or ones, pads[:axes], pads[axes:]


def _size(spatial: Place, kernel: Place, attrs: Attrs) -> Place:
    found = []
    steps = _steps(attrs, len(kernel))
    for length, k, s, d, begin, end in zip(spatial, kernel, *steps, strict=True):
        room = length + begin + end - d * (k - 1) - 1
        count = room // s + 1
        if attrs.get("ceil_mode"):
            count = math.ceil(Fraction(room, s)) + 1
            count -= (count - 1) * s >= length + begin  # it would begin after X
        found.append(count)
    return tuple(found)


def _seen(p: Place, tap: Place, attrs: Attrs) -> Place:
    """Return where a window sees, in X or beside it."""
    strides, dilations, begins, _ = _steps(attrs, len(p))
    return tuple(
        y * s + i * d - b for y, s, i, d, b in zip(p, strides, tap, dilations, begins, strict=True)
    )


def _inside(at: Place, spatial: Place) -> bool:
    return all(0 <= y < length for y, length in zip(at, spatial, strict=True))


def _conv(operands: Operands, attrs: Attrs) -> Any:
    x, w, *bias = operands
    dtype, group = dtype_of(operands), attrs["group"]
    kernel = tuple(attrs["kernel_shape"] or w.shape[2:])
    channels, spatial = x.shape[1] // group, x.shape[2:]
    weights: dict[int, list[tuple[int, Place, Number]]] = {m: [] for m in range(w.shape[0])}
    if isinstance(w, Triplets):
        every = list(itertools.product(range(channels), *map(range, kernel)))
        for m, k, v in entries_of(w, dtype):
            weights[m].append((every[k][0], every[k][1:], v))
    else:
        for at in np.ndindex(*w.shape):
            weights[at[0]].append((at[1], at[2:], number(w[at], dtype)))
    zero, image = number(0, dtype), numbers(x, dtype)
    found = np.empty((x.shape[0], w.shape[0], *_size(spatial, kernel, attrs)), object)
    for at in np.ndindex(*found.shape):
        n, m, *p = at
        terms = [number(bias[0][m], dtype)] if bias else []
        first = m * group // w.shape[0] * channels
        for c, tap, v in weights[m]:
            y = _seen(tuple(p), tap, attrs)
            terms.append(times(v, image[n, first + c, *y] if _inside(y, spatial) else zero))
        found[at] = held(total(terms, parts_of(dtype)), dtype)
    return found


def _conv_transpose(operands: Operands, attrs: Attrs) -> Any:
    x, w, *bias = operands
    dtype, group = dtype_of(operands), attrs["group"]
    kernel, width, channels = w.shape[2:], w.shape[1], x.shape[1] // group
    strides, dilations, begins, ends = _steps(attrs, len(kernel))
    more = attrs["output_padding"] or (0,) * len(kernel)
    size = tuple(
        (length - 1) * s + d * (k - 1) + 1 + extra - b - e
        for length, s, d, k, extra, b, e in zip(
            x.shape[2:], strides, dilations, kernel, more, begins, ends, strict=True
        )
    )
    found = np.empty((x.shape[0], width * group, *size), object)
    terms: dict[tuple[int, ...], list[Number]] = {at: [] for at in np.ndindex(*found.shape)}
    for at in np.ndindex(*x.shape):
        n, c, *p = at
        for m, *tap in np.ndindex(*w.shape[1:]):
            y = _seen(tuple(p), tuple(tap), attrs)
            if _inside(y, size):
                product = times(number(x[at], dtype), number(w[c, m, *tap], dtype))
                terms[n, c // channels * width + m, *y].append(product)
    for at, made in terms.items():
        made += [number(bias[0][at[1]], dtype)] if bias else []
        found[at] = held(total(made, parts_of(dtype)), dtype)
    return found


def _windows(x: Any, attrs: Attrs) -> Iterator[tuple[Place, list[Place]]]:
    """Yield each place of a pool's result, and the places of X that its window sees."""
    kernel, spatial = tuple(attrs["kernel_shape"]), x.shape[2:]
    for at in np.ndindex(*x.shape[:2], *_size(spatial, kernel, attrs)):
        seen = (_seen(at[2:], tap, attrs) for tap in np.ndindex(*kernel))
        yield at, [(*at[:2], *y) for y in seen if _inside(y, spatial)]


def _empty(x: Any, attrs: Attrs) -> Any:
    return np.empty((*x.shape[:2], *_size(x.shape[2:], attrs["kernel_shape"], attrs)), object)


def _max_pool(operands: Operands, attrs: Attrs) -> Any:
    (x,) = operands
    found = _empty(x, attrs)
    for at, seen in _windows(x, attrs):
        found[at] = largest([number(x[y], x.dtype) for y in seen])
    return found


def _max_pool_with_indices(operands: Operands, attrs: Attrs) -> tuple[Any, Any]:
    (x,) = operands
    best, where = _max_pool(operands, attrs), _empty(x, attrs)
    spatial = x.shape[2:]
    for at, seen in _windows(x, attrs):
        wanted = best[at][0]
        values = [number(x[y], x.dtype)[0] for y in seen]
        first = next(
            y
            for y, v in zip(seen, values, strict=True)
            if v == wanted or (v != v and wanted != wanted)
        )
        n, c, *p = first
        order = (p, spatial) if not attrs["storage_order"] else (p[::-1], spatial[::-1])
        flat = 0
        for y, length in zip(*order, strict=True):
            flat = flat * length + y
        where[at] = (Fraction((n * x.shape[1] + c) * math.prod(spatial) + flat),)
    return best, where


def _average_pool(operands: Operands, attrs: Attrs) -> Any:
    (x,) = operands
    found = _empty(x, attrs)
    _, _, begins, ends = _steps(attrs, x.ndim - 2)
    margins = list(zip(begins, x.shape[2:], ends, strict=True))
    for at, seen in _windows(x, attrs):
        count = len(seen)
        if attrs["count_include_pad"]:
            taps = (_seen(at[2:], tap, attrs) for tap in np.ndindex(*attrs["kernel_shape"]))
            count = sum(
                all(-b <= y < length + e for y, (b, length, e) in zip(p, margins, strict=True))
                for p in taps
            )
        parts = total([number(x[y], x.dtype) for y in seen], 1)
        found[at] = tuple(v / count if isinstance(v, Fraction) else v for v in parts)
    return found


ANSWERS = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "max_pool": _max_pool,
    "max_pool_with_indices": _max_pool_with_indices,
    "average_pool": _average_pool,
}
