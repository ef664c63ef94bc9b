"""Blame without propagation, and graphs run by exact arithmetic."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

import minisparse as ms
from minisparse import examples
from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.formats import Matrix
from minisparse.graph import Graph, GraphBuilder, load
from minisparse.oracle import distances, run_exact, verify_nodes
from tests.networks import NETWORKS, feeds_for, meaning


def run_dense(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return every value, computed by the ops' dense meaning in the graph's own dtypes."""
    values: dict[str, Array] = dict(feeds)
    for name, constant in graph.constants.items():
        values[name] = constant.to_dense() if isinstance(constant, Matrix) else constant
    for node in graph.nodes:
        values[node.output] = node.op.dense([values[n] for n in node.inputs], node.attrs)
    return values


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: str(n.__name__))
@pytest.mark.parametrize("columns", [None, 2, 5])
def test_a_right_run_passes_node_by_node(
    network: Callable[[str], Graph], columns: int | None
) -> None:
    graph = network("random")
    values = run_dense(graph, feeds_for(graph, batch=9))
    found = verify_nodes(graph, values, columns=columns)
    assert [j.node for j in found] == [n.name for n in graph.nodes]
    assert all(j.verdict == "PASS" for j in found), [str(j) for j in found]
    products = [j for j in found if j.op in ("gemm", "conv", "matmul")]
    assert max(j.error_over_bound for j in products) > 0.05
    assert all((j.columns is None) == (columns is None) for j in products)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: str(n.__name__))
def test_blame_falls_on_one_node_and_not_on_its_readers(network: Callable[[str], Graph]) -> None:
    graph = network("blocks")
    feeds = feeds_for(graph, batch=6)
    for guilty in graph.nodes:
        values: dict[str, Array] = dict(feeds)
        values |= {n: np.asarray(c) for n, c in graph.constants.items()}
        for node in graph.nodes:
            y = np.array(node.op.dense([values[n] for n in node.inputs], node.attrs))
            if node is guilty:
                y.flat[-1] += np.float32(0.5)
            values[node.output] = y
        for columns in (None, 3):
            failed = [
                j for j in verify_nodes(graph, values, columns=columns) if j.verdict == "FAIL"
            ]
            assert [j.node for j in failed] == [guilty.name]
            shape = values[guilty.output].shape
            assert failed[0].position == tuple(n - 1 for n in shape)
            assert str(failed[0]).startswith(f"FAIL    {guilty.name} = ")


def spmm_graph() -> Graph:
    rng = np.random.default_rng(0)
    b = GraphBuilder("g")
    x = b.input("x", (8, "batch"))
    w = np.where(rng.random((12, 8)) < 0.4, rng.standard_normal((12, 8)), 0).astype("f4")
    bias = b.constant("bias", rng.standard_normal(12).astype("f4"))
    stored = b.op("convert", b.constant("w", w), format="csr", name="stored")
    y = b.op("spmm_bias_relu", stored, x, bias, name="layer")
    return b.build({"y": b.op("transpose", y, name="turned")})


def test_sparse_and_fused_nodes_are_judged_too() -> None:
    from minisparse.formats import from_dense

    graph = spmm_graph()
    feeds = feeds_for(graph, batch=40)
    values: dict[str, Array | Matrix] = dict(run_dense(graph, feeds))
    values["stored"] = from_dense(np.asarray(values["w"]), "csr")
    for columns in (None, 16, 1):
        found = verify_nodes(graph, values, columns=columns)
        assert [j.verdict for j in found] == ["PASS"] * 3
    assert found[1].columns == (0,)
    wrong = np.array(values["layer"])
    wrong[3, 39] += 1
    found = verify_nodes(graph, {**values, "layer": wrong}, columns=16)
    assert [j.verdict for j in found] == ["PASS", "FAIL", "FAIL"]
    assert found[1].position == (3, 39)


def test_a_wrong_shape_is_a_verdict_and_no_crash() -> None:
    graph = spmm_graph()
    values = run_dense(graph, feeds_for(graph, batch=40))
    values["layer"] = values["layer"][:, :39]
    found = verify_nodes(graph, values, columns=4)
    assert found[1].judgement.rule == "shape"


def test_columns_are_first_last_and_others() -> None:
    graph = spmm_graph()
    values = run_dense(graph, feeds_for(graph, batch=40))
    chosen = verify_nodes(graph, values, columns=16)[1].columns
    assert chosen is not None
    assert len(chosen) == 16
    assert {0, 1, 38, 39} < set(chosen)
    assert list(chosen) == sorted(set(chosen))


