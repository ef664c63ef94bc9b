"""Shrinking linear layers and attention, weights of all kinds, the report and the pass."""

import importlib

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.cost import Target
from minisparse.formats import CSR, from_dense
from minisparse.passes import ON_REQUEST, PASSES, in_order, run_passes
from minisparse.passes.shrinking import shrink
from minisparse.passes.shrinking.report import parameters
from tests.passes.counted_networks import Net, shrunk, some
from tests.passes.random_networks import meaning


def test_a_linear_layer_loses_dead_rows_and_ignored_columns() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 5), "float64")
    h = net("relu", net("gemm", x, some(8, 5, dead=(0, 3)), np.ones(8), transB=1))
    y = net("gemm", h, some(4, 8, ignored=(7,)), transB=1)
    smaller, report = shrunk(net, y)
    assert report.parameters == (8 * 5 + 8 + 4 * 8, 5 * 5 + 5 + 4 * 5 + 4)  # and a bias for two
    assert len(smaller.nodes[-1].inputs) == 3


def test_the_other_way_to_hold_a_weight_and_scales() -> None:
    net = Net()
    x = net.b.input("x", (5, "batch"), "float64")
    h = net("gemm", x, some(5, 8, ignored=(1, 2)), some(8), transA=1, alpha=0.5, beta=3.0)
    y = net("gemm", h, some(8, 4), some(1, 4), alpha=2.0, beta=-0.5)
    _, report = shrunk(net, y)
    assert report.parameters[1] == 5 * 6 + 6 + 6 * 4 + 4


def test_a_bias_that_was_multiplied_by_nothing_is_replaced() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 5), "float64")
    h = net("gemm", x, some(5, 8, ignored=(1,)), some(8))
    y = net("gemm", h, some(8, 4), some(4), beta=0.0)
    smaller, _ = shrunk(net, y)
    assert smaller.nodes[-1].attrs["beta"] == 1


def attention(net: Net, x: str, q: Array, k: Array, v: Array, out: Array, bias: Array) -> str:
    """Return attention with heads of two channels."""
    heads = len(q.T) // 2
    split = []
    for w, shift in ((q, some(q.shape[1])), (k, some(k.shape[1])), (v, bias)):
        h = net("add", net("matmul", x, w), shift)
        h = net("reshape", h, np.array([0, -1, heads, 2]))
        split.append(net("transpose", h, perm=(0, 2, 1, 3)))
    scores = net("matmul", split[0], net("transpose", split[1], perm=(0, 1, 3, 2)))
    mixed = net("matmul", net("softmax", scores, axis=-1), split[2])
    joined = net("reshape", net("transpose", mixed, perm=(0, 2, 1, 3)), np.array([0, 0, 2 * heads]))
    return net("matmul", joined, out)


@pytest.mark.parametrize("by", ["output", "values", "weights of values"])
def test_a_dead_head_goes_with_all_its_projections(by: str) -> None:
    net = Net()
    x = net.b.input("x", ("batch", "seq", 5), "float64")
    q, k, v, out, bias = some(5, 6), some(5, 6), some(5, 6), some(6, 3), some(6)
    if by == "output":
        out[2:4] = 0
    else:
        v[:, 2:4] = 0
        bias[2:4] = 1 if by == "weights of values" else 0  # of which any mean is 1
    smaller, report = shrunk(net, attention(net, x, q, k, v, out, bias))
    folded = 3 if by == "weights of values" else 0
    assert report.parameters[1] == 3 * (5 * 4 + 4) + 4 * 3 + folded
    assert smaller.types[smaller.node("softmax_1").output].shape == ("batch", 2, "seq", "seq")


