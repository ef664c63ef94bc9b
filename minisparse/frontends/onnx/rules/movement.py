"""ONNX's ops that move elements, choose among them, or make shapes.

Parameters that older opsets have as attributes are operands here, as ONNX has them today.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import is_plain
from minisparse.frontends.onnx.rule import Call, Rule, Rules, same
from minisparse.frontends.onnx.tensors import to_array


def _with_axes(op: str) -> Rule:
    """Return the rule of ``squeeze`` or ``unsqueeze``: the axes became an operand in opset 13."""

    def rule(call: Call) -> str:
        axes = call.attr("axes")
        more = [call.ints(axes)] if axes is not None else list(call.operands()[1:])
        return call.op(op, call.inputs[0], *more)

    return rule


def _split(call: Call) -> list[str]:
    """Split into as many parts as there are outputs, or of the sizes that are given."""
    axis, sizes = call.attr("axis", 0), call.attr("split")
    if sizes is not None:
        given = (call.inputs[0], call.ints(sizes, "split"))
        return list(call.apply("split", given, {"axis": axis}))
    if call.has(1):
        return list(call.apply("split", call.inputs[:2], {"axis": axis}))
    count = call.attr("num_outputs", len(call.node.output))
    return list(call.apply("split", call.inputs[:1], {"axis": axis, "num_outputs": count}))


def _slice(call: Call) -> str:
    """Slice by operands, steps perhaps without axes; before opset 10 by attributes."""
    if call.opset < 10:
        starts, ends, axes = (call.attr(name) for name in ("starts", "ends", "axes"))
        axes = tuple(range(len(starts))) if axes is None else axes
        more = [call.ints(v, n) for v, n in ((starts, "starts"), (ends, "ends"), (axes, "axes"))]
        return call.op("slice", call.inputs[0], *more)
    given = list(call.inputs)
    if call.has(4) and not call.has(3):
        count = call.type(1).shape[0]
        if not isinstance(count, int):
            call.decline("how many axes it cuts is not known")
        given[3] = call.ints(range(count))
    while not given[-1]:
        given.pop()
    return call.op("slice", *given)


def _pad(call: Call) -> str:
    """Pad by operands; before opset 11 by attributes."""
    mode = call.attr("mode", "constant")
    if call.opset < 11:
        pads = call.ints(call.attr("pads"), "pads")
        value = call.like(call.attr("value", 0.0))
        return call.op("pad", call.inputs[0], pads, value, mode=mode)
    given = list(call.inputs)
    if call.has(3) and not call.has(2):
        given[2] = call.like(0)
    while not given[-1]:
        given.pop()
    return call.op("pad", *given, mode=mode)


_RESIZE_ATTRS = (
    "mode", "coordinate_transformation_mode", "nearest_mode", "cubic_coeff_a", "exclude_outside",
    "extrapolation_value", "antialias", "axes", "keep_aspect_ratio_policy",
)  # fmt: skip


def _resize(call: Call) -> str:
    """Resize; operands that are left out are arrays without elements."""
    attrs = {name: call.attr(name) for name in _RESIZE_ATTRS if call.attr(name) is not None}
    if call.opset < 11:
        attrs = {**attrs, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        given = [call.inputs[0], "", call.inputs[1], ""]
    else:
        given = [*call.inputs, *[""] * (4 - len(call.inputs))]
    for i, dtype in ((1, "float32"), (2, "float32"), (3, "int64")):
        given[i] = given[i] or call.constant([], dtype, "absent")
    return call.op("resize", *given, **attrs)


def _constant_of_shape(call: Call) -> str:
    """Fill a shape with the one element of ``value``, float32 zero by default."""
    value = call.attr("value")
    array = np.zeros(1, np.float32) if value is None else to_array(value, call.importer.model.file)
    if not is_plain(array.dtype) or array.size != 1:
        call.decline(f"it fills with {array.dtype}")
    element: Any = array.reshape(-1)[0].item()
    return call.op("constant_of_shape", call.inputs[0], value=element, dtype=array.dtype.name)


def _cum_sum(call: Call) -> str:
    names = ("exclusive", "reverse")
    return call.op("cum_sum", *call.inputs, **{n: call.attr(n, 0) for n in names})


def _top_k(call: Call) -> list[str]:
    """Take the largest; before opset 10, k is an attribute."""
    given = call.inputs if call.opset >= 10 else (call.inputs[0], call.ints([call.attr("k")], "k"))
    names = {"axis": -1, "largest": 1, "sorted": 1}
    return list(call.apply("top_k", given, {n: call.attr(n, d) for n, d in names.items()}))


_ALIKE = {
    "ArgMax": "arg_max", "ArgMin": "arg_min", "Concat": "concat", "DepthToSpace": "depth_to_space",
    "Expand": "expand", "Flatten": "flatten", "Gather": "gather",
    "GatherElements": "gather_elements", "GatherND": "gather_nd", "NonZero": "non_zero",
    "OneHot": "one_hot", "Range": "range", "Reshape": "reshape", "Scatter": "scatter_elements",
    "ScatterElements": "scatter_elements", "ScatterND": "scatter_nd", "Shape": "shape",
    "Size": "size", "SpaceToDepth": "space_to_depth", "Tile": "tile",
    "Transpose": "transpose", "Trilu": "trilu",
}  # fmt: skip

MOVEMENT = Rules(
    {
        **{name: same(op) for name, op in _ALIKE.items()},
        "ConstantOfShape": _constant_of_shape,
        "CumSum": _cum_sum,
        "Pad": _pad,
        "Resize": _resize,
        "Slice": _slice,
        "Split": _split,
        "Squeeze": _with_axes("squeeze"),
        "TopK": _top_k,
        "Unsqueeze": _with_axes("unsqueeze"),
    }
)
