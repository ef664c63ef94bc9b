"""What ``auto_pad`` and ``output_shape`` of ONNX mean in numbers: the ops take pads alone."""

from collections.abc import Sequence

from minisparse.core.errors import UnsupportedOpError

_MODES = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def resolve_pads(
    auto_pad: str,
    spatial_shape: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[int, ...]:
    """Return the pads that ``auto_pad`` of Conv and the pools stands for.

    "SAME" gives ``ceil(L / stride)`` windows along an axis of length L; of an odd number of pads
    "SAME_UPPER" has one more at the end, "SAME_LOWER" at the begin. "VALID" has none. Source: ONNX
    operators, Conv.

    Parameters
    ----------
    auto_pad : str
        ``"VALID"``, ``"SAME_UPPER"`` or ``"SAME_LOWER"``; ``"NOTSET"`` means no pads here, since
        the ``pads`` attribute would say them.
    spatial_shape, kernel, strides, dilations : sequence of int
        One number for each spatial axis.

    Returns
    -------
    tuple of int
        All begins, then all ends.

    Raises
    ------
    UnsupportedOpError
        If ONNX has no such ``auto_pad``.

    Examples
    --------
    >>> resolve_pads("SAME_UPPER", (8, 7), (3, 2), (2, 1), (1, 1))
    (0, 0, 1, 1)
    """
    _check(auto_pad)
    if auto_pad in ("NOTSET", "VALID"):
        return (0,) * (2 * len(kernel))
    totals = [
        max(0, (-(-size // stride) - 1) * stride + apart * (k - 1) + 1 - size)
        for size, k, stride, apart in zip(spatial_shape, kernel, strides, dilations, strict=True)
    ]
    return _divided(totals, auto_pad == "SAME_UPPER")


def resolve_transpose_pads(
    auto_pad: str,
    spatial_shape: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    output_padding: Sequence[int],
    output_shape: Sequence[int] | None = None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the pads and the output padding that ConvTranspose's attributes stand for.

    "SAME" gives ``L * stride`` places along an axis of length L, and ``output_shape`` those that it
    says. Where that is more than all the places that windows reach, the rest becomes output
    padding. Source: ONNX operators, ConvTranspose.

    Parameters
    ----------
    auto_pad : str
        As of :func:`resolve_pads`; ``"NOTSET"`` with ``output_shape`` divides as "SAME_LOWER".
    spatial_shape, kernel, strides, dilations, output_padding : sequence of int
        One number for each spatial axis.
    output_shape : sequence of int, optional
        The spatial sizes of the result.

    Examples
    --------
    >>> resolve_transpose_pads("SAME_UPPER", (3,), (3,), (2,), (1,), (0,))
    ((0, 1), (0,))
    >>> resolve_transpose_pads("NOTSET", (3,), (3,), (3,), (1,), (0,), (10,))
    ((0, 0), (1,))
    """
    _check(auto_pad)
    if auto_pad == "VALID" or (auto_pad == "NOTSET" and output_shape is None):
        return (0,) * (2 * len(kernel)), tuple(output_padding)
    wanted = output_shape or [n * s for n, s in zip(spatial_shape, strides, strict=True)]
    totals, more = [], []
    for axis, size in enumerate(wanted):
        span = dilations[axis] * (kernel[axis] - 1) + 1
        full = (spatial_shape[axis] - 1) * strides[axis] + span + output_padding[axis]
        totals.append(max(0, full - size))
        more.append(output_padding[axis] + max(0, size - full))
    return _divided(totals, auto_pad == "SAME_UPPER"), tuple(more)


def _divided(totals: Sequence[int], more_at_end: bool) -> tuple[int, ...]:
    """Return all begins, then all ends, an odd one at the end or at the begin."""
    small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return (*small, *large) if more_at_end else (*large, *small)


def _check(auto_pad: str) -> None:
    if auto_pad not in _MODES:
        raise UnsupportedOpError(
            f"auto_pad is {auto_pad!r}; ONNX has {', '.join(map(repr, _MODES))}: give one of them"
        )
