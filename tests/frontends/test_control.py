"""If and Loop of ONNX: read, run and written back."""

from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.graph import Graph, GraphBuilder
from minisparse.ops import OPS
from minisparse.ops.body import Body
from minisparse.ops.node import Node

onnx = pytest.importorskip("onnx", reason='needs pip install "minisparse[onnx]"')
reference = pytest.importorskip("onnx.reference", reason='needs pip install "minisparse[onnx]"')
parser = pytest.importorskip("onnx.parser", reason='needs pip install "minisparse[onnx]"')

HEADER = '<ir_version: 10, opset_import: ["" : 21]>\n'


def model(text: str) -> Any:
    """Return a checked model from ONNX's own notation."""
    found = parser.parse_model(HEADER + text)
    onnx.checker.check_model(found, full_check=True)
    return found


def assert_as_onnx(proto: Any, *inputs: Any) -> Graph:
    """Compare with onnx's reference implementation, also after writing and reading back."""
    feeds = {value.name: np.asarray(x) for value, x in zip(proto.graph.input, inputs, strict=True)}
    wanted = reference.ReferenceEvaluator(proto).run(None, feeds)
    graph = ms.load(proto)
    for form in (graph, ms.load(ms.to_onnx(graph))):
        found = ms.compile(form).run(feeds)
        for got, right in zip(found.values(), wanted, strict=True):
            assert got.dtype == right.dtype
            np.testing.assert_allclose(got, right, 1e-6)
    return graph


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


IF = """
branches (bool c, float[n, 3] x) => (float[n, 3] y)
<float[3] w = {1, 2, 3}, float[3] unused = {0, 0, 0}>
{
    h = Neg(x)
    y = If(c) <
        then_branch = yes () => (float[n, 3] a) { a = Mul(h, w) },
        else_branch = no () => (float[n, 3] b) <float k = {2}> { d = Add(x, k) b = Relu(d) }
    >
}
"""


@pytest.mark.parametrize("condition", [True, False])
def test_branches_capture_values_and_constants(condition: bool) -> None:
    x = np.array([[1, -2, -3], [4, 5, -6]], "float32")
    graph = assert_as_onnx(model(IF), condition, x)
    assert ops(graph) == ["neg", "if_else"]
    (node,) = graph.nodes[1:]
    assert node.inputs[0] == "c"
    assert {"x", "h", "w"} <= set(node.inputs)
    assert "unused" not in node.inputs


LOOP = """
running (int64 trips, float[2] x) => (float[2] last, float[k, 2] all)
<bool yes = {1}, float limit = {20}>
{
    last, all = Loop(trips, yes, x) <
        body = step (int64 i, bool go, float[2] h) => (bool more, float[2] h2, float[2] row) {
            f = Cast <to = 1> (i)
            s = Add(h, f)
            h2 = Add(s, x)
            total = ReduceSum <keepdims = 0> (h2)
            more = Less(total, limit)
            row = Identity(s)
        }
    >
}
"""


@pytest.mark.parametrize("trips", [1, 3, 50])
def test_a_loop_ends_by_its_count_or_its_condition(trips: int) -> None:
    graph = assert_as_onnx(model(LOOP), np.int64(trips), np.array([1, 2], "float32"))
    assert ops(graph) == ["loop"]
    assert [graph.types[v].shape for v in graph.outputs.values()] == [(2,), ("?1", 2)]


def test_a_loop_of_no_iterations_collects_nothing() -> None:
    graph = ms.load(model(LOOP))
    x = np.array([1, 2], "float32")
    last, rows = ms.compile(graph).run({"trips": np.array(0), "x": x}).values()
    np.testing.assert_array_equal(last, x)
    assert (rows.shape, rows.dtype) == ((0, 2), np.float32)


def test_a_loop_without_count_and_condition_ends_by_its_body() -> None:
    x = np.array([1, 2], "float32")
    wanted = ms.compile(ms.load(model(LOOP))).run({"trips": np.array(99), "x": x})
    proto = model(LOOP)
    proto.graph.node[0].input[:2] = ["", ""]
    graph = ms.load(proto)
    assert ops(graph) == ["loop"]
    for form in (graph, ms.load(ms.to_onnx(graph))):
        found = ms.compile(form).run({"trips": np.array(0), "x": x})
        for got, right in zip(found.values(), wanted.values(), strict=True):
            np.testing.assert_array_equal(got, right)


