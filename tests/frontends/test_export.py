"""``ms.to_onnx``: what is written means the same to onnxruntime, to onnx, and read back."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.extras import is_installed, require
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.graph import Graph, GraphBuilder
from minisparse.ops import OPS, Op, Sample
from minisparse.passes import PASSES
from tests.networks import NETWORKS, PATTERNS, feeds_for, meaning, pruned

onnx = pytest.importorskip("onnx", reason='needs pip install "minisparse[onnx]"')

reference = pytest.importorskip("onnx.reference", reason='needs pip install "minisparse[onnx]"')

from minisparse.frontends.onnx import export  # noqa: E402
from minisparse.frontends.onnx.export_rules import find_export_rules  # noqa: E402

needs_runtime = pytest.mark.skipif(
    not is_installed("onnxruntime"), reason='onnxruntime needs pip install "minisparse[peers]"'
)
PLAIN = [op for op in OPS.values() if not op.parts]


def by_runtime(model: Any, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return the outputs as onnxruntime computes them, without its warnings."""
    onnxruntime = require("onnxruntime", "peers", "comparing")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def by_plan(graph: Graph, feeds: Mapping[str, Array], skip: Any = ()) -> dict[str, Array]:
    found: Mapping[str, Any] = ms.compile(graph, skip=skip).run(feeds)
    return {n: x.to_dense() if isinstance(x, Matrix) else x for n, x in found.items()}


def assert_alike(found: Mapping[str, Array], wanted: Mapping[str, Array], label: str = "") -> None:
    assert list(found) == list(wanted), label
    for name, x in found.items():
        right = wanted[name]
        assert x.shape == right.shape, label
        if x.dtype.kind == "f" or right.dtype.kind == "V" or right.dtype.name == "bfloat16":
            room = 2e-2 if right.dtype.itemsize == 2 else 1e-4
            x, right = x.astype("float64"), right.astype("float64")
            np.testing.assert_allclose(x, right, room, room, err_msg=label)
        else:
            np.testing.assert_allclose(x, right, 1e-6, err_msg=label)


# -- networks ------------------------------------------------------------------------------------


@needs_runtime
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("network", NETWORKS)
def test_networks_run_in_onnxruntime_and_read_back(network: Any, pattern: str) -> None:
    graph = network(pattern)
    feeds = feeds_for(graph)
    wanted = meaning(graph, feeds)
    compiled = ms.compile(graph).graph
    forms = ((graph, "initializer"), *((compiled, how) for how in ("initializer", "constant")))
    for form, sparse in forms:
        model = ms.to_onnx(form, sparse=sparse)
        assert_alike(by_runtime(model, feeds), wanted, sparse)
        assert_alike(by_plan(ms.load(model), feeds, tuple(PASSES)), wanted, sparse)


def test_sparse_weights_stay_sparse() -> None:
    rng = np.random.default_rng(0)
    w, v = (ms.from_dense(pruned(rng, 8, k, "random"), "csr") for k in (18, 72))
    b = GraphBuilder()
    h = b.op("conv", b.input("x", ("n", 2, 5, 5)), b.constant("w", w), kernel_shape=(3, 3))
    graph = b.build({"y": b.op("dsmm", b.op("flatten", h), b.constant("v", v.T))})
    model = ms.to_onnx(graph)
    found = {m.values.name: m for m in model.graph.sparse_initializer}
    assert {n: list(m.dims) for n, m in found.items()} == {"w": [8, 2, 3, 3], "v": [72, 8]}
    assert {n: m.values.dims[0] for n, m in found.items()} == {"w": w.nnz, "v": v.nnz}
    assert not model.graph.initializer
    nodes = [n for n in ms.to_onnx(graph, sparse="constant").graph.node if n.name in found]
    assert [n.attribute[0].name for n in nodes] == ["sparse_value"] * 2
    dense = ms.to_onnx(graph, sparse="dense").graph
    assert {i.name for i in dense.initializer} == set(found)
    assert not dense.sparse_initializer
    loaded = ms.load(model).constants.values()
    assert [c.nnz for c in loaded if isinstance(c, Matrix)] == [w.nnz, v.nnz]


def test_a_matrix_without_rows_is_written_dense() -> None:
    b = GraphBuilder()
    w = b.constant("w", ms.from_dense(np.zeros((0, 3), "float32"), "csr"))
    model = ms.to_onnx(b.build({"y": b.op("spmm", w, b.input("x", (3, 2)))}))
    assert [i.name for i in model.graph.initializer] == ["w"]
    assert by_plan(ms.load(model), {"x": np.ones((3, 2), "float32")})["y"].shape == (0, 2)


