"""Every pass on every network: same meaning, same interface, nothing left to do a second time."""

import importlib
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.errors import InternalError, UsageError
from minisparse.core.tensor_type import DENSE, Layout
from minisparse.cost import Target, candidates
from minisparse.formats import BSR, CSR, NM, from_dense
from minisparse.graph import Graph, GraphBuilder
from minisparse.passes import PASSES, Pass, PassReport, in_order, run_passes
from minisparse.passes.insert_conversions import spanning_tree
from tests.networks import (
    NETWORKS,
    PATTERNS,
    branching,
    encoder,
    feeds_for,
    in_double,
    meaning,
    perceptron,
    pruned,
)

GRAPHS = [in_double(network(pattern)) for network in NETWORKS for pattern in PATTERNS]


def run_only(graph: Graph, *names: str) -> tuple[Graph, tuple[PassReport, ...]]:
    """Run some of the passes, in their order."""
    target = Target(sizes={"batch": 256})
    return run_passes(graph, target, PASSES, skip=[name for name in PASSES if name not in names])


def assert_same_meaning(before: Graph, after: Graph) -> None:
    feeds = feeds_for(before)
    expected, found = meaning(before, feeds), meaning(after, feeds)
    assert list(found) == list(expected)
    for name, x in expected.items():
        np.testing.assert_allclose(found[name], x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda g: g.name)
def test_each_pass_in_its_place_keeps_meaning_and_is_idempotent(graph: Graph) -> None:
    target = Target(sizes={"batch": 128})
    current = graph
    for step in in_order(PASSES):
        rewritten = step.run(current, target)
        assert_same_meaning(graph, rewritten)
        assert str(step.run(rewritten, target)) == str(rewritten), step.name
        current = rewritten


@given(
    st.sampled_from(NETWORKS),
    st.sampled_from(PATTERNS),
    st.integers(0, 2**16),
    st.permutations(sorted(PASSES)),
    st.integers(0, len(PASSES)),
)
def test_any_subset_of_passes_in_any_order_keeps_the_meaning(
    network: type, pattern: str, seed: int, order: list[str], count: int
) -> None:
    graph = in_double(network(pattern, seed))
    current = graph
    for name in order[:count]:
        current = PASSES[name].run(current, Target())
    assert_same_meaning(graph, current)


@pytest.mark.parametrize("name", sorted(PASSES))
def test_every_pass_can_be_left_out_and_is_documented(name: str) -> None:
    _, reports = run_passes(perceptron("random"), Target(), PASSES, skip=(name,))
    assert name not in [report.name for report in reports]
    text = importlib.import_module(f"minisparse.passes.{name}").__doc__ or ""
    for heading in ("Before", "After", "Why", "When", "Keeps"):
        assert heading in text


def test_order_follows_what_each_pass_asks_for() -> None:
    position = {p.name: i for i, p in enumerate(in_order(PASSES))}
    for p in PASSES.values():
        assert set(p.after) <= set(PASSES)
        assert all(position[before] < position[p.name] for before in p.after)
    loop = {n: Pass(n, lambda g, t: g, (o,)) for n, o in itertools.permutations("ab", 2)}
    with pytest.raises(InternalError, match="wait for each other"):
        in_order(loop)


def test_an_unknown_pass_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no pass fuse_all; passes: .*fuse_epilogue"):
        run_passes(perceptron("random"), Target(), PASSES, skip=("fuse_all",))


def test_a_pass_that_changes_the_interface_is_caught() -> None:
    def drop(graph: Graph, target: Target) -> Graph:
        return replace(graph, outputs={"y": graph.nodes[0].output})

    with pytest.raises(InternalError, match="pass drop changed"):
        run_passes(perceptron("random"), Target(), {"drop": Pass("drop", drop)})


def test_recognize_sparsity_finds_patterns_and_changes_nothing() -> None:
    graph = perceptron("rows")
    after, (report,) = run_only(graph, "recognize_sparsity")
    assert set(after.patterns) == {"w0", "w1", "w2"}
    assert after.patterns["w0"].nonzero_rows == 12
    assert after.nodes == graph.nodes
    assert "w0" in str(report)


