"""What products ask of memory, as their docstrings say: counted in checked simulations."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.formats import COO, from_dense
from minisparse.gpu import Simulation, simulate, simulator
from minisparse.kernels.spmm import threads_csr as spmm
from minisparse.kernels.spmv import merge_path
from minisparse.kernels.spmv import threads_csr as spmv
from tests.kernels.gpu.products import rows_of, run


class Asked(NamedTuple):
    """What all accesses of an array asked: instructions of warps, lanes, and transactions."""

    requests: int
    lanes: int
    transactions: int
    ideal: int


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], dict[str, Asked]]:
    """Return what counts the accesses of a product: by kind and array, ``"load b"``."""
    found: list[Simulation] = []
    monkeypatch.setattr(
        simulator, "simulate", lambda *given: found.append(simulate(*given, check=True))
    )

    def count(product: Callable[[], Any]) -> dict[str, Asked]:
        found.clear()
        product()
        sums: dict[str, Asked] = {}
        for access in (access for launch in found for access in launch.accesses):
            key = f"{access.kind} {access.array}"
            one = (access.requests, access.lanes, access.transactions, access.ideal)
            known = sums.get(key, (0, 0, 0, 0))
            sums[key] = Asked(*(x + y for x, y in zip(known, one, strict=True)))
        return sums

    return count


@pytest.fixture(scope="module")
def full_rows() -> Array:
    """Return 16 rows of 32 entries each, somewhere among 128 columns."""
    rng = np.random.default_rng(0)
    x = np.zeros((16, 128), np.float32)
    for row in x:
        row[rng.choice(128, 32, replace=False)] = 1
    return x


def ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def test_lanes_side_by_side_read_side_by_side(full_rows: Array, asked: Any) -> None:
    a = rows_of(full_rows)
    for way, columns in ((spmm.row_per_warp, 64), (spmm.row_per_lanes, 32)):
        found = asked(partial(way, a, ones(128, columns)))
        for key in ("load b", "store c", "load data", "load indices"):
            assert found[key].transactions == found[key].ideal, key
        assert found["load b"].lanes == a.nnz * columns
        assert found["store c"].lanes == 16 * columns


def test_a_warp_reads_32_entries_at_once(full_rows: Array, asked: Any) -> None:
    a, b = rows_of(full_rows), ones(128, 32)
    passed_on = asked(partial(spmm.row_per_warp, a, b))["load data"]
    by_all = asked(partial(spmm.row_per_lanes, a, b))["load data"]
    assert by_all.requests == a.nnz
    assert passed_on.requests == a.nnz / 32
    assert passed_on.transactions == a.nnz * 4 / 32


def test_a_row_per_warp_reads_neighbors_and_a_row_per_thread_does_not(
    full_rows: Array, asked: Any
) -> None:
    a, x = rows_of(full_rows), ones(128)
    apart = asked(partial(spmv.row_per_thread, a, x))["load data"]
    assert apart.transactions == a.nnz  # a sector for each entry
    together = asked(partial(spmv.row_per_warp, a, x))["load data"]
    assert together.transactions == together.ideal == a.nnz * 4 / 32
    pieces = asked(partial(spmv.equal_pieces, a, x, threads=32))["load data"]
    assert pieces.transactions < 1.2 * pieces.ideal


def test_an_odd_number_of_steps_spreads_over_the_banks(asked: Any) -> None:
    a, x = rows_of(ones(1, 1000)), ones(1000)
    rounds = {}
    assert merge_path.ITEMS == 7
    for items in (7, 8):
        found = asked(partial(spmv.equal_pieces, a, x, threads=32, items=items))
        rounds[items] = found["load products"].transactions / found["load products"].requests
    assert rounds[7] < 1.1
    assert rounds[8] > 6


def test_blocks_read_each_row_of_b_once_for_all_their_rows(asked: Any) -> None:
    x = np.kron(np.eye(4) + np.eye(4)[::-1], ones(8, 8)).astype("float32")
    b = ones(32, 64)
    blocks, rows = from_dense(x, "bsr", block=(8, 8)), from_dense(x, "csr")
    shared = asked(lambda: run("spmm", blocks, [blocks, b]))
    alone = asked(lambda: run("spmm", rows, [rows, b]))
    assert alone["load b"].lanes == 8 * shared["load b"].lanes
    for key in ("load b", "load shared", "store shared", "store c"):
        assert shared[key].transactions == shared[key].ideal, key


def test_sorted_entries_add_once_a_row_and_warp(full_rows: Array, asked: Any) -> None:
    (row, col), x = np.nonzero(full_rows), ones(128)
    a = COO(full_rows[row, col], row, col, full_rows.shape)
    assert asked(lambda: run("spmv", a, [a, x]))["atomic sums"].lanes == 16
    other = np.arange(a.nnz).reshape(16, 32).T.reshape(-1)
    apart = COO(a.data, row[other], col[other], a.shape)
    assert asked(lambda: run("spmv", apart, [apart, x]))["atomic sums"].lanes == a.nnz
    np.testing.assert_array_equal(run("spmv", apart, [apart, x]), full_rows @ x)


@pytest.mark.parametrize("format", ["csr", "csc", "coo", "nm"])
@pytest.mark.parametrize("op", ["spmm", "spmm_t", "dsmm"])
def test_every_format_reads_b_side_by_side(op: str, format: str, asked: Any) -> None:
    x = np.where(np.arange(16) % 4 < 2, ones(12, 16), 0)
    a = from_dense(x, format, **({"n": 2, "m": 4} if format == "nm" else {}))
    b = {"spmm": ones(16, 32), "spmm_t": ones(12, 32), "dsmm": ones(32, 12)}[op]
    found = asked(lambda: run(op, a, [b, a] if op == "dsmm" else [a, b]))
    assert found["load b"].transactions == found["load b"].ideal
    added = found.get("atomic sums")
    assert added is None or added.transactions == added.ideal