def test_heads_that_were_packed_into_one_weight_and_merged_with_the_batch() -> None:
    """As PyTorch's MultiheadAttention has it: [3 * heads * 2, 5], and heads beside examples."""
    batch, tokens, heads = 2, 3, 4
    net = Net()
    x = net.b.input("x", (tokens * batch, 5), "float64")
    h = net("gemm", x, some(24, 5), some(24), transB=1)
    h = net("transpose", net("reshape", h, np.array([tokens, batch, 3, 8])), perm=(2, 0, 1, 3))
    parts = []
    for i in range(3):
        part = net("reshape", net("gather", h, np.array(i)), np.array([tokens, batch * heads, 2]))
        part = net("transpose", part, perm=(1, 0, 2))
        parts.append(net("reshape", part, np.array([batch, heads, tokens, 2])))
    scores = net("matmul", parts[0], net("transpose", parts[1], perm=(0, 1, 3, 2)))
    mixed = net("matmul", net("softmax", scores, axis=-1), parts[2])
    turned = net("transpose", mixed, perm=(2, 0, 1, 3))
    joined = net("reshape", turned, np.array([tokens * batch, 8]))
    out = some(8, 3)
    out[2:4] = 0
    _, report = shrunk(net, net("gemm", joined, out))
    assert report.parameters[1] == 18 * 5 + 18 + 6 * 3


def test_half_a_head_stays() -> None:
    net = Net()
    x = net.b.input("x", ("batch", "seq", 4), "float64")
    out = some(4, 3)
    out[2] = 0
    graph_parameters = 3 * (4 * 4 + 4) + 4 * 3
    _, report = shrunk(net, attention(net, x, some(4, 4), some(4, 4), some(4, 4), out, some(4)))
    assert report.parameters == (graph_parameters, graph_parameters)


def test_without_heads_channels_of_queries_and_keys_go_one_by_one() -> None:
    net = Net()
    x = net.b.input("x", ("batch", "seq", 4), "float64")
    q, k = net("matmul", x, some(4, 6, ignored=(1,))), net("matmul", x, some(4, 6, ignored=(3,)))
    y = net("matmul", q, net("transpose", k, perm=(0, 2, 1)))
    _, report = shrunk(net, y)
    assert report.parameters[1] == 2 * 4 * 4


def test_normalization_over_channels_holds_them_and_says_so() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 4), "float64")
    h = net("layer_normalization", net("matmul", x, some(4, 6, ignored=(5,))), some(6), some(6))
    _, report = shrunk(net, net("matmul", h, some(6, 2)))
    assert report.parameters[0] == report.parameters[1]
    assert str(report.stays[0]) == (
        "matmul_1: channel 5 is dead but stays: layer_normalization 'layer_normalization_1' mixes "
        "what lies along that axis"
    )


def test_the_constant_of_a_matmul_joins_the_bias_that_follows() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 4), "float64")
    h = net("add", net("matmul", x, some(4, 6, ignored=(5,))), some(6))
    smaller, report = shrunk(net, net("add", net("matmul", h, some(6, 2)), some(2)))
    assert len(smaller.nodes) == 4
    assert report.parameters[1] == 4 * 5 + 5 + 5 * 2 + 2
    net = Net()
    x = net.b.input("x", ("batch", 4), "float64")
    h = net("add", net("matmul", x, some(4, 6, ignored=(5,))), some(6))
    y = net("matmul", h, some(6, 2))
    smaller, _ = shrunk(net, y, net("add", y, some(2)))  # the product itself is an output
    assert [node.op.name for node in smaller.nodes].count("add") == 3


def test_sparse_weights_stay_in_their_format() -> None:
    net = Net()
    x = net.b.input("x", (5, "batch"), "float64")
    first = net.b.op("spmm", net.c(from_dense(some(8, 5, dead=(2,)), "csr")), x)
    h = net("add_bias", first, np.ones(8))
    y = net.b.op("spmm", net.c(from_dense(some(3, 8, ignored=(0, 1)), "csr")), h)
    smaller, report = shrunk(net, y)
    weights = [c for c in smaller.constants.values() if isinstance(c, CSR)]
    assert [w.shape for w in weights] == [(5, 5), (3, 5)]
    assert report.parameters[1] == 5 * 5 + 5 + 3 * 5 + 3


def test_a_weight_with_two_readers_loses_what_both_can_do_without() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 6), "float64")
    w = net.c(some(6, 6, dead=(0, 1)))
    h = net.b.op("gemm", x, w, transB=1)
    y = net.b.op("gemm", net("relu", h), w, transB=1)
    _, report = shrunk(net, y)  # its columns are those of x, so none may go
    assert report.parameters == (36, 36)