def test_lower_gemm_takes_pruned_constants_only() -> None:
    lowered, _ = run_only(perceptron("random"), "recognize_sparsity", "lower_gemm")
    assert [n.op.name for n in lowered.nodes].count("spmm") == 3
    dense, _ = run_only(perceptron("none"), "recognize_sparsity", "lower_gemm")
    assert [n.op.name for n in dense.nodes].count("spmm") == 0
    unseen, _ = run_only(perceptron("random"), "lower_gemm")
    assert [n.op.name for n in unseen.nodes].count("spmm") == 0
    scaled, _ = run_only(branching("random"), "recognize_sparsity", "lower_gemm")
    assert scaled.node("scaled").op.name == "gemm"  # alpha is not 1


def test_cancel_transposes_leaves_one_at_each_end() -> None:
    steps = ("recognize_sparsity", "lower_gemm", "cancel_transposes")
    graph, _ = run_only(perceptron("random"), *steps)
    turns = [n for n in graph.nodes if n.op.name == "transpose"]
    reading_data = [n for n in turns if n.inputs[0] not in graph.constants]
    assert len(reading_data) == 2
    assert reading_data[0].inputs == ("x",)
    assert reading_data[-1].output == graph.outputs["y"]


def test_permutations_that_do_not_undo_each_other_stay() -> None:
    b = GraphBuilder("turns")
    x = b.input("x", (2, 3, 4))
    once = b.op("transpose", x, perm=(1, 2, 0))
    twice = b.op("transpose", b.op("relu", once), perm=(1, 2, 0))
    thrice = b.op("transpose", twice, perm=(1, 2, 0))
    back = b.op("transpose", b.op("transpose", once, perm=(2, 0, 1)), perm=(0, 1, 2))
    graph = b.build({"twice": b.op("add", twice, twice), "thrice": thrice, "back": back})
    after, _ = run_only(graph, "cancel_transposes")
    assert_same_meaning(graph, after)


def test_an_input_given_by_columns_is_lowered_without_a_transposition() -> None:
    b = GraphBuilder("columns")
    w = b.constant("w", pruned(np.random.default_rng(0), 5, 6, "random"))
    graph = b.build([b.op("gemm", b.input("x", (6, "batch")), w, transA=1, transB=1)])
    after, _ = run_only(graph, "recognize_sparsity", "lower_gemm")
    assert [n.op.name for n in after.nodes] == ["spmm", "transpose"]
    assert_same_meaning(graph, after)


def test_select_format_wishes_only_where_it_is_predicted_to_pay() -> None:
    big = perceptron("random", sizes=(512, 512, 512))
    steps = ("recognize_sparsity", "lower_gemm", "select_format")
    graph, _ = run_only(big, *steps)
    wants = [layout for node in graph.nodes for layout in node.wants.values()]
    assert all(layout != DENSE for layout in wants)
    dense, _ = run_only(perceptron("none"), *steps)
    assert not any(node.wants for node in dense.nodes)
    rows, _ = run_only(perceptron("rows", sizes=(512, 512, 512)), *steps)
    assert all(node.wants for node in rows.nodes if node.op.name == "spmm")


def wishing(layout: Layout) -> Graph:
    """Return a graph in which two nodes want the same weight in a layout."""
    steps = ("recognize_sparsity", "lower_gemm", "cancel_transposes")
    graph, _ = run_only(branching("2:4"), *steps)
    nodes = [replace(n, wants={0: layout}) if n.op.name == "spmm" else n for n in graph.nodes]
    return graph.replace_nodes(nodes)


@pytest.mark.parametrize("layout", [Layout("csr"), Layout("bsr", (4, 4)), Layout("nm", (2, 4))])
def test_conversions_are_shared_and_then_folded(layout: Layout) -> None:
    before = wishing(layout)
    graph, _ = run_only(before, "insert_conversions")
    converts = [n for n in graph.nodes if n.op.name == "convert"]
    assert len(converts) == 1
    assert not any(n.wants for n in graph.nodes)
    folded, (report,) = run_only(graph, "fold_constants")
    assert not any(n.op.name == "convert" for n in folded.nodes)
    stored = folded.constants[converts[0].output]
    assert stored.type.layout == layout  # type: ignore[union-attr]
    assert "removed 1 convert" in str(report)
    assert_same_meaning(before, folded)


