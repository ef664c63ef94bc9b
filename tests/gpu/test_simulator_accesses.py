"""Sectors, banks and idle lanes against cases counted by hand."""

from time import perf_counter
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.gpu import jit, thread_program
from minisparse.gpu.simulation.accesses import Access, distinct, rounds, sectors
from minisparse.gpu.simulation.arrays import addresses

LANES = np.arange(32)


@pytest.mark.parametrize(
    ("byte", "itemsize", "expected"),
    [
        (LANES * 4, 4, (4, 4, 4)),  # one after another: 128 bytes
        (LANES * 4 + 4, 4, (5, 4, 5)),  # the same, not aligned
        (124 - LANES * 4, 4, (4, 4, 4)),  # backward
        (LANES * 8, 4, (8, 4, 8)),  # every second: half of what comes is not asked for
        (LANES * 128, 4, (32, 4, 32)),  # a column of a matrix 32 wide
        (LANES * 0, 4, (1, 1, 1)),  # all the same
        (LANES // 16 * 4096, 4, (2, 1, 2)),  # two elements far apart
        (LANES * 8, 8, (8, 8, 8)),
        (LANES * 16, 16, (16, 16, 16)),
        (LANES * 2, 2, (2, 2, 2)),
        (LANES * 1, 1, (1, 1, 1)),
        (LANES * 8 + 4, 8, (9, 8, 9)),  # each element cut in two at a sector's end
        (np.where(LANES < 8, LANES * 4, -1), 4, (1, 1, 1)),
        (np.full(32, -1), 4, (0, 0, 0)),
    ],
)
def test_sectors(byte: Array, itemsize: int, expected: tuple[int, ...]) -> None:
    assert sectors(byte[None], itemsize) == expected
    twice = np.stack([byte, byte])
    assert sectors(twice, itemsize) == (2 * expected[0], 2 * expected[1], expected[2])


@pytest.mark.parametrize(
    ("byte", "itemsize", "expected"),
    [
        (LANES * 4, 4, (1, 1, 1)),
        (124 - LANES * 4, 4, (1, 1, 1)),
        (LANES * 4 + 4, 4, (1, 1, 1)),  # banks are not aligned to warps
        (LANES * 8, 4, (2, 1, 2)),
        (LANES * 12, 4, (1, 1, 1)),  # 3 and 32 have no common factor
        (LANES * 16, 4, (4, 1, 4)),
        (LANES * 128, 4, (32, 1, 32)),
        (LANES * 132, 4, (1, 1, 1)),  # padded by one word
        (LANES * 0, 4, (1, 1, 1)),  # one word for all
        (LANES // 16 * 128, 4, (2, 1, 2)),  # two words of one bank
        (LANES // 16 * 4, 4, (1, 1, 1)),  # two words of two banks
        (LANES * 8, 8, (2, 2, 1)),  # in halves: each 16 lanes of two words
        (LANES * 16, 8, (4, 2, 2)),
        (LANES * 256, 8, (32, 2, 16)),
        (LANES * 16, 16, (4, 4, 1)),  # in quarters
        (LANES * 2, 2, (1, 1, 1)),
        (LANES * 1, 1, (1, 1, 1)),
        (LANES * 256, 2, (32, 1, 32)),
        (np.where(LANES < 2, LANES * 128, -1), 4, (2, 1, 2)),
        (np.where(LANES < 2, LANES * 128, -1), 8, (2, 1, 2)),  # the other half asks for nothing
        (np.full(32, -1), 4, (0, 0, 0)),
    ],
)
def test_rounds_of_the_banks(byte: Array, itemsize: int, expected: tuple[int, ...]) -> None:
    assert rounds(byte[None], itemsize) == expected
    twice = np.stack([byte, byte])
    assert rounds(twice, itemsize) == (2 * expected[0], 2 * expected[1], expected[2])


def test_distinct() -> None:
    assert distinct(np.array([[3, -1, 3, 1], [-1, -1, -1, -1], [1, 2, 3, 4]])).tolist() == [2, 0, 4]


def test_addresses_keep_what_is_shared_and_what_is_not_aligned() -> None:
    x, y = np.zeros(100, np.float32), np.zeros((4, 5))
    assert addresses([x[3:], y, x, y[::-1], y.T[1:], x[2::2]]) == [524, 1024, 512, 1144, 1032, 520]


def test_addresses_of_memory_that_is_not_numpys() -> None:
    memory = bytearray(4000)
    parts = [np.frombuffer(memory, np.float32, 100, offset) for offset in (400, 0, 396, 2000)]
    assert addresses(parts) == [912, 512, 908, 1536]
    assert addresses([np.zeros(0), np.zeros(3), np.zeros(0)]) == [512, 1024, 1536]
    assert addresses([]) == []


@thread_program
def copy(x: Array, y: Array) -> None:
    i = np.int32(jit.grid(1))
    if i < len(x):
        y[i] = x[i]


def row(found: Any, kind: str, array: str) -> Access:
    access: Access
    (access,) = [a for a in found.accesses if (a.kind, a.array) == (kind, array)]
    return access


def test_one_after_another() -> None:
    x = np.ones(1000, np.float32)
    found = copy.simulate((8,), (128,), (x, np.zeros(1000, np.float32)), check=True)
    load = row(found, "load", "x")
    assert (load.space, load.requests, load.lanes) == ("global", 32, 1000)
    assert (load.transactions, load.ideal, load.worst) == (125, 125, 4)
    assert load.efficiency == 1
    assert load.site.source == "y[i] = x[i]"
    assert row(found, "store", "y").transactions == 125


def test_views_that_are_not_aligned_or_not_dense() -> None:
    x, y = np.ones(200, np.float32), np.zeros(64, np.float32)
    for view, expected in ((x[:64], 8), (x[1:65], 10), (x[:128:2], 16), (x[63::-1], 8)):
        found = copy.simulate((1,), (64,), (view, y), check=True)
        assert (row(found, "load", "x").transactions, row(found, "load", "x").ideal) == (
            expected,
            8,
        )


@pytest.mark.parametrize(
    ("order", "across", "expected"),
    [("C", False, 4), ("C", True, 32), ("F", False, 32), ("F", True, 4)],
)
def test_rows_and_columns_of_a_matrix(order: Any, across: bool, expected: int) -> None:
    @thread_program
    def along(b: Array, y: Array, across: Any) -> None:
        t = np.int32(jit.threadIdx.x)
        if across:
            y[t] = b[t, 3]
        else:
            y[t] = b[3, t]

    b, y = np.ones((32, 32), np.float32, order), np.zeros(32, np.float32)
    load = row(along.simulate((1,), (32,), (b, y, across), check=True), "load", "b")
    assert (load.requests, load.transactions, load.ideal) == (1, expected, 4)
    below = row(by_rows.simulate((1,), (32,), (b, y), check=True), "load", "b")
    assert below.transactions == (32 if order == "C" else 4)


@thread_program
def by_rows(b: Array, y: Array) -> None:
    t = np.int32(jit.threadIdx.x)
    line = b[t]
    y[t] = line[3]


def test_a_loop_is_many_instructions() -> None:
    @thread_program
    def rows(b: Array, y: Array) -> None:
        m = np.int32(jit.threadIdx.x)
        total = np.float32(0)
        for k in range(10):
            total += b[m, k]
        y[m] = total

    b, y = np.ones((64, 10), np.float32), np.zeros(64, np.float32)
    load = row(rows.simulate((1,), (64,), (b, y), check=True), "load", "b")
    assert (load.requests, load.lanes, load.ideal) == (20, 640, 80)
    # 40 bytes from lane to lane: 32 different sectors
    assert load.transactions == 20 * 32
    columns = row(rows.simulate((1,), (64,), (np.asfortranarray(b), y), check=True), "load", "b")
    assert columns.transactions == 80


@pytest.mark.parametrize(("pitch", "loads"), [(32, 32), (33, 1)])
def test_a_transposed_tile(pitch: int, loads: int) -> None:
    @thread_program
    def transpose(x: Array, y: Array) -> None:
        tile = jit.shared_memory(np.float32, 32 * 33)
        t = np.int32(jit.threadIdx.x)
        for m in range(32):
            tile[m * pitch + t] = x[m, t]
        jit.syncthreads()
        for m in range(32):
            y[m, t] = tile[t * pitch + m]

    x, y = np.arange(1024, dtype=np.float32).reshape(32, 32), np.zeros((32, 32), np.float32)
    found = transpose.simulate((1,), (32,), (x, y), check=True)
    np.testing.assert_array_equal(y, x.T)
    store, load = row(found, "store", "tile"), row(found, "load", "tile")
    assert (store.space, store.requests, store.transactions) == ("shared", 32, 32)
    assert (load.requests, load.transactions, load.ideal, load.worst) == (32, 32 * loads, 32, loads)


def test_changing_an_element_is_a_load_and_a_store() -> None:
    @thread_program
    def change(x: Array, n: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        x[t] += 1
        jit.atomic_add(n, t % 2, 1)

    n = np.zeros(2, np.int32)
    found = change.simulate((1,), (32,), (np.zeros(32), n), check=True)
    assert {(a.kind, a.array, a.transactions) for a in found.accesses} == {
        ("load", "x", 8),
        ("store", "x", 8),
        ("atomic", "n", 1),
    }
    assert n.tolist() == [16, 16]


def test_a_plain_run_is_fast() -> None:
    """The promise is 40 000 simple threads a second; a free core runs a million and more."""
    x, y = np.ones(16_000, np.float32), np.zeros(16_000, np.float32)

    def seconds() -> float:
        begin = perf_counter()
        copy((125,), (128,), (x, y))
        return perf_counter() - begin

    assert 16_000 / min(seconds() for _ in range(3)) > 40_000


def test_idle_lanes() -> None:
    @thread_program
    def triangle(y: Array) -> None:
        t = np.int32(jit.threadIdx.x)
        if t < 8:
            y[t] = 1
        else:
            y[t] = 2
        for _ in range(t + 1):
            y[t] += 1

    y = np.zeros(48)
    found = triangle.simulate((1,), (48,), (y,), check=True)
    lines = {(r.site.source, r.site.line): (r.steps, r.lanes, r.full) for r in found.lines}
    assert list(lines.values()) == [
        (2, 48, 48),
        (2, 48, 48),
        (1, 8, 32),  # of the second warp no lane comes here: it has 16
        (2, 40, 48),
        (32 + 48, 48 * 49 // 2, 32 * 32 + 48 * 16),
        (32 + 48, 48 * 49 // 2, 32 * 32 + 48 * 16),
    ]
    assert found.lines[2].active == 0.25
