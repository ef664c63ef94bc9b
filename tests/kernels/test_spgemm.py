"""Products of two sparse matrices: what is stored, and the bits, whatever way is taken."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array, as_dtype
from minisparse.formats import BSR, CSR, from_dense, from_triplets
from minisparse.kernels import blas
from minisparse.kernels.functions import spgemm
from minisparse.kernels.spgemm import adding, bsr, lines, meeting, panels, rows
from minisparse.ops import SPGEMM
from minisparse.ops.hard_matrices import random_triplets
from minisparse.oracle import DEFAULT, exact, judge
from tests.kernels.spgemm_samples import FORMATS, bits, large, pair, samples, stored

LEVELS = ("loops", "vectorized")
every_format = pytest.mark.parametrize("format", FORMATS)


# -- what is stored ------------------------------------------------------------------------------


@every_format
@pytest.mark.parametrize("level", LEVELS)
def test_a_cell_is_stored_once_where_entries_meet(format: str, level: str) -> None:
    for sample in samples():
        a, b = pair(sample, format)
        c = spgemm(a, b, level)
        c.check()
        assert type(c) is type(a), sample.label
        assert c.has_canonical_format, sample.label
        wanted = stored(a) @ stored(b) > 0
        if format == "bsr":  # blocks meet as wholes
            wanted = stored(from_dense(wanted, "bsr", block=(2, 2))) > 0
        np.testing.assert_array_equal(stored(c), wanted, sample.label)


@pytest.mark.parametrize("level", LEVELS)
def test_the_contract_of_the_oracle_is_kept(level: str) -> None:
    def implementation(*arrays: Any) -> tuple[Array, ...]:
        a, b = (
            CSR(data, indices, indptr, x) for indptr, indices, data, x in (arrays[:4], arrays[4:])
        )
        c = spgemm(a, b, level)
        assert isinstance(c, CSR)
        return c.indptr, c.indices, c.data

    profile = replace(DEFAULT, name="keeps", cancelled="keep")
    report = ms.oracle.check(implementation, "spgemm_csr", examples=150, seed=5, profile=profile)
    assert report.passed, report


@every_format
def test_the_result_is_of_the_type_that_was_told(format: str) -> None:
    for sample in samples():
        a, b = pair(sample, format)
        (told,) = SPGEMM.infer((a.type, b.type))
        c = spgemm(a, b)
        assert (c.shape, c.dtype, c.type.layout) == (told.shape, told.dtype, told.layout)


def test_padding_of_blocks_stays_zero_beside_infinity() -> None:
    edge = np.array([[[np.inf, np.inf, 0], [0, 0, 0]]])  # a matrix of 1 x 2 in a block of 2 x 3
    a = BSR(edge, [0], [0, 1], (1, 2))
    c = spgemm(a, a.T)
    c.check()
    np.testing.assert_array_equal(c.data, [[[np.inf, 0], [0, 0]]])


# -- the bits ------------------------------------------------------------------------------------


@pytest.fixture(
    params=["table", "sorting", "runs", "short lines", "wide words", "long rows", "pieces"]
)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Force a way that small samples alone would not take."""
    chosen: dict[str, list[tuple[Any, str, Any]]] = {
        "table": [(adding, "FULL", 0.0)],
        "sorting": [(adding, "FULL", 1e9)],
        "runs": [(adding, "FULL", 1e9), (adding, "FEW", 1.0)],
        "short lines": [(adding, "FULL", 1e9), (lines, "SHORTEST", 0), (rows, "PRODUCTS", 50)],
        "wide words": [(adding, "FULL", 1e9), (lines, "SHORTEST", 1 << 40)],
        "long rows": [
            (rows, "PRODUCTS", 5),
            (rows, "MOST", 7),
            (rows, "WIDEST", 5),
            (rows, "ENTRIES", 3),
            (meeting, "ENTRIES", 3),
        ],
        "pieces": [(meeting, "ENTRIES", 9), (rows, "PRODUCTS", 20), (rows, "BATCH", 40)],
    }
    name: str = request.param
    monkeypatch.setattr(panels, "PRODUCT_TIME", 0.0)
    for module, constant, value in chosen[name]:
        monkeypatch.setattr(module, constant, value)
    return name


@pytest.mark.parametrize("format", ["csr", "csc"])
def test_every_way_gives_the_bits_of_the_loops(way: str, format: str) -> None:
    for sample in samples():
        a, b = pair(sample, format)
        if a.dtype.kind == "c":
            continue  # NumPy multiplies complex numbers in arrays with other roundings
        with np.errstate(all="ignore"):
            assert bits(spgemm(a, b)) == bits(spgemm(a, b, "loops")), f"{way}: {sample.label}"


def test_coo_gives_the_bits_of_csr() -> None:
    for sample in samples():
        a, b = pair(sample, "coo")
        left, right = pair(sample, "csr")
        c = spgemm(left, right)
        np.testing.assert_array_equal(spgemm(a, b).data, c.data, sample.label)


