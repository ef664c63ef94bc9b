"""Older forms of nodes, left-out operands, and pads in words: each against onnx's reference."""

from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.frontends.onnx.fallback import is_reference
from minisparse.frontends.onnx.load import load

onnx = pytest.importorskip("onnx", reason='ONNX: pip install "minisparse[onnx]"')

from onnx import numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from tests.frontends.onnx_models import f32, i64, one_node, parsed, with_weights  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3, 6, 4)).astype(np.float32)
INTS = np.arange(24).reshape(2, 3, 4)


def agree(model: Any, feeds: dict[str, Any], exactly: bool = False) -> ms.Graph:
    """Compare with onnx's reference implementation; return the graph, all of it in our ops."""
    graph = load(model)
    found = [node.op.name for node in graph.nodes if is_reference(node.op)]
    assert not found
    got = ms.compile(graph).run(feeds)
    wanted = ReferenceEvaluator(model).run(None, feeds)
    for value, right in zip(got.values(), wanted, strict=True):
        assert value.dtype == right.dtype
        np.testing.assert_allclose(value, right, rtol=0 if exactly else 1e-5, atol=1e-6)
    return graph


FORMS: dict[str, tuple[str, list[Any], int, int, dict[str, Any]]] = {
    "squeeze by attribute": ("Squeeze", [X[:1]], 1, 11, {"axes": [0]}),
    "unsqueeze by attribute": ("Unsqueeze", [X], 1, 11, {"axes": [0, 3]}),
    "split by attribute": ("Split", [X], 2, 11, {"axis": 2, "split": [2, 4]}),
    "split evenly": ("Split", [X], 3, 13, {"axis": 1}),
    "split by count": ("Split", [X], 4, 18, {"axis": 2, "num_outputs": 4}),
    "reduce_sum by attribute": ("ReduceSum", [X], 1, 11, {"axes": [1, -1], "keepdims": 0}),
    "reduce_mean by attribute": ("ReduceMean", [X], 1, 13, {"axes": [2]}),
    "reduce_max of all": ("ReduceMax", [X], 1, 13, {"keepdims": 0}),
    "clip by attributes": ("Clip", [X], 1, 6 + 1, {"min": -0.5, "max": 0.25}),
    "slice by attributes": (
        "Slice", [X], 1, 9, {"starts": [1, -3], "ends": [9, 4], "axes": [0, 2]},
    ),
    "slice all axes": ("Slice", [INTS], 1, 9, {"starts": [0, 1], "ends": [1, 3]}),
    "pad by attributes": ("Pad", [X], 1, 10, {"pads": [0, 0, 1, 0, 0, 0, 0, 2], "value": 1.5}),
    "top_k by attribute": ("TopK", [X], 2, 9, {"k": 2, "axis": 2}),
    "dropout": ("Dropout", [X], 1, 10, {"ratio": 0.5}),
    "dropout with its mask": ("Dropout", [X], 2, 13, {}),
    "old softmax of the last axis": ("Softmax", [X], 1, 11, {"axis": 3}),
    "mean of several": ("Mean", [X, X[:1], X[..., :1]], 1, 13, {}),
    "sum of several": ("Sum", [X, X[:1], X[..., :1]], 1, 13, {}),
    "global average": ("GlobalAveragePool", [X], 1, 21, {}),
    "global maximum": ("GlobalMaxPool", [X], 1, 21, {}),
    "pool the same, upper": (
        "MaxPool", [X], 1, 12, {"kernel_shape": [3, 2], "auto_pad": "SAME_UPPER"},
    ),
    "pool the same, lower": (
        "AveragePool", [X], 1, 11,
        {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    ),
    "pool with indices": ("MaxPool", [X], 2, 12, {"kernel_shape": [2, 2], "strides": [2, 1]}),
    "hard_sigmoid": ("HardSigmoid", [X], 1, 6 + 1, {"alpha": 0.3}),
    "gemm with C scaled": (
        "Gemm", [X[0, 0], X[0, 1], X[0, 0, 0, :1]], 1, 13, {"beta": 0.5, "transB": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_nodes(name: str) -> None:
    op, arrays, outputs, opset, attrs = FORMS[name]
    inputs = [(f"x{i}", x) for i, x in enumerate(arrays)]
    model = one_node(op, inputs, outputs, opset, **attrs)
    agree(model, dict(inputs))


def test_operands_left_out_in_the_middle_are_neutral() -> None:
    model = with_weights("""g (float[2, 3, 6, 4] x) => (float[A, B, C, D] y) {
        c = Clip(x, , top)
        s = Slice(c, starts, ends, , steps)
        p = Pad(s, pads, , axes)
        y = Resize<mode = "linear">(p, , scales)
    }""", top=f32(0.5), starts=i64([0, 2]), ends=i64([2, -9]),
        steps=i64([1, -1]), pads=i64([1, 2]), axes=i64([3]),
        scales=f32([1, 1, 2, 1]))  # fmt: skip
    agree(model, {"x": X})


def test_shape_arithmetic_of_exporters_is_understood() -> None:
    """Heads are split and joined by shapes that the model computes from those of its inputs."""
    model = with_weights("""g (float[batch, seq, 8] x) => (float[batch, seq, 8] y) {
        shape = Shape(x)
        batch = Gather<axis = 0>(shape, zero)
        seq = Gather<axis = 0>(shape, one)
        b = Unsqueeze(batch, axes)
        s = Unsqueeze(seq, axes)
        split = Concat<axis = 0>(b, s, heads)
        h = Reshape(x, split)
        t = Transpose<perm = [0, 2, 1, 3]>(h)
        k = Transpose<perm = [0, 1, 3, 2]>(t)
        scores = MatMul(t, k)
        p = Softmax<axis = -1>(scores)
        c = MatMul(p, t)
        back = Transpose<perm = [0, 2, 1, 3]>(c)
        joined = Concat<axis = 0>(b, s, width)
        y = Reshape(back, joined)
    }""", zero=np.int64(0), one=np.int64(1), axes=i64([0]), heads=i64([2, 4]),
        width=i64([8]))  # fmt: skip
    graph = agree(model, {"x": RNG.standard_normal((2, 5, 8)).astype(np.float32)})
    assert graph.types["h"].shape == ("batch", "seq", 2, 4)
    assert graph.types["scores"].shape == ("batch", 2, "seq", "seq")
    assert graph.types["y"].shape == ("batch", "seq", 8)


def test_casts_and_texts_that_we_do_not_have_are_onnxs() -> None:
    model = parsed("g (float[2] x) => (float[2] y) { h = Cast<to = 17>(x) y = Cast<to = 1>(h) }")
    graph = load(model)
    assert [node.op.name for node in graph.nodes] == ["onnx.Cast", "onnx.Cast"]
    x = f32([0.3, 100])
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_array_equal(ms.compile(graph)(x), wanted)


def test_constants_of_every_form() -> None:
    tensor = numpy_helper.from_array(f32([[1, 2]]))
    for attrs, wanted in (
        ({"value": tensor}, f32([[1, 2]])),
        ({"value_float": 0.5}, f32(0.5)),
        ({"value_floats": [0.5, 1]}, f32([0.5, 1])),
        ({"value_int": 3}, i64(3)),
        ({"value_ints": [3, 4]}, i64([3, 4])),
    ):
        plan = ms.compile(load(one_node("Constant", [], 1, 13, **attrs)))
        got = plan.run({})["y0"]
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)


def test_a_layer_normalization_whose_statistics_are_used_is_written_out() -> None:
    model = parsed("""g (float[2, 4] x, float[4] s) => (float[2, 4] y, float[2, 1] m) {
        y, m = LayerNormalization(x, s)
    }""")
    assert len(load(model).nodes) > 1
    feeds = {"x": X[0, 0, :2], "s": X[0, 0, 0]}
    got = ms.compile(load(model)).run(feeds)
    np.testing.assert_allclose(got["m"][:, 0], feeds["x"].mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_a_softmax_of_old_sees_all_axes_from_one_on_as_one(op: str, axis: int) -> None:
    rows = X.astype(np.float64).reshape(np.prod(X.shape[:axis]), -1)
    wanted = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
    wanted = np.log(wanted) if op == "LogSoftmax" else wanted
    graph = load(one_node(op, [("x", X)], 1, 11, axis=axis))
    np.testing.assert_allclose(ms.compile(graph)(X), wanted.reshape(X.shape), rtol=1e-5)
