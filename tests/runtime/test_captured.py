"""A run of a plan for a GPU as one CUDA graph, on a pretended card."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse import examples
from minisparse.core.errors import UsageError
from minisparse.graph import Graph
from minisparse.runtime.equivalence import random_feeds
from tests.gpu.pretend_cuda import Card, card
from tests.pretend_device import PretendCupy

__all__ = ["card"]


@pytest.fixture
def graph() -> Graph:
    return ms.load(Path(examples.__file__).parent / "digits_mlp.npz")


def there(graph: Graph, seed: int, cupy: PretendCupy) -> dict[str, Any]:
    return {name: cupy.asarray(x) for name, x in random_feeds(graph, seed).items()}


def test_a_run_is_captured_and_launched_with_new_inputs(
    graph: Graph, card: Card, pretend_cupy: PretendCupy
) -> None:
    plan = ms.compile(graph, target="gpu")
    first, second = (there(graph, seed, pretend_cupy) for seed in (0, 1))
    captured = plan.captured(first)
    (name, wanted), *_ = ms.compile(graph).run(random_feeds(graph, 0)).items()
    np.testing.assert_allclose(captured.outputs[name].get(), wanted, rtol=1e-5, atol=1e-4)
    found = captured(*second.values())
    assert found is captured.outputs
    for given, kept in zip(second.values(), captured.inputs, strict=True):
        assert given is not kept
        assert given.get().tolist() == kept.get().tolist()
    assert card.log.count("graph") == 2


def test_what_cannot_be_captured(graph: Graph, card: Card, pretend_cupy: PretendCupy) -> None:
    feeds = random_feeds(graph, 0)
    with pytest.raises(UsageError, match=r'for the CPU: ms.compile\(graph, "gpu"\) makes one'):
        ms.compile(graph).captured(feeds)
    plan = ms.compile(graph, target="gpu")
    with pytest.raises(UsageError, match="lies in the host's memory"):
        plan.captured(feeds)
    with pytest.raises(UsageError, match="takes"):
        plan.captured({})
    b = ms.GraphBuilder("told")
    n = b.input("n", (), "int64")
    zero, one = b.constant("zero", np.int64(0)), b.constant("one", np.int64(1))
    told = ms.compile(b.build({"y": b.op("range", zero, n, one, name="upto")}), target="gpu")
    with pytest.raises(UsageError, match="upto must know numbers that the card computes: use run"):
        told.captured({"n": pretend_cupy.asarray(np.int64(3))})