def test_a_stored_filter_remembers_its_shape() -> None:
    from tests.networks import convolutional

    graph, _ = run_only(convolutional("random"), "recognize_sparsity")
    nodes = [replace(n, wants={1: Layout("csr")}) if n.name == "conv1" else n for n in graph.nodes]
    after, _ = run_only(graph.replace_nodes(nodes), "insert_conversions", "fold_constants")
    conv = after.node("conv1")
    assert isinstance(after.constants[conv.inputs[1]], CSR)
    assert conv.attrs["kernel_shape"] == (3, 3)
    assert_same_meaning(graph, after)


def test_fuse_epilogue_takes_single_readers_only() -> None:
    steps = ("recognize_sparsity", "lower_gemm", "cancel_transposes", "fuse_epilogue")
    graph, (*_, report) = run_only(perceptron("random"), *steps)
    assert [n.op.name for n in graph.nodes if n.op.base.name == "spmm"] == [
        "spmm_bias_relu", "spmm_relu", "spmm_bias",
    ]  # fmt: skip
    assert "spmm_bias_relu" in str(report)
    shared, _ = run_only(branching("random"), *steps)
    first = shared.producers[shared.outputs["first"]]
    assert not first.op.name.endswith("relu")  # "first" is an output: it must exist in memory


@pytest.mark.parametrize("how", ["read twice", "an output"])
def test_a_product_that_is_needed_elsewhere_stays_in_memory(how: str) -> None:
    b = GraphBuilder("shared")
    w = b.constant("w", pruned(np.random.default_rng(0), 4, 4, "random"))
    product = b.op("spmm", w, b.input("x", (4, 3)), name="product")
    active = b.op("relu", product, name="active")
    if how == "an output":
        graph = b.build({"product": product, "active": active})
    else:
        graph = b.build({"total": b.op("add", product, active, name="total")})
    assert run_only(graph, "fuse_epilogue")[0].nodes == graph.nodes


def test_a_stored_weight_is_converted_when_compiling_too() -> None:
    b = GraphBuilder("stored")
    a = from_dense(pruned(np.random.default_rng(0), 8, 8, "blocks"), "csr")
    graph = b.build([b.op("spmm", b.constant("w", a), b.input("x", (8, 3)), name="p")])
    wishing = graph.replace_nodes([replace(graph.node("p"), wants={0: Layout("bsr", (4, 4))})])
    after, _ = run_only(wishing, "insert_conversions", "fold_constants")
    assert [type(c) for c in after.constants.values()] == [BSR]
    assert [n.name for n in after.nodes] == ["p"]


def test_each_conversion_reads_the_smallest_form_there_is_by_then() -> None:
    """A pruned weight of 64 kB is searched once; its other forms are made of the small one."""
    b = GraphBuilder("shared")
    w = b.constant("w", pruned(np.random.default_rng(0), 128, 128, "random"))
    x = b.input("x", (128, 3))
    products = [b.op("spmm", w, x, name=f"p{i}") for i in range(4)]
    graph, _ = run_only(b.build({"y": b.op("max", *products)}), "recognize_sparsity")
    layouts = [Layout("bsr", (4, 4)), Layout("coo"), Layout("csr"), Layout("csr")]
    wants = dict(zip(products, layouts, strict=True))
    nodes = [replace(n, wants={0: wants[n.name]} if n.name in wants else {}) for n in graph.nodes]
    after, _ = run_only(graph.replace_nodes(nodes), "insert_conversions")
    made = {n.output: n.inputs[0] for n in after.nodes if n.op.name == "convert"}
    assert made == {"w_as_csr": "w", "w_as_coo": "w_as_csr", "w_as_bsr_4x4": "w_as_csr"}
    assert_same_meaning(graph, run_only(after, "fold_constants")[0])