def test_names_sizes_and_metadata_survive() -> None:
    b = GraphBuilder("told")
    x = b.input("x", ("batch", "seq", 4))
    flat = b.op("flatten", x, axis=2, name="flat")
    graph = b.build({"out": b.op("relu", flat, name="act"), "flat": flat}, {"accuracy": "0.9"})
    model = ms.to_onnx(graph)
    assert [n.name for n in model.graph.node] == ["flat", "act"]
    assert [o.name for o in model.graph.output] == ["out", "flat"]
    dims = [d.dim_param or d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]
    assert dims == ["batch*seq", 4]
    loaded = ms.load(model)
    assert loaded.inputs == graph.inputs
    assert [loaded.types[v].shape for v in loaded.outputs.values()] == [("batch*seq", 4)] * 2
    assert [n.name for n in loaded.nodes] == ["flat", "act"]
    assert loaded.metadata["accuracy"] == "0.9"


def test_outputs_that_are_inputs_constants_or_shown_twice() -> None:
    b = GraphBuilder()
    x, c = b.input("x", (2,)), b.constant("c", np.array([1.0, 2.0], "float32"))
    y = b.op("add", x, c)
    graph = b.build({"x": x, "c": c, "d": c, "y": y, "z": y})
    model = ms.to_onnx(graph)
    feeds = {"x": np.array([3, 4], "float32")}
    wanted = by_plan(graph, feeds)
    assert_alike(by_plan(ms.load(model), feeds), wanted)
    if is_installed("onnxruntime"):
        assert_alike(by_runtime(model, feeds), wanted)


def test_a_name_of_an_output_that_is_another_input_is_refused() -> None:
    b = GraphBuilder("g")
    graph = b.build({"x": b.op("relu", b.input("x", (2,)))})
    with pytest.raises(UnsupportedOpError, match="graph 'g': x names an input and an output"):
        ms.to_onnx(graph)


def test_names_that_a_rule_adds_are_free() -> None:
    b = GraphBuilder()
    x = b.input("act/Sigmoid", (2,))
    graph = b.build({"y": b.op("silu", x, name="act")})
    names = [o for n in ms.to_onnx(graph).graph.node for o in n.output]
    assert names == ["act/Sigmoid_1", "y"]


# -- every op ------------------------------------------------------------------------------------


def test_every_op_has_a_rule() -> None:
    assert set(find_export_rules()) == {op.name for op in PLAIN}


def graph_of(op: Op, sample: Sample) -> tuple[Graph, dict[str, Array]]:
    """Return the graph of one node: lists of whole numbers and matrices are constants."""
    b = GraphBuilder(op.name)
    feeds: dict[str, Array] = {}
    operands = []
    for i, x in enumerate(sample.operands):
        name = f"x{i}"
        if isinstance(x, Triplets):
            operands.append(b.constant(name, ms.COO(x.data, x.row, x.col, x.shape)))
        elif i and x.ndim == 1 and x.dtype == np.int64:
            operands.append(b.constant(name, x))
        else:
            feeds[name] = x
            operands.append(b.input(name, x.shape, x.dtype))
    first = b.op(op.name, *operands, name="node", **sample.attrs)
    count = len(op.infer([b.type_of(o) for o in operands], sample.attrs))
    return b.build([first, *(f"{first}.{i}" for i in range(1, count))]), feeds


def written(op: Op) -> Iterator[tuple[str, Graph, Any, dict[str, Array], dict[str, Array]]]:
    """Yield some of an op's samples whose numbers are finite, as models, with what is computed.

    ONNX computes with the zeros of sparse weights, so those beside infinities say something else.
    """
    count = 0
    for sample in op.samples(np.random.default_rng(0)):
        arrays = [x.data if isinstance(x, Triplets) else x for x in sample.operands]
        if any(x.size == 0 and x.ndim > 1 for x in arrays) or count == 5:
            continue
        if op.name == "convert" and isinstance(sample.operands[0], Triplets):
            continue  # no kernel converts from one sparse format to another
        if not all(np.isfinite(x.astype("complex128")).all() for x in arrays):
            continue
        graph, feeds = graph_of(op, sample)
        try:
            model = ms.to_onnx(graph)
        except UnsupportedOpError:
            continue
        count += 1
        yield sample.label, graph, model, feeds, by_plan(graph, feeds, tuple(PASSES))


