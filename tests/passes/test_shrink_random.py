"""Shrinking on random networks: the same outputs, never more parameters, nothing left to do."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.graph import Graph
from minisparse.passes.shrinking import shrink
from minisparse.passes.shrinking.report import parameters
from tests.passes.random_networks import (
    BLOCKS,
    assert_same,
    image_network,
    sequence_network,
)

Network = Callable[[int, float], Graph]
NETWORKS: tuple[Network, ...] = (image_network, sequence_network)


@given(st.sampled_from(NETWORKS), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.2, 0.5, 0.9]))
def test_a_shrunk_network_means_the_same_and_cannot_shrink_further(
    network: Network, seed: int, death: float
) -> None:
    graph = network(seed, death)
    smaller, report = shrink(graph)
    assert_same(graph, smaller, seed % 1000)
    assert dict(smaller.inputs) == dict(graph.inputs)
    assert list(smaller.outputs) == list(graph.outputs)
    assert report.parameters == (parameters(graph), parameters(smaller))
    assert report.parameters[1] <= report.parameters[0]
    again, repeated = shrink(smaller)
    assert again is smaller
    assert not repeated.changed


def test_random_networks_hold_all_that_channels_can_go_through() -> None:
    graphs = [make(seed, 0.3) for seed in range(60) for make in NETWORKS]
    ops = {node.op.name for graph in graphs for node in graph.nodes}
    assert len(BLOCKS) == 10
    assert ops >= set(
        "add average_pool batch_normalization concat conv div flatten gather gemm "
        "group_normalization instance_normalization layer_normalization matmul max_pool multiply "
        "reduce_mean relu reshape slice softmax split transpose".split()
    )


@pytest.mark.parametrize("network", NETWORKS)
def test_most_random_networks_with_dead_parts_shrink(network: Network) -> None:
    shrunk = [shrink(network(seed, 0.3))[1].changed for seed in range(30)]
    assert sum(shrunk) >= 25