def test_padding_is_not_handed_on() -> None:
    """The smallest form is one of blocks here, and what it stores besides is in no other form."""
    tree = spanning_tree(DENSE, [Layout("bsr", (4, 4)), Layout("csr")], lambda x: len(x.format))
    assert [(start, end.format) for start, end in tree] == [(DENSE, "csr"), (Layout("csr"), "bsr")]
    rooted = spanning_tree(Layout("bsr", (4, 4)), [Layout("csr"), Layout("coo")], lambda x: 1)
    assert rooted[0][0] == Layout("bsr", (4, 4))


def test_the_wish_is_the_cheapest_candidate() -> None:
    target = Target(sizes={"batch": 256})
    for pattern in ("rows", "blocks", "random"):
        graph = perceptron(pattern, sizes=(512, 512))
        steps = ("recognize_sparsity", "lower_gemm", "select_format")
        after, _ = run_only(graph, *steps)
        (node,) = (n for n in after.nodes if n.op.name == "spmm")
        offered = candidates(target.bind(after), node, target)
        best = min(offered, key=lambda c: (c.total_seconds(target.calls), c.name)).layout
        assert node.wants.get(0, DENSE) == best


def test_n_m_weights_are_offered_as_n_m() -> None:
    graph = wishing(Layout("nm", (2, 4)))
    after, _ = run_only(graph, "insert_conversions", "fold_constants")
    assert any(isinstance(c, NM) for c in after.constants.values())


def test_linear_layers_of_a_transformer_become_products_of_matrices() -> None:
    lowered, _ = run_only(encoder("blocks"), "lower_matmul", "cancel_reshapes", "fuse_epilogue")
    ops = [node.op.name for node in lowered.nodes]
    assert {op: ops.count(op) for op in ops if "dsmm" in op} == {
        "dsmm_add": 3,
        "dsmm_add_add": 2,
        "dsmm_add_gelu": 1,
    }
    assert ops.count("matmul") == 2  # of queries with keys, and of weights with values
    assert not {"add", "gelu"} & set(ops)
    assert lowered.node("up").inputs[1] == "up.w"
    feeds = feeds_for(encoder("blocks"))
    wanted = meaning(encoder("blocks"), feeds)["y"]
    np.testing.assert_allclose(meaning(lowered, feeds)["y"], wanted, rtol=1e-12)


def rows_of(shape: tuple[int | str, ...], turned: bool = True, **attrs: float) -> Graph:
    """Return a linear layer as PyTorch's are written: gemm on the rows of a reshape."""
    rng = np.random.default_rng(0)
    b = GraphBuilder("rows")
    flat = b.op("reshape", b.input("x", (*shape, 4)), b.constant("flat", [-1, 4]))
    w = b.constant("w", rng.standard_normal((3, 4) if turned else (4, 3)).astype("float32"))
    bias = b.constant("b", rng.standard_normal(3).astype("float32"))
    h = b.op("gemm", flat, w, bias, transB=int(turned), name="linear", **attrs)
    return b.build({"y": b.op("relu", h)})


@pytest.mark.parametrize("turned", [True, False])
def test_a_linear_layer_on_rows_is_lowered_too(turned: bool) -> None:
    graph = rows_of(("batch", 5), turned)
    lowered, _ = run_only(graph, "lower_matmul")
    assert [node.op.name for node in lowered.nodes] == ["reshape", "dsmm", "add", "relu"]
    assert_same_meaning(graph, lowered)
    for kept in (rows_of(("batch",), turned), rows_of(("batch", 5), turned, alpha=0.5)):
        assert run_only(kept, "lower_matmul")[0].nodes == kept.nodes


def test_shapes_with_two_free_sizes_are_read_from_the_operand() -> None:
    rng = np.random.default_rng(0)
    b = GraphBuilder("free")
    x = b.input("x", ("batch", "length", 4))
    h = b.op("matmul", x, b.constant("w", rng.standard_normal((4, 3)).astype("float32")))
    h = b.op("relu", b.op("add", h, b.constant("b", rng.standard_normal(3).astype("float32"))))
    h = b.op("matmul", h, b.constant("v", rng.standard_normal((3, 4)).astype("float32")))
    graph = in_double(b.build({"y": b.op("add", h, x)}))
    lowered, _ = run_only(graph, "lower_matmul", "cancel_reshapes", "fuse_epilogue")
    ops = [node.op.name for node in lowered.nodes]
    assert {op for op in ops if "dsmm" in op} == {"dsmm_add_relu", "dsmm_add"}
    assert ops.count("reshape") == 4  # two of x, the result, one read for its shape
    assert lowered.types[lowered.outputs["y"]].shape == ("batch", "length", 4)
    given = {"x": rng.standard_normal((2, 5, 4))}
    wanted = meaning(graph, given)["y"]
    np.testing.assert_allclose(meaning(lowered, given)["y"], wanted, rtol=1e-12)