def test_weights_that_are_not_finite_are_left_alone() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 4), "float64")
    w = some(6, 2)
    w[5, 0] = np.inf
    h = net("matmul", x, some(4, 6, ignored=(4, 5)))
    graph = net.b.build({"y": net("matmul", h, w)})
    smaller, report = shrink(graph)
    assert report.layers[0].outputs == (6, 5)
    feeds = {"x": np.ones((2, 4))}
    with np.errstate(invalid="ignore"):
        assert np.isnan(meaning(smaller, feeds)["y"][:, 0]).all()


def test_whole_numbers_lose_zeros_and_fold_nothing() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 4), "int64")
    w = np.arange(1, 25).reshape(4, 6)
    w[:, 2:4] = 0
    h = net("add", net("matmul", x, w), np.array([1, 1, 0, 1, 1, 1]))
    graph = net.b.build({"y": net("matmul", h, np.ones((6, 2), np.int64))})
    smaller, _ = shrink(graph)
    feeds = {"x": np.arange(8).reshape(2, 4)}
    np.testing.assert_array_equal(meaning(smaller, feeds)["y"], meaning(graph, feeds)["y"])
    assert smaller.types["c1"].shape == (4, 5)


def test_an_op_without_a_rule_keeps_what_it_touches() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 4), "float64")
    h = net("matmul", x, some(4, 6, ignored=(5,)))
    y = net("matmul", net("cum_sum", h, np.array(1)), some(6, 2))
    _, report = shrunk(net, y)
    assert not report.changed
    assert "cum_sum 'cum_sum_1' needs that axis as it is" in report.stays[0].why


def test_the_report_is_a_table() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 4), "float64")
    h = net("matmul", x, some(4, 6, ignored=(5,)), name="first")
    _, report = shrunk(net, net("matmul", h, some(6, 2), name="second"))
    lines = str(report).splitlines()
    assert lines[1].split() == "first 4 6 -> 5 24 -> 20 24 -> 20".split()
    assert lines[-1].split() == "all 36 -> 30 36 -> 30".split()


def test_the_pass_runs_where_it_is_asked_for_and_before_patterns_are_sought() -> None:
    (step,) = ON_REQUEST.values()
    assert step.name == "shrink_structures"
    assert step.name not in PASSES
    text = importlib.import_module(f"minisparse.passes.{step.name}").__doc__ or ""
    assert all(heading in text for heading in ("Before", "After", "Why", "When", "Keeps"))
    order = [p.name for p in in_order({**PASSES, step.name: step})]
    assert order.index(step.name) < order.index("recognize_sparsity")
    net = Net()
    x = net.b.input("x", ("batch", 4), "float64")
    h = net("matmul", x, some(4, 6, ignored=(5,)))
    graph = net.b.build([net("matmul", h, some(6, 2))])
    after, (report,) = run_passes(graph, Target(), {step.name: step})
    assert report.changed
    assert parameters(after) == 30
    assert after.outputs == graph.outputs
    with pytest.raises(UsageError, match="no pass shrink_structures"):
        run_passes(graph, Target(), PASSES, skip=[step.name])


def test_zero_times_anything_is_zero_on_either_side() -> None:
    for order in (0, 1):
        net = Net()
        x = net.b.input("x", ("batch", 4), "float64")
        mask = net.c(np.array([1.0, 0, 1, 0, 1, 1]))
        h = net("matmul", x, some(4, 6))
        h = net.b.op("multiply", *((h, mask) if order else (mask, h)))
        _, report = shrunk(net, net("matmul", h, some(6, 2)))
        assert report.parameters[1] == 4 * 4 + 4 + 4 * 2


def test_what_is_ignored_and_written_by_no_layer_is_told_where_it_is_read() -> None:
    net = Net()
    x = net.b.input("x", ("batch", 4), "float64")
    _, report = shrunk(net, net("matmul", x, some(4, 6, dead=(1, 3)), name="first"))
    assert list(map(str, report.stays)) == [
        "first: ignores channels 1, 3, which stay: 'x' is an input"
    ]
