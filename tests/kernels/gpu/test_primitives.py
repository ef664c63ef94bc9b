"""What thread programs are put together from: sums by shuffles, scan, search, sort, dots."""

from typing import Any

import numpy as np
import pytest

from minisparse.core import index
from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats.compressed import expand
from minisparse.formats.ordering import lexical_order
from minisparse.gpu import jit, thread_program
from minisparse.gpu.simulator import checking
from minisparse.kernels.primitives import launch
from minisparse.kernels.primitives.dots import dot_of_rows, lanes_for
from minisparse.kernels.primitives.launch import counter, each, why_not
from minisparse.kernels.primitives.scan import exclusive_scan
from minisparse.kernels.primitives.search import lines_of_slots, starts_of_lines
from minisparse.kernels.primitives.shuffles import (
    MOST_WARPS,
    block_max,
    block_running_sum,
    block_sum,
    group_max,
    group_sum,
    running_sum,
)
from minisparse.kernels.primitives.sort import BITS, cell_order, sorted_keys

SIZES = (0, 1, 31, 32, 33, 255, 256, 257, 1000)
"""Around warps, blocks, and several blocks."""


# -- within a warp and a block ---------------------------------------------------------------------


@thread_program
def in_groups(x: Array, sums: Array, maxima: Array, lanes: Any) -> None:
    t = np.int32(jit.threadIdx.x)
    sums[t] = group_sum(x[t], lanes)
    maxima[t] = group_max(x[t], lanes)


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16, 32])
def test_groups_of_lanes(lanes: int) -> None:
    x = np.random.default_rng(lanes).integers(-99, 99, 64)
    sums, maxima = np.zeros_like(x), np.zeros_like(x)
    in_groups((1,), (64,), (x, sums, maxima, np.int32(lanes)))
    groups = x.reshape(-1, lanes)
    np.testing.assert_array_equal(sums, groups.sum(1).repeat(lanes))
    np.testing.assert_array_equal(maxima, groups.max(1).repeat(lanes))


def test_every_number_is_more_than_nan() -> None:
    x = np.full(64, np.nan)
    x[[0, 7, 9]] = -5, -7, 3
    maxima = np.zeros_like(x)
    in_groups((1,), (64,), (x, np.zeros_like(x), maxima, np.int32(32)))
    np.testing.assert_array_equal(maxima, np.repeat([3, np.nan], 32))
    given = (x, *(np.zeros_like(x) for _ in range(4)))
    in_blocks.bind(number=np.float64)((1,), (64,), given)
    np.testing.assert_array_equal(given[2], np.full(64, 3))


number: Any = np.int64


@thread_program
def in_blocks(x: Array, sums: Array, maxima: Array, running: Array, warps: Array) -> None:
    parts = jit.shared_memory(number, MOST_WARPS)
    t = np.int32(jit.threadIdx.x)
    warps[t] = running_sum(x[t])
    sums[t] = block_sum(x[t], parts)
    maxima[t] = block_max(x[t], parts)
    running[t] = block_running_sum(x[t], parts)


@pytest.mark.parametrize("threads", [32, 96, 256, 1024])
def test_blocks_of_any_number_of_warps(threads: int) -> None:
    x = np.random.default_rng(threads).integers(-99, 99, threads)
    sums, maxima, running, warps = (np.zeros_like(x) for _ in range(4))
    in_blocks.simulate((1,), (threads,), (x, sums, maxima, running, warps), seed=1, check=True)
    assert set(sums) == {x.sum()}
    assert set(maxima) == {x.max()}
    np.testing.assert_array_equal(running, x.cumsum())
    np.testing.assert_array_equal(warps, x.reshape(-1, 32).cumsum(1).reshape(-1))


# -- scan, search, sort ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", SIZES)
def test_scan(count: int) -> None:
    rng = np.random.default_rng(count)
    for given, dtype in (("int64", "int64"), ("int32", "int64"), ("bool", "int32")):
        x = rng.integers(0, 9 if given != "bool" else 2, count).astype(given)
        found = exclusive_scan(x, np.dtype(dtype))
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, np.append(0, np.cumsum(x, dtype=dtype)))


def test_scan_of_more_tiles_than_a_tile_has_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "THREADS", 32)
    x = np.random.default_rng(0).integers(0, 9, 32 * 33 + 5)
    found = exclusive_scan(x, np.dtype("int64"))
    np.testing.assert_array_equal(found, np.append(0, x.cumsum()))


