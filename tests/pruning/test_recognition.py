"""``ms.recognize``: per weight, all structures that hold or are narrowly missed."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.graph import Graph
from tests.pruning.test_prune import attention, network


def linear(w: Array) -> Graph:
    b = ms.GraphBuilder("linear")
    x = b.input("x", ("n", w.shape[1]))
    return b.build([b.op("gemm", x, b.constant("w", w), transB=1, name="fc")])


def test_dead_outputs_and_inputs_are_listed() -> None:
    graph = ms.prune(ms.prune(network(), "channel", sparsity=0.25), "input_channel", sparsity=0.5,
                     only=("conv1",))  # fmt: skip
    found = ms.recognize(graph)["conv1"]
    w = np.asarray(graph.constants["w1"])
    assert found.dead_outputs == tuple(np.flatnonzero(~w.any(axis=(1, 2, 3))))
    assert found.dead_inputs == tuple(np.flatnonzero(~w.any(axis=(0, 2, 3))))
    assert len(found.dead_outputs) == len(found.dead_inputs) == 2
    assert "2 of 8 outputs are dead" in str(found)
    assert "2 of 4 inputs are dead" in str(found)


def test_dead_heads_are_listed() -> None:
    graph = ms.prune(attention(), "head", sparsity=0.25)
    found = ms.recognize(graph)["wo"]
    assert found.heads == 4
    assert len(found.dead_heads) == 1
    rows = np.asarray(graph.constants["wo"]).reshape(4, 3, -1)
    assert not rows[found.dead_heads[0]].any()
    assert "1 of 4 heads are dead" in str(found)
    assert ms.recognize(graph)["wq"].heads == 0


def test_what_stands_in_the_way_is_said() -> None:
    rng = np.random.default_rng(0)
    there = rng.random((16, 16)) < 0.06
    w = np.kron(there, np.ones((16, 16))).astype("float32")
    strays = np.argwhere(~there)[:11] * 16
    w[strays[:, 0], strays[:, 1]] = 1
    told = str(ms.recognize(linear(w), permute=False))
    assert "11 entries stand in the way of" in told
    sizes = {b.size: b for b in ms.recognize(linear(w), permute=False)["w"].blocks}
    assert sizes[16].empty == pytest.approx(1 - (there.sum() + 11) / 256)


def test_groups_are_looked_at_after_a_permutation_too() -> None:
    rng = np.random.default_rng(1)
    w = np.asarray(ms.prune(linear(rng.standard_normal((64, 64)).astype("float32")), "nm")
                   .constants["w"])  # fmt: skip
    assert "2:4" in ms.recognize(linear(w))["w"].kind
    shuffled = ms.recognize(linear(w[:, rng.permutation(64)]))["w"]
    (group,) = (g for g in shuffled.groups if (g.n, g.m) == (2, 4))
    assert group.violations > 0
    assert group.excess_permuted == 0
    few = w.copy()
    few[0, :4] = 1
    assert "2:4 in all but 1 of 1024 groups" in str(ms.recognize(linear(few)))


def test_names_and_cards() -> None:
    found = ms.recognize(network())
    assert found["w1"] is found["conv1"]
    assert found["fc1"].kind == "dense"
    with pytest.raises(KeyError):
        found["nobody"]
    assert "<table" in found._repr_html_()
    assert max(map(len, str(found).splitlines())) <= 80
