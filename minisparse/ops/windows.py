"""Windows that slide over the spatial axes of ``[N, C, *spatial]``: where they lie, what they see.

Along an axis of size L, window p sees the places ``p * stride + i * dilation - begin`` for i below
the window's size; there are ``(L + begin + end - span) // stride + 1`` of them, with span
``dilation * (size - 1) + 1``. With ``ceil_mode`` the quotient is rounded up, so that the last
window may reach beyond the padding, but none is counted that would begin beyond X and its first
padding. Source: ONNX operators, Conv (version 11), MaxPool (12) and AveragePool (19).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.symbolic import UNKNOWN, Dim, is_unknown
from minisparse.ops.constraints import are_ints


class Sliding(NamedTuple):
    """How windows slide: a number for each spatial axis.

    Attributes
    ----------
    kernel : tuple of int
        The window's size.
    strides : tuple of int
        How far apart windows are.
    dilations : tuple of int
        How far apart are the places that one window sees.
    begins, ends : tuple of int
        Padding before and after the axis.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def spans(self) -> tuple[int, ...]:
        """From the first place that a window sees to the last, both counted."""
        pairs = zip(self.kernel, self.dilations, strict=True)
        return tuple(apart * (size - 1) + 1 for size, apart in pairs)


def sliding(attrs: Mapping[str, Any], kernel: Sequence[int]) -> Sliding:
    """Return how windows of a size slide, by an op's attributes; of None strides and such are 1.

    Examples
    --------
    >>> sliding({"strides": (2,), "dilations": None, "pads": (1, 0)}, (3,))
    Sliding(kernel=(3,), strides=(2,), dilations=(1,), begins=(1,), ends=(0,))
    """
    n = len(kernel)
    pads = [int(p) for p in attrs["pads"] or (0,) * (2 * n)]
    strides, dilations = (
        tuple(int(s) for s in attrs[name] or (1,) * n) for name in ("strides", "dilations")
    )
    return Sliding(tuple(kernel), strides, dilations, tuple(pads[:n]), tuple(pads[n:]))


def slide_fits(attrs: Mapping[str, Any], axes: int) -> bool:
    """Tell whether pads, strides and dilations are None or numbers for so many spatial axes."""
    return (
        (attrs["pads"] is None or are_ints(attrs["pads"], 2 * axes, 0))
        and (attrs["strides"] is None or are_ints(attrs["strides"], axes, 1))
        and (attrs["dilations"] is None or are_ints(attrs["dilations"], axes, 1))
    )


def can_be_counted(dims: Sequence[Dim]) -> bool:
    """Tell whether sizes are numbers, or will be at run time: of a name no window is counted."""
    return all(isinstance(d, int) or is_unknown(d) for d in dims)


def places(spatial: Sequence[Dim], slide: Sliding, ceil_mode: bool = False) -> tuple[Dim, ...]:
    """Return how many windows there are along each axis, 0 or fewer where none fits.

    Examples
    --------
    >>> slide = sliding({"strides": (2, 2), "dilations": None, "pads": None}, (3, 3))
    >>> places((8, "?1"), slide), places((8, 8), slide, ceil_mode=True)
    ((3, '?'), (4, 4))
    """
    found: list[Dim] = []
    for d, span, stride, begin, end in zip(
        spatial, slide.spans, slide.strides, slide.begins, slide.ends, strict=True
    ):
        if isinstance(d, str):
            found.append(UNKNOWN)
            continue
        room = d + begin + end - span
        count = room // stride + 1
        if ceil_mode and room % stride and count * stride < d + begin:
            count += 1
        found.append(count)
    return tuple(found)


def numbers(dims: Sequence[Dim]) -> tuple[int, ...]:
    """Return sizes that are numbers by now, as those of an array at hand are."""
    return tuple(d for d in dims if isinstance(d, int))


def seen_places(size: int, slide: Sliding, axis: int, count: int) -> Array:
    """Return which places of an axis each window sees, ``[count, kernel]``; -1 is padding.

    Examples
    --------
    >>> slide = sliding({"strides": None, "dilations": None, "pads": (1, 0)}, (3,))
    >>> seen_places(4, slide, 0, 3).tolist()
    [[-1, 0, 1], [0, 1, 2], [1, 2, 3]]
    """
    starts = np.arange(count)[:, None] * slide.strides[axis] - slide.begins[axis]
    seen = starts + np.arange(slide.kernel[axis]) * slide.dilations[axis]
    return np.where(seen < size, np.maximum(seen, -1), -1)


def all_see_something(spatial: Sequence[Dim], slide: Sliding, counts: Sequence[Dim]) -> bool:
    """Tell whether windows fit, and each sees a place of X: as far as sizes are known."""
    for axis, (size, count) in enumerate(zip(spatial, counts, strict=True)):
        if isinstance(size, str) or isinstance(count, str):
            continue
        if count < 1 or (seen_places(size, slide, axis, count) < 0).all(axis=1).any():
            return False
    return True


def with_padding(x: Array, slide: Sliding, counts: Sequence[int], fill: Any) -> Array:
    """Return x with what its windows see around it.

    Parameters
    ----------
    x : ndarray, shape (..., *spatial)
        The last axes are those over which the windows slide.
    slide : Sliding
        How they do.
    counts : sequence of int
        How many there are along each axis.
    fill : scalar
        What padding holds.
    """
    spatial = x.shape[x.ndim - len(counts) :]
    margins = [(0, 0)] * (x.ndim - len(counts))
    margins += [
        # Windows may reach further than the padding: ceil_mode.
        (begin, max(end, (count - 1) * stride + span - begin - size))
        for size, count, span, stride, begin, end in zip(
            spatial, counts, slide.spans, slide.strides, slide.begins, slide.ends, strict=True
        )
    ]
    if not any(map(any, margins)):
        return x
    return np.pad(x, margins, constant_values=fill)


def taps(slide: Sliding, counts: Sequence[int]) -> Iterator[tuple[Any, Any]]:
    """Yield for each place of the window two indices: of filters, and of what windows see there.

    Yields
    ------
    tap : tuple
        Index of filters ``[..., *kernel]``.
    seen : tuple
        Index of :func:`with_padding`'s result; it gives an array ``[..., *counts]``.
    """
    for tap in product(*map(range, slide.kernel)):
        starts = (i * apart for i, apart in zip(tap, slide.dilations, strict=True))
        along = zip(starts, counts, slide.strides, strict=True)
        yield (..., *tap), (..., *(slice(i, i + (n - 1) * s + 1, s) for i, n, s in along))
