"""Conversions by threads: the same arrays as by array code, bit for bit."""

import numpy as np
import pytest

from minisparse.core.triplets import Triplets
from minisparse.formats import COO, CSR, convert
from minisparse.formats.compressed import compress, turn
from minisparse.kernels.convert import threads
from minisparse.ops.hard_matrices import hard_matrices
from tests.kernels.gpu.entries import CONVERT, DTYPES, assert_same, awkward, run, with_seed
from tests.kernels.reference import hold

every_way = pytest.mark.parametrize(("before", "after"), CONVERT)


@every_way
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype: str, before: str, after: str) -> None:
    a = hold(awkward(dtype), before)
    assert_same(run(f"convert_{before}", a, format=after), convert(a, after))


@every_way
def test_hard_matrices(before: str, after: str) -> None:
    for label, t in hard_matrices(np.random.default_rng(1)):
        if t.data.dtype.name in DTYPES:
            a = hold(t, before)
            assert_same(run(f"convert_{before}", a, format=after), convert(a, after), label)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("dtype", ["float16", "float32", "int8"])
def test_duplicates_are_summed_in_stored_order(
    dtype: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    row, col = rng.integers(0, 3, 300), rng.integers(0, 4, 300)
    data = (rng.standard_normal(300) * 10.0 ** rng.integers(-2, 3, 300)).astype(dtype)
    a = hold(Triplets(row, col, data, (3, 4)), "coo")
    with_seed(monkeypatch, seed)
    for after in ("csr", "csc"):
        found = run("convert_coo", a, format=after)
        assert_same(found, convert(a, after))
        assert found.nnz == 12
    if dtype != "int8":  # it does make a difference
        other = convert(hold(Triplets(row[::-1], col[::-1], data[::-1], (3, 4)), "coo"), "csr")
        assert (other.data != run("convert_coo", a, format="csr").data).any()


def test_a_negative_zero_stays_one_where_it_is_alone() -> None:
    t = Triplets(np.array([1, 0, 0]), np.array([0, 1, 1]), np.array([-0.0, -0.0, 0.0]), (2, 2))
    found = run("convert_coo", hold(t, "coo"), format="csr")
    assert np.signbit(found.data).tolist() == [False, True]


def test_what_is_in_a_format_already_is_itself() -> None:
    a = hold(awkward(), "csr")
    assert run("convert_csr", a, format="csr") is a


def test_other_formats_by_array_code() -> None:
    a = hold(awkward(), "csr")
    found = run("convert_csr", a, format="bsr", block=(2, 3))
    assert_same(found, convert(a, "bsr", block=(2, 3)))
    np.testing.assert_array_equal(run("convert_csr", a, format="dense"), a.to_dense())


@pytest.mark.parametrize("count", [0, 1, 31, 33, 257])
def test_entries_that_are_no_matrix_yet(count: int) -> None:
    rng = np.random.default_rng(count)
    sizes = 20, 30
    major, minor = (rng.integers(0, size, count) for size in sizes)
    data = rng.integers(1, 9, count).astype(np.float64)
    found, wanted = (f(major, minor, data, sizes) for f in (threads.compress, compress))
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(x, y)
    for x, y in zip(threads.turn(wanted, 30), turn(wanted, 30), strict=True):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(
        threads.starts_by_counting(minor, 30),
        np.append(0, np.bincount(minor, minlength=30).cumsum()),
    )


def test_conversions_by_name() -> None:
    t = awkward()
    a = COO(t.data, t.row, t.col, t.shape)
    wanted = convert(a, "csr")
    rows = threads.coo_to_csr(a)
    assert_same(rows, wanted)
    assert_same(threads.csr_to_csc(rows), convert(a, "csc"))
    assert_same(threads.csc_to_csr(threads.coo_to_csc(a)), wanted)
    assert_same(threads.csr_to_coo(rows), convert(rows, "coo"))
    unsorted = CSR([1.0, 2.0], [1, 0], [0, 2], (1, 2))
    assert threads.csr_to_coo(unsorted).col.tolist() == [1, 0]
