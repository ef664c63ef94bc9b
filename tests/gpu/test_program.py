"""Thread programs: what they share, where they wait, and how they are bound."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.gpu import SimulationError, device_function, jit, thread_program

wide: type[np.floating[Any]] = np.float32


@device_function
def own(x: Array, i: Any) -> np.floating[Any]:
    """Return an element in the dtype to sum in; for others to call."""
    return wide(x[i])


@thread_program
def block_sums(x: Array, sums: Array) -> None:
    i = np.int32(jit.grid(1))
    total = wide(0)
    if i < len(x):
        total = own(x, i)
    for step in range(5):
        total += jit.shfl_down_sync(jit.FULL, total, np.uint32(16 >> step))
    parts = jit.shared_memory(np.float32, 4)
    if jit.laneid() == 0:
        parts[jit.threadIdx.x // 32] = total
    jit.syncthreads()
    if jit.threadIdx.x == 0:
        whole = wide(0)
        for warp in range(4):
            whole += parts[warp]
        jit.atomic_add(sums, 0, whole)


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_shuffles_barriers_shared_memory_and_atomics(seed: int | None) -> None:
    x, sums = np.arange(1000, dtype=np.float32), np.zeros(1, np.float32)
    found = block_sums.simulate((8,), (128,), (x, sums), seed=seed)
    assert sums[0] == x.sum()
    assert found.threads == 1024


@thread_program
def shuffles(x: Array, y: Array) -> None:
    lane = np.int32(jit.threadIdx.x)
    y[0, lane] = jit.shfl_sync(jit.FULL, x[lane], 3, width=8)
    y[1, lane] = jit.shfl_up_sync(jit.FULL, x[lane], np.uint32(2), width=8)
    y[2, lane] = jit.shfl_down_sync(jit.FULL, x[lane], np.uint32(7), width=8)
    y[3, lane] = jit.shfl_xor_sync(jit.FULL, x[lane], 1, width=8)


def test_shuffles_within_groups_of_lanes() -> None:
    y = np.zeros((4, 32), np.int32)
    shuffles((1,), (32,), (np.arange(32, dtype=np.int32), y))
    assert y[:, :16].tolist() == [
        [3] * 8 + [11] * 8,
        [0, 1, 0, 1, 2, 3, 4, 5, 8, 9, 8, 9, 10, 11, 12, 13],
        [7, 1, 2, 3, 4, 5, 6, 7, 15, 9, 10, 11, 12, 13, 14, 15],
        [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14],
    ]


def test_threads_that_wait_in_vain() -> None:
    @thread_program
    def half(x: Array) -> None:
        if jit.threadIdx.x < 16:
            jit.syncwarp()
        else:
            jit.syncthreads()
        x[0] = 1

    with pytest.raises(SimulationError, match="half: thread 0 waits in syncwarp at line"):
        half((1,), (32,), (np.zeros(1),))


def test_bind_replaces_names_and_remembers() -> None:
    x, sums = np.full(4, 0.1), np.zeros(1)
    double = own.bind(wide=np.float64)
    assert double is own.bind(wide=np.float64)
    assert double is not own.bind(wide=np.float16)

    @thread_program
    def first(x: Array, y: Array) -> None:
        y[0] = double(x, 0)

    first((1,), (1,), (x, sums))
    assert sums[0] == 0.1
    with pytest.raises(UsageError, match="own uses no name 'narrow': it uses wide"):
        own.bind(narrow=np.float16)


def test_names_mean_nothing_outside_of_a_program() -> None:
    with pytest.raises(UsageError, match=r"jit.laneid means something inside of a thread program"):
        jit.laneid()
    with pytest.raises(UsageError, match=r"jit.threadIdx.x means"):
        _ = jit.threadIdx.x
