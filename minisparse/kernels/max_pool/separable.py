"""Windows combined axis by axis: rows first, then columns, each a few passes over what is left.

The maximum or the sum over a box is that along one axis of those along the next: of 3 x 3 elements
4 operations instead of 8, the first of them on whole rows of memory. The work is cut by channels,
so that what is between two axes stays in cache, and threads may take turns. Windows that slide by
single steps are combined otherwise: :mod:`minisparse.kernels.max_pool.runs`.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.max_pool.runs import combine_runs
from minisparse.kernels.scratch import scratch
from minisparse.kernels.threads import share, usable_threads
from minisparse.ops.windows import Sliding

TILE = 1 << 17
"""Elements of X that are combined at once, or one channel's: a few arrays of so many stay near."""
SHARED = 1 << 20
"""From so many elements on, threads share the tiles."""


class Combining(NamedTuple):
    """How elements under a window become one.

    Attributes
    ----------
    ufunc : numpy.ufunc
        Of two elements: associative and commutative.
    neutral : scalar
        What padding counts as.
    dtype : numpy.dtype
        In which it is done.
    """

    ufunc: Any
    neutral: Any
    dtype: DType


def combine_windows(
    x: Array,
    slide: Sliding,
    combining: Combining,
    y: Array,
    finish: Callable[[Array], None] | None = None,
) -> Array:
    """Write to y ``[N, C, *counts]`` what becomes of the windows of x ``[N, C, *spatial]``.

    Parameters
    ----------
    x : ndarray
        Read only.
    slide : Sliding
        How the windows slide.
    combining : Combining
        What is done under a window.
    y : ndarray
        Where it goes, rounded to its dtype.
    finish : callable, optional
        Applied to ``[channels, *counts]``, in place, before it is rounded.
    """
    if not y.size:
        return y
    channels = x.shape[0] * x.shape[1]
    flat = x.reshape(channels, *x.shape[2:])
    place = y if y.flags.c_contiguous else np.empty(y.shape, y.dtype)
    into = place.reshape(channels, *y.shape[2:])
    step = max(1, TILE // flat[0].size)

    def compute(start: int) -> None:
        target = into[start : start + step]
        found = _combined(flat[start : start + step], slide, combining, target)
        if found is not target and target.dtype == combining.dtype:
            target[...] = found
            found = target
        if finish is not None:
            finish(found)
        if found is not target:
            target[...] = found

    share(compute, range(0, channels, step), usable_threads() if x.size >= SHARED else 1)
    if place is not y:
        y[...] = place
    return y


def _combined(x: Array, slide: Sliding, how: Combining, target: Array) -> Array:
    """Return what becomes of the windows of some channels, perhaps in ``target``."""
    if slide.spans == slide.kernel == x.shape[1:] and not any(slide.begins + slide.ends):
        rows = x.reshape(len(x), -1)  # there is one window, which sees everything
        found: Array = how.ufunc.reduce(rows, axis=1, dtype=how.dtype)
        return found.reshape(target.shape)
    if all(stride == 1 for stride in slide.strides):
        whole = combine_runs(x, slide, *how)
        return whole[:, *(slice(count) for count in target.shape[1:])]
    return _axis_by_axis(x, slide, how, target)


def _axis_by_axis(x: Array, slide: Sliding, how: Combining, target: Array) -> Array:
    """Combine along one axis after the other, along the last into ``target`` if dtypes agree."""
    found = x.astype(how.dtype, copy=False)
    for axis in range(1, x.ndim):
        if axis == x.ndim - 1 and target.dtype == how.dtype:
            into = target
        else:
            shape = (*found.shape[:axis], target.shape[axis], *found.shape[axis + 1 :])
            into = scratch(f"windows along {axis}", shape, how.dtype)
        _along(found, axis, slide, how, into)
        found = into
    return found


def _along(x: Array, axis: int, slide: Sliding, how: Combining, out: Array) -> None:
    """Write to ``out`` the windows of x along one axis, the first of which holds channels."""
    every, seen = slice(0, out.shape[axis]), list(_taps(x, axis, slide, out.shape[axis]))
    whole = [part for place, part in seen if place == every]
    others = [(place, part) for place, part in seen if place != every]
    if len(whole) > 1:
        how.ufunc(whole[0], whole[1], out=out)
    elif whole:
        out[...] = whole[0]
    else:
        out[...] = how.neutral
    for part in whole[2:]:
        how.ufunc(out, part, out=out)
    for place, part in others:
        some = out[(slice(None),) * axis + (place,)]
        how.ufunc(some, part, out=some)


def _taps(x: Array, axis: int, slide: Sliding, count: int) -> Iterator[tuple[slice, Array]]:
    """Yield for each place in the window which windows see X there, and what they see."""
    size, stride, begin = x.shape[axis], slide.strides[axis - 1], slide.begins[axis - 1]
    for i in range(slide.kernel[axis - 1]):
        at = i * slide.dilations[axis - 1] - begin
        first = max(0, -(at // stride))  # the least p with p * stride + at >= 0
        stop = min(count, (size - 1 - at) // stride + 1)
        if first < stop:
            start = first * stride + at
            rows = slice(start, start + (stop - first - 1) * stride + 1, stride)
            yield slice(first, stop), x[(slice(None),) * axis + (rows,)]
