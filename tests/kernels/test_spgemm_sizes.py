"""Products of two sparse matrices: the bound, sizes that are cut, what is refused and expected."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core import index
from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError
from minisparse.core.triplets import Triplets
from minisparse.formats import COO, CSR, Matrix, from_triplets
from minisparse.kernels import KERNELS, spgemm_bound
from minisparse.kernels.functions import spgemm
from minisparse.kernels.spgemm import adding, growing, lines, panels, rows
from minisparse.kernels.spgemm.expected import expected_products, expected_stored
from minisparse.kernels.spgemm.lines import cut_lines
from minisparse.ops import SPGEMM
from minisparse.ops.hard_matrices import random_triplets, random_values
from minisparse.oracle import exact
from minisparse.oracle.truth import Truth
from tests.kernels.spgemm_samples import FORMATS, bits, large, pair, samples

every_format = pytest.mark.parametrize("format", FORMATS)


# -- the bound -----------------------------------------------------------------------------------


@every_format
def test_the_bound_holds_and_counts_the_products(format: str) -> None:
    for sample in samples():
        a, b = pair(sample, format)
        products, most = spgemm_bound(a, b)
        c = spgemm(a, b)
        assert c.nnz <= most <= max(products, c.nnz), sample.label
        if format != "bsr":
            met = np.bincount(a.triplets().col, minlength=a.shape[1]) @ np.bincount(
                b.triplets().row, minlength=b.shape[0]
            )
            assert products == met, sample.label


def test_the_bound_is_met_where_no_products_meet() -> None:
    a = from_triplets(Triplets(np.arange(4), np.arange(4), np.ones(4), (4, 4)), "csr")
    b = from_triplets(random_triplets(np.random.default_rng(7), (4, 9), 0.5), "csr")
    assert spgemm_bound(a, b) == (b.nnz, b.nnz)
    assert spgemm(a, b).nnz == b.nnz


def test_the_bound_of_a_full_row_is_its_length() -> None:
    ones = CSR(np.ones(20), np.tile(np.arange(4), 5), np.arange(0, 21, 4), (5, 4))
    assert spgemm_bound(ones, ones.T.to("csr")) == (100, 25)


# -- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("product_time", [0.0, 1e9], ids=["products", "panels"])
def test_scratch_stays_small(product_time: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "PRODUCT_TIME", product_time)
    a, b = large(8, (2000, 3000), 0.01), large(9, (3000, 3000), 0.01)
    spgemm(a, b)  # what threads keep from call to call is there now
    tracemalloc.start()
    c = spgemm(a, b)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert c.nbytes > 10e6
    assert peak - c.nbytes < 40e6


def test_growing_keeps_what_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = large(10, (200, 300), 0.05), large(11, (300, 250), 0.05)
    monkeypatch.setattr(panels, "PRODUCT_TIME", 0.0)
    wanted = spgemm(a, b)
    monkeypatch.setattr(growing, "_FIRST", 10)
    monkeypatch.setattr(rows, "PRODUCTS", 1 << 9)
    assert bits(spgemm(a, b)) == bits(wanted)


@pytest.mark.parametrize("limit", [3, 10_000])
def test_indices_are_as_wide_as_they_must_be(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "INT32_LIMIT", limit)
    for sample in samples()[:6]:
        for format in FORMATS:
            c = spgemm(*pair(sample, format))
            c.check()
            wanted = index.index_dtype(c.shape, c.nnz)
            assert {x.dtype for n, x in c.arrays.items() if n != "data"} == {wanted}


def test_columns_beyond_any_table() -> None:
    columns = 1 << 60
    a = CSR([1.0, 2.0, 3.0], [1, 0, 1], [0, 1, 1, 3], (3, 2))
    b = CSR([4.0, 5.0, 6.0], [columns - 1, 7, 7], [0, 2, 3], (2, columns))
    c = spgemm(a, b)
    assert c.indices.tolist() == [7, 7, columns - 1]
    assert (c.data.tolist(), c.indptr.tolist()) == ([6.0, 28.0, 8.0], [0, 1, 1, 3])


def test_one_row_that_meets_everything() -> None:
    """More products in one row than are made at a time, beside rows without any."""
    rng = np.random.default_rng(12)
    b = random_triplets(rng, (900, 800), 0.5, "float64")
    full = np.arange(900)
    a = Triplets(np.full(900, 2), full, random_values(rng, (900,), "float64"), (5, 900))
    c = spgemm(from_triplets(a, "csr"), from_triplets(b, "csr"))
    np.testing.assert_allclose(c.to_dense(), a.to_dense() @ b.to_dense(), 1e-11, 1e-11)
    assert spgemm_bound(from_triplets(a, "csr"), from_triplets(b, "csr")).products > rows.MOST


# -- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 2, 1000, 1 << 20, 1 << 31])
def test_words_have_room(columns: int) -> None:
    rng = np.random.default_rng(13)
    for count in (1, 5, 4000):
        for most in (1, 30, 60):
            bounds = np.append(0, np.cumsum(rng.integers(0, most + 1, count)))
            found = cut_lines(bounds, columns)
            bits = found.rows_bits + found.column_bits + found.bits
            assert bits <= 8 * found.dtype.itemsize
            assert found.longest() <= 1 << found.bits
            assert columns <= 1 << found.column_bits


def test_the_same_column_in_neighboring_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words of 32 bits have room for one row a line here, and each ends as the next begins."""
    monkeypatch.setattr(lines, "SHORTEST", 0)
    monkeypatch.setattr(adding, "FULL", 1e9)
    columns, k = 1 << 27, 20
    a = CSR(np.ones(6 * k), np.tile(np.arange(k), 6), np.arange(0, 6 * k + 1, k), (6, k))
    # Its last column is met only in the last row, so that all words must have room for it.
    b = CSR(np.ones(k + 1), [*[5] * k, columns - 1], [*range(k + 1), k + 1], (k + 1, columns))
    a = CSR([*a.data, 1], [*a.indices, k], [*a.indptr, 6 * k + 1], (7, k + 1))
    assert cut_lines(np.append(np.arange(0, 6 * k + 1, k), 6 * k + 1), columns)[1:4] == (0, 27, 5)
    c = spgemm(a, b)
    assert (c.indices.tolist(), c.data.tolist()) == ([*[5] * 6, columns - 1], [*[k] * 6, 1])


