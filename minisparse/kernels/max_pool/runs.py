"""Windows that slide by single steps, combined over runs of memory instead of rows.

Some channels with their padding are one run. What a window sees at a place is that run from a
certain element on, so each operation is a pass over one piece of memory; what is combined across
the ends of rows is wasted. A window of k elements takes about ``2 log2 k`` passes along an axis:
windows of 1, 2, 4 … elements are each two of the one before, and k is a sum of some of these.
"""

import math
from typing import Any

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.scratch import scratch
from minisparse.ops.windows import Sliding


def combine_runs(x: Array, slide: Sliding, ufunc: Any, neutral: Any, dtype: DType) -> Array:
    """Return what becomes of the windows of ``[channels, *spatial]``, all strides being 1.

    Parameters
    ----------
    x : ndarray
        Read only.
    slide : Sliding
        How the windows slide; padding at the end may be further than windows reach.
    ufunc, neutral, dtype
        As of :class:`~minisparse.kernels.max_pool.separable.Combining`.

    Returns
    -------
    ndarray
        ``[channels, *padded]``, where the first places along each axis are those of windows. It is
        valid until the next call of this thread.
    """
    sizes = zip(slide.begins, x.shape[1:], slide.ends, strict=True)
    shape = (len(x), *(begin + size + end for begin, size, end in sizes))
    run = _run_of(x, slide, shape, neutral, dtype)
    for axis, (k, apart) in enumerate(zip(slide.kernel, slide.dilations, strict=True)):
        shift = apart * math.prod(shape[axis + 2 :])
        run = _along(run, k, shift, ufunc, f"windows along {axis}")
    return run[: math.prod(shape)].reshape(shape)


def _run_of(x: Array, slide: Sliding, shape: tuple[int, ...], neutral: Any, dtype: DType) -> Array:
    """Return x with its padding as one run, and as much beyond as windows may reach."""
    inner = [math.prod(shape[axis + 2 :]) for axis in range(len(slide.kernel))]
    beyond = sum((span - 1) * size for span, size in zip(slide.spans, inner, strict=True))
    size = math.prod(shape)
    run = scratch("windows run", (size + beyond,), dtype)
    run[size:] = neutral
    padded = run[:size].reshape(shape)
    if padded.shape != x.shape:
        padded[...] = neutral
    starts = zip(slide.begins, x.shape[1:], strict=True)
    padded[:, *(slice(begin, begin + length) for begin, length in starts)] = x
    return run


def _along(run: Array, k: int, shift: int, ufunc: Any, use: str) -> Array:
    """Return the windows of k elements that are ``shift`` apart, shorter by their reach."""
    block, size, found, covered, rest = run, 1, run, 0, k
    while True:
        if rest & 1:
            if not covered:
                found = block
            else:
                length = len(block) - covered * shift
                into = scratch(f"{use}, found", (length,), run.dtype)
                ufunc(found[:length], block[covered * shift :], out=into)
                found = into
            covered += size
        rest >>= 1
        if not rest:
            return found
        length = len(block) - size * shift
        into = scratch(f"{use}, {2 * size}", (length,), run.dtype)
        ufunc(block[:length], block[size * shift :], out=into)
        block, size = into, 2 * size
