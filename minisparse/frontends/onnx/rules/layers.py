"""Normalizations, softmax, reductions, quantization."""

import numpy as np

from minisparse.core.symbolic import UNKNOWN
from minisparse.core.tensor_type import TensorType
from minisparse.frontends.onnx.rule import Call, Results, Rule, Rules, same
from minisparse.frontends.onnx.types import dtype_of

_QUANTIZED = ("int8", "uint8", "int16", "uint16")


def _only_first(rule: Rule, what: str) -> Rule:
    """Return a rule for nodes of which only the first result is used."""

    def checked(call: Call) -> Results:
        if call.outputs() > 1:
            call.decline(f"its results besides the first are used: {what}")
        return rule(call)

    return checked


def _batch_normalization(call: Call) -> Results:
    """Normalize with the statistics given, as at inference."""
    if call.attr("training_mode", 0) or call.outputs() > 1:
        call.decline("it is in training mode")
    return same("batch_normalization")(call)


def _group_normalization(call: Call) -> str:
    """Normalize groups of channels; before opset 21 scale and bias are those of the groups."""
    x, *more = call.inputs
    groups = call.attr("num_groups")
    if call.opset < 21:
        channels = call.type().shape[1]
        arrays = [call.array(i) for i in (1, 2)]
        if not isinstance(channels, int):
            call.decline("how many channels it has is not known")
        more = [call.constant(np.repeat(a, channels // groups)) for a in arrays if a is not None]
        if len(more) < 2:
            call.decline("its scale and bias are computed")
    return call.op(
        "group_normalization", x, *more, num_groups=groups, epsilon=call.attr("epsilon", 1e-5)
    )


def _softmax(op: str) -> Rule:
    """Return the rule of a softmax: before opset 13 it sees everything from ``axis`` on as one."""

    def rule(call: Call) -> str:
        x = call.inputs[0]
        if call.opset >= 13:
            return call.op(op, x, axis=call.attr("axis", -1))
        axis, ndim = call.attr("axis", 1), call.type().ndim
        if axis in (ndim - 1, -1):
            return call.op(op, x, axis=-1)
        rows = call.op(op, call.op("flatten", x, axis=axis), axis=1)
        return call.op("reshape", rows, call.op("shape", x))

    return rule


def _reduce(op: str) -> Rule:
    """Return the rule of a reduction; its axes were an attribute, and are an operand now."""

    def rule(call: Call) -> str:
        axes = call.attr("axes")
        if call.has(1):
            axes = call.known(1)
            if axes is None:
                call.decline("its axes are computed", *_reduced(call))
        if not axes and call.attr("noop_with_empty_axes", 0):
            if op not in ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod"):
                call.decline("it reduces no axis")
            return call.inputs[0]
        keep = call.attr("keepdims", 1)
        return call.op(op, call.inputs[0], axes=tuple(axes) if axes else None, keepdims=keep)

    return rule


def _reduced(call: Call) -> list[TensorType]:
    """Return what is known of a reduction along axes that are computed: its rank, mostly."""
    x, count = call.type(), call.type(1).shape[0]
    ndim = x.ndim
    if not call.attr("keepdims", 1):
        if not isinstance(count, int) or count == 0:
            return []
        ndim -= count
    return [TensorType((UNKNOWN,) * ndim, x.dtype)]


def _quantize(call: Call) -> str:
    """Quantize to the dtype of the zero point, or the one that is named."""
    dtype = call.type(2).dtype.name if call.has(2) else "uint8"
    if call.attr("output_dtype", 0):
        dtype = dtype_of(call.attr("output_dtype")).name
    if dtype not in _QUANTIZED:
        call.decline(f"it quantizes to {dtype}")
    axis, size = call.attr("axis", 1), call.attr("block_size", 0)
    return call.op("quantize_linear", *call.operands(), axis=axis, dtype=dtype, block_size=size)


def _dequantize(call: Call) -> str:
    dtype = call.type(1).dtype
    if dtype_of(call.attr("output_dtype", 0) or 1) != dtype and call.attr("output_dtype", 0):
        call.decline("its result has another dtype than its scale")
    axis, size = call.attr("axis", 1), call.attr("block_size", 0)
    return call.op("dequantize_linear", *call.operands(), axis=axis, block_size=size)


LAYERS = Rules(
    {
        "BatchNormalization": _batch_normalization,
        "DequantizeLinear": _dequantize,
        "GroupNormalization": _group_normalization,
        "InstanceNormalization": same("instance_normalization"),
        "LayerNormalization": _only_first(same("layer_normalization"), "mean and deviation"),
        "LogSoftmax": _softmax("log_softmax"),
        "QuantizeLinear": _quantize,
        "RMSNormalization": same("rms_normalization"),
        "Softmax": _softmax("softmax"),
        **{
            f"Reduce{name}": _reduce(f"reduce_{op}")
            for name, op in (
                ("L1", "l1"), ("L2", "l2"), ("LogSumExp", "log_sum_exp"), ("Max", "max"),
                ("Mean", "mean"), ("Min", "min"), ("Prod", "prod"), ("Sum", "sum"),
                ("SumSquare", "sum_square"),
            )
        },
    }
)  # fmt: skip
