"""Exact answers of ops that move elements, pick them by index, or tell of shapes.

Nothing is computed, so there is nothing to bound but the steps of a range of floating-point
numbers. Each answer is X at places that index arithmetic gives: the formula of the op, read
backwards, and not the calls by which the op itself moves things. Only what shape a ``reshape`` has
is asked of the op.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import known_type
from minisparse.ops import OPS
from minisparse.oracle import bounds
from minisparse.oracle.truth import Truth, from_array

Operands = Sequence[Array]
Attrs = Mapping[str, Any]


def coordinates(shape: Sequence[int]) -> Array:
    """Return the coordinates of every element, int64 ``[ndim, size]``, in memory order."""
    found: Array = np.indices(tuple(shape)).reshape(len(shape), math.prod(shape))
    return found


def at_places(x: Array, places: Sequence[Array] | Array, shape: Sequence[int]) -> Array:
    """Return ``x`` at places, one array of coordinates for each axis, in a shape."""
    found: Array = x[tuple(places)] if x.ndim else np.repeat(x, math.prod(shape))
    return found.reshape(tuple(shape))


def _in_order(x: Array, shape: Sequence[int]) -> Truth:
    """Return the elements in memory order, in another shape."""
    every = coordinates(x.shape)
    return from_array(at_places(x, every, (x.size,)).reshape(tuple(shape)))


def _reshape(operands: Operands, attrs: Attrs) -> Truth:
    (result,) = OPS["reshape"].infer([known_type(x) for x in operands], attrs)
    return _in_order(operands[0], result.dims)


def _squeeze(operands: Operands, attrs: Attrs) -> Truth:
    x, *axes = operands
    gone = {int(a) % x.ndim for a in axes[0].reshape(-1)} if axes else set(range(x.ndim))
    return _in_order(x, [n for i, n in enumerate(x.shape) if i not in gone or n != 1])


def _unsqueeze(operands: Operands, attrs: Attrs) -> Truth:
    x, axes = operands
    ndim, sizes = x.ndim + axes.size, list(x.shape)
    new = {int(a) % ndim for a in axes.reshape(-1)}
    return _in_order(x, [1 if i in new else sizes.pop(0) for i in range(ndim)])


def _concat(operands: Operands, attrs: Attrs) -> Truth:
    axis = attrs["axis"] % operands[0].ndim
    shape = list(operands[0].shape)
    shape[axis] = sum(x.shape[axis] for x in operands)
    found, start = np.empty(shape, np.result_type(*operands)), 0
    for x in operands:
        places = coordinates(x.shape)
        places[axis] += start
        found[tuple(places)] = at_places(x, coordinates(x.shape), (x.size,))
        start += x.shape[axis]
    return from_array(found)


def _split(operands: Operands, attrs: Attrs) -> tuple[Truth, ...]:
    x, *rest = operands
    axis, found, start = attrs["axis"] % x.ndim, [], 0
    n = x.shape[axis]
    count = len(rest[0]) if rest else attrs["num_outputs"]
    for i in range(count):
        size = int(rest[0][i]) if rest else max(0, min(-(-n // count), n - start))
        shape = tuple(size if a == axis else d for a, d in enumerate(x.shape))
        places = coordinates(shape)
        places[axis] += start
        found.append(from_array(at_places(x, places, shape)))
        start += size
    return tuple(found)


def _slice(operands: Operands, attrs: Attrs) -> Truth:
    x, starts, ends, *rest = operands
    axes = rest[0] if rest else np.arange(len(starts))
    steps = rest[1] if len(rest) > 1 else np.ones(len(starts), np.int64)
    taken = [list(range(n)) for n in x.shape]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        taken[axis % x.ndim] = taken[axis % x.ndim][int(start) : int(end) : int(step)]
    shape = [len(places) for places in taken]
    every = coordinates(shape)
    places = [np.array(t, np.int64)[at] for t, at in zip(taken, every, strict=True)]
    return from_array(at_places(x, places, shape))


def _expand(operands: Operands, attrs: Attrs) -> Truth:
    x, wanted = operands
    ndim = max(x.ndim, len(wanted))
    mine = [1] * (ndim - x.ndim) + list(x.shape)
    theirs = [1] * (ndim - len(wanted)) + wanted.tolist()
    shape = [b if a == 1 else a for a, b in zip(mine, theirs, strict=True)]
    every = coordinates(shape)[ndim - x.ndim :]
    places = [at * (n != 1) for at, n in zip(every, x.shape, strict=True)]
    return from_array(at_places(x, places, shape))


def _tile(operands: Operands, attrs: Attrs) -> Truth:
    x, repeats = operands
    shape = [n * int(r) for n, r in zip(x.shape, repeats, strict=True)]
    places = [at % max(n, 1) for at, n in zip(coordinates(shape), x.shape, strict=True)]
    return from_array(at_places(x, places, shape))


def _came_from(place: int, size: int, mode: str) -> int:
    """Return which element is at a place before or after an axis; -1 for the value."""
    if mode == "reflect" and size == 1:
        return 0
    while not 0 <= place < size:
        if mode == "constant":
            return -1
        if mode == "edge":
            place += 1 if place < 0 else -1
        elif mode == "wrap":
            place += size if place < 0 else -size
        else:
            place = -place if place < 0 else 2 * (size - 1) - place
    return place


def _pad(operands: Operands, attrs: Attrs) -> Truth:
    x, pads, *rest = operands
    axes = rest[1].tolist() if len(rest) > 1 else list(range(x.ndim))
    taken = [list(range(n)) for n in x.shape]
    for i, axis in enumerate(axes):
        n, before, after = x.shape[axis], int(pads[i]), int(pads[len(axes) + i])
        run = range(-before, n + after)
        taken[axis % x.ndim] = [_came_from(place, n, attrs["mode"]) for place in run]
    shape = [len(places) for places in taken]
    found = np.empty(shape, x.dtype)
    found[...] = rest[0].reshape(-1)[0].astype(x.dtype) if rest else 0
    every = coordinates(shape)
    places = np.array([np.array(t, np.int64)[at] for t, at in zip(taken, every, strict=True)])
    inner = (places >= 0).all(axis=0)
    found[tuple(every[:, inner])] = at_places(x, places[:, inner], (int(inner.sum()),))
    return from_array(found)


def _shape(operands: Operands, attrs: Attrs) -> Truth:
    sizes = list(operands[0].shape)
    return from_array(np.array(sizes[attrs["start"] : attrs["end"]], np.int64))


def _range(operands: Operands, attrs: Attrs) -> Truth:
    """Start and steps are exact; a right one may round the step, and then the sum."""
    dtype = np.result_type(*operands)
    parse: Callable[[Any], Any] = int if dtype.kind in "iu" else float
    start, limit, delta = (parse(x.reshape(-1)[0]) for x in operands)
    (result,) = OPS["range"].infer([known_type(np.array(v)) for v in (start, limit, delta)])
    steps = range(result.size)
    if dtype.kind in "iu":
        return from_array(np.array([start + i * delta for i in steps], object).astype(dtype))
    exact = [Fraction(start) + i * Fraction(delta) for i in steps]
    hi = np.array([float(v) for v in exact], np.float64)
    lo = np.array([float(v - Fraction(float(v))) for v in exact], np.float64)
    wide = accumulator(dtype)
    step = bounds.one_rounding(np.arange(result.size) * delta, np.zeros_like(hi), wide)
    bound = bounds.one_rounding(hi, step, wide)
    if wide != dtype:
        bound = bounds.one_rounding(hi, bound, dtype)
    return Truth(hi, lo, bound, np.zeros(hi.shape, bool), dtype)


def _constant_of_shape(operands: Operands, attrs: Attrs) -> Truth:
    value = np.array([attrs["value"]]).astype(attrs["dtype"])
    return from_array(np.repeat(value, math.prod(operands[0].tolist())).reshape(operands[0]))


def _gather(operands: Operands, attrs: Attrs) -> Truth:
    x, indices = operands
    axis, depth = attrs["axis"] % x.ndim, indices.ndim
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    every = coordinates(shape)
    picked = at_places(indices, every[axis : axis + depth], every.shape[1:]).astype(np.int64)
    places = [*every[:axis], picked % max(x.shape[axis], 1), *every[axis + depth :]]
    return from_array(at_places(x, places, shape))


def _gather_elements(operands: Operands, attrs: Attrs) -> Truth:
    x, indices = operands
    places = coordinates(indices.shape)
    axis = attrs["axis"] % x.ndim
    places[axis] = indices.reshape(-1).astype(np.int64) % max(x.shape[axis], 1)
    return from_array(at_places(x, places, indices.shape))


def _gather_nd(operands: Operands, attrs: Attrs) -> Truth:
    x, indices = operands
    batch, depth = attrs["batch_dims"], indices.shape[-1]
    shape = (*indices.shape[:-1], *x.shape[batch + depth :])
    every = coordinates(shape)
    rows = indices[tuple(every[: indices.ndim - 1])].T.astype(np.int64)
    picked = [row % max(n, 1) for row, n in zip(rows, x.shape[batch:], strict=False)]
    places = [*every[:batch], *picked, *every[indices.ndim - 1 :]]
    return from_array(at_places(x, places, shape))


def _trilu(operands: Operands, attrs: Attrs) -> Truth:
    x, *rest = operands
    k = int(rest[0].reshape(-1)[0]) if rest else 0
    found = np.zeros_like(x, order="C")
    places = coordinates(x.shape)
    above = places[-1] - places[-2]
    kept = places[:, above >= k if attrs["upper"] else above <= k]
    found[tuple(kept)] = x[tuple(kept)]
    return from_array(found)


def _depth_to_space(operands: Operands, attrs: Attrs) -> Truth:
    (x,), b = operands, attrs["blocksize"]
    n, c, h, w = x.shape
    shape = (n, c // (b * b), h * b, w * b)
    image, channel, row, column = coordinates(shape)
    part = row % b * b + column % b
    crd = attrs["mode"] == "CRD"
    depth = channel * b * b + part if crd else part * shape[1] + channel
    return from_array(at_places(x, (image, depth, row // b, column // b), shape))


def _space_to_depth(operands: Operands, attrs: Attrs) -> Truth:
    (x,), b = operands, attrs["blocksize"]
    n, c, h, w = x.shape
    shape = (n, c * b * b, h // b, w // b)
    image, depth, row, column = coordinates(shape)
    crd = attrs["mode"] == "CRD"
    channel, part = (depth // (b * b), depth % (b * b)) if crd else (depth % c, depth // c)
    return from_array(
        at_places(x, (image, channel, row * b + part // b, column * b + part % b), shape)
    )


ANSWERS: dict[str, Callable[[Operands, Attrs], Truth | tuple[Truth, ...]]] = {
    "reshape": _reshape,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "identity": lambda operands, attrs: from_array(operands[0]),
    "concat": _concat,
    "split": _split,
    "slice": _slice,
    "expand": _expand,
    "tile": _tile,
    "pad": _pad,
    "shape": _shape,
    "size": lambda operands, attrs: from_array(np.array(math.prod(operands[0].shape), np.int64)),
    "range": _range,
    "constant_of_shape": _constant_of_shape,
    "gather": _gather,
    "gather_elements": _gather_elements,
    "gather_nd": _gather_nd,
    "trilu": _trilu,
    "depth_to_space": _depth_to_space,
    "space_to_depth": _space_to_depth,
}