def test_sums_wider_than_what_is_summed() -> None:
    x = np.full(3, 2**31 - 1, np.int32)
    assert exclusive_scan(x, np.dtype("int64"))[-1] == 3 * (2**31 - 1)


@pytest.mark.parametrize("count", SIZES)
def test_sort(count: int) -> None:
    rng = np.random.default_rng(count)
    for bound, dtype in ((1, "int32"), (16, "int32"), (17, "int64"), (3000, "int32")):
        given = rng.integers(0, bound, count).astype(dtype)
        keys, order = sorted_keys(given, bound)
        wanted = np.argsort(given, kind="stable")
        np.testing.assert_array_equal(order, wanted)
        np.testing.assert_array_equal(keys, given[wanted])
        assert (keys.dtype, order.dtype) == (dtype, "int32")


def test_sort_of_keys_beyond_32_bits() -> None:
    given = np.array([2**40 + 3, 5, 2**40 + 2, 2**33, 5])
    keys, order = sorted_keys(given, 2**41)
    assert keys.tolist() == sorted(given.tolist())
    assert order.tolist() == [1, 4, 3, 2, 0]


def test_a_block_takes_several_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "MOST_BLOCKS", 2)
    monkeypatch.setattr(launch, "THREADS", 64)
    given = np.random.default_rng(1).integers(0, 50, 300)
    with checking(seed=5):
        keys, order = sorted_keys(given, 50)
        found = exclusive_scan(given, np.dtype("int32"))
    np.testing.assert_array_equal(order, np.argsort(given, kind="stable"))
    np.testing.assert_array_equal(keys, np.sort(given))
    np.testing.assert_array_equal(found, np.append(0, given.cumsum()))


@pytest.mark.parametrize("count", [0, 1, 33, 300])
def test_order_of_cells(count: int) -> None:
    rng = np.random.default_rng(count)
    sizes = 7, 1 << BITS + 1
    major, minor = (rng.integers(0, size, count) for size in sizes)
    wanted = lexical_order(major, minor, sizes)
    found = cell_order(major, minor, sizes)
    np.testing.assert_array_equal(found, np.arange(count) if wanted is None else wanted)


@pytest.mark.parametrize("seed", range(4))
def test_lines_and_where_they_start(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.choice([0, 0, 1, 2, 40], 1 + 30 * seed)
    indptr = np.append(0, lengths.cumsum())
    lines = lines_of_slots(indptr, int(indptr[-1]))
    np.testing.assert_array_equal(lines, expand(indptr))
    np.testing.assert_array_equal(starts_of_lines(lines, len(lengths)), indptr)


# -- dots ------------------------------------------------------------------------------------------


@thread_program
def dots(x: Array, y: Array, m: Array, n: Array, found: Array) -> None:
    t = np.int32(jit.threadIdx.x)
    found[t] = dot_of_rows(x, m[t], y, n[t])


@pytest.mark.parametrize("depth", [0, 1, 7, 15, 16, 17, 255, 256, 300])
def test_dots_of_any_number_of_terms(depth: int) -> None:
    rng = np.random.default_rng(depth)
    x, y = (rng.integers(-9, 9, (rows, depth)) for rows in (5, 6))
    m, n, found = rng.integers(0, 5, 32), rng.integers(0, 6, 32), np.zeros(32)
    dot = dot_of_rows.bind(wide=np.float64, lanes=lanes_for(depth))
    dots.bind(dot_of_rows=dot)((1,), (32,), (x, y, m, n, found))
    np.testing.assert_array_equal(found, (x[m] * y[n]).sum(1))


# -- launches --------------------------------------------------------------------------------------


def test_loops_are_counted_so_that_a_step_beyond_them_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counter(2**31 - 1 - 256, 256).dtype == np.int32
    assert counter(2**31 - 256, 256).dtype == np.int64
    assert each(2**31 - 300)[2].dtype == np.int64
    monkeypatch.setattr(index, "INT32_LIMIT", 100)
    assert sorted_keys(np.arange(200)[::-1], 200)[1].dtype == np.int64


def test_dtypes_that_threads_do_not_have() -> None:
    def types(*names: str) -> list[TensorType]:
        return [TensorType((2, 3), np.dtype(name)) for name in names]

    assert not why_not(types("bool", "int8", "uint8", "int16", "int64", "float16", "float64"))
    refused = why_not(types("float32", "complex128", "complex64", "complex64"))
    assert refused == "threads do not compute with complex128, complex64"
