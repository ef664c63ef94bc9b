"""The pass that notes instructions, and which way round each op's weight is looked at."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from minisparse.api import compile
from minisparse.core.dtypes import Array
from minisparse.cost import Target, find_machine
from minisparse.formats import from_dense
from minisparse.graph import Graph, GraphBuilder
from minisparse.passes import PASSES, run_passes
from minisparse.passes.select_instruction import NOTE, instruction_for
from tests.networks import NETWORKS, PATTERNS, feeds_for, in_double, meaning, perceptron

SERVER = find_machine("server-2core")
GPU = Target(replace(SERVER, instructions=frozenset({"scalar_fma", "mma", "mma_sp"})))
NOTED = PASSES["select_instruction"]


def sparse(m: int, k: int) -> Array:
    """Return float16 that is 2:4 along k, and along m all but that."""
    w = np.random.default_rng(0).uniform(1, 2, (m, k)).astype(np.float16)
    w[:, np.arange(k) % 4 > 1] = 0
    return w


def one_op(op: str, x: tuple[int, ...], w: Any, first: bool, **attrs: Any) -> Graph:
    b = GraphBuilder("one")
    operands = [b.input("x", x, "float16"), b.constant("w", w)]
    return b.build([b.op(op, *(operands[::-1] if first else operands), name="y", **attrs)])


W = sparse(32, 64)
ROUND = W.reshape(32, 16, 2, 2)
GRAPHS = {
    "gemm": one_op("gemm", (5, 64), W, False, transB=1),
    "gemm, weight by columns": one_op("gemm", (5, 64), W.T.copy(), False),
    "gemm, weight first": one_op("gemm", (64, 5), W, True),
    "gemm, weight first, by columns": one_op("gemm", (64, 5), W.T.copy(), True, transA=1),
    "matmul": one_op("matmul", (3, 5, 64), W.T.copy(), False),
    "matmul, weight first": one_op("matmul", (64, 5), W, True),
    "conv": one_op("conv", (2, 16, 4, 4), ROUND, False),
    "conv_transpose": one_op(
        "conv_transpose", (2, 64, 4, 4), W.T.reshape(64, 8, 2, 2).copy(), False
    ),
    "spmm": one_op("spmm", (64, 5), from_dense(W, "csr"), True),
    "spmm, 2:4": one_op("spmm", (64, 5), from_dense(W, "nm", n=2, m=4), True),
    "spmm_t": one_op("spmm_t", (64, 5), from_dense(W.T.copy(), "csr"), True),
    "dsmm": one_op("dsmm", (5, 64), from_dense(W.T.copy(), "csr"), False),
    "spmv": one_op("spmv", (64,), from_dense(W, "csr"), True),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_columns_are_what_is_summed_whichever_way_a_weight_is_given(name: str) -> None:
    graph = GRAPHS[name]
    selection = instruction_for(graph, graph.node("y"), GPU)
    assert selection is not None
    assert (selection.weight, selection.shape) == ("w", (32, 64))
    assert selection.instruction is not None
    assert selection.instruction.name == "mma_sp_f16"


def test_the_groups_of_a_convolution_are_counted_apart() -> None:
    w = np.ones((6, 2, 3, 3), np.float16)
    graph = one_op("conv", (1, 6, 8, 8), w, False, group=3)
    selection = instruction_for(graph, graph.node("y"), GPU)
    assert selection is not None
    assert selection.shape == (6, 18)
    assert selection["mma_f16"].products == 3 * 16 * 32
    turned = one_op(
        "conv_transpose", (1, 6, 8, 8), np.ones((6, 2, 3, 3), np.float16), False, group=3
    )
    other = instruction_for(turned, turned.node("y"), GPU)
    assert other is not None
    assert other.shape == (3 * 18, 2)
    assert other["mma_f16"].products == 3 * 32 * 16


def test_nodes_without_a_weight_have_none() -> None:
    b = GraphBuilder("none")
    x = b.input("x", (4, 4))
    h = b.op("matmul", x, x)
    h = b.op("add", h, b.constant("c", np.ones((4, 4), np.float32)))
    h = b.op("matmul", h, b.constant("stack", np.ones((4, 4, 4), np.float32)))
    graph = b.build([b.op("relu", h)])
    assert [instruction_for(graph, node, GPU) for node in graph.nodes] == [None] * 4
    assert NOTED.run(graph, GPU) is graph
    unknown = Target(replace(SERVER, instructions=frozenset()))
    assert instruction_for(GRAPHS["gemm"], GRAPHS["gemm"].node("y"), unknown) is None


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("network", NETWORKS)
def test_only_notes_are_added_and_only_once(network: Any, pattern: str) -> None:
    graph = in_double(network(pattern))
    noted = NOTED.run(graph, GPU)
    assert (noted.nodes, noted.outputs) == (graph.nodes, graph.outputs)
    assert all(noted.constants[name] is graph.constants[name] for name in graph.constants)
    assert NOTED.run(noted, GPU) is noted
    added = set(noted.metadata) - set(graph.metadata)
    assert added <= {f"{NOTE}{node.name}" for node in graph.nodes}
    feeds = feeds_for(graph)
    for name, value in meaning(graph, feeds).items():
        np.testing.assert_array_equal(meaning(noted, feeds)[name], value)


def test_notes_of_another_target_are_replaced_and_those_of_others_kept() -> None:
    graph = replace(GRAPHS["gemm"], metadata={"source": "a test", f"{NOTE}gone": "x"})
    for target, expected in ((GPU, "mma_sp_f16: "), (Target(SERVER), "avx512_fma_f32: ")):
        graph = NOTED.run(graph, target)
        assert set(graph.metadata) == {"source", f"{NOTE}y"}
        assert graph.metadata[f"{NOTE}y"].startswith(expected)


def test_a_compiled_model_carries_them_unless_the_pass_is_left_out() -> None:
    graph = perceptron("random", sizes=(64, 64, 64))
    plan = compile(graph, target="server-2core")
    assert [key for key in plan.graph.metadata if key.startswith(NOTE)]
    assert all(text.startswith("avx512_fma_f32") for text in plan.graph.metadata.values())
    without = compile(graph, target="server-2core", skip=("select_instruction",))
    assert not without.graph.metadata
    x = np.random.default_rng(0).standard_normal((7, 64)).astype(np.float32)
    np.testing.assert_array_equal(plan(x), without(x))


def test_it_comes_last_of_what_it_looks_at() -> None:
    _, reports = run_passes(perceptron("random"), Target(SERVER), PASSES)
    names = [report.name for report in reports]
    report = reports[names.index("select_instruction")]
    assert not report.changed  # nothing that could take another time
    assert str(report) == "select_instruction: noted instruction of 3 nodes"
    assert names.index("select_instruction") > names.index("insert_conversions")
    assert names.index("select_instruction") > names.index("fuse_epilogue")
