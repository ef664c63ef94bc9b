"""Convolutions and pools: what ``auto_pad`` and ``output_shape`` say in words becomes pads."""

from typing import Any

from minisparse.core.errors import ShapeError
from minisparse.frontends.onnx.pads import resolve_pads, resolve_transpose_pads
from minisparse.frontends.onnx.rule import Call, Rules


def _window(call: Call, kernel: tuple[int, ...], *names: str) -> dict[str, Any]:
    """Return the attributes of a window that are set, ``auto_pad`` as pads."""
    names = ("strides", "dilations", "pads", *names)
    found = {name: call.attr(name) for name in names if call.attr(name) is not None}
    for name, count in (("strides", 1), ("dilations", 1), ("pads", 2), ("output_padding", 1)):
        if name in found and len(found[name]) != count * len(kernel):
            raise ShapeError(f"{name} are {list(found[name])} for {len(kernel)} axes of the window")
    mode = call.attr("auto_pad", "NOTSET")
    if mode not in ("NOTSET", "VALID"):
        ones = (1,) * len(kernel)
        strides, dilations = found.get("strides", ones), found.get("dilations", ones)
        found["pads"] = resolve_pads(mode, _spatial(call), kernel, strides, dilations)
    return {**found, "kernel_shape": kernel}


def _spatial(call: Call) -> tuple[int, ...]:
    """Return the sizes of an image, which must be numbers where pads depend on them."""
    found = [d for d in call.type().shape[2:] if isinstance(d, int)]
    if len(found) != call.type().ndim - 2:
        raise ShapeError(
            f"auto_pad needs an image whose sizes are numbers, not {call.type()}: give them with "
            "sizes={...} when loading"
        )
    return tuple(found)


def _kernel(call: Call) -> tuple[int, ...]:
    """Return the size of the windows: the attribute, or that of the filters."""
    given = call.attr("kernel_shape")
    if given is not None:
        return tuple(given)
    shape = call.draft.dims.get(call.inputs[1], call.type(1).shape)
    return tuple(d for d in shape[2:] if isinstance(d, int))


def _conv(call: Call) -> str:
    """Convolve; filters that are stored sparse stay so where ``conv`` takes them."""
    attrs = _window(call, _kernel(call), "group")
    return call.op("conv", *call.operands(), **attrs)


def _conv_transpose(call: Call) -> str:
    """Convolve transposed; ``output_shape`` says how much padding there is."""
    kernel = _kernel(call)
    attrs = _window(call, kernel, "group", "output_padding")
    mode, wanted = call.attr("auto_pad", "NOTSET"), call.attr("output_shape")
    if mode != "NOTSET" or wanted is not None:
        ones, none = (1,) * len(kernel), (0,) * len(kernel)
        attrs["pads"], attrs["output_padding"] = resolve_transpose_pads(
            mode, _spatial(call), kernel, attrs.get("strides", ones), attrs.get("dilations", ones),
            attrs.get("output_padding", none), None if wanted is None else wanted[-len(kernel) :],
        )  # fmt: skip
    return call.op("conv_transpose", *call.operands(), **attrs)


def _max_pool(call: Call) -> list[str]:
    """Pool; with indices only where the model asks for them."""
    attrs = _window(call, tuple(call.attr("kernel_shape")), "ceil_mode")
    if call.outputs() < 2:
        return [call.op("max_pool", call.inputs[0], **attrs)]
    order = call.attr("storage_order", 0)
    given = {**attrs, "storage_order": order}
    return list(call.apply("max_pool_with_indices", call.inputs[:1], given))


def _average_pool(call: Call) -> str:
    attrs = _window(call, tuple(call.attr("kernel_shape")), "ceil_mode", "count_include_pad")
    return call.op("average_pool", call.inputs[0], **attrs)


def _global_pool(call: Call, op: str) -> str:
    """Reduce all spatial axes to size 1."""
    axes = tuple(range(2, call.type().ndim))
    return call.op(op, call.inputs[0], axes=axes, keepdims=1)


WINDOWS = Rules(
    {
        "AveragePool": _average_pool,
        "Conv": _conv,
        "ConvTranspose": _conv_transpose,
        "GlobalAveragePool": lambda call: _global_pool(call, "reduce_mean"),
        "GlobalMaxPool": lambda call: _global_pool(call, "reduce_max"),
        "MaxPool": _max_pool,
    }
)
