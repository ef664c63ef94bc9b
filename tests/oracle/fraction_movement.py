"""The second oracle's answers of ops that move elements, pick them, or tell of shapes.

Elements are moved as NumPy moves them, but for their numbers in memory order: where those are in
the end, X's elements are.
"""

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from tests.oracle.fraction_operands import Attrs, Operands
from tests.oracle.fraction_oracle import Number, number, numbers

KEPT: dict[str, tuple[int, ...]] = {
    "gather": (1,),
    "gather_elements": (1,),
    "gather_nd": (1,),
    "reshape": (1,),
    "squeeze": (1,),
    "unsqueeze": (1,),
    "expand": (1,),
    "tile": (1,),
    "split": (1,),
    "slice": (1, 2, 3, 4),
    "pad": (1, 3),
    "trilu": (1,),
    "constant_of_shape": (0,),
    "range": (0, 1, 2),
    "resize": (1, 2, 3),
}
"""Which operands are indices, axes, sizes or bounds: they stay as they are, whatever the dtype."""

Moving = Callable[[Any, Operands, Attrs], Any]


def _moved(how: Moving) -> Callable[[Operands, Attrs], Any]:
    """Return the answer of an op that puts the elements of its first operand elsewhere."""

    def answer(operands: Operands, attrs: Attrs) -> Any:
        x, *rest = operands
        order = np.arange(x.size).reshape(x.shape)
        flat = numbers(x.reshape(-1), x.dtype)
        found = how(order, rest, attrs)
        if isinstance(found, list):
            return tuple(taken(flat, part) for part in found)
        return taken(flat, np.asarray(found))

    return answer


def taken(flat: Any, order: Any, outside: Number | None = None) -> Any:
    """Return elements by their numbers; -1 is a value from elsewhere."""
    found = np.empty(order.shape, object)
    for at in np.ndindex(*order.shape):
        number_of = int(order[at])
        found[at] = flat[number_of] if number_of >= 0 or outside is None else outside
    return found


def _reshape(order: Any, rest: Operands, attrs: Attrs) -> Any:
    wanted = [int(d) for d in rest[0]]
    if not attrs["allowzero"]:
        wanted = [order.shape[i] if d == 0 else d for i, d in enumerate(wanted)]
    if -1 in wanted and not order.size:
        wanted[wanted.index(-1)] = math.prod(order.shape[wanted.index(-1) :])
    return order.reshape(wanted)


def _squeeze(order: Any, rest: Operands, attrs: Attrs) -> Any:
    return np.squeeze(order, tuple(rest[0].tolist())) if rest else np.squeeze(order)


def _split(order: Any, rest: Operands, attrs: Attrs) -> list[Any]:
    axis = attrs["axis"]
    if rest:
        return np.split(order, list(itertools.accumulate(rest[0].tolist()))[:-1], axis)
    n, count = order.shape[axis], attrs["num_outputs"]
    most = math.ceil(Fraction(n, count))
    return np.split(order, [min(n, i * most) for i in range(1, count)], axis)