@pytest.mark.parametrize("op", PLAIN, ids=lambda op: op.name)
def test_what_is_written_reads_back_as_the_same(op: Op) -> None:
    seen = 0
    for label, _, model, feeds, wanted in written(op):
        found = by_plan(ms.load(model), feeds, tuple(PASSES))
        assert [x.dtype for x in found.values()] == [x.dtype for x in wanted.values()]
        assert_alike(found, wanted, label)
        seen += 1
    assert seen or op.name == "softmax"


_DIFFERS = {
    "pow": "onnxruntime computes powers of integers in float64",
    "top_k": "in which order unsorted ones come is free",
    "layer_normalization": "onnxruntime's variance is inexact where the mean is far from 0",
    "pad": "onnxruntime wraps otherwise where it also crops",
}
"""Ops of which onnxruntime is no judge, and why."""


@needs_runtime
@pytest.mark.parametrize(
    "op", [op for op in PLAIN if op.name not in _DIFFERS], ids=lambda op: op.name
)
def test_what_is_written_means_the_same_to_onnxruntime(op: Op) -> None:
    state = require("onnxruntime.capi.onnxruntime_pybind11_state", "peers", "comparing")
    refusals = (state.NotImplemented, state.Fail, state.InvalidArgument, state.RuntimeException)
    for label, _, model, feeds, wanted in written(op):
        try:
            found = by_runtime(model, feeds)
        except refusals:  # a dtype, or a size, that onnxruntime has no kernel for
            evaluator = reference.ReferenceEvaluator(model)
            found = dict(zip(wanted, evaluator.run(None, feeds), strict=True))
        assert_alike(found, wanted, label)


def test_a_number_of_top_elements_becomes_a_list_of_one() -> None:
    b = GraphBuilder()
    x, k = b.input("x", (4,)), b.constant("k", np.array(2))
    model = ms.to_onnx(b.build([b.op("top_k", x, k)]))
    feeds = {"x": np.array([1, 4, 3, 2], "float32")}
    (found,) = reference.ReferenceEvaluator(model).run(None, feeds)
    np.testing.assert_array_equal(found, [4, 3])


# -- random graphs -------------------------------------------------------------------------------

