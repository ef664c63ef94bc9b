"""Checked runs: what they tell of a finding, what they leave alone, and how they are asked for."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.gpu import (
    SimulationError,
    checking,
    device_function,
    jit,
    simulate,
    thread_program,
)
from minisparse.gpu.simulation.races import Memory, Moment, after_block, after_warp
from minisparse.gpu.simulation.sites import Site

wide: type[np.floating[Any]] = np.float32


@thread_program
def shift(x: Array) -> None:
    t = np.int32(jit.threadIdx.x)
    if t < 63:
        x[t] = x[t + 1]


def test_a_race_that_no_forward_order_shows() -> None:
    """Each thread reads before the one behind it writes; only another order tells them apart."""
    forward, backward = np.arange(64), np.arange(64)
    simulate(shift, (1,), (64,), (forward,))
    assert forward.tolist() == [*range(1, 64), 63]
    simulate(shift, (1,), (64,), (backward,), seed=0)
    assert backward.tolist() != forward.tolist()
    with pytest.raises(SimulationError, match=r"data race on x\[1\]"):
        simulate(shift, (1,), (64,), (np.arange(64),), check=True)


def test_what_a_finding_says() -> None:
    found = simulate(shift, (2, 1), (4, 4), (np.arange(64),), report=True).findings[0]
    assert (found.kind, found.array, found.index) == ("race", "x", (1,))
    assert found.source == "x[t] = x[t + 1]"
    assert (found.block, found.threads) == ((0, 0, 0), ((1, 0, 0), (0, 0, 0)))
    assert found.times > 1
    assert f"line {found.line} (x[t] = x[t + 1])" in found.message
    assert str(found) == f"{found.message} ({found.times} times)"


def test_a_report_goes_on_and_shows_everything() -> None:
    @thread_program
    def careless(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = x[t + 1]
        x[t] = y[t + 1]
        if t == 0:
            jit.syncthreads()

    x, y = np.arange(4.0), np.zeros(4)
    found = careless.simulate((1,), (4,), (x, y), report=True)
    assert [f.kind for f in found.findings] == ["race", "race", "bounds", "bounds", "barrier"]
    assert found.completed
    assert "Simulation(4 threads, 5 findings)" in str(found)
    assert len(str(found).splitlines()) == 6


def test_a_report_of_threads_that_hang() -> None:
    @thread_program
    def hang(x: Array) -> None:
        if jit.threadIdx.x == 0:
            jit.syncwarp()
        else:
            jit.syncthreads()

    found = hang.simulate((1,), (2,), (np.zeros(1),), report=True)
    assert not found.completed
    assert [f.kind for f in found.findings] == ["warp"]


def test_views_of_one_array_race_and_arrays_apart_do_not() -> None:
    @thread_program
    def copy(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = x[t]

    memory = np.arange(65.0)
    with pytest.raises(SimulationError, match=r"data race on x\[1\].*writes it"):
        copy.simulate((1,), (64,), (memory[:-1], memory[1:]), check=True)
    copy.simulate((1,), (64,), (memory[:-1], memory[:-1]), check=True)
    copy.simulate((1,), (64,), (memory[:-1], np.zeros(64)), check=True)


@device_function
def element(b: Array, m: Any, k: Any) -> Any:
    row = b[m]
    return wide(row[k])


def test_device_functions_and_arrays_of_two_dimensions() -> None:
    @thread_program
    def sums(a: Array, b: Array, y: Array) -> None:
        m, k = jit.grid(2)
        y[np.int32(m), np.int32(k)] = element(a, m, k) + element(b, m, k)

    a, b, y = np.arange(6).reshape(2, 3), np.ones((2, 3), np.float32, "F"), np.zeros((2, 3))
    sums.simulate((1, 1), (2, 3), (a, b, y), check=True, seed=1)
    np.testing.assert_array_equal(y, a + b)
    with pytest.raises(SimulationError, match=r"element, line .* b\[0, 3\] of shape \(2, 3\)"):
        sums.simulate((1,), (2, 4), (np.zeros((2, 4)), b, np.zeros((2, 4))), check=True)


def test_a_device_function_has_the_dtypes_of_its_arguments() -> None:
    @device_function
    def twice(v: Any) -> Any:
        total = v
        total += v
        return total

    @thread_program
    def both(x: Array, n: Array) -> None:
        x[0] = twice(x[0])
        n[0] = twice(n[0])

    x, n = np.ones(1), np.ones(1, np.int32)
    both.simulate((1,), (1,), (x, n), check=True)
    assert (x[0], n[0]) == (2, 2)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("b[1, 2, 0]", "it has 2 dimensions, and 3 are given"),
        ("b[1.0, 2]", "an index is a whole number, and 1.0 is none"),
        ("b[1, 3]", r"cannot read b[1, 3] of shape (2, 3): it ends before 3"),
        ("b[1][-1]", r"cannot read b[1, -1] of shape (2, 3): negative indices"),
        ("b[1:, 0]", "CuPy translates no slices"),
    ],
)
def test_indices(index: str, words: str, tmp_path: Any) -> None:
    with pytest.raises(SimulationError) as raised:
        written(f"y[0] = {index}", tmp_path).simulate(
            (1,), (1,), (np.zeros((2, 3)), np.zeros(1)), check=True
        )
    assert words in str(raised.value)


@pytest.mark.parametrize("name", "threadIdx.x blockIdx.y blockDim.z gridDim.x".split())
def test_places_and_sizes_are_unsigned(name: str, tmp_path: Any) -> None:
    program = written(f"y[0] = np.int32(1) + jit.{name}", tmp_path)
    with pytest.raises(SimulationError, match=r"int32 \+ uint32 is refused by CuPy"):
        program.simulate((1,), (1,), (np.zeros((2, 3)), np.zeros(1)), check=True)


@pytest.mark.parametrize("call", ["laneid()", "grid(1)", "gridsize(1)", "grid(2)[1]"])
def test_what_is_computed_from_them_is_unsigned_too(call: str, tmp_path: Any) -> None:
    program = written(f"y[0] = np.int32(1) + jit.{call}", tmp_path)
    with pytest.raises(SimulationError, match=r"int32 \+ uint32 is refused by CuPy"):
        program.simulate((1,), (1,), (np.zeros((2, 3)), np.zeros(1)), check=True)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("b[0] = 1", "cannot write b[0] of shape (2, 3): it has 2 dimensions, and 1 are given"),
        ("n: int = 3", "CuPy translates no annotated assignment"),
        ("y[0] = b[0, 0] = 1", "assign to one name or one element at a time"),
        ("for k in y: pass", "a loop runs over range"),
        ("for k in reversed(3): pass", "a loop runs over range"),
        ("y[0] = b @ b", "CuPy translates no such operator"),
    ],
)
def test_statements_that_no_card_runs(statement: str, words: str, tmp_path: Any) -> None:
    with pytest.raises(SimulationError) as raised:
        written(statement, tmp_path).simulate(
            (1,), (1,), (np.zeros((2, 3)), np.zeros(1)), check=True
        )
    assert words in str(raised.value)


def written(statement: str, folder: Any) -> Any:
    """Return a thread program of b [2, 3] and y [1] with one statement; its source is a file."""
    file = folder / "program.py"
    file.write_text(f"def program(b, y):\n    {statement}\n")
    names: dict[str, Any] = {"jit": jit, "np": np}
    exec(compile(file.read_text(), str(file), "exec"), names)
    return thread_program(names["program"])


def test_floats_are_not_stored_as_whole_numbers() -> None:
    @thread_program
    def store(x: Array, n: Array) -> None:
        n[0] = x[0]

    with pytest.raises(SimulationError, match="n is int32 and is given float64"):
        store.simulate((1,), (1,), (np.ones(1), np.ones(1, np.int32)), check=True)


def test_plain_numbers_have_32_bits_as_on_a_card() -> None:
    @thread_program
    def scale(x: Array, factor: Any) -> None:
        x[0] = np.float64(factor)

    x = np.zeros(1)
    scale((1,), (1,), (x, 0.1))
    assert x[0] == np.float64(np.float32(0.1))


@pytest.mark.parametrize(
    ("grid", "block", "words"),
    [
        ((1,), (64, 32), "a block of 64 x 32 x 1 threads: there may be 1024 in all"),
        ((1,), (1, 1, 65), "64 along the last axis"),
        ((1, 70000), (1,), "a grid of 1 x 70000 x 1 blocks"),
        ((2**31,), (1,), "there may be 2147483647 along the first axis"),
    ],
)
def test_launches_that_no_card_makes(grid: Any, block: Any, words: str) -> None:
    with pytest.raises(SimulationError, match=f"shift: .*{words}"):
        shift(grid, block, (np.arange(64),))


def test_a_launch_of_nothing_is_one_thread_as_cupy_makes_it() -> None:
    @thread_program
    def unguarded(x: Array) -> None:
        x[jit.grid(1)] = 1

    assert simulate(shift, (0,), (32, 0), (np.arange(64),)).threads == 32
    with pytest.raises(SimulationError, match=r"cannot write x\[0\] of shape \(0,\)"):
        unguarded.simulate((0,), (1,), (np.zeros(0),), check=True)


def test_wrong_numbers_of_arguments_stay_errors_of_python() -> None:
    for check in (False, True):
        for args in ((), (np.arange(64), 1)):
            with pytest.raises(TypeError, match=r"shift\(\)"):
                shift.simulate((1,), (32,), args, check=check)


def test_every_launch_inside_of_checking_is_checked() -> None:
    def run() -> None:
        shift((1,), (64,), (np.arange(64),))

    run()
    with checking(), pytest.raises(SimulationError, match="data race"):
        run()
    with checking(seed=4), pytest.raises(SimulationError, match="data race"):
        run()
    run()


@pytest.mark.parametrize("check", [False, True])
def test_threads_are_shuffled_behind_a_barrier_too(check: bool) -> None:
    @thread_program
    def arrivals(count: Array, order: Array) -> None:
        jit.syncthreads()
        order[jit.atomic_add(count, 0, 1)] = np.int32(jit.threadIdx.x)

    found = []
    for seed in (None, 0, 1):
        order = np.zeros(16, np.int32)
        arrivals.simulate((1,), (16,), (np.zeros(1, np.int32), order), seed=seed, check=check)
        assert sorted(order) == list(range(16))
        found.append(order.tolist())
    assert found[0] == list(range(16))
    assert len(set(map(tuple, found))) == 3


def test_a_warp_shuffle_by_groups_of_lanes() -> None:
    @thread_program
    def exchange(x: Array, y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        y[t] = jit.shfl_xor_sync(jit.FULL, x[t], 8, width=8)

    y = np.zeros(32, np.int32)
    exchange.simulate((1,), (32,), (np.arange(32, dtype=np.int32), y), check=True)
    # earlier groups may be asked, later ones not (CUDA C++ Programming Guide)
    assert y.tolist() == [*range(8), *range(8), *range(16, 24), *range(16, 24)]


SITE = Site("program", "program.py", 1)


def moment(thread: int, block: int = 0) -> Moment:
    return Moment(block, thread)


def test_what_is_ordered() -> None:
    a, b, far, elsewhere = moment(0), moment(1), moment(40), moment(0, block=1)
    assert a.before(a)
    assert not a.before(b)
    assert a.before(after_block(b))
    assert a.before(after_block(far))
    assert not a.before(after_block(elsewhere))
    assert not after_block(a).before(b)
    whole = after_warp([a, b], whole=True)
    assert a.before(whole[1])
    assert not whole[0].before(whole[1])
    assert not a.before(after_warp([far], whole=True)[0])


def test_parts_of_a_warp_order_through_each_other() -> None:
    a, b, c = moment(0), moment(1), moment(2)
    _, b1 = after_warp([a, b], whole=False)
    assert a.before(b1)
    assert not c.before(b1)
    b2, c1 = after_warp([b1, c], whole=False)
    assert a.before(c1)
    assert c.before(b2)
    assert not b2.before(c1)


@pytest.mark.parametrize("others", [(0, 1, 2), (0, 40, 41), (40, 0, 1), (1, 0, 40)])
def test_a_write_races_with_any_of_many_reads(others: tuple[int, ...]) -> None:
    """However few reads are kept: whoever writes, some read of another thread is among them."""
    for writer in (0, 1, 2, 40, 41, 50):
        for block in (0, 1):
            memory = Memory()
            for t in others:
                assert memory.read(8, moment(t), SITE) is None
            assert memory.write(8, moment(writer, block), SITE) is not None
    memory = Memory()
    for t in others:
        memory.read(8, moment(t), SITE)
    assert memory.write(8, after_block(moment(50)), SITE) is None


@pytest.mark.parametrize("first", ["read", "write", "atomic"])
@pytest.mark.parametrize("second", ["read", "write", "atomic"])
def test_what_races_with_what(first: str, second: str) -> None:
    alike = first == second and first != "write"
    for later in (moment(1), moment(40), moment(0, block=1)):
        memory = Memory()
        assert getattr(memory, first)(8, moment(0), SITE) is None
        found = getattr(memory, second)(8, later, SITE)
        assert (found is None) == alike
        assert getattr(memory, second)(16, later, SITE) is None
    memory = Memory()
    getattr(memory, first)(8, moment(0), SITE)
    assert getattr(memory, second)(8, after_block(moment(1)), SITE) is None
    assert getattr(memory, second)(8, after_block(moment(0)), SITE) is None or not alike


def test_no_more_is_kept_than_a_warp_has_lanes() -> None:
    memory = Memory()
    for block in range(3):
        threads = [moment(t, block) for t in range(64)]
        for _ in range(5):
            for now in threads:
                memory.read(8 + block, now, SITE)
                memory.read(16, now, SITE)
                memory.atomic(24, now, SITE)
            threads = [after_block(now) for now in threads]
    kept = [len(kept) for cell in memory._cells.values() for kept in (cell.reads, cell.atomics)]
    assert max(kept) <= 34  # and one of another warp, and one of another block


def test_reads_behind_a_barrier_replace_those_before() -> None:
    memory, later = Memory(), after_block(moment(3))
    for t in (0, 1, 40):
        memory.read(8, moment(t), SITE)
    memory.read(8, later, SITE)
    assert memory.write(8, later, SITE) is None
    assert memory.write(8, after_block(moment(4)), SITE) is not None


def test_all_of_it_runs_without_cupy() -> None:
    program = (
        "import sys; sys.modules['cupy'] = sys.modules['cupyx'] = None\n"
        "import numpy as np\n"
        "from tests.gpu.test_program import block_sums, shuffles\n"
        "sums = np.zeros(1, np.float32)\n"
        "block_sums((2,), (128,), (np.ones(200, np.float32), sums))\n"
        "found = block_sums.simulate(\n"
        "    (2,), (128,), (np.ones(200, np.float32), sums), check=True, watch=((0,), 0)\n"
        ")\n"
        "assert sums[0] == 400 and found.steps and found.accesses, found\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_stays_an_error_of_the_caller() -> None:
    with pytest.raises(UsageError):
        jit.syncthreads()
