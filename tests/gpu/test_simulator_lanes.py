"""What the lanes of a warp do together: where they part, and where they meet again."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.gpu import device_function, jit, thread_program


def told(program: Any, *args: Any, lanes: int = 4, **options: Any) -> list[tuple[str, str]]:
    """Return for each step the source and the lanes, as in ``("y[t] = 1", "##..")``."""
    options.setdefault("watch", ((0, 0, 0), 0))
    found = program.simulate((1,), (lanes,), args, **options)
    return [
        (s.site.source, "".join("#" if lane in s.lanes else "." for lane in range(min(lanes, 32))))
        for s in found.steps
    ]


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_branches_part_lanes_and_they_meet_behind(seed: int | None) -> None:
    @thread_program
    def branch(y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t == 0:
            y[t] = 1
        elif t < 3:
            y[t] = 2
        else:
            y[t] = 3
        y[t] += 1

    assert told(branch, np.zeros(4), seed=seed) == [
        ("t = np.int32(jit.threadIdx.x)", "####"),
        ("if t == 0:", "####"),
        ("y[t] = 1", "#..."),
        ("elif t < 3:", ".###"),
        ("y[t] = 2", ".##."),
        ("y[t] = 3", "...#"),
        ("y[t] += 1", "####"),
    ]


def test_loops_of_different_lengths() -> None:
    @thread_program
    def triangle(y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        for i in range(t):
            if i == 1:
                continue
            y[t] += 1
        y[t] += 1

    assert told(triangle, np.zeros(4))[1:] == [
        ("for i in range(t):", ".###"),
        ("if i == 1:", ".###"),
        ("y[t] += 1", ".###"),
        ("for i in range(t):", "..##"),
        ("if i == 1:", "..##"),
        ("continue", "..##"),
        # those that left the turn early wait for its end, and do not run ahead
        ("for i in range(t):", "...#"),
        ("if i == 1:", "...#"),
        ("y[t] += 1", "...#"),
        ("y[t] += 1", "####"),
    ]


def test_lanes_that_leave_a_turn_early_wait_for_the_others() -> None:
    @thread_program
    def odd(y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        for i in range(3):
            if (i + t) % 2:
                continue
            y[t] += 1

    steps = told(odd, np.zeros(4))[1:]
    turns = [
        [("for i in range(3):", "####"), ("if (i + t) % 2:", "####"),
         ("continue", even), ("y[t] += 1", other)]
        for even, other in ((".#.#", "#.#."), ("#.#.", ".#.#"), (".#.#", "#.#."))
    ]  # fmt: skip
    assert steps == [step for turn in turns for step in turn]


def test_a_loop_that_is_run_again() -> None:
    @thread_program
    def again(y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        for _ in range(2):
            for _ in range(t):
                y[t] += 1

    once = [("for _ in range(2):", "###")]
    for lanes in (".##", "..#"):
        once += [("for _ in range(t):", lanes), ("y[t] += 1", lanes)]
    assert told(again, np.zeros(3), lanes=3)[1:] == once * 2


def test_loops_in_loops_and_while() -> None:
    @thread_program
    def nested(y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        for i in range(2):
            n = t
            while n > i:
                n -= 1
            y[t] += 1

    steps = told(nested, np.zeros(3), lanes=3)[1:]
    once = [("n = t", "###"), ("while n > i:", ".##"), ("n -= 1", ".##"), ("while n > i:", "..#")]
    head = ("for i in range(2):", "###")
    assert steps == [
        head, *once, ("n -= 1", "..#"), ("y[t] += 1", "###"),
        head, once[0], ("while n > i:", "..#"), ("n -= 1", "..#"), ("y[t] += 1", "###"),
    ]  # fmt: skip


@device_function
def clipped(v: Any) -> Any:
    if v > 1:
        v = np.float64(1)
    return v


def test_device_functions_that_are_called_twice() -> None:
    @thread_program
    def both(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = clipped(x[t]) + clipped(x[3 - t])
        y[t] += 1

    assert told(both, np.arange(4.0), np.zeros(4))[1:] == [
        ("y[t] = clipped(x[t]) + clipped(x[3 - t])", "####"),
        ("if v > 1:", "####"),
        ("v = np.float64(1)", "..##"),
        ("return v", "####"),
        ("if v > 1:", "####"),
        ("v = np.float64(1)", "##.."),
        ("return v", "####"),
        ("y[t] += 1", "####"),
    ]


@device_function
def early(v: Any) -> Any:
    if v > 1:
        return np.float64(1)
    v += 1
    return v


def test_lanes_that_return_early_wait_for_the_call_to_end() -> None:
    @thread_program
    def both(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t > 1:
            y[t] = early(x[t])
        y[t] += early(x[t]) + early(x[3 - t])

    low, high = ("v += 1", "return v"), ("return np.float64(1)",)
    steps = told(both, np.arange(4.0), np.zeros(4))[1:]
    calls = [("if v > 1:", "####")]
    calls += [(source, "..##") for source in high] + [(source, "##..") for source in low]
    other = [(source, lanes.translate(str.maketrans("#.", ".#"))) for source, lanes in calls[1:]]
    assert steps == [
        ("if t > 1:", "####"),
        ("y[t] = early(x[t])", "..##"),
        ("if v > 1:", "..##"),
        ("return np.float64(1)", "..##"),
        ("y[t] += early(x[t]) + early(x[3 - t])", "####"),
        *calls,
        calls[0],
        *other,
    ]


@device_function
def summed(v: Any) -> Any:
    for step in range(2):
        v += jit.shfl_xor_sync(jit.FULL, v, 1 << step, width=4)
    return v


def test_values_across_barriers_and_in_functions_that_wait() -> None:
    @thread_program
    def sums(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        total = summed(x[t])
        jit.syncthreads()
        y[t] = total

    y = np.zeros(8)
    found = sums.simulate((2, 1), (4,), (np.arange(4.0), y[:4]), watch=((0,), 0), report=True)
    steps = {(s.site.source, i): s for i, s in enumerate(found.steps)}
    values = [{lane: dict(v) for lane, v in s.values.items()} for s in steps.values()]
    assert [s.site.source for s in found.steps] == [
        "t = np.int32(jit.threadIdx.x)",
        "total = summed(x[t])",
        "for step in range(2):",
        "v += jit.shfl_xor_sync(jit.FULL, v, 1 << step, width=4)",
        "for step in range(2):",
        "v += jit.shfl_xor_sync(jit.FULL, v, 1 << step, width=4)",
        "return v",
        "jit.syncthreads()",
        "y[t] = total",
    ]
    assert values[0] == {lane: {"t": lane} for lane in range(4)}
    assert values[1] == {lane: {"total": 6.0} for lane in range(4)}
    assert values[2] == {lane: {"step": 0} for lane in range(4)}
    assert values[3] == {0: {"v": 1.0}, 1: {"v": 1.0}, 2: {"v": 5.0}, 3: {"v": 5.0}}
    assert values[8] == {lane: {} for lane in range(4)}


def test_the_warp_that_is_asked_for_alone() -> None:
    @thread_program
    def lanes(y: Array) -> None:
        if jit.threadIdx.x == 33:
            y[jit.blockIdx.x] = 1

    steps = told(lanes, np.zeros(1), lanes=40, watch=((0, 0, 0), 1))
    assert steps[1] == ("y[jit.blockIdx.x] = 1", "." + "#" + "." * 30)
    assert len(told(lanes, np.zeros(1), lanes=40)) == 1
    assert told(lanes, np.zeros(1), lanes=40, watch=((1,), 0)) == []
    assert lanes.simulate((1,), (40,), (np.zeros(1),), check=True).steps == ()