def test_a_carried_value_that_grows_is_read_for_any_size() -> None:
    text = """
    growing (int64 trips, float[1, 2] x) => (float[rows, 2] y)
    <bool yes = {1}>
    {
        y = Loop(trips, yes, x) <
            body = step (int64 i, bool go, float[r, 2] h) => (bool go2, float[r2, 2] h2) {
                go2 = Identity(go)
                shape = Shape <end = 1> (h)
                ones = ConstantOfShape <value = float[1] {1}> (shape)
                two = Constant <value_ints = [1]> ()
                column = Unsqueeze(ones, two)
                wide = Mul(h, column)
                h2 = Concat <axis = 0> (wide, x)
            }
        >
    }
    """
    graph = assert_as_onnx(model(text), np.int64(3), np.array([[1, 2]], "float32"))
    assert ops(graph) == ["loop"]
    (y,) = graph.outputs.values()
    assert graph.types[y].shape == ("?1", 2)


def test_bodies_in_bodies_read_from_all_around() -> None:
    text = """
    nested (int64 trips, bool c, float[2] x) => (float[2] y)
    <bool yes = {1}, float[2] w = {2, 3}>
    {
        y = Loop(trips, yes, x) <
            body = step (int64 i, bool go, float[2] h) => (bool go2, float[2] h2) {
                go2 = Identity(go)
                t = Mul(h, w)
                h2 = If(c) <
                    then_branch = a () => (float[2] p) { p = Add(t, x) },
                    else_branch = b () => (float[2] q) { q = Sub(h, w) }
                >
            }
        >
    }
    """
    for condition in (True, False):
        graph = assert_as_onnx(model(text), np.int64(2), condition, np.array([1, 2], "float32"))
        assert ops(graph) == ["loop"]


@pytest.mark.parametrize("middle", [1, 2])
def test_a_known_condition_leaves_one_branch_of_whatever_rank(middle: int) -> None:
    text = f"""
    folded (float[2, {middle}, 3] x) => (float[a, b] y)
    <int64 one = {{1}}, int64[1] axis = {{1}}, int64[2] rows = {{-1, 3}}>
    {{
        shape = Shape(x)
        size = Gather(shape, one)
        c = Equal(size, one)
        y = If(c) <
            then_branch = p () => (float[a, b] p) {{ p = Squeeze(x, axis) }},
            else_branch = q () => (float[a, b] q) {{ q = Reshape(x, rows) }}
        >
    }}
    """
    x = np.arange(6 * middle, dtype="float32").reshape(2, middle, 3)
    graph = ms.load(parser.parse_model(HEADER + text))
    assert ops(graph)[-1] == "if_else"
    (y,) = graph.outputs.values()
    assert graph.types[y].shape == (2 * middle, 3)
    np.testing.assert_array_equal(ms.compile(graph)(x), x.reshape(-1, 3))


def test_what_a_rule_takes_from_sizes_holds_at_every_iteration() -> None:
    """Padding to the same size depends on the size, which grows from one iteration to the next."""
    text = """
    pooled (int64 trips, float[1, 1, 3] x) => (float[1, 1, rows] y)
    <bool yes = {1}>
    {
        y = Loop(trips, yes, x) <
            body = step (int64 i, bool go, float[1, 1, r] h) => (bool go2, float[1, 1, r2] h2) {
                go2 = Identity(go)
                p = MaxPool <auto_pad = "SAME_UPPER", kernel_shape = [3], strides = [2]> (h)
                h2 = Concat <axis = 2> (p, h, x)
            }
        >
    }
    """
    proto = model(text)
    feeds = {"trips": np.array(3), "x": np.array([[[3, 1, 2]]], "float32")}
    (wanted,) = reference.ReferenceEvaluator(proto).run(None, feeds)
    np.testing.assert_array_equal(ms.compile(ms.load(proto)).run(feeds)["y"], wanted)


