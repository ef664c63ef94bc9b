"""Ops that sum: products, convolutions, pools, normalizations, reductions."""

import math
from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import DType
from minisparse.core.symbolic import Dim
from minisparse.formats import Matrix
from minisparse.frontends.onnx.export_rules.elementwise import mixed, named
from minisparse.frontends.onnx.writer import Export, ExportRule, ExportRules


def _turned(call: Export) -> None:
    """Write ``A.T @ B``."""
    call.emit("Gemm", *call.alike(), transA=1)


def _weighted(op_type: str) -> ExportRule:
    """Return the rule of a convolution, whose filters may be stored as a matrix."""

    def rule(call: Export) -> None:
        x, w, *bias = call.alike()
        shape = call.types[1].shape
        if len(shape) == 2 and call.attrs["kernel_shape"] is not None:
            w = _filters(call, w, shape)
        call.emit(op_type, x, w, *bias, **call.attrs)

    return rule


def _filters(call: Export, w: str, shape: Sequence[Dim]) -> str:
    """Return filters ``[M, C * kh * kw]`` as ``[M, C, kh, kw]``."""
    kernel = call.attrs["kernel_shape"]
    channels = call.types[0].shape[1]
    if not isinstance(shape[0], int) or not isinstance(channels, int):
        call.refuse("the number of filters or channels is not known")
    wanted = (shape[0], channels, *kernel)
    if call.writer.is_constant(call.sources[1]) and w == call.inputs[1]:
        return w  # written in this shape
    return call.value("Reshape", w, call.number(wanted, np.int64, "shape"))


def _pool(op_type: str) -> ExportRule:
    def rule(call: Export) -> None:
        call.emit(op_type, *call.inputs, **call.attrs)

    return rule


def _reduced(op_type: str) -> ExportRule:
    """Return the rule of a reduction, whose axes are an operand in ONNX; all if left out."""

    def rule(call: Export) -> None:
        given = call.attrs["axes"]
        axes = call.number(given, np.int64, "axes") if given else ""
        call.emit(op_type, call.inputs[0], axes, keepdims=call.attrs["keepdims"])

    return rule


def _rms(call: Export) -> None:
    """Write ``x / sqrt(mean(x * x) + epsilon) * scale`` part by part: opset 23 has it whole.

    float16 and bfloat16 are computed in float32, as ONNX's own op does.
    """
    wide = _widened(call.dtype)
    x = call.cast(0, wide)
    first = call.attrs["axis"] % call.types[0].ndim
    axes = call.number(range(first, call.types[0].ndim), np.int64, "axes")
    mean = call.value("ReduceMean", call.value("Mul", x, x), axes, keepdims=1)
    spread = call.value("Add", mean, call.number(call.attrs["epsilon"], wide, "epsilon"))
    normal = call.value("Div", x, call.value("Sqrt", spread))
    call.finish("Mul", wide, normal, call.cast(1, wide))


def _widened(dtype: DType) -> DType:
    """Return the dtype in which several steps are computed that are one op of ours."""
    return np.dtype(np.float32) if dtype.itemsize < 4 else dtype


def _quantize(call: Export) -> None:
    """Write QuantizeLinear; without a zero point an attribute says the dtype of the result."""
    code = call.writer.onnx.helper.np_dtype_to_tensor_dtype(call.dtype)
    said = {n: call.attrs[n] for n in ("axis", "block_size")}
    x = call.cast(0, call.types[1].dtype)
    call.emit("QuantizeLinear", x, *call.inputs[1:], **said, output_dtype=code)


def _softmax(call: Export) -> None:
    if call.types[0].format != "dense":
        call.refuse("a softmax over stored entries alone has no counterpart; make it plain first")
    call.emit("Softmax", *call.inputs, axis=call.attrs["axis"])


def _sddmm(call: Export) -> None:
    """Write ``A * (X @ Y)``: zero where A stores nothing."""
    a, x, y = call.alike()
    call.emit("Mul", a, call.value("MatMul", x, y))


def _attention(call: Export) -> None:
    """Write attention over the entries that the mask stores, which has to be a constant.

    Elsewhere scores are -inf; a row that stores nothing is NaN then, and set to 0.
    """
    wide = _widened(call.dtype)
    mask, q, k, v = call.alike(wide)
    depth = call.types[1].shape[1]
    scale = call.attrs["scale"]
    if scale is None:
        if not isinstance(depth, int):
            call.refuse(f"the scale depends on {depth}, which is not known")
        scale = 1 / math.sqrt(depth) if depth else 1.0
    scores = call.value("MatMul", q, call.value("Transpose", k, perm=(1, 0)))
    scores = call.value("Mul", scores, call.number(scale, wide, "scale"))
    scores = call.value("Mul", scores, mask)
    stored = None if call.types[0].format == "dense" else _stored(call)
    if stored is not None:
        none = call.number(-np.inf, wide, "none")
        scores = call.value("Where", stored, scores, none)
    weights = call.value("Softmax", scores, axis=-1)
    if stored is not None:
        weights = call.value("Where", stored, weights, call.number(0, wide, "zero"))
    call.finish("MatMul", wide, weights, v)


def _stored(call: Export) -> str:
    """Write which cells a sparse mask stores."""
    if not call.writer.is_constant(call.sources[0]):
        call.refuse("its mask is sparse and computed; only a constant one can be expressed")
    mask = call.writer.constant(call.sources[0])
    row, col, _, shape = mask.triplets() if isinstance(mask, Matrix) else call.refuse("no matrix")
    cells = np.zeros(shape, bool)
    cells[row, col] = True
    if np.count_nonzero(cells) != len(row):
        call.refuse("its mask stores a cell twice; use mask.canonical()")
    return call.number(cells, bool, "stored")


LAYERS = ExportRules(
    {
        "attention": _attention,
        "average_pool": _pool("AveragePool"),
        "batch_normalization": mixed("BatchNormalization"),
        "conv": _weighted("Conv"),
        "conv_transpose": _weighted("ConvTranspose"),
        "dequantize_linear": named("DequantizeLinear"),
        "dsmm": mixed("MatMul"),
        "einsum": mixed("Einsum"),
        "gemm": mixed("Gemm"),
        "group_normalization": mixed("GroupNormalization"),
        "instance_normalization": mixed("InstanceNormalization"),
        "layer_normalization": mixed("LayerNormalization"),
        "log_softmax": named("LogSoftmax"),
        "matmul": mixed("MatMul"),
        "max_pool": _pool("MaxPool"),
        "max_pool_with_indices": _pool("MaxPool"),
        "quantize_linear": _quantize,
        "reduce_l1": _reduced("ReduceL1"),
        "reduce_l2": _reduced("ReduceL2"),
        "reduce_log_sum_exp": _reduced("ReduceLogSumExp"),
        "reduce_max": _reduced("ReduceMax"),
        "reduce_mean": _reduced("ReduceMean"),
        "reduce_min": _reduced("ReduceMin"),
        "reduce_prod": _reduced("ReduceProd"),
        "reduce_sum": _reduced("ReduceSum"),
        "reduce_sum_square": _reduced("ReduceSumSquare"),
        "rms_normalization": _rms,
        "sddmm": _sddmm,
        "softmax": _softmax,
        "spgemm": mixed("MatMul"),
        "spmm": mixed("MatMul"),
        "spmm_t": _turned,
        "spmv": mixed("MatMul"),
    }
)
