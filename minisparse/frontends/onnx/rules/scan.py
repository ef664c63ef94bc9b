"""Scan is computed by onnx itself; what its results will be, the body tells."""

from dataclasses import replace

from minisparse.core.symbolic import UNKNOWN
from minisparse.core.tensor_type import TensorType
from minisparse.frontends.onnx.rule import Call, Rules


def _scan(call: Call) -> str:
    """Decline, after finding out the ranks of the results, which onnx often cannot."""
    count = call.attr("num_scan_inputs", 0)
    if call.opset < 9 or not 0 < count <= len(call.inputs):
        call.decline("a Scan of old")
    types = [call.type(i) for i in range(len(call.inputs))]
    states, scanned = types[: len(types) - count], types[len(types) - count :]
    axes = call.attr("scan_input_axes", (0,) * count)
    formal = [*states, *(_without(t, axis) for t, axis in zip(scanned, axes, strict=True))]
    body, captured = call.importer.import_body(call.attr("body"), formal)
    found = body.infer([*formal, *map(call.type_of, captured)])
    after = [TensorType((UNKNOWN,) * t.ndim, t.dtype) for t in found[: len(states)]]
    collected = [TensorType((UNKNOWN,) * (t.ndim + 1), t.dtype) for t in found[len(states) :]]
    call.decline("ops of ours do not scan", *after, *collected)


def _without(type: TensorType, axis: int) -> TensorType:
    """Return the type of one slice along an axis."""
    axis %= max(type.ndim, 1)
    return replace(type, shape=(*type.shape[:axis], *type.shape[axis + 1 :]), known=None)


SCAN = Rules({"Scan": _scan})