def test_products_far_to_the_right() -> None:
    """Neither tables nor words have room for the columns before the first that is met."""
    rng = np.random.default_rng(17)
    a, b = random_triplets(rng, (30, 20), 0.5), random_triplets(rng, (20, 40), 0.5)
    far = b._replace(col=b.col + (1 << 30), shape=(20, (1 << 30) + 50))
    near, c = (spgemm(from_triplets(a, "csr"), from_triplets(x, "csr")) for x in (b, far))
    np.testing.assert_array_equal(near.arrays["indices"] + (1 << 30), c.arrays["indices"])
    np.testing.assert_allclose(near.data, c.data, 1e-5, 1e-5)


# -- what is refused -----------------------------------------------------------------------------


def refused() -> Iterator[tuple[Any, Any, type[Exception], str]]:
    rng = np.random.default_rng(14)
    t = random_triplets(rng, (6, 6), 0.5)
    a = from_triplets(t, "csr")
    yield a, a.to("csc"), UnsupportedOpError, r"spgemm \(C3\).*same format"
    yield a, t.to_dense(), UnsupportedOpError, r"spgemm \(C3\)"
    yield a.to("bsr", block=(2, 3)), a.to("bsr", block=(2, 3)), UnsupportedOpError, "blocks of A"
    yield a, random_csr(rng, (5, 6)), ShapeError, r"spgemm \(C2\): A is 6x6 but B is 5x6"
    yield a.to("nm", n=4, m=4), a.to("nm", n=4, m=4), UnsupportedOpError, "no kernel for nm"
    yield a, np.ones(6), ShapeError, r"spgemm \(C1\)"
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    half = a.with_data(a.data.astype(np.float16))
    yield half, a.with_data(a.data.astype(ml_dtypes.bfloat16)), DTypeError, r"spgemm \(C4\)"