def around(op: str, other: tuple[int, ...]) -> Graph:
    """Return ``reshape(op(reshape(matrix), other))``, the reshapes undoing each other."""
    b = GraphBuilder("around")
    parted = b.op("reshape", b.input("p", (6, 4)), b.constant("parted", [2, 3, 4]))
    h = b.op(op, parted, b.input("other", other)) if other else b.op(op, parted)
    return b.build({"y": b.op("reshape", h, b.constant("rows", [-1, 4]))})


@pytest.mark.parametrize(
    ("op", "other", "reshapes"),
    [
        ("relu", (), 0),
        ("add", (4,), 0),
        ("multiply", (1,), 0),
        ("add", (2, 3, 4), 1),  # the other value is reshaped instead
        ("add", (3, 4), 2),
        ("add", (2, 1, 4), 2),
        ("softmax", (), 2),
    ],
)
def test_reshapes_sink_below_what_works_on_each_element(
    op: str, other: tuple[int, ...], reshapes: int
) -> None:
    graph = around(op, other)
    after, _ = run_only(graph, "cancel_reshapes")
    assert [node.op.name for node in after.nodes].count("reshape") == reshapes
    assert_same_meaning(graph, after)


def test_reshapes_that_others_need_stay() -> None:
    b = GraphBuilder("needed")
    parted = b.op("reshape", b.input("p", (6, 4)), b.constant("parted", [2, 3, 4]))
    graph = b.build({"parted": parted, "y": b.op("relu", parted)})
    assert run_only(graph, "cancel_reshapes")[0].nodes == graph.nodes


def normalized(op: str, *, bias: bool = True, **attrs: float) -> Graph:
    """Return a layer of four channels and a batch normalization of it."""
    rng = np.random.default_rng(3)
    b = GraphBuilder("normalized")
    shape = (5, 2, 3, 3) if op == "conv" else (5, 6)
    x = b.input("x", shape)
    w = rng.standard_normal((4, 2, 2, 2) if op == "conv" else (4, 6)).astype("float32")
    w[1] = 0
    more = [b.constant("b", rng.standard_normal(4).astype("float32"))] if bias else []
    given = {"transB": 1, **attrs} if op == "gemm" else attrs
    h = b.op(op, x, b.constant("w", w), *more, name="layer", **given)
    facts = [b.constant(n, rng.random(4).astype("float32") + np.float32(0.5)) for n in "stmv"]
    return b.build({"y": b.op("batch_normalization", h, *facts)})


@pytest.mark.parametrize("op", ["conv", "gemm"])
@pytest.mark.parametrize("bias", [True, False])
def test_batch_normalization_goes_into_the_layer(op: str, bias: bool) -> None:
    graph = normalized(op, bias=bias)
    folded, _ = run_only(graph, "fold_batchnorm")
    (node,) = folded.nodes
    assert (node.name, node.op.name, len(node.inputs)) == ("layer", op, 3)
    assert not np.asarray(folded.constants[node.inputs[1]])[1].any()
    feeds = feeds_for(graph)
    wanted, found = meaning(graph, feeds)["y"], meaning(folded, feeds)["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)  # weights rounded once more


def test_batch_normalization_stays_where_it_cannot_go() -> None:
    for graph in (normalized("gemm", alpha=0.5), normalized("gemm", beta=2.0)):
        assert run_only(graph, "fold_batchnorm")[0].nodes == graph.nodes
    read_twice = normalized("conv")
    both = {**read_twice.outputs, "before": read_twice.nodes[0].output}
    read_twice = replace(read_twice, outputs=both)
    assert run_only(read_twice, "fold_batchnorm")[0].nodes == read_twice.nodes
