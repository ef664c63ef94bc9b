"""A limit on memory is held before anything runs, and says what would help."""

from typing import Any

import pytest

import minisparse as ms
from minisparse.bench.networks import resnet18
from minisparse.core.errors import MemoryLimitError, UsageError
from minisparse.dispatch.memory_limit import as_limit
from tests.networks import NETWORKS, feeds_for


def test_a_limit_raises_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = NETWORKS[2]("none")
    needed = ms.compile(graph, sizes={"batch": 8}).memory()
    plan = ms.compile(graph, sizes={"batch": 8}, memory_limit=needed.total + 10_000)
    plan.run(feeds_for(graph, 8))
    ran: list[Any] = []
    monkeypatch.setattr("minisparse.dispatch.bound.run_instructions", lambda *a: ran.append(a))
    with pytest.raises(
        MemoryLimitError,
        match=r"needs .* with batch=64, but memory_limit is .*: weights .*, and .* while it runs, "
        r"most of it at node 'conv1', where .* are alive; run it with less than batch=64",
    ):
        plan.run(feeds_for(graph, 64))
    assert not ran
    with pytest.raises(MemoryLimitError, match="batch=64"):
        ms.compile(graph, sizes={"batch": 64}, memory_limit=needed.total + 10_000)
    with pytest.raises(MemoryLimitError, match="the weights alone are too many"):
        ms.compile(graph, sizes={"batch": 1}, memory_limit=needed.weight_bytes - 1)
    with pytest.raises(MemoryLimitError):  # far too large to be tried out
        ms.compile(graph, sizes={"batch": 10**9}, memory_limit="1 GB")


def test_a_limit_counts_the_scratch_of_kernels() -> None:
    graph = resnet18(image=32, width=8, classes=10)
    memory = ms.compile(graph, sizes={"batch": 4}).memory()
    assert memory.scratch.kept > 0
    values = memory.weight_bytes + max(memory.values)
    with pytest.raises(MemoryLimitError):
        ms.compile(graph, sizes={"batch": 4}, memory_limit=(values + memory.total) // 2)


@pytest.mark.parametrize("given", ["64", "1.5 kB", 10, "3GiB", "2 mb"])
def test_limits_are_bytes_or_texts(given: Any) -> None:
    assert (
        as_limit(given)
        == {"64": 64, "1.5 kB": 1500, 10: 10, "3GiB": 3 * 2**30, "2 mb": 2 * 10**6}[given]
    )


@pytest.mark.parametrize(
    "given", ["", "much", "-1 MB", 0, -5, True, 2.5, "1e9", "5 XB", [1], "9" * 99]
)
def test_what_is_no_limit_is_said(given: Any) -> None:
    with pytest.raises(UsageError, match="memory_limit must be bytes"):
        ms.compile(NETWORKS[0]("none"), memory_limit=given)


def test_what_packing_takes_is_not_blamed_on_the_model() -> None:
    graph = ms.load(ms.examples.model_path("digits_mlp_blocks"))
    plan = ms.compile(graph, choose={"layer2": "csr"})
    memory = plan.memory()
    stored = sum(w.stored for w in memory.weights)
    assert stored < memory.weight_bytes
    with pytest.raises(MemoryLimitError, match=r"kernels pack .* besides what is stored"):
        ms.compile(graph, choose={"layer2": "csr"}, memory_limit=stored)