def test_ranks_that_differ_are_left_to_onnx() -> None:
    proto = model(IF)
    (branch,) = (a.g for a in proto.graph.node[1].attribute if a.name == "else_branch")
    branch.node.append(onnx.helper.make_node("ReduceSum", ["b"], ["s"], keepdims=0))
    branch.output[0].CopyFrom(onnx.helper.make_tensor_value_info("s", 1, []))
    graph = ms.load(proto)
    assert ops(graph) == ["neg", "onnx.If"]
    with pytest.raises(ms.UnsupportedOpError, match=r"onnx\.If.*it has bodies"):
        ms.to_onnx(graph)


def test_sequences_are_left_to_onnx() -> None:
    text = """
    sequences (int64 trips) => (seq(int64) y)
    <bool yes = {1}>
    {
        empty = SequenceEmpty <dtype = 7> ()
        y = Loop(trips, yes, empty) <
            body = step (int64 i, bool go, seq(int64) s) => (bool go2, seq(int64) s2) {
                go2 = Identity(go)
                s2 = SequenceInsert(s, i)
            }
        >
    }
    """
    graph = ms.load(parser.parse_model(HEADER + text))
    assert ops(graph)[-1] == "onnx.Loop"


def test_names_in_bodies_do_not_clash_when_written() -> None:
    """Two bodies and the graph around them call different values the same."""
    add, relu = OPS["add"], OPS["relu"]
    body = Body(
        ("y", "x"),
        (Node("x1", add, ("x", "y"), ("x1",)), Node("z", relu, ("x1",), ("z",))),
        ("z", "y"),
    )
    b = GraphBuilder()
    c, x, y = b.input("c", (), "bool"), b.input("x", (2,)), b.input("y", (2,))
    z = b.op("if_else", c, x, y, name="z", then_branch=body, else_branch=body)
    x1 = b.op("if_else", c, z, "z.1", name="x1", then_branch=body, else_branch=body)
    graph = b.build({"first": z, "second": x1, "third": "x1.1"})
    written = ms.to_onnx(graph)
    feeds: dict[str, Array] = {
        "c": np.array(True), "x": np.array([1, -5], "float32"), "y": np.array([2, 1], "float32")
    }  # fmt: skip
    wanted = ms.compile(graph).run(feeds)
    runtime = reference.ReferenceEvaluator(written).run(None, feeds)
    read = ms.compile(ms.load(written)).run(feeds)
    for got, again, right in zip(runtime, read.values(), wanted.values(), strict=True):
        np.testing.assert_array_equal(got, right)
        np.testing.assert_array_equal(again, right)


def test_a_loop_is_written_with_scalars_and_names_of_its_own() -> None:
    """Its trip count and condition may be lists of one, and its body call values as outside."""
    add = OPS["add"]
    body = Body(("x", "y", "t", "c"), (Node("z", add, ("t", "c"), ("z",)),), ("y", "z"))
    b = GraphBuilder()
    operands = [b.input("t", (1,), "int64"), b.input("c", (1,), "bool"), b.input("x", (2,))]
    z = b.op("loop", *operands, b.input("y", (2,)), name="z", body=body, carried=1)
    graph = b.build([z])
    written = ms.to_onnx(graph)
    loop = written.graph.node[-1]
    inner = {v.name for v in loop.attribute[0].g.input}
    assert inner.isdisjoint({*graph.inputs, "z"})
    feeds: dict[str, Array] = {
        "t": np.array([3]), "c": np.array([True]),
        "x": np.array([1, -5], "float32"), "y": np.array([2, 1], "float32"),
    }  # fmt: skip
    for got in (
        ms.compile(graph).run(feeds)["z"],
        ms.compile(ms.load(written)).run(feeds)["z"],
        reference.ReferenceEvaluator(written).run(None, feeds)[0],
    ):
        np.testing.assert_array_equal(got, np.array([7, -2], "float32"))


def test_control_runs_in_onnxruntime() -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs pip install "minisparse[peers]"')
    for text, feeds in (
        (IF, {"c": np.array(True), "x": np.ones((2, 3), "float32")}),
        (LOOP, {"trips": np.array(4), "x": np.ones(2, "float32")}),
    ):
        graph = ms.load(model(text))
        session = onnxruntime.InferenceSession(ms.to_onnx(graph).SerializeToString())
        wanted = ms.compile(graph).run(feeds)
        for got, right in zip(session.run(None, feeds), wanted.values(), strict=True):
            np.testing.assert_array_equal(got, right)
