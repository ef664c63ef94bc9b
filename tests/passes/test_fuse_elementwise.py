"""Chains of elementwise ops: which nodes become one, and that pieces change nothing."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.cost import Target
from minisparse.graph import Graph, GraphBuilder
from minisparse.kernels import find_level
from minisparse.kernels.chain import program
from minisparse.kernels.chain.cuts import find_cuts, pieces_of
from minisparse.kernels.chain.program import Program
from minisparse.ops import OPS, Op
from minisparse.ops.body import Body
from minisparse.ops.chain import CHAIN
from minisparse.passes import PASSES, fuse_elementwise
from tests.passes.random_networks import assert_same

RNG = np.random.default_rng(0)
LARGE = {"batch": 1 << 20}


def fused(graph: Graph, sizes: dict[str, int] | None = None) -> Graph:
    return PASSES["fuse_elementwise"].run(graph, Target(sizes=LARGE if sizes is None else sizes))


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def gelu_of_sum(*outputs: str) -> Graph:
    """Return a gelu, spelled with a root that is none, of a sum that is read twice."""
    b = GraphBuilder("gelu")
    x = b.input("x", ("batch", 6), "float64")
    c = [b.constant(f"c{i}", np.array(v)) for i, v in enumerate((1.5, 1.0, 0.5))]
    h = b.op("add", x, b.constant("bias", np.arange(6.0)), name="h")
    p = b.op("erf", b.op("div", h, c[0], name="p"), name="q")
    r = b.op("multiply", h, b.op("add", p, c[1], name="r"), name="s")
    return b.build([b.op("multiply", r, c[2], name="y"), *outputs])


def test_all_that_leads_to_one_result_becomes_one_node() -> None:
    graph = gelu_of_sum()
    found = fused(graph)
    assert ops(found) == ["chain"]
    (chain,) = found.nodes
    assert [node.name for node in chain.attrs["body"].nodes] == ["h", "p", "q", "r", "s", "y"]
    assert chain.inputs == ("x", "bias", "c0", "c1", "c2")
    assert_same(graph, found)
    assert fused(found).nodes == found.nodes


def test_what_another_needs_is_computed_apart() -> None:
    """The output q has to be in memory, and h is read by what leads to q and by what does not."""
    graph = gelu_of_sum("q")
    found = fused(graph)
    assert [n.name for n in found.nodes] == ["h", "q", "y"]
    assert ops(found) == ["add", "chain", "chain"]
    assert_same(graph, found)


@pytest.mark.parametrize("batch", [1, 64, 1 << 13])
def test_small_values_stay_near_anyway(batch: int) -> None:
    graph = gelu_of_sum()
    assert fused(graph, {"batch": batch}).nodes == graph.nodes


def test_where_loops_are_wanted_every_op_is_seen() -> None:
    graph = gelu_of_sum()
    target = Target(sizes=LARGE, levels=("loops",))
    assert PASSES["fuse_elementwise"].run(graph, target).nodes == graph.nodes


def test_values_of_another_shape_are_made_before() -> None:
    """A row that is broadcast is computed once, not once for every piece."""
    b = GraphBuilder("row")
    row = b.op("exp", b.input("row", (1, 6)), name="e")
    x = b.op("add", b.input("x", ("batch", 6)), row, name="sum")
    graph = b.build([b.op("relu", x, name="y")])
    found = fused(graph)
    assert ops(found) == ["exp", "chain"]


def test_a_plan_with_chains_gives_the_same_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "PIECE", 256)
    monkeypatch.setattr(fuse_elementwise, "pays", lambda between, target: True)
    b = GraphBuilder("plan")
    x = b.input("x", ("batch", 40))
    mask = b.op("greater", x, b.constant("zero", np.float32(0)))
    h = b.op("where", mask, b.op("tanh", x), b.op("clip", x, min=-1, max=1))
    y = b.op("cast", b.op("max", h, b.op("neg", h)), to="float64")
    graph = b.build([y])
    plan = ms.compile(graph, sizes={"batch": 64})
    assert ops(plan.graph) == ["chain"]
    given = RNG.standard_normal((64, 40)).astype("float32")
    for _ in range(2):  # the second run finds what the first one taught
        np.testing.assert_array_equal(plan(given), ms.compile(graph, skip=tuple(PASSES))(given))
    odd = RNG.standard_normal((13, 40)).astype("float32")
    np.testing.assert_array_equal(plan(odd), ms.compile(graph, skip=tuple(PASSES))(odd))


def one_after_another(body: Body, inputs: list[Array]) -> Array:
    """Return a body's output, each node computed as a whole."""
    values = dict(zip(body.inputs, inputs, strict=True))
    for node in body.nodes:
        run = find_level(node.op, "dense", "vectorized")[1].run
        values[node.output] = run(*(values[n] for n in node.inputs), **node.attrs)
    return values[body.outputs[0]]


