"""A checked run finds what is wrong, in whichever order threads run.

Each case is a small wrong program and its mended twin, in which nothing must be found.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.gpu import (
    SimulationError,
    ThreadProgram,
    jit,
    simulate,
    thread_program,
)

SEEDS = [None, 0, 1, 2]
N = 64


@dataclass(frozen=True)
class Case:
    """A wrong program, what is found in it, and the right one; both read x and write y [64]."""

    kind: str
    words: str
    wrong: ThreadProgram
    right: ThreadProgram
    grid: tuple[int, ...] = (1,)
    block: tuple[int, ...] = (N,)


CASES: list[Case] = []
Both = Callable[[], tuple[Callable[..., None], Callable[..., None]]]
"""Returns the wrong program and the right one."""


def case(kind: str, words: str, **sizes: tuple[int, ...]) -> Callable[[Both], Both]:
    """Take up two programs: what is found in the wrong one."""

    def add(both: Both) -> Both:
        wrong, right = map(thread_program, both())
        CASES.append(Case(kind, words, wrong, right, **sizes))
        return both

    return add


def arguments(dtype: type = np.float32) -> tuple[Array, Array]:
    return np.arange(1, N + 1).astype(dtype), np.zeros(N, dtype)


@case("race", "put jit.syncthreads() between them")
def read_before_the_barrier() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = x[t]
        if t < 32:
            x[t] = y[t + 32]

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = x[t]
        jit.syncthreads()
        if t < 32:
            x[t] = y[t + 32]

    return wrong, right


@case("race", "in shared memory")
def reverse_in_shared_memory() -> Any:
    def wrong(x: Array, y: Array) -> None:
        tile = jit.shared_memory(np.float32, 64)
        t = np.int32(jit.threadIdx.x)
        tile[t] = 0
        jit.syncthreads()
        tile[t] = x[t]
        y[t] = tile[63 - t]

    def right(x: Array, y: Array) -> None:
        tile = jit.shared_memory(np.float32, 64)
        t = np.int32(jit.threadIdx.x)
        tile[t] = x[t]
        jit.syncthreads()
        y[t] = tile[63 - t]

    return wrong, right


@case("race", "put jit.syncwarp() or jit.syncthreads() between them", block=(32,))
def neighbors_of_a_warp() -> Any:
    def wrong(x: Array, y: Array) -> None:
        tile = jit.shared_memory(np.float32, 33)
        t = np.int32(jit.threadIdx.x)
        tile[t + 1] = x[t]
        if t == 0:
            tile[0] = 0
        value = jit.shfl_sync(jit.FULL, x[t], 0)  # moves a value, and orders no memory
        y[t] = tile[t] + value

    def right(x: Array, y: Array) -> None:
        tile = jit.shared_memory(np.float32, 33)
        t = np.int32(jit.threadIdx.x)
        tile[t + 1] = x[t]
        if t == 0:
            tile[0] = 0
        value = jit.shfl_sync(jit.FULL, x[t], 0)
        jit.syncwarp()
        y[t] = tile[t] + value

    return wrong, right


@case("race", "put jit.syncwarp() or jit.syncthreads() between them", block=(32,))
def part_of_a_warp() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = x[t]
        if t < 16:
            jit.syncwarp(mask=0xFFFF)
            x[t] = y[t + 16]

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = x[t]
        if t < 16:
            jit.syncwarp(mask=0xFFFF)
            x[t] = y[15 - t]

    return wrong, right


@case("race", "no barrier orders blocks within a launch", grid=(3,), block=(2,))
def one_sum_of_many_blocks() -> Any:
    def wrong(x: Array, y: Array) -> None:
        if jit.threadIdx.x == 0:
            y[0] += x[jit.blockIdx.x]

    def right(x: Array, y: Array) -> None:
        if jit.threadIdx.x == 0:
            jit.atomic_add(y, 0, x[jit.blockIdx.x])

    return wrong, right


@case("race", "atomically changes it at line")
def reading_what_others_add_to() -> Any:
    def wrong(x: Array, y: Array) -> None:
        jit.atomic_add(y, 0, x[jit.threadIdx.x])
        if jit.threadIdx.x == 40:
            y[1] = y[0]

    def right(x: Array, y: Array) -> None:
        jit.atomic_add(y, 0, x[jit.threadIdx.x])
        jit.syncthreads()
        if jit.threadIdx.x == 40:
            y[1] = y[0]

    return wrong, right


@case("race", "writes it at line")
def all_write_the_same() -> Any:
    def wrong(x: Array, y: Array) -> None:
        y[0] = x[0]

    def right(x: Array, y: Array) -> None:
        if jit.threadIdx.x == 0:
            y[0] = x[0]

    return wrong, right


@case("barrier", "16 threads wait at this barrier, and 48 of the block have ended without coming")
def some_skip_the_barrier() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 16:
            y[t] = x[t]
            jit.syncthreads()

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 16:
            y[t] = x[t]
        jit.syncthreads()

    return wrong, right


@case("barrier", "have ended without coming")
def some_have_returned() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t > 32:
            return
        jit.syncthreads()
        y[t] = x[t]

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        jit.syncthreads()
        if t > 32:
            return
        y[t] = x[t]

    return wrong, right


@case("barrier", "while others wait at line")
def two_barriers() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 16:
            jit.syncthreads()
        else:
            jit.syncthreads()
        y[t] = x[t]

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        jit.syncthreads()
        y[t] = x[t]

    return wrong, right


@case("warp", "waits in syncwarp for thread 16, which waits in syncthreads at line")
def lanes_that_never_come() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 16:
            jit.syncwarp()
        jit.syncthreads()
        y[t] = x[t]

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 16:
            jit.syncwarp(mask=0xFFFF)
        jit.syncthreads()
        y[t] = x[t]

    return wrong, right


@case("warp", "with mask 0xffff, in which its own lane is missing", block=(32,))
def lanes_that_are_not_asked() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = jit.shfl_sync(0xFFFF, x[t], 1)

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 16:
            y[t] = jit.shfl_sync(0xFFFF, x[t], 1)

    return wrong, right


@case("warp", "with mask 0xffffffff in the place of 0xffff", block=(32,))
def masks_that_differ() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 8:
            y[t] = jit.shfl_sync(0xFFFF, x[t], 1)
        else:
            y[t] = jit.shfl_sync(0xFFFFFFFF, x[t], 1)

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 8:
            y[t] = jit.shfl_sync(0xFF, x[t], 1)
        else:
            y[t] = jit.shfl_sync(0xFFFFFF00, x[t], 9)

    return wrong, right


@case("warp", "lane 8 takes the value of lane 16, which takes no part", block=(32,))
def values_of_lanes_outside() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 16:
            y[t] = jit.shfl_down_sync(0xFFFF, x[t], np.uint32(8))

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 16:
            y[t] = jit.shfl_down_sync(0xFFFF, x[t], np.uint32(8), width=16)

    return wrong, right


@case("warp", "lane 0 takes the value of lane 8, which takes no part", block=(8,))
def values_of_lanes_that_there_are_not() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = jit.shfl_xor_sync(jit.FULL, x[t], 8)

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = jit.shfl_xor_sync(jit.FULL, x[t], 4)

    return wrong, right


@case("bounds", "cannot read x[64] of shape (64,): it ends before 64")
def one_too_far() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = x[t + 1]

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t + 1 < len(x):
            y[t] = x[t + 1]

    return wrong, right


@case("bounds", "cannot write y[-1] of shape (64,): negative indices do not count from the end")
def one_too_low() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t - 1] = x[t]

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t > 0:
            y[t - 1] = x[t]

    return wrong, right


@case("bounds", "cannot change parts[2] of shape (2,)")
def too_little_shared_memory() -> Any:
    def wrong(x: Array, y: Array) -> None:
        parts = jit.shared_memory(np.float32, 2)
        t = np.int32(jit.threadIdx.x)
        if t < 2:
            parts[t] = 0
        jit.syncthreads()
        jit.atomic_add(parts, t // 32 + 1, x[t])
        jit.syncthreads()
        if t < 2:
            y[t] = parts[t]

    def right(x: Array, y: Array) -> None:
        parts = jit.shared_memory(np.float32, 2)
        t = np.int32(jit.threadIdx.x)
        if t < 2:
            parts[t] = 0
        jit.syncthreads()
        jit.atomic_add(parts, t // 32, x[t])
        jit.syncthreads()
        if t < 2:
            y[t] = parts[t]

    return wrong, right


@case("uninitialized", "is read and no thread has written it", block=(32,))
def shared_memory_is_not_zero() -> Any:
    def wrong(x: Array, y: Array) -> None:
        parts = jit.shared_memory(np.float32, 32)
        t = np.int32(jit.threadIdx.x)
        parts[t] += x[t]
        y[t] = parts[t]

    def right(x: Array, y: Array) -> None:
        parts = jit.shared_memory(np.float32, 32)
        t = np.int32(jit.threadIdx.x)
        parts[t] = 0
        parts[t] += x[t]
        y[t] = parts[t]

    return wrong, right


@case("uninitialized", "total[0] is read and no thread has written it")
def atomics_on_nothing() -> Any:
    def wrong(x: Array, y: Array) -> None:
        total = jit.shared_memory(np.float32, 1)
        jit.atomic_add(total, 0, x[jit.threadIdx.x])

    def right(x: Array, y: Array) -> None:
        total = jit.shared_memory(np.float32, 1)
        if jit.threadIdx.x == 0:
            total[0] = 0
        jit.syncthreads()
        jit.atomic_add(total, 0, x[jit.threadIdx.x])

    return wrong, right


@case("shared", "the block shares 49280 bytes, and 49152 are the most", block=(1,))
def too_much_shared_memory() -> Any:
    def wrong(x: Array, y: Array) -> None:
        first = jit.shared_memory(np.float32, 12000)
        second = jit.shared_memory(np.float64, 160)
        first[0] = x[0]
        second[0] = first[0]
        y[0] = np.float32(second[0])

    def right(x: Array, y: Array) -> None:
        first = jit.shared_memory(np.float32, 12000)
        second = jit.shared_memory(np.float64, 144)
        first[0] = x[0]
        second[0] = first[0]
        y[0] = np.float32(second[0])

    return wrong, right


@case("dtype", "total is float32 from line")
def a_sum_that_widens() -> Any:
    def wrong(x: Array, y: Array) -> None:
        total = np.float32(0)
        total += np.float64(x[jit.threadIdx.x])  # type: ignore[assignment]
        y[jit.threadIdx.x] = total

    def right(x: Array, y: Array) -> None:
        total = np.float64(0)
        total += np.float64(x[jit.threadIdx.x])
        y[jit.threadIdx.x] = total

    return wrong, right


@case("dtype", "n is int32 from line")
def a_whole_number_that_is_halved() -> Any:
    def wrong(x: Array, y: Array) -> None:
        n = np.int32(jit.threadIdx.x)
        n = n / 2  # type: ignore[assignment]
        y[jit.threadIdx.x] = n

    def right(x: Array, y: Array) -> None:
        n = np.int32(jit.threadIdx.x)
        n = n // 2
        y[jit.threadIdx.x] = n

    return wrong, right


@case("dtype", "uint32 + int32 is refused by CuPy")
def places_are_unsigned() -> Any:
    def wrong(x: Array, y: Array) -> None:
        n = np.int32(1)
        y[jit.threadIdx.x] = x[(jit.threadIdx.x + n) % 64]

    def right(x: Array, y: Array) -> None:
        n = np.int32(1)
        y[jit.threadIdx.x] = x[(np.int32(jit.threadIdx.x) + n) % 64]

    return wrong, right


@case("overflow", "does not fit int32")
def a_product_that_overflows() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        wide = (t + 1) * 1000000000
        y[t] = np.float32(wide)

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        wide = np.int64(t + 1) * 1000000000
        y[t] = np.float32(wide)

    return wrong, right


@case("overflow", "does not fit int32", block=(1,))
def a_loop_counts_in_32_bits() -> Any:
    def wrong(x: Array, y: Array) -> None:
        for i in range(3):
            y[i] = np.float32(i * 2000000000)

    def right(x: Array, y: Array) -> None:
        for i in range(3):
            y[i] = np.float32(i) * 2000000000

    return wrong, right


@case("division", "has no result")
def a_divisor_of_zero() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = np.float32(64 // t)

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = np.float32(64 // (t + 1)) + x[t] / np.float32(t)  # floats may: infinity

    return wrong, right


@case("unset", "half is read and was not set on the way here")
def set_in_one_branch_alone() -> Any:
    def wrong(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 32:
            half = x[t] / np.float32(2)
        y[t] = half

    def right(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        half = np.float32(0)
        if t < 32:
            half = x[t] / np.float32(2)
        y[t] = half

    return wrong, right


names = [f"{c.kind}-{c.wrong.function.__qualname__.split('.')[0]}" for c in CASES]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("each", CASES, ids=names)
def test_what_is_wrong_is_found(each: Case, seed: int | None) -> None:
    found = simulate(each.wrong, each.grid, each.block, arguments(), seed, report=True)
    assert {finding.kind for finding in found.findings} == {each.kind}
    assert any(each.words in finding.message for finding in found.findings), found
    with pytest.raises(SimulationError, match=re.escape(found.findings[0].source)) as raised:
        simulate(each.wrong, each.grid, each.block, arguments(), seed, check=True)
    assert raised.value.finding is not None
    assert raised.value.finding.kind == each.kind


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("each", CASES, ids=names)
def test_its_mended_twin_is_clean_and_computes_the_same(each: Case, seed: int | None) -> None:
    plain, checked = arguments(), arguments()
    simulate(each.right, each.grid, each.block, plain)
    assert simulate(each.right, each.grid, each.block, checked, seed, check=True).completed
    for x, y in zip(plain, checked, strict=True):
        np.testing.assert_array_equal(x, y)
