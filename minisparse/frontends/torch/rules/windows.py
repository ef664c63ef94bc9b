"""Convolutions and pools: windows that slide over images."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.sizes import Size
from minisparse.frontends.torch.table import Table

Ints = int | Sequence[int]


def _each(value: Ints, count: int) -> tuple[int, ...]:
    """Return one number for each axis; a single one holds for all."""
    given = [value] if isinstance(value, int) else list(value)
    return tuple(given * count if len(given) == 1 else given)


def _spatial(g: Lowering, x: str) -> tuple[int, ...]:
    """Return the sizes of an image."""
    found = [g.extent(x, axis) for axis in range(2, g.ndim(x))]
    if any(not isinstance(size, int) for size in found):
        raise UnsupportedOpError("the size of the image must be fixed: leave it out of dynamic=")
    return tuple(size for size in found if isinstance(size, int))


def _batched(g: Lowering, x: str, count: int) -> tuple[str, bool]:
    """Return an image in a batch of its own where it came without one."""
    if g.ndim(x) == count + 2:
        return x, False
    return g.op("unsqueeze", x, g.ints(0), part="batch"), True


def _alone(g: Lowering, y: str, was_alone: bool) -> str:
    return g.op("squeeze", y, g.ints(0), part="image") if was_alone else y


def _window(
    count: int, stride: Ints, padding: Ints, dilation: Ints = 1, groups: int = 1
) -> dict[str, Any]:
    """Return the attributes of a window that are not what they are without being told."""
    attrs: dict[str, Any] = {}
    if any(_each(padding, count)):
        attrs["pads"] = _each(padding, count) * 2
    if any(step != 1 for step in _each(stride, count)):
        attrs["strides"] = _each(stride, count)
    if any(step != 1 for step in _each(dilation, count)):
        attrs["dilations"] = _each(dilation, count)
    if groups != 1:
        attrs["group"] = groups
    return attrs


def convolution(
    g: Lowering,
    x: str,
    weight: str,
    bias: str | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
) -> str:
    """``aten.convolution``: any number of axes, forth or transposed."""
    g.check_alike(x, weight)
    count = g.ndim(weight) - 2
    x, alone = _batched(g, x, count)
    attrs = _window(count, stride, padding, dilation, groups)
    given = [x, weight, *([bias] if bias else [])]
    if transposed:
        more = _each(output_padding, count)
        return _alone(g, g.op("conv_transpose", *given, **attrs, output_padding=more), alone)
    return _alone(g, g.op("conv", *given, **attrs), alone)


def conv(
    g: Lowering,
    x: str,
    weight: str,
    bias: str | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> str:
    """``aten.conv1d``, ``conv2d``, ``conv3d``."""
    return convolution(g, x, weight, bias, stride, padding, dilation, False, 0, groups)


def conv_padded(
    g: Lowering,
    x: str,
    weight: str,
    bias: str | None = None,
    stride: Ints = 1,
    padding: str = "valid",
    dilation: Ints = 1,
    groups: int = 1,
) -> str:
    """``aten.conv2d.padding``: padding by a word; of an odd number more is padded behind."""
    count = g.ndim(weight) - 2
    if padding == "valid":
        return conv(g, x, weight, bias, stride, 0, dilation, groups)
    x, alone = _batched(g, x, count)
    kernel = [int(k) for k in g.type(weight).shape[2:]]
    total = [d * (k - 1) for d, k in zip(_each(dilation, count), kernel, strict=True)]
    attrs = _window(count, stride, 0, dilation, groups)
    attrs["pads"] = (*(t // 2 for t in total), *(t - t // 2 for t in total))
    y = g.op("conv", x, weight, *([bias] if bias else []), **attrs)
    return _alone(g, y, alone)


def conv_transpose(
    g: Lowering,
    x: str,
    weight: str,
    bias: str | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> str:
    """``aten.conv_transpose1d`` to ``3d``."""
    return convolution(g, x, weight, bias, stride, padding, dilation, True, output_padding, groups)


def _max_pool(op: str, count: int) -> Callable[..., Any]:
    def lower(
        g: Lowering,
        x: str,
        kernel: Ints,
        stride: Ints = (),
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
    ) -> Any:
        x, alone = _batched(g, x, count)
        window = _each(kernel, count)
        results = g.several(
            1 if op == "max_pool" else 2,
            op,
            x,
            kernel_shape=window,
            ceil_mode=int(ceil_mode),
            **_window(count, stride or window, padding, dilation),
        )
        if op == "max_pool":
            return _alone(g, results[0], alone)
        return _places(g, x, results, count, alone)

    return lower


def _places(
    g: Lowering, x: str, results: tuple[str, ...], count: int, alone: bool
) -> tuple[str, ...]:
    """Count the places of maxima within each image, as torch does; ONNX counts on through all."""
    values, places = results
    pixels = int(np.prod(_spatial(g, x)))
    within = g.op("mod", places, g.number(pixels, np.int64), part="places")
    return _alone(g, values, alone), _alone(g, within, alone)


def _average_pool(count: int) -> Callable[..., str]:
    def lower(
        g: Lowering,
        x: str,
        kernel: Ints,
        stride: Ints = (),
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor: int | None = None,
    ) -> str:
        x, alone = _batched(g, x, count)
        window = _each(kernel, count)
        if divisor is not None and ceil_mode:
            raise UnsupportedOpError("divisor_override with ceil_mode")
        y = g.op(
            "average_pool",
            x,
            kernel_shape=window,
            ceil_mode=int(ceil_mode),
            count_include_pad=int(count_include_pad or divisor is not None),
            **_window(count, stride or window, padding),
        )
        if divisor is not None:
            by = g.number(float(np.prod(window)) / divisor, g.type(x).dtype)
            y = g.op("multiply", y, by, part="scaled")
        return _alone(g, y, alone)

    return lower


def _adaptive_average_pool(count: int) -> Callable[..., str]:
    def lower(g: Lowering, x: str, output_size: Sequence[Size | None]) -> str:
        axes = tuple(range(-count, 0))
        if all(size == 1 for size in output_size):
            return g.op("reduce_mean", x, axes=axes, keepdims=1)
        x, alone = _batched(g, x, count)
        sizes = _spatial(g, x)
        wanted = [s if w is None else w for w, s in zip(output_size, sizes, strict=True)]
        if any(not isinstance(w, int) for w in wanted):
            raise UnsupportedOpError("output sizes that only the run tells")
        pairs = [(s, w) for s, w in zip(sizes, wanted, strict=True) if isinstance(w, int)]
        if all(s % w == 0 for s, w in pairs):
            window = tuple(s // w for s, w in pairs)
            y = g.op("average_pool", x, kernel_shape=window, strides=window)
        else:
            y = _uneven_means(g, x, pairs)
        return _alone(g, y, alone)

    return lower


def _uneven_means(g: Lowering, x: str, pairs: Sequence[tuple[int, int]]) -> str:
    """Return means over windows of uneven sizes, as one product along each axis."""
    dtype, ndim = g.type(x).dtype, g.ndim(x)
    for i, (size, wanted) in enumerate(pairs):
        axis = ndim - len(pairs) + i
        means = g.constant(f"{g.base}:means", means_matrix(size, wanted).astype(dtype))
        order = [a for a in range(ndim) if a != axis] + [axis]
        back = tuple(int(a) for a in np.argsort(order))
        if axis != ndim - 1:
            x = g.op("transpose", x, part="turned", perm=tuple(order))
        x = g.op("matmul", x, means, part="means")
        if axis != ndim - 1:
            x = g.op("transpose", x, part="back", perm=back)
    return x


def means_matrix(size: int, wanted: int) -> Array:
    """Return the matrix ``[size, wanted]`` that takes the means of torch's adaptive windows.

    Window j goes from ``floor(j * size / wanted)`` to ``ceil((j + 1) * size / wanted)``.

    Examples
    --------
    >>> means_matrix(3, 2)
    array([[0.5, 0. ], [0.5, 0.5], [0. , 0.5]])
    """
    found = np.zeros((size, wanted))
    for j in range(wanted):
        start, stop = j * size // wanted, -(-(j + 1) * size // wanted)
        found[start:stop, j] = 1 / (stop - start)
    return found


def _adaptive_max_pool(count: int) -> Callable[..., Any]:
    def lower(g: Lowering, x: str, output_size: Sequence[int]) -> tuple[str | None, ...]:
        axes = tuple(range(-count, 0))
        if all(size == 1 for size in output_size):
            return (g.op("reduce_max", x, axes=axes, keepdims=1), None)
        pairs = list(zip(_spatial(g, x), output_size, strict=True))
        if any(s % w for s, w in pairs):
            raise UnsupportedOpError("adaptive windows of uneven sizes")
        window = tuple(s // w for s, w in pairs)
        return (g.op("max_pool", x, kernel_shape=window, strides=window), None)

    return lower


CONVOLUTIONS = Table(
    {
        "aten.convolution.default": convolution,
        **{f"aten.conv{n}d.default": conv for n in (1, 2, 3)},
        **{f"aten.conv{n}d.padding": conv_padded for n in (1, 2, 3)},
        "aten.conv_transpose1d.default": conv_transpose,
        "aten.conv_transpose2d.input": conv_transpose,
        "aten.conv_transpose3d.input": conv_transpose,
    }
)

POOLS = Table(
    {
        **{f"aten.max_pool{n}d.default": _max_pool("max_pool", n) for n in (1, 2, 3)},
        **{
            f"aten.max_pool{n}d_with_indices.default": _max_pool("max_pool_with_indices", n)
            for n in (1, 2, 3)
        },
        **{f"aten.avg_pool{n}d.default": _average_pool(n) for n in (1, 2, 3)},
        **{f"aten.adaptive_avg_pool{n}d.default": _adaptive_average_pool(n) for n in (1, 2, 3)},
        **{f"aten._adaptive_avg_pool{n}d.default": _adaptive_average_pool(n) for n in (2, 3)},
        **{f"aten.adaptive_max_pool{n}d.default": _adaptive_max_pool(n) for n in (1, 2, 3)},
    }
)