@pytest.mark.parametrize("most", [1, 7, 64])
def test_pieces_of_any_size_give_the_same(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "PIECE", most)
    monkeypatch.setattr(program, "LARGE_PIECE", most)
    monkeypatch.setattr(program, "BLOCK", most)
    monkeypatch.setattr(program, "SHARED", 32)
    monkeypatch.setattr(program, "SHARED_ELEMENTS", 32)
    monkeypatch.setattr(program, "usable_threads", lambda: 2)
    for sample in CHAIN.samples(np.random.default_rng(1)):
        body = sample.attrs["body"]
        operands = [x for x in sample.operands if isinstance(x, np.ndarray)]
        wanted = one_after_another(body, operands)
        run = Program(body)
        for out in (np.full_like(wanted, 7, order="C"), np.full_like(wanted, 7, order="F")):
            assert run(*operands, out=out) is out
            for found in (out, run(*operands)):
                np.testing.assert_allclose(found, wanted, 1e-6, err_msg=sample.label)


def test_a_program_meets_other_shapes_and_dtypes() -> None:
    body = next(iter(CHAIN.samples(RNG))).attrs["body"]
    run = Program(body)
    for shape, dtype in (((400, 500), "f4"), ((3, 5), "f4"), ((400, 500), "f8"), ((0, 5), "f8")):
        x, y = (RNG.standard_normal(shape).astype(dtype) for _ in range(2))
        wanted = np.maximum((x + x[:1]) * y + x, 0) if shape[0] else x
        found = run(x, y, x[:1]) if shape[0] else run(x, y, x)
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == dtype


def test_no_piece_is_larger_than_asked_and_together_they_are_the_result() -> None:
    for sample in CHAIN.samples(RNG):
        body = sample.attrs["body"]
        if not body.nodes:
            continue
        operands = zip(body.inputs, sample.operands, strict=True)
        shapes: dict[str, tuple[int, ...]] = {n: x.shape for n, x in operands}
        cuts = find_cuts(body, shapes)
        assert cuts is not None
        shape = cuts.shapes[body.outputs[0]]
        seen = np.zeros(shape, int)
        for part in pieces_of(body, cuts, 8):
            index = tuple(part.get(axis, slice(None)) for axis in range(-len(shape), 0))
            seen[index] += 1
        assert (seen == 1).all(), sample.label


POINTWISE = [op for op in OPS.values() if (op.broadcasts or op.elementwise) and not op.parts]


@pytest.mark.parametrize("op", POINTWISE, ids=lambda op: op.name)
def test_elements_depend_on_what_meets_at_their_place(op: Op) -> None:
    """What the flags promise: a part of the operands gives that part of the result."""
    for sample in op.samples(np.random.default_rng(0)):
        if not all(isinstance(x, np.ndarray) for x in sample.operands):
            continue
        operands: list[Array] = list(sample.operands)  # type: ignore[arg-type]
        attrs = op.complete(sample.attrs)
        with np.errstate(all="ignore"):
            whole = op.dense(operands, attrs)
            if not whole.ndim or len(whole) < 2:
                continue
            near = [x[1:] if x.ndim == whole.ndim and len(x) > 1 else x for x in operands]
            part = op.dense(near, attrs)
        np.testing.assert_array_equal(part, whole[1:], sample.label)