@pytest.mark.parametrize("product_time", [0.0, 1e9], ids=["products", "panels"])
def test_threads_do_not_change_the_bits(
    product_time: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = large(1, (500, 700), 0.05), large(2, (700, 900), 0.05)
    monkeypatch.setattr(panels, "PRODUCT_TIME", product_time)
    monkeypatch.setattr(panels, "BYTES", 1 << 18)
    monkeypatch.setattr(rows, "WORTH", 0)
    monkeypatch.setattr(rows, "PRODUCTS", 1 << 12)
    found = []
    for threads in (1, 2, 3):
        for module in (rows, panels):
            monkeypatch.setattr(module, "usable_threads", lambda threads=threads: threads)
        with blas.one_thread():
            found.append(bits(spgemm(a, b)))
    assert found[0] == found[1] == found[2]


@every_format
def test_large_ones_are_what_scipy_says(format: str) -> None:
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    a, b = large(3, (600, 501), 0.04, "float64"), large(4, (501, 800), 0.02, "float64")
    block: dict[str, Any] = {"block": (3, 4)} if format == "bsr" else {}
    below: dict[str, Any] = {"block": (4, 2)} if format == "bsr" else {}
    c = spgemm(a.to(format, **block), b.to(format, **below))
    wanted = sparse.csr_array(a.to_scipy()) @ sparse.csr_array(b.to_scipy())
    np.testing.assert_allclose(c.to_dense(), wanted.toarray(), 1e-12, 1e-12)
    if format != "bsr":
        assert c.nnz == wanted.nnz


def test_a_row_of_too_many_products_waits_for_nobody() -> None:
    groups = [rows._Group(i, i + 1, count) for i, count in enumerate([5, 5, rows.MOST + 1, 5])]
    batches = list(rows._batches(iter(groups), 8))
    assert [[group.first for group in batch] for batch in batches] == [[0], [1], [2], [3]]
    batches = list(rows._batches(iter(groups), 2 * rows.MOST))
    assert [[group.first for group in batch] for batch in batches] == [[0, 1], [2], [3]]


# -- panels --------------------------------------------------------------------------------------


def test_panels_are_right_wherever_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "PRODUCT_TIME", 1e9)
    monkeypatch.setattr(panels, "BYTES", 400)
    taken, multiply = [], panels.multiply

    def noted(*operands: Any) -> Any:
        taken.append(operands)
        return multiply(*operands)

    monkeypatch.setattr(panels, "multiply", noted)
    for sample in samples():
        a, b = pair(sample, "csr")
        c = spgemm(a, b)
        c.check()
        assert c.has_canonical_format, sample.label
        np.testing.assert_array_equal(stored(c), stored(a) @ stored(b) > 0, sample.label)
        found = judge(c.to_dense(), exact(SPGEMM, (a, b)))
        assert found.passed, f"{sample.label}: {found.message}"
    assert len(taken) > 20


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "complex64"])
def test_panels_are_not_taken_beside_infinity(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    monkeypatch.setattr(panels, "PRODUCT_TIME", 1e9)
    data = np.array([np.inf, 2.0]).astype(as_dtype(dtype, "test"))
    a = CSR(data, [0, 1], [0, 1, 2], (2, 2))
    assert spgemm(a, a).nnz == 2
    assert spgemm(a, a).to_dense()[1, 1] == 4  # not NaN


def test_duplicates_are_multiplied_before_they_are_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "PRODUCT_TIME", 1e9)
    largest = np.finfo(np.float32).max
    a = CSR(np.array([largest, largest], np.float32), [0, 0], [0, 2], (1, 1))
    half = CSR(np.array([0.25], np.float32), [0], [0, 1], (1, 1))
    assert spgemm(a, half).to_dense() == largest / 2


# -- blocks --------------------------------------------------------------------------------------


def test_few_gathered_blocks_at_a_time_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for sample in samples():
        a, b = pair(sample, "bsr")
        wanted = spgemm(a, b)
        with monkeypatch.context() as patch:
            patch.setattr(bsr, "PAIRS", 3)
            found = spgemm(a, b)
            assert bits(found) == bits(wanted), sample.label
            patch.setattr(bsr, "GATHERED", 20)  # sums of many blocks in pieces
            pieces = spgemm(a, b)
        for name in ("indices", "indptr"):
            np.testing.assert_array_equal(pieces.arrays[name], wanted.arrays[name], sample.label)
        if a.dtype.kind in "biu":
            np.testing.assert_array_equal(pieces.data, wanted.data)


def test_blocks_of_other_shapes() -> None:
    rng = np.random.default_rng(6)
    a, b = (
        random_triplets(rng, (11, 14), 0.3, "float64"),
        random_triplets(rng, (14, 9), 0.3, "float64"),
    )
    for r, k, s in ((1, 1, 1), (4, 2, 3), (5, 7, 4), (16, 16, 16), (1, 5, 2)):
        c = spgemm(from_triplets(a, "bsr", block=(r, k)), from_triplets(b, "bsr", block=(k, s)))
        assert c.block == (r, s)
        c.check()
        np.testing.assert_allclose(c.to_dense(), a.to_dense() @ b.to_dense(), 1e-12, 1e-12)
