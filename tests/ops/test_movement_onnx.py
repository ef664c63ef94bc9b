"""Ops that move and choose against ONNX's own node tests, types and values."""

import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array, is_plain
from minisparse.core.symbolic import is_unknown
from minisparse.core.tensor_type import TensorType, dense_type, known_type
from minisparse.ops import OPS
from minisparse.ops.dims import may_equal

pytest.importorskip("onnx", reason='needs pip install "minisparse[onnx]"')

NAMES = {
    "ArgMax": "arg_max",
    "ArgMin": "arg_min",
    "Concat": "concat",
    "ConstantOfShape": "constant_of_shape",
    "CumSum": "cum_sum",
    "DepthToSpace": "depth_to_space",
    "Expand": "expand",
    "Flatten": "flatten",
    "Gather": "gather",
    "GatherElements": "gather_elements",
    "GatherND": "gather_nd",
    "Identity": "identity",
    "NonZero": "non_zero",
    "OneHot": "one_hot",
    "Pad": "pad",
    "Range": "range",
    "Reshape": "reshape",
    "Resize": "resize",
    "ScatterElements": "scatter_elements",
    "ScatterND": "scatter_nd",
    "Shape": "shape",
    "Size": "size",
    "Slice": "slice",
    "SpaceToDepth": "space_to_depth",
    "Split": "split",
    "Squeeze": "squeeze",
    "Tile": "tile",
    "TopK": "top_k",
    "Transpose": "transpose",
    "Trilu": "trilu",
    "Unsqueeze": "unsqueeze",
}
"""From ONNX's names to ours."""


def _node_tests() -> list[tuple[str, Any, list[Any], list[Any]]]:
    """Return name, node, inputs and outputs of each test of these ops on plain arrays."""
    from onnx import TensorProto, numpy_helper
    from onnx.backend.test.loader import load_model_tests

    def array(x: Any) -> Any:
        x = numpy_helper.to_array(x) if isinstance(x, TensorProto) else x
        return x if isinstance(x, list) else np.asarray(x)

    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of ONNX's own examples overflow when they are made
        cases = load_model_tests(kind="node")
        for case in cases:
            graph = case.model.graph if case.model is not None else None
            if graph is None or len(graph.node) != 1 or graph.node[0].op_type not in NAMES:
                continue
            (node,), names = graph.node, [i.name for i in graph.input]
            for inputs, outputs in case.data_sets or ():
                given = dict(zip(names, map(array, inputs), strict=True))
                operands = [given.get(name) for name in node.input]
                if all(x is None or (_is_array(x) and is_plain(x.dtype)) for x in operands):
                    found.append((case.name, node, operands, [array(y) for y in outputs]))
    return found


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray)


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper, numpy_helper

    found: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    attrs: dict[str, Any] = {n: v.decode() if isinstance(v, bytes) else v for n, v in found.items()}
    if node.op_type == "ConstantOfShape" and "value" in attrs:
        value = numpy_helper.to_array(attrs["value"])
        return {"value": value.item(), "dtype": value.dtype.name}
    if node.op_type == "Split" and len(node.input) == 1:
        attrs.setdefault("num_outputs", len(node.output))
    return attrs


def _filled_in(op_type: str, operands: list[Any]) -> list[Array]:
    """Return operands with neutral ones for those that are left out before others."""
    found = list(operands)
    if op_type == "Resize":
        dtypes = (None, np.float32, np.float32, np.int64)
        found += [None] * (4 - len(found))
        return [np.empty(0, t) if x is None else x for x, t in zip(found, dtypes, strict=True)]
    if op_type == "Pad" and len(found) > 2 and found[2] is None:
        found[2] = np.zeros((), found[0].dtype)
    while found[-1] is None:
        found.pop()
    return found


def _assert_told(told: TensorType, wanted: Array, exactly: bool) -> None:
    assert told.dtype == wanted.dtype
    assert told.ndim == wanted.ndim
    assert all(map(may_equal, told.shape, wanted.shape))
    if exactly:
        assert not any(map(is_unknown, told.shape))
    if told.known is not None:
        np.testing.assert_array_equal(wanted.reshape(-1), told.known)


def test_onnx_node_tests() -> None:
    """One test for them all: making the examples of every op takes seconds."""
    seen: Counter[str] = Counter()
    for name, node, given, outputs in _node_tests():
        op = OPS[NAMES[node.op_type]]
        operands = _filled_in(node.op_type, given)
        attrs = op.complete(_attributes(node))
        known = op.infer([known_type(x) for x in operands], attrs)
        unknown = op.infer([dense_type(x) for x in operands], attrs)
        with np.errstate(all="ignore"):
            result = op.dense(operands, attrs)
        results = result if isinstance(result, tuple) else (result,)
        # Which elements are not zero no type tells, and bfloat16 has no numbers that are known.
        exactly = op.name != "non_zero" and "V" not in {x.dtype.kind for x in operands}
        for got, wanted, one, less in zip(results, outputs, known, unknown, strict=True):
            _assert_told(one, wanted, exactly)
            _assert_told(less, wanted, False)
            _assert_equal(got, wanted, name)
        seen[node.op_type] += 1
    assert set(seen) == set(NAMES)
    assert seen.total() > 200


def _assert_equal(got: Array, wanted: Array, name: str) -> None:
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), name
    if got.dtype.kind in "fV":
        rough = got.dtype.itemsize == 2
        tolerances = (1e-2, 1e-3) if rough else (1e-5, 1e-6)
        np.testing.assert_allclose(
            got.astype(np.float64), wanted.astype(np.float64), *tolerances, err_msg=name
        )
    else:
        np.testing.assert_array_equal(got, wanted, name)
