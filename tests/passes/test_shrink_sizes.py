"""Shrinking where sizes have only names, or are computed by the model, or told by the run alone."""

import numpy as np

from minisparse.passes.shrinking import shrink
from minisparse.passes.shrinking.report import ShrinkReport
from tests.passes.counted_networks import Net, shrunk, some


def test_sizes_that_a_model_looks_up_stay() -> None:
    def network(index: int | None) -> ShrinkReport:
        net = Net()
        x = net.b.input("x", ("batch", 4), "float64")
        h = net("matmul", x, some(4, 6, ignored=(5,)))
        size = net("shape", h)
        size = size if index is None else net("gather", size, np.array([index]))
        y = net("matmul", h, some(6, 2))
        return shrunk(net, y, size)[1]

    assert network(0).changed  # the batch
    assert not network(None).changed
    assert not network(1).changed
    assert "shape 'shape_1' needs that axis as it is" in str(network(1).stays[0])


def test_sizes_that_only_the_run_tells_hold_what_they_meet() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 4), "float64")
    h = net("matmul", x, some(4, 6, ignored=(5,)))
    shape = net("cast", net.b.input("shape", (2,), "int64"), to="int64")
    unknown = net("reshape", net.b.input("z", ("batch", 6), "float64"), shape)
    w = some(6, 2, dead=(5,))
    graph = net.b.build({"y": net("matmul", net.b.op("add", h, unknown), w)})
    smaller, _ = shrink(graph)
    assert smaller.types["c1"].shape == (4, 6)


def test_a_sum_of_as_many_constants_as_the_run_tells_is_no_constant() -> None:
    net = Net()
    x = net.b.input("x", ("batch", "seq", 4), "float64")
    ones = net("add", net("matmul", x, np.zeros((4, 6))), np.ones(6))
    scores = net.b.op("matmul", ones, net("transpose", ones, perm=(0, 2, 1)))
    mixed = net.b.op("matmul", scores, ones)  # as large as the sequence is long
    _, report = shrunk(net, net("matmul", mixed, some(6, 2)))
    assert report.layers[1].inputs == (6, 6)


def test_stacks_of_unknown_size_hold_the_stacks_that_they_meet() -> None:
    net = Net()
    shape = net("cast", net.b.input("shape", (3,), "int64"), to="int64")
    unknown = net("reshape", net.b.input("z", ("batch", 6), "float64"), shape)
    product = net.b.op("matmul", net.c(some(3, 4, 5)), unknown)
    first = net("slice", product, np.array([0]), np.array([2]), np.array([0]))
    smaller, _ = shrink(net.b.build({"y": first}))
    assert smaller.types["c1"].shape == (3, 4, 5)


def test_two_sizes_that_move_cannot_be_written_as_one_shape() -> None:
    net = Net()
    x = net.b.input("x", ("batch", "seq", 4), "float64")
    h = net("matmul", x, some(4, 6, ignored=(5,)))
    size = net("shape", x)
    batch, tokens = (net("gather", size, np.array([i])) for i in (0, 1))
    turned = net("concat", tokens, batch, np.array([6]), axis=0)
    _, report = shrunk(net, net("matmul", net.b.op("reshape", h, turned), some(6, 2)))
    assert not report.changed


def test_a_shape_that_is_computed_becomes_a_constant_and_its_computation_goes() -> None:
    net = Net()
    x = net.b.input("x", ("batch", "seq", 4), "float64")
    h = net("matmul", x, some(4, 6))
    size = net("shape", x)
    batch, tokens = (net("gather", size, np.array([i])) for i in (0, 1))
    split = net("concat", batch, tokens, np.array([3, 2]), axis=0)
    mixed = net("relu", net.b.op("reshape", h, split))
    joined = net("reshape", mixed, np.array([0, 0, -1]))
    smaller, report = shrunk(net, net("matmul", joined, some(6, 2, dead=(2, 3))))
    assert report.parameters[1] == 4 * 4 + 4 * 2
    assert [node.op.name for node in smaller.nodes] == "matmul reshape relu reshape matmul".split()
