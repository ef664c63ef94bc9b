"""Ops that move or choose elements."""

from collections.abc import Mapping

import numpy as np

from minisparse.frontends.onnx.export_rules.elementwise import mixed, named
from minisparse.frontends.onnx.writer import Export, ExportRule, ExportRules


def _with_numbers(op_type: str, dtypes: Mapping[int, str]) -> ExportRule:
    """Return the rule of an op some of whose operands must have a given dtype in ONNX."""

    def rule(call: Export) -> None:
        operands = [
            call.cast(i, dtypes[i]) if i in dtypes else name for i, name in enumerate(call.inputs)
        ]
        call.emit(op_type, *operands, **call.attrs)

    return rule


def _indexed(op_type: str) -> ExportRule:
    """Return the rule of an op with indices, which are int32 or int64 in ONNX."""

    def rule(call: Export) -> None:
        x, indices, *rest = call.inputs
        if call.types[1].dtype.name not in ("int32", "int64"):
            indices = call.cast(1, np.int64)
        call.emit(op_type, x, indices, *rest, **call.attrs)

    return rule


def _sliced(call: Export) -> None:
    """Write a slice; starts, ends, axes and steps have one dtype."""
    call.emit("Slice", call.inputs[0], *(call.cast(i, np.int64) for i in _rest(call)))


def _split(call: Export) -> None:
    """Write Split: without sizes it is said how many parts there are."""
    x, sizes = call.inputs[0], [call.cast(i, np.int64) for i in _rest(call)]
    count = None if sizes else len(call.outputs)
    call.emit("Split", x, *sizes, axis=call.attrs["axis"], num_outputs=count)


def _squeeze(call: Export) -> None:
    """Write Squeeze; an empty list of axes, which may mean all there, means none here."""
    if len(call.inputs) > 1 and call.types[1].shape == (0,):
        call.emit("Identity", call.inputs[0])
    else:
        call.emit("Squeeze", call.inputs[0], *(call.cast(i, np.int64) for i in _rest(call)))


def _rest(call: Export) -> range:
    return range(1, len(call.inputs))


def _resize(call: Export) -> None:
    """Write Resize; an operand without elements is one that is left out."""
    dtypes = (None, call.types[1].dtype, np.float32, np.int64)
    given = ("" if call.types[i].shape == (0,) else call.cast(i, dtypes[i]) for i in _rest(call))
    call.emit("Resize", call.inputs[0], *given, **call.attrs)


def _constant_of_shape(call: Export) -> None:
    value = np.full(1, call.attrs["value"], call.dtype)
    proto = call.writer.onnx.numpy_helper.from_array(value)
    call.emit("ConstantOfShape", call.cast(0, np.int64), value=proto)


def _scattered(op_type: str) -> ExportRule:
    """Return the rule of an op that puts updates among the elements of X: both have one dtype."""

    def rule(call: Export) -> None:
        call.emit(op_type, call.cast(0), call.cast(1, np.int64), call.cast(2), **call.attrs)

    return rule


def _top_k(call: Export) -> None:
    """Write TopK, whose k is a list of one number."""
    k = call.cast(1, np.int64)
    if call.types[1].ndim == 0:
        k = call.value("Reshape", k, call.number([1], np.int64, "shape"))
    call.emit("TopK", call.inputs[0], k, **call.attrs)


def _one_hot(call: Export) -> None:
    if call.types[0].ndim == 0:
        call.refuse("OneHot takes no single index")
    call.emit("OneHot", *call.inputs, axis=call.attrs["axis"])


def _space_to_depth(call: Export) -> None:
    if call.attrs.get("mode", "DCR") != "DCR":
        call.refuse("SpaceToDepth has no mode but DCR")
    call.emit("SpaceToDepth", call.inputs[0], blocksize=call.attrs["blocksize"])


def _convert(call: Export) -> None:
    """Drop it: how a value is stored is not said in ONNX. Filters become a matrix."""
    (x,), (source,) = call.inputs, call.sources
    if call.writer.is_constant(source) and call.types[0].ndim > 2:
        rows, columns = call.results[0].dims
        x = call.writer.weight(source, (rows, columns))
    elif call.types[0].ndim > 2:
        call.emit("Flatten", x, axis=1)
        return
    call.same_as(x)


MOVEMENT = ExportRules(
    {
        "arg_max": named("ArgMax"),
        "arg_min": named("ArgMin"),
        "concat": mixed("Concat"),
        "constant_of_shape": _constant_of_shape,
        "convert": _convert,
        "cum_sum": _with_numbers("CumSum", {1: "int64"}),
        "depth_to_space": named("DepthToSpace"),
        "expand": _with_numbers("Expand", {1: "int64"}),
        "flatten": named("Flatten"),
        "gather": _indexed("Gather"),
        "gather_elements": _indexed("GatherElements"),
        "gather_nd": _with_numbers("GatherND", {1: "int64"}),
        "identity": named("Identity"),
        "non_zero": named("NonZero"),
        "one_hot": _one_hot,
        "pad": _with_numbers("Pad", {1: "int64"}),
        "range": named("Range"),
        "reshape": _with_numbers("Reshape", {1: "int64"}),
        "resize": _resize,
        "scatter_elements": _scattered("ScatterElements"),
        "scatter_nd": _scattered("ScatterND"),
        "shape": named("Shape"),
        "size": named("Size"),
        "slice": _sliced,
        "space_to_depth": _space_to_depth,
        "split": _split,
        "squeeze": _squeeze,
        "tile": _with_numbers("Tile", {1: "int64"}),
        "top_k": _top_k,
        "transpose": named("Transpose"),
        "trilu": _with_numbers("Trilu", {1: "int64"}),
        "unsqueeze": _with_numbers("Unsqueeze", {1: "int64"}),
    }
)
