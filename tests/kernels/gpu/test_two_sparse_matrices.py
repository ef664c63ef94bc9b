"""SpGEMM by threads: tables of every size, rows that no table holds, and cells that cancel."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.triplets import Triplets
from minisparse.formats import CSR, Matrix, from_triplets
from minisparse.formats.compressed import Compressed
from minisparse.kernels import spgemm_bound
from minisparse.kernels.spgemm import long_rows, threads
from minisparse.kernels.spgemm.tables import FREE
from minisparse.ops import SPGEMM
from minisparse.ops.hard_matrices import random_triplets, random_values
from minisparse.oracle import exact_results, judge
from tests.kernels.gpu.entries import DTYPES, assert_same, awkward, run, with_seed
from tests.kernels.reference import hold

CELLS = (0, 1, 3, 4, 5, 16, 17, 64, 65)
"""Of a row: around what tables hold."""


def with_rows_of(cells: tuple[int, ...], dtype: str, columns: int) -> tuple[CSR, CSR]:
    """Return A and B whose product has so many cells in each row, each the sum of two products."""
    rng, rows = np.random.default_rng(0), 2 * len(cells)
    a = CSR(
        random_values(rng, (rows,), dtype),
        np.arange(rows),
        np.arange(0, rows + 1, 2),
        (len(cells), rows),
    )
    places = [rng.permutation(columns)[:n] for n in cells]
    col = np.concatenate([x for place in places for x in (place, np.sort(place))])
    data = random_values(rng, col.shape, dtype)
    return a, CSR(data, col, np.append(0, np.repeat(cells, 2).cumsum()), (rows, columns))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bits_are_those_of_the_loops(dtype: str) -> None:
    a, b = with_rows_of(CELLS, dtype, 200)
    found, wanted = (run("spgemm_csr", a, b, level=level) for level in ("gpu", "loops"))
    np.testing.assert_array_equal(np.diff(found.indptr), CELLS)
    assert_same(found, wanted)
    assert found.has_canonical_format


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_no_table_holds(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "SLOTS", (8,))
    monkeypatch.setattr(long_rows, "THREADS", 64)
    monkeypatch.setattr(long_rows, "BYTES", 2 * 8 * 200)  # fewer accumulators than rows
    a, b = with_rows_of(CELLS, dtype, 200)
    launches = with_seed(monkeypatch, 1)
    found = run("spgemm_csr", a, b)
    assert {"count_marks", "sum_marked", "sum_cells"} <= {p.name for p, _ in launches}
    monkeypatch.undo()
    assert_same(found, run("spgemm_csr", a, b, level="loops"))


def test_the_largest_table_and_beyond() -> None:
    a, b = with_rows_of((2048, 2049), "int32", 3000)
    assert_same(run("spgemm_csr", a, b), run("spgemm_csr", a, b, level="loops"))


def test_columns_that_want_the_same_slot() -> None:
    columns = 8 * np.arange(4)  # equal in the bits that choose one of 8 slots
    b = CSR(np.arange(1.0, 5), columns, [0, 4], (1, 30))
    a = CSR([2.0], [0], [0, 1], (1, 1))
    found = run("spgemm_csr", a, b)
    assert found.indices.tolist() == columns.tolist()
    assert found.data.tolist() == [2, 4, 6, 8]


@pytest.mark.parametrize("format", ["csr", "csc"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "int64", "bool"])
def test_cells_that_b_stores_twice(dtype: str, format: str) -> None:
    t = awkward(dtype)
    turned = Triplets(t.col, t.row, t.data, t.shape[::-1])
    a, b = hold(turned, format), hold(t, format)
    assert not b.has_canonical_format
    found = run(f"spgemm_{format}", a, b)
    (truth,) = exact_results(SPGEMM, (a, b), {})
    verdict = judge(found.to_dense(), truth)
    assert verdict.passed, verdict.message
    assert found.has_canonical_format
    if dtype in ("int64", "bool"):
        assert_same(found, run(f"spgemm_{format}", a, b, level="vectorized"))


def test_cells_that_cancel_stay_stored() -> None:
    a = CSR([1.0, 1.0], [0, 1], [0, 2], (1, 2))
    b = CSR([3.0, 2.0, -3.0], [4, 1, 4], [0, 2, 3], (2, 5))
    found = run("spgemm_csr", a, b)
    assert (found.indices.tolist(), found.data.tolist()) == ([1, 4], [2, 0])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_how_many_cells_there_may_be_is_known_beforehand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (from_triplets(random_triplets(rng, s, 0.3), "csr") for s in ((12, 9), (9, 14)))
    left, right = (Compressed(**x.arrays) for x in (a, b))
    products = threads.products_of_rows(left, right)
    cells = threads.cells_of_rows(left, right, 14)
    bound = spgemm_bound(a, b)
    assert products.sum() == bound.products
    assert np.minimum(products, 14).sum() == bound.stored
    np.testing.assert_array_equal(cells, (dense(a).astype(int) @ dense(b) > 0).sum(1))
    assert (cells <= products).all()


def dense(a: Matrix) -> Array:
    return np.not_equal(a.to_dense(), 0)


def test_rows_by_the_table_they_need() -> None:
    cells = np.random.default_rng(0).integers(0, 5000, 300)
    cells[:6] = 0, 4, 5, 2048, 2049, 16
    found: dict[int, Any] = {some.slots: some.rows for some in threads.bins(cells)}
    low = 0
    for slots in (*threads.SLOTS, 0):
        high = slots // 2 if slots else cells.max()
        np.testing.assert_array_equal(found[slots], np.flatnonzero((cells > low) & (cells <= high)))
        low = high
    assert threads.bins(np.zeros(4, int)) == []


def test_more_columns_than_tables_can_name() -> None:
    def why_not(n: int) -> str:
        float32 = np.dtype("float32")
        return threads.why_not([TensorType((2, 3), float32), TensorType((3, n), float32)])

    assert not why_not(FREE - 1)
    assert why_not(FREE) == "tables hold columns in 32 bits, and there are 2147483647"
