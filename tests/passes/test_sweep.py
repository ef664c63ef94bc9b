"""What a walk over a graph knows of it while it is rewritten."""

import numpy as np
import pytest

from minisparse.graph import Graph, GraphBuilder, Node
from minisparse.ops import OPS
from minisparse.passes.sweep import Sweep


def chain(*ops: str, outputs: tuple[str, ...] = ()) -> Graph:
    """Return ops of one operand in a row, those in ``outputs`` returned besides the last."""
    b = GraphBuilder("chain")
    values = {"": b.input("x", (2, 3))}
    for op in ops:
        values[op] = b.op(op, list(values.values())[-1], name=op)
    return b.build({name: values[name] for name in (*outputs, ops[-1])})


def without(graph: Graph, name: str) -> Graph:
    """Return the graph in which readers of a node read what it reads."""
    sweep = Sweep(graph)
    for given in graph.nodes:
        node = sweep.seen(given)
        if given.name != name or not sweep.forward(node, node.inputs[0]):
            sweep.keep(node)
    return sweep.result()


def names(graph: Graph) -> list[str]:
    """Return the names of a graph's nodes."""
    return [node.name for node in graph.nodes]


def test_readers_read_what_a_node_is_replaced_by() -> None:
    """One forwarded node after another leads back to the first."""
    graph = chain("relu", "abs", "neg", "exp")
    sweep = Sweep(graph)
    for given in graph.nodes:
        node = sweep.seen(given)
        if node.name not in ("abs", "neg") or not sweep.forward(node, node.inputs[0]):
            sweep.keep(node)
    found = sweep.result()
    assert names(found) == ["relu", "exp"]
    assert found.nodes[1].inputs == found.nodes[0].outputs


def test_an_output_takes_over_what_is_computed_for_it_alone() -> None:
    """The last node goes, and the graph returns what it read."""
    found = without(chain("relu", "abs"), "abs")
    assert names(found) == ["relu"]
    assert list(found.outputs) == ["abs"]


@pytest.mark.parametrize(("ops", "outputs"), [(("abs",), ()), (("relu", "abs"), ("relu",))])
def test_a_caller_is_given_neither_an_operand_nor_an_output_twice(
    ops: tuple[str, ...], outputs: tuple[str, ...]
) -> None:
    """A node stays whose result is returned, where what it reads is not the graph's own."""
    assert names(without(chain(*ops, outputs=outputs), "abs")) == list(ops)


def test_what_only_a_replaced_node_needed_goes_with_it() -> None:
    """A whole chain that nothing reads any more is dropped; what the graph returns stays."""
    for outputs, left in ((), ["neg"]), (("relu",), ["relu", "neg"]):
        graph = chain("relu", "abs", "neg", outputs=outputs)
        sweep = Sweep(graph)
        for given in graph.nodes:
            node = sweep.seen(given)
            if node.name == "neg":
                sweep.put(node, (Node("neg", OPS["neg"], ("x",), node.outputs),))
            else:
                sweep.keep(node)
        assert names(sweep.result()) == left


def test_reads_are_counted_as_the_graph_stands() -> None:
    """A value read twice by one node is read twice; forwarded readers are its readers too."""
    b = GraphBuilder("twice")
    h = b.op("relu", b.input("x", (2,)))
    graph = b.build({"y": b.op("add", h, h), "z": b.op("exp", b.op("neg", b.op("abs", h)))})
    sweep = Sweep(graph)
    reads = {}
    for given in graph.nodes:
        node = sweep.seen(given)
        reads[node.op.name] = [sweep.is_read_once(name) for name in node.inputs]
        sweep.keep(node)
    assert reads == {
        "relu": [True],
        "add": [False, False],
        "abs": [False],
        "neg": [True],
        "exp": [True],
    }


def test_names_and_constants_that_a_rewrite_defines_are_free() -> None:
    """A name that is taken gets a number, again and again."""
    sweep = Sweep(chain("relu"))
    assert [sweep.free("relu") for _ in range(2)] == ["relu_2", "relu_3"]
    assert sweep.constant("x", np.ones(2, np.int64)) == "x_2"
    assert sweep.types["x_2"].known == (1, 1)


def test_types_of_what_is_put_are_inferred() -> None:
    """A rewrite may ask for the type of what another has just defined."""
    graph = chain("relu", "abs")
    sweep = Sweep(graph)
    relu, last = map(sweep.seen, graph.nodes)
    sweep.keep(relu)
    turn = OPS["transpose"]
    around = Node("t", turn, last.inputs, ("t",), turn.complete({}))
    inside = Node("abs", last.op, ("t",), ("inner",))
    back = Node("back", turn, ("inner",), last.outputs, turn.complete({}))
    sweep.put(last, (around, inside, back))
    assert sweep.types["inner"].shape == (3, 2)
    assert names(sweep.result()) == ["relu", "t", "abs", "back"]