def test_parts_of_layers_are_judged_as_the_whole_is() -> None:
    """Stacks on one side or on both, axes that are the batch itself, scales of the whole result."""
    b = GraphBuilder("layers")
    x, y = b.input("x", ("batch", 4, 5)), b.input("y", ("batch", 5, 3))
    left, scale = b.input("left", (4, 4)), b.input("scale", ("batch", 4, 5))
    nodes = {
        "both": b.op("matmul", x, y),
        "right": b.op("matmul", left, x),
        "batch": b.op("softmax", x, axis=0),
        "other": b.op("log_softmax", x, axis=1),
        "scaled": b.op("layer_normalization", x, scale),
        "whole": b.op("rms_normalization", x, scale, axis=0),
    }
    graph = b.build(nodes)
    values = run_dense(graph, feeds_for(graph, batch=4))
    found = dict(zip(nodes, verify_nodes(graph, values, columns=2), strict=True))
    assert {name: j.columns for name, j in found.items()} == {
        "both": (0, 3),
        "right": None,
        "batch": None,
        "other": (0, 3),
        "scaled": (0, 3),
        "whole": None,
    }
    assert all(j.verdict == "PASS" for j in found.values()), [str(j) for j in found.values()]
    for name in ("both", "scaled"):
        wrong = {**values, nodes[name]: values[nodes[name]].copy()}
        wrong[nodes[name]][3, 0, 0] += 1
        judged = verify_nodes(graph, wrong, columns=2)
        assert [j.position for j in judged if j.verdict == "FAIL"] == [(3, 0, 0)]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: str(n.__name__))
def test_run_exact_is_near_float64(network: Callable[[str], Graph]) -> None:
    graph = network("random")
    feeds = feeds_for(graph, batch=4)
    found, right = run_exact(graph, feeds), meaning(graph, feeds)
    assert set(found) == set(graph.outputs)
    for name, y in found.items():
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, right[name], rtol=1e-4, atol=1e-5)


def test_run_exact_converts_without_formats() -> None:
    graph = spmm_graph()
    feeds = feeds_for(graph, batch=5)
    values = run_dense(graph, feeds)
    np.testing.assert_allclose(run_exact(graph, feeds)["y"], values["turned"], atol=1e-5)


def test_what_is_missing_is_named() -> None:
    graph = spmm_graph()
    feeds = feeds_for(graph)
    with pytest.raises(UsageError, match="no value for input x"):
        run_exact(graph, {})
    values = run_dense(graph, feeds)
    del values["layer"]
    with pytest.raises(UsageError, match="node 'layer' has no recorded value 'layer'"):
        verify_nodes(graph, values)
    with pytest.raises(UsageError, match="columns is 0"):
        verify_nodes(graph, values, columns=0)


@pytest.mark.parametrize("name", examples.names())
def test_shipped_models_have_the_same_labels_by_exact_arithmetic(name: str) -> None:
    graph = load(examples.model_path(name))
    pixels, labels = examples.test_set()
    ((input_name, type),) = graph.inputs.items()
    x = {input_name: pixels.reshape(-1, *map(int, type.shape[1:]))}
    values = run_dense(graph, x)
    (exact,) = run_exact(graph, x).values()
    (output,) = graph.outputs.values()
    assert np.array_equal(exact.argmax(axis=1), values[output].argmax(axis=1))
    assert (exact.argmax(axis=1) == labels).mean() > 0.9
    assert [j.verdict for j in verify_nodes(graph, values, columns=16)] == ["PASS"] * len(
        graph.nodes
    )


def test_end_to_end() -> None:
    graph = load(examples.model_path("digits_mlp"))
    (given,) = graph.inputs
    x = examples.test_set()[0][:3]
    plan = ms.compile(graph)
    (name,) = graph.outputs
    assert 0 < plan.verify_outputs({given: x})[name] < 1e-6
    y = plan.run({given: x})
    exact = run_exact(graph, {given: x})
    assert distances({name: y[name] * np.float32(1.5)}, exact)[name] == pytest.approx(0.5, 1e-3)
    assert distances({name: y[name] + np.float32(np.inf)}, exact)[name] == np.inf


@pytest.mark.parametrize("shape", [(24, 4, 5, 5), (1, 4, 1, 1), (5, 5), (24, 1, 1, 1)])
def test_of_a_residual_as_many_items_are_judged(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    b = ms.GraphBuilder("residual")
    x = b.input("x", ("batch", 4, 5, 5))
    w = b.constant("w", rng.standard_normal((4, 4, 3, 3)).astype("float32"))
    h = b.op("conv", x, w, pads=(1, 1, 1, 1))
    side = x if shape[0] == 24 and shape[1] == 4 else b.constant(
        "side", rng.standard_normal(shape).astype("float32")
    ) if shape[0] != 24 else b.input("side", ("batch", 1, 1, 1))  # fmt: skip
    plan = ms.compile(b.build({"y": b.op("relu", b.op("add", h, side))}))
    feeds = {"x": rng.standard_normal((24, 4, 5, 5)).astype("float32")}
    if "side" in plan.graph.inputs:
        feeds["side"] = rng.standard_normal(shape).astype("float32")
    for columns in (4, 24):
        (found,) = plan.verify(feeds, columns=columns)
        assert found.op == "conv_add_relu"
        assert found.verdict == "PASS"


def test_a_convolution_with_attributes_in_its_epilogue_is_judged() -> None:
    b = ms.GraphBuilder("fused")
    rng = np.random.default_rng(0)
    w = b.constant("w", rng.standard_normal((3, 2, 1, 1)).astype("float32"))
    h = b.op("conv", b.input("x", (2, 2, 4, 4)), w, name="conv")
    plan = ms.compile(b.build({"y": b.op("gelu", h, approximate="tanh")}))
    assert plan.steps[0].node.op.name == "conv_gelu"
    (judged,) = plan.verify({"x": rng.standard_normal((2, 2, 4, 4)).astype("float32")})
    assert judged.verdict == "PASS"