def _slice(order: Any, rest: Operands, attrs: Attrs) -> Any:
    starts, ends, *more = (x.tolist() for x in rest)
    axes = more[0] if more else range(len(starts))
    steps = more[1] if len(more) > 1 else [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        order = np.moveaxis(np.moveaxis(order, axis, 0)[start:end:step], 0, axis)
    return order


def _expand(order: Any, rest: Operands, attrs: Attrs) -> Any:
    ones = np.ones(tuple(rest[0].tolist()), int)
    return order * ones


def _gather_elements(order: Any, rest: Operands, attrs: Attrs) -> Any:
    (indices,), axis = rest, attrs["axis"] % order.ndim
    found = np.empty(indices.shape, int)
    for at in np.ndindex(*indices.shape):
        found[at] = order[(*at[:axis], int(indices[at]), *at[axis + 1 :])]
    return found


def _gather_nd(order: Any, rest: Operands, attrs: Attrs) -> Any:
    (indices,), batch = rest, attrs["batch_dims"]
    parts = np.empty(indices.shape[:-1], object)
    for at in np.ndindex(*indices.shape[:-1]):
        parts[at] = order[(*at[:batch], *indices[at].tolist())]
    shape = (*indices.shape[:-1], *order.shape[batch + indices.shape[-1] :])
    return np.array(list(parts.reshape(-1)), int).reshape(shape)


def _depth_to_space(order: Any, rest: Operands, attrs: Attrs) -> Any:
    b = attrs["blocksize"]
    n, c, h, w = order.shape
    found = np.empty((n, c // b**2, h * b, w * b), int)
    for at in np.ndindex(*found.shape):
        image, channel, row, column = at
        i, j = row % b, column % b
        crd = attrs["mode"] == "CRD"
        depth = (channel * b + i) * b + j if crd else (i * b + j) * (c // b**2) + channel
        found[at] = order[image, depth, row // b, column // b]
    return found


def _space_to_depth(order: Any, rest: Operands, attrs: Attrs) -> Any:
    n, c, h, w = order.shape
    b = attrs["blocksize"]
    found = np.empty((n, c * b**2, h // b, w // b), int)
    back = _depth_to_space(np.arange(found.size).reshape(found.shape), (), attrs)
    found.reshape(-1)[back.reshape(-1)] = order.reshape(-1)
    return found


def _pad(operands: Operands, attrs: Attrs) -> Any:
    x, pads, *rest = operands
    axes = rest[1].tolist() if len(rest) > 1 else list(range(x.ndim))
    order = np.arange(x.size).reshape(x.shape)
    for i, axis in enumerate(axes):
        before, after = int(pads[i]), int(pads[len(axes) + i])
        width = [(0, 0)] * x.ndim
        width[axis] = max(0, before), max(0, after)
        # NumPy's modes know no cropping: what is cropped is cropped from what was padded.
        if attrs["mode"] == "constant":
            order = np.pad(order, width, constant_values=-1)
        else:
            order = np.pad(order, width, attrs["mode"])
        stop = order.shape[axis] + min(0, after)
        order = np.moveaxis(np.moveaxis(order, axis, 0)[max(0, -before) : stop], 0, axis)
    value = rest[0].reshape(-1)[0] if rest else 0
    return taken(numbers(x.reshape(-1), x.dtype), order, number(value, x.dtype))


def _concat(operands: Operands, attrs: Attrs) -> Any:
    dtype = np.result_type(*operands)
    return np.concatenate([numbers(x, dtype) for x in operands], attrs["axis"])


def _trilu(operands: Operands, attrs: Attrs) -> Any:
    x, *rest = operands
    k = int(rest[0].reshape(-1)[0]) if rest else 0
    found = numbers(x, x.dtype)
    for at in np.ndindex(*x.shape):
        if at[-1] - at[-2] < k if attrs["upper"] else at[-1] - at[-2] > k:
            found[at] = number(0, x.dtype)
    return found


def whole(values: Any) -> Any:
    """Return whole numbers as numbers of the oracle."""
    x = np.array(values, np.int64)
    return numbers(x, x.dtype)


def _range(operands: Operands, attrs: Attrs) -> Any:
    start, limit, delta = (Fraction(x.reshape(-1)[0].item()) for x in operands)
    found = []
    while (start < limit) if delta > 0 else (start > limit):
        found.append((start,))
        start += delta
    array = np.empty(len(found), object)
    array[:] = found
    return array


def _constant_of_shape(operands: Operands, attrs: Attrs) -> Any:
    found = np.empty(tuple(operands[0].tolist()), object)
    for at in np.ndindex(*found.shape):
        found[at] = number(attrs["value"], np.dtype(attrs["dtype"]))
    return found


ANSWERS: dict[str, Callable[[Operands, Attrs], Any]] = {
    "reshape": _moved(_reshape),
    "squeeze": _moved(_squeeze),
    "unsqueeze": _moved(lambda x, rest, attrs: np.expand_dims(x, tuple(rest[0].reshape(-1)))),
    "identity": _moved(lambda x, rest, attrs: x),
    "split": _moved(_split),
    "slice": _moved(_slice),
    "expand": _moved(_expand),
    "tile": _moved(lambda x, rest, attrs: np.tile(x, rest[0].tolist())),
    "gather": _moved(lambda x, rest, attrs: np.take(x, rest[0], attrs["axis"])),
    "gather_elements": _moved(_gather_elements),
    "gather_nd": _moved(_gather_nd),
    "depth_to_space": _moved(_depth_to_space),
    "space_to_depth": _moved(_space_to_depth),
    "pad": _pad,
    "concat": _concat,
    "trilu": _trilu,
    "shape": lambda operands, attrs: whole(operands[0].shape[attrs["start"] : attrs["end"]]),
    "size": lambda operands, attrs: whole(operands[0].size),
    "range": _range,
    "constant_of_shape": _constant_of_shape,
}
MIXING = set(KEPT)