def random_csr(rng: np.random.Generator, shape: tuple[int, int]) -> Matrix:
    return from_triplets(random_triplets(rng, shape, 0.5), "csr")


def test_operands_that_do_not_fit_are_refused() -> None:
    for a, b, error, message in refused():
        with pytest.raises(error, match=message):
            spgemm(a, b)


def test_the_bound_refuses_what_the_product_refuses() -> None:
    a = random_csr(np.random.default_rng(15), (6, 6))
    with pytest.raises(UnsupportedOpError, match=r"spgemm \(C3\)"):
        spgemm_bound(a, a.to("coo"))
    with pytest.raises(UnsupportedOpError, match=r"spgemm_bound: B is a ndarray"):
        spgemm_bound(a, a.to_dense())  # type: ignore[arg-type]
    with pytest.raises(UnsupportedOpError, match=r"spgemm_bound: A is stored as nm"):
        spgemm_bound(a.to("nm", n=4, m=4), a.to("nm", n=4, m=4))


# -- the model -----------------------------------------------------------------------------------


def test_what_is_expected_of_random_patterns_is_met() -> None:
    rng = np.random.default_rng(16)
    a, b = (from_triplets(random_triplets(rng, (300, 300), 0.05), "csr") for _ in range(2))
    bound = spgemm_bound(a, b)
    assert expected_products(a.type, b.type) == pytest.approx(bound.products, rel=0.05)
    assert expected_stored(a.type, b.type) == pytest.approx(spgemm(a, b).nnz, rel=0.05)
    for format in ("csr", "csc", "coo"):
        kernel = KERNELS[f"spgemm_{format}"]
        types = (a.to(format).type, b.to(format).type)
        work = kernel.levels["vectorized"].work
        assert work is not None
        told = work(ms.find_pattern(a), types)
        assert told.flops == pytest.approx(2 * bound.products, rel=0.05)
        assert told.bytes == kernel.bytes_moved(*types)


def test_truth_of_cells_that_are_not_stored_is_zero() -> None:
    a = from_triplets(Triplets(np.array([0]), np.array([0]), np.array([np.inf]), (2, 2)), "csr")
    truth = exact(SPGEMM, (a, a))
    assert isinstance(truth, Truth)
    np.testing.assert_array_equal(truth.hi, [[np.inf, 0], [0, 0]])
    np.testing.assert_array_equal(truth.bound[1], [0, 0])


# -- many lines, nearly all empty ----------------------------------------------------------------


@pytest.mark.parametrize("columns", [2**40, 6])
@pytest.mark.parametrize("rows", [2**40, 6])
def test_coo_of_more_lines_than_memory_has_room_for(rows: int, columns: int) -> None:
    rng = np.random.default_rng(17)
    a, b = (random_triplets(rng, (6, 6), 0.5) for _ in range(2))
    small = spgemm(from_triplets(a, "coo"), from_triplets(b, "coo"))
    row_step, inner_step, col_step = (max(1, d // 8) for d in (rows, 2**40, columns))
    c = spgemm(
        COO(a.data, a.row * row_step, a.col * inner_step, (rows, 2**40)),
        COO(b.data, b.row * inner_step, b.col * col_step, (2**40, columns)),
    )
    c.check()
    assert c.shape == (rows, columns)
    assert c.type.index_dtype == index.index_dtype(c.shape, c.nnz)
    for found, wanted in zip(
        c.triplets()[:3],
        (small.row.astype(np.int64) * row_step, small.col.astype(np.int64) * col_step, small.data),
        strict=True,
    ):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("row", [[5, 5, 2**39], [5, 2**39, 5]])
def test_softmax_of_more_rows_than_memory_has_room_for(row: list[int]) -> None:
    col, x = [0, 2**30, 7], np.array([1.0, 2.0, 3.0])
    few = COO(x, [min(r, 6) for r in row], [0, 1, 2], (7, 3))
    found = ms.softmax(COO(x, row, col, (2**40, 2**40)))
    np.testing.assert_array_equal(found.data, ms.softmax(few).data)