_UNARY = ("relu", "tanh", "neg", "sigmoid", "gelu", "silu", "abs", "identity")
_BINARY = ("add", "sub", "multiply", "max", "min")


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a graph of matrices, values read by several, some weights sparse."""
    b = GraphBuilder("drawn")
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = [b.input("x", ("n", 4)), b.input("y", (1, 4))]
    for i in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(("unary", "binary", "gemm", "spmm", "reduce", "turn")))
        x = draw(st.sampled_from(values))
        if kind == "unary":
            values.append(b.op(draw(st.sampled_from(_UNARY)), x))
        elif kind == "binary":
            values.append(b.op(draw(st.sampled_from(_BINARY)), x, draw(st.sampled_from(values))))
        elif kind == "reduce":
            values.append(b.op("reduce_mean", x, axes=(0,)))
        elif kind == "turn":
            values.append(b.op("transpose", b.op("transpose", x)))
        else:
            w = np.where(rng.random((4, 4)) < 0.4, rng.standard_normal((4, 4)), 0)
            dense = w.astype("float32")
            stored = ms.from_dense(dense, "csr") if kind == "spmm" else dense
            weight = b.constant(f"w{i}", stored)
            values.append(b.op("dsmm" if kind == "spmm" else "gemm", x, weight))
    shown = draw(st.lists(st.sampled_from(values[2:]), min_size=1, max_size=3, unique=True))
    return b.build({f"out{i}": value for i, value in enumerate(shown)})


@given(graphs(), st.integers(1, 3))
def test_random_graphs_read_back_as_the_same(graph: Graph, n: int) -> None:
    rng = np.random.default_rng(n)
    feeds = {k: rng.standard_normal(t.bind({"n": n}).dims).astype("float32")
             for k, t in graph.inputs.items()}  # fmt: skip
    wanted = by_plan(graph, feeds, tuple(PASSES))
    for given_graph in (graph, ms.compile(graph).graph):
        model = ms.to_onnx(given_graph)
        assert_alike(by_plan(ms.load(model), feeds, tuple(PASSES)), wanted)
        if is_installed("onnxruntime"):
            assert_alike(by_runtime(model, feeds), wanted)


# -- files ---------------------------------------------------------------------------------------


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    graph = NETWORKS[0]("random")
    model = ms.to_onnx(graph, tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == model.SerializeToString()
    feeds = feeds_for(graph)
    assert_alike(by_plan(ms.load(tmp_path / "net.onnx"), feeds), meaning(graph, feeds))
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_weights_may_lie_in_a_file_of_their_own(tmp_path: Path) -> None:
    graph = GraphBuilder("g")
    x = graph.input("x", ("n", 32))
    w = graph.constant("w", np.random.default_rng(0).standard_normal((32, 32)).astype("float32"))
    built = graph.build({"y": graph.op("gemm", x, w)})
    path = tmp_path / "net.onnx"
    for _ in range(2):  # the second time over the first
        model = ms.to_onnx(built, str(path), external_data=True)
    assert (tmp_path / "net.onnx.data").stat().st_size == 4096
    assert path.stat().st_size < 1000
    assert model.graph.initializer[0].data_location == onnx.TensorProto.EXTERNAL
    assert {p.name for p in tmp_path.iterdir()} == {"net.onnx", "net.onnx.data"}
    feeds = {"x": np.ones((2, 32), "float32")}
    assert_alike(by_plan(ms.load(path), feeds), by_plan(built, feeds))


def test_what_is_too_large_for_a_message_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LARGEST_MESSAGE", 100)
    with pytest.raises(UsageError, match=r"and a message of protobuf holds 2; give a path and"):
        ms.to_onnx(NETWORKS[0]("none"))


# -- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"opset": 20}, "opset is 20; it must be one of 21 to"),
        ({"opset": 999}, "opset is 999"),
        ({"sparse": "csr"}, "sparse is 'csr'; it must be one of initializer, constant, dense"),
        ({"external_data": True}, "external_data needs a path"),
    ],
)
def test_wrong_arguments_are_one_line(more: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ms.to_onnx(NETWORKS[0]("none"), **more)


def test_all_that_cannot_be_written_is_named_at_once() -> None:
    b = GraphBuilder()
    x = b.input("x", (3, 3))
    eye = b.constant("eye", ms.from_dense(np.eye(3, dtype="float32"), "csr"))
    first = b.op("softmax", eye, name="first")
    twice = ms.COO(np.ones(2, "float32"), np.zeros(2, int), np.zeros(2, int), (3, 3))
    second = b.op("attention", b.constant("twice", twice), x, x, x, name="second")
    third = b.op("gemm", *[b.input(n, (3, 3), "int8") for n in "ab"], name="third")
    graph = b.build([b.op("spmm", first, x), second, third])
    with pytest.raises(UnsupportedOpError) as caught:
        ms.to_onnx(graph)
    assert str(caught.value) == (
        "ONNX cannot express node 'first' = softmax: a softmax over stored entries alone has no "
        "counterpart; make it plain first; node 'second' = attention: its mask stores a cell "
        "twice; use mask.canonical(); node 'third' = gemm: Gemm of ONNX takes no int8"
    )


def test_every_opset_that_onnx_has_is_written_and_read() -> None:
    graph = NETWORKS[2]("none")
    feeds = feeds_for(graph)
    for opset in range(21, onnx.defs.onnx_opset_version() + 1):
        model = ms.to_onnx(graph, opset=opset)
        assert model.opset_import[0].version == opset
        assert_alike(by_plan(ms.load(model), feeds), meaning(graph, feeds))


def test_ops_that_onnx_computes_are_written_as_they_were_read() -> None:
    helper = onnx.helper
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", "n"])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [])
    graph = helper.make_graph([helper.make_node("Det", ["x"], ["y"], "volume")], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    loaded = ms.load(model)
    assert [n.op.name for n in loaded.nodes] == ["onnx.Det"]
    again = ms.to_onnx(loaded)
    assert [(n.name, n.op_type) for n in again.graph.node] == [("volume", "Det")]
    feeds = {"x": np.array([[2, 1], [1, 3]], "float32")}
    assert_alike(by_plan(ms.load(again), feeds), {"y": np.array(5, "float32")})
    with pytest.raises(UnsupportedOpError, match="was read from opset 21, and 22 has another ver"):
        ms.to_onnx(loaded, opset=22)
