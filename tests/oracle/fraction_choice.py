"""The second oracle's answers of ops that choose by comparing, or write to places.

Lines are lists of Python's numbers, places are visited one by one, and sums are fractions.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.oracle.fraction_movement import taken, whole
from tests.oracle.fraction_operands import Attrs, Operands
from tests.oracle.fraction_oracle import held, number, numbers, parts_of, times, total

KEPT: dict[str, tuple[int, ...]] = {
    "top_k": (1,),
    "one_hot": (0, 1),
    "cum_sum": (1,),
    "scatter_elements": (1,),
    "scatter_nd": (1,),
}
"""Which operands are indices or axes: they stay as they are, whatever the dtype."""


def _lines(x: Any, axis: int) -> Iterator[tuple[tuple[int, ...], list[Any]]]:
    """Yield each line along an axis, and where in the others it is."""
    along = np.moveaxis(x, axis, -1)
    for at in np.ndindex(*along.shape[:-1]):
        yield at, along[at].tolist()


def _key(value: Any, sign: int = 1) -> tuple[bool, Any]:
    """Return what numbers are ordered by: NaN comes last."""
    return value != value, 0 if value != value else sign * value


def _arg(operands: Operands, attrs: Attrs, sign: int) -> Any:
    (x,), axis = operands, attrs["axis"] % operands[0].ndim
    found = np.empty([n for i, n in enumerate(x.shape) if i != axis], np.int64)
    for at, line in _lines(x, axis):
        keys = [_key(v, sign) for v in line]
        equal = [i for i, key in enumerate(keys) if key == max(keys)]
        found[at] = equal[-1] if attrs["select_last_index"] else equal[0]
    return whole(np.expand_dims(found, axis) if attrs["keepdims"] else found)


def _top_k(operands: Operands, attrs: Attrs) -> Any:
    x, axis = operands[0], attrs["axis"] % operands[0].ndim
    k = int(operands[1].reshape(-1)[0])
    shape = [n for i, n in enumerate(x.shape) if i != axis]
    found = np.empty((*shape, k), np.int64)
    for at, line in _lines(x, axis):
        left = list(range(len(line)))
        for place in range(k):
            keys = [_key(line[i]) for i in left]
            best = max(keys) if attrs["largest"] else min(keys)
            found[(*at, place)] = left.pop(keys.index(best))
    found = np.moveaxis(found, -1, axis)
    order = np.take_along_axis(np.arange(x.size).reshape(x.shape), found, axis)
    return taken(numbers(x.reshape(-1), x.dtype), order), whole(found)


def _non_zero(operands: Operands, attrs: Attrs) -> Any:
    (x,) = operands
    places = [at for at in np.ndindex(*x.shape) if x[at] != 0]
    return whole(np.array(places, np.int64).reshape(len(places), x.ndim).T)


def _one_hot(operands: Operands, attrs: Attrs) -> Any:
    indices, depth, values = operands
    count = int(depth.reshape(-1)[0])
    off, on = (number(v, values.dtype) for v in values)
    found = np.empty((*indices.shape, count), object)
    for *at, place in np.ndindex(*found.shape):
        found[(*at, place)] = on if indices[tuple(at)] in (place, place - count) else off
    return np.moveaxis(found, -1, attrs["axis"])


def _cum_sum(operands: Operands, attrs: Attrs) -> Any:
    x, axis = operands[0], int(operands[1].reshape(-1)[0])
    dtype = x.dtype
    every = np.moveaxis(numbers(x, dtype), axis, -1)
    found = np.empty(every.shape, object)
    for *at, i in np.ndindex(*every.shape):
        line = every[tuple(at)]
        less = int(attrs["exclusive"])
        terms = line[i + less :] if attrs["reverse"] else line[: i + 1 - less]
        found[(*at, i)] = held(total(list(terms), parts_of(dtype)), dtype)
    return np.moveaxis(found, -1, axis)


def _scattered(x: Any, updates: Any, places: list[Any], attrs: Attrs) -> Any:
    dtype = np.result_type(x, updates)
    found, flat = numbers(x, dtype), numbers(updates.reshape(-1), dtype)
    for at, new in zip(places, flat, strict=True):
        old = found[at]
        if attrs["reduction"] == "add":
            new = held(total([old, new], parts_of(dtype)), dtype)
        elif attrs["reduction"] == "mul":
            new = held(times(old, new), dtype)
        elif attrs["reduction"] != "none":
            choose = max if attrs["reduction"] == "max" else min
            wrong = [v for v in (old, new) if v[0] != v[0]]
            new = wrong[0] if wrong else choose(old, new)
        found[at] = new
    return found


def _scatter_elements(operands: Operands, attrs: Attrs) -> Any:
    x, indices, updates = operands
    axis, every = attrs["axis"] % x.ndim, np.ndindex(*indices.shape)
    places = [(*at[:axis], int(indices[at]), *at[axis + 1 :]) for at in every]
    return _scattered(x, updates, places, attrs)


def _scatter_nd(operands: Operands, attrs: Attrs) -> Any:
    x, indices, updates = operands
    lead = indices.ndim - 1
    every = np.ndindex(*updates.shape)
    places = [(*indices[at[:lead]].tolist(), *at[lead:]) for at in every]
    return _scattered(x, updates, places, attrs)


ANSWERS: dict[str, Callable[[Operands, Attrs], Any]] = {
    "arg_max": lambda operands, attrs: _arg(operands, attrs, 1),
    "arg_min": lambda operands, attrs: _arg(operands, attrs, -1),
    "top_k": _top_k,
    "non_zero": _non_zero,
    "one_hot": _one_hot,
    "cum_sum": _cum_sum,
    "scatter_elements": _scatter_elements,
    "scatter_nd": _scatter_nd,
}
MIXING = set(KEPT)
