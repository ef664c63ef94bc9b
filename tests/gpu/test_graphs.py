"""CUDA graphs: what is recorded, what a launch does, and what cannot be recorded."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import UsageError
from minisparse.gpu.graphs import WARM_UP, Captured, CaptureError, capture
from tests.gpu.pretend_cuda import Card, card
from tests.pretend_device import PretendCupy

__all__ = ["card"]


@pytest.fixture
def x(pretend_cupy: PretendCupy) -> Any:
    return pretend_cupy.asarray(np.array([1, 2, 3], np.float32))


def doubled(card: Card, x: Any) -> Captured:
    """Return a graph of one launch, which doubles its input; it notes who gives out memory."""
    y = x.copy()

    def call(x: Any) -> Any:
        card.log.append(f"memory of {card.allocator}")
        card.launch("double", 1e-6, lambda: y.__setitem__(..., x + x))
        return y

    return capture(call, [x])


def test_a_launch_computes_with_new_inputs_in_the_same_place(card: Card, x: Any) -> None:
    captured = doubled(card, x)
    assert captured.outputs.get().tolist() == [2, 4, 6]
    out = captured(x + 1)
    assert out is captured.outputs
    assert out.get().tolist() == [4, 6, 8]
    captured.inputs[0][...] = x + 9
    assert captured().get().tolist() == [20, 22, 24]
    assert x.get().tolist() == [1, 2, 3]


def test_it_is_called_a_few_times_and_recorded_once(card: Card, x: Any) -> None:
    captured = doubled(card, x)
    calls = ["memory of pool 0", "double"] * WARM_UP
    assert card.log[1:] == [
        *calls, "synchronize", "memory of pool 0", "graph", "double", "synchronize"
    ]  # fmt: skip
    card.log.clear()
    captured()
    assert card.log == ["graph", "double"]


def test_memory_is_of_a_pool_that_lives_as_long(card: Card, x: Any) -> None:
    captured = doubled(card, x)
    assert captured._pool is card.pools[0]
    assert card.allocator is None
    assert card.current.recorded is None


def test_a_call_that_waits_for_the_card_is_explained(card: Card, x: Any) -> None:
    calls = []

    def waits(x: Any) -> Any:
        calls.append(1)
        if len(calls) > WARM_UP:
            card.current.synchronize()
        return x

    with pytest.raises(CaptureError, match=r"cudaErrorStreamCaptureUnsupported: .* no x.get\(\)"):
        capture(waits, [x])
    assert card.current.recorded is None


def test_what_only_the_end_finds_is_explained_too(card: Card, x: Any) -> None:
    def breaks(x: Any) -> Any:
        card.current.broken = card.current.recorded is not None
        return x

    with pytest.raises(CaptureError, match="cudaErrorStreamCaptureInvalidated"):
        capture(breaks, [x])


def test_inputs_that_do_not_fit(card: Card, x: Any) -> None:
    captured = doubled(card, x)
    with pytest.raises(UsageError, match="reads 1 inputs, not 2"):
        captured(x, x)
    with pytest.raises(UsageError, match=r"input 0 is float32\[2\], .* recorded with float32\[3\]"):
        captured(x[:2])
    with pytest.raises(UsageError, match=r"input 0 is float64\[3\]"):
        captured(x.astype("float64"))
    with pytest.raises(UsageError, match="input 0 lies in the host's memory"):
        capture(lambda x: x, [np.zeros(3)])
