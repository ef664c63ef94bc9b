"""Products by threads, every variant: right, in a fixed order where threads own what they write."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from minisparse.core import index
from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import dense_type
from minisparse.core.triplets import Triplets
from minisparse.formats import find_pattern, from_dense
from minisparse.gpu import simulate, simulator
from minisparse.gpu.simulator import checking
from minisparse.kernels import KERNELS
from minisparse.kernels.registers import DTYPES
from minisparse.kernels.spmm import threads_bsr, threads_coo, threads_csc, threads_nm
from minisparse.kernels.spmm import threads_csr as spmm
from minisparse.kernels.spmm_t import threads_nm as turned_nm
from minisparse.kernels.spmv import threads_csr as spmv
from minisparse.ops import SPMM, SPMV
from minisparse.oracle import exact, judge
from tests.kernels.gpu.products import (
    FORMATS,
    MATRICES,
    OWNED,
    VECTORS,
    Launches,
    Way,
    by_rows,
    every_launch,
    operands_of,
    problems,
    pruned,
    run,
    stored,
)


def dense(rng: np.random.Generator, shape: tuple[int, ...], t: Triplets) -> Any:
    return rng.integers(0, 5, shape).astype(t.data.dtype)


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Launches:
    found = Launches()
    monkeypatch.setattr(simulator, "simulate", found)
    return found


@pytest.mark.parametrize("way", VECTORS.values(), ids=VECTORS)
def test_every_way_to_a_vector_is_right(way: Way) -> None:
    rng = np.random.default_rng(1)
    for label, t in problems():
        a, x = by_rows(t), dense(rng, t.shape[1:], t)
        found = judge(way(a, x), exact(SPMV, (a, x)))
        assert found.passed, f"{label}: {found.message}"


WITH_COLUMNS = [
    (way, columns)
    for way in MATRICES.values()
    for columns in (1, 3, 31, 32, 33, 130)
    if way is not spmm.row_per_lanes or columns <= 32
]


@pytest.mark.parametrize(("way", "columns"), WITH_COLUMNS)
def test_every_way_to_a_matrix_is_right(way: Way, columns: int) -> None:
    rng = np.random.default_rng(2)
    hard = {label: t for label, t in problems() if not label.startswith(("tall", "wide"))}
    every = (way, columns) in ((spmm.row_per_lanes, 3), (spmm.row_per_warp, 33))
    for label in hard if every else ("plain, no multiple of a block", "unsorted"):
        a, b = by_rows(hard[label]), dense(rng, (hard[label].shape[1], columns), hard[label])
        found = judge(way(a, b), exact(SPMM, (a, b)))
        assert found.passed, f"{label}: {found.message}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_that_own_their_elements_sum_as_the_loops_do(dtype: str) -> None:
    rng = np.random.default_rng(3)
    t = pruned(rng, dtype)
    for op, formats in OWNED.items():
        for format in formats:
            a = stored(t, format)
            assert a is not None
            if op == "spmv":
                continue  # lanes of a warp share a row there, and add up in another order
            for columns in (2, 45):
                operands = operands_of(op, a, rng, columns)
                operands = [x if x is a else x + x / 3 if dtype[0] == "f" else x for x in operands]
                operands = [x if x is a else x.astype(dtype) for x in operands]
                found, wanted = run(op, a, operands), run(op, a, operands, "loops")
                np.testing.assert_array_equal(found, wanted, f"{op} {format} {columns}")
    a, x = by_rows(t), rng.random(t.shape[1]).astype(dtype)
    np.testing.assert_array_equal(spmv.row_per_thread(a, x), run("spmv", a, (a, x), "loops"))


@pytest.mark.parametrize("op", OWNED)
def test_the_order_of_threads_changes_nothing_they_own(
    op: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    t = pruned(rng, "float32")
    b = rng.standard_normal(t.shape[1]).astype("float32")
    ways = VECTORS.values() if op == "spmv" else ()
    cases: list[Callable[[], Array]] = [partial(way, by_rows(t), b) for way in ways]
    for format in OWNED[op]:
        a = stored(t, format)
        assert a is not None
        operands = [x if x is a else x / np.float32(3) for x in operands_of(op, a, rng, 40)]
        cases.append(partial(run, op, a, operands))
    wanted = [case() for case in cases]
    monkeypatch.setattr(simulator, "simulate", partial(simulate, seed=1))
    for case, before in zip(cases, wanted, strict=True):
        np.testing.assert_array_equal(case(), before)


def test_every_launch_is_sound_in_any_order() -> None:
    """No races, no access outside, nothing read that was not written, all meet where they wait."""
    wanted = [launch() for launch in every_launch((3, 40), "float16")]
    with checking(seed=2):
        found = [launch() for launch in every_launch((3, 40), "float16")]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)  # whole numbers, so that any order gives the same


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("op", ["spmv", "spmm", "spmm_t", "dsmm"])
def test_indices_of_64_bits(op: str, format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "INT32_LIMIT", 10)
    rng = np.random.default_rng(6)
    a = stored(pruned(rng, "int32"), format)
    assert a is not None
    assert format == "nm" or {x.dtype.name for x in a.arrays.values()} == {"int32", "int64"}
    operands = operands_of(op, a, rng, 3)
    np.testing.assert_array_equal(run(op, a, operands), run(op, a, operands, "loops"))
    if format == "csr" and op == "spmv":
        for way in VECTORS.values():
            np.testing.assert_array_equal(way(*operands), run(op, a, operands, "loops"))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("op", ["spmv", "spmm", "spmm_t", "dsmm"])
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0), (4, 4)])
def test_nothing_is_launched_for_nothing(
    shape: tuple[int, int], op: str, format: str, launches: Launches
) -> None:
    none = np.zeros(0, np.intp)
    a = stored(Triplets(none, none, none.astype("float32"), shape), format)
    assert a is not None
    for columns in (0, 3):
        operands = operands_of(op, a, np.random.default_rng(0), columns)
        result = run(op, a, operands)
        assert result.size or not launches
        launches.clear()
        if result.size and format in ("coo", "csc" if op in ("spmv", "spmm") else "csr"):
            assert not result.any()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("op", ["spmm", "spmm_t", "dsmm"])
def test_more_tiles_than_blocks_along_an_axis(
    op: str, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (threads_bsr, threads_coo, threads_csc, spmm, threads_nm, turned_nm):
        monkeypatch.setattr(module, "MOST_ALONG_Y", 2)
    rng = np.random.default_rng(7)
    a = stored(pruned(rng, "int32", (6, 5)), format)
    assert a is not None
    operands = operands_of(op, a, rng, 400)
    np.testing.assert_array_equal(run(op, a, operands), run(op, a, operands, "loops"))


def test_blocks_larger_than_what_threads_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_bsr, "MOST_THREADS", 64)
    monkeypatch.setattr(threads_bsr, "DEPTH", 3)
    rng = np.random.default_rng(9)
    x = rng.integers(1, 9, (13, 20)) * (rng.random((13, 20)) < 0.2)
    a, b = from_dense(x, "bsr", block=(5, 7)), rng.integers(0, 9, (20, 9))
    np.testing.assert_array_equal(run("spmm", a, (a, b)), x @ b)
    with checking(seed=1):
        np.testing.assert_array_equal(run("spmm", a, (a, b)), x @ b)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64"])
@pytest.mark.parametrize("format", ["coo", "csr", "nm"])
def test_what_is_added_lies_in_order(format: str, dtype: str, launches: Launches) -> None:
    rng = np.random.default_rng(10)
    a = stored(pruned(rng, dtype), format)
    assert a is not None
    run("dsmm", a, operands_of("dsmm", a, rng, 3))
    ((program, _, _, args),) = launches
    (sums,) = (x for x in args if getattr(x, "shape", None) == (a.shape[1], 3))
    assert sums.flags.c_contiguous
    assert sums.dtype == {"float16": "float32", "float32": "float32", "int64": "uint64"}[dtype]
    assert program.names["summed"] is sums.dtype.type


@pytest.mark.parametrize("columns", [1, 5, 40])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("op", ["spmv", "spmm", "spmm_t", "dsmm"])
def test_work_is_what_is_launched(op: str, format: str, columns: int, launches: Launches) -> None:
    rng = np.random.default_rng(11)
    a = stored(pruned(rng, "float32"), format)
    assert a is not None
    operands = operands_of(op, a, rng, columns)
    types = tuple(a.type if x is a else dense_type(x) for x in operands)
    work = KERNELS[f"{op}_{format}"].levels["gpu"].work
    assert work is not None
    told, n = work(find_pattern(a), types), 1 if op == "spmv" else columns
    result = run(op, a, operands)
    beside = 1 if op == "dsmm" else 0  # B is turned
    zeros = 0 if format in OWNED[op] else 1  # C is set to zero
    assert told.calls == len(launches) + beside + zeros
    assert told.flops == 2 * a.nnz * n
    assert told.bytes >= a.data.nbytes + result.nbytes
    assert told.gathered >= a.nnz * n / (4 if format == "bsr" else 1)
