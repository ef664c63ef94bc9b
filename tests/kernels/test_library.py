"""The level ``library``: what other libraries compute, and which one is taken."""

import gc
import threading
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core import index
from minisparse.core.errors import MissingExtraError, UnsupportedOpError
from minisparse.core.tensor_type import dense_type
from minisparse.kernels import PROVIDERS
from minisparse.kernels.library import PREFERENCE, choose
from minisparse.kernels.library.provider import threads_asked
from minisparse.ops import OPS
from minisparse.oracle import exact, judge
from tests.kernels.lent import (
    ON_CPU,
    PRODUCTS,
    computed,
    needed,
    pretend,
    second,
    some_triplets,
    stored,
)

every_offer = pytest.mark.parametrize(("name", "op", "format"), PRODUCTS)
FLOATS = "float32 float64 complex64 complex128".split()


# -- what they compute ---------------------------------------------------------------------------


@every_offer
@pytest.mark.parametrize("columns", [1, 5, 70])
def test_larger_products_are_right(name: str, op: str, format: str, columns: int) -> None:
    needed(name)
    offer = PROVIDERS[name].offers[op, format]
    for dtype in FLOATS if columns == 5 else ("float32",):
        a = stored(some_triplets(dtype), format)
        b = second(op, 84, columns, dtype)
        found = judge(computed(offer, OPS[op], a, b), exact(OPS[op], [a, b], {}))
        assert found.passed, f"{dtype}: {found.message}"


@every_offer
def test_infinities_meet_what_is_stored_and_nothing_else(name: str, op: str, format: str) -> None:
    needed(name)
    triplets = some_triplets(nnz=300)
    triplets.data[::5] = 0  # and one that is stored meets them all
    a = stored(triplets, format)
    for columns in (1, 40):
        b = second(op, 84, columns)
        b[::7], b[3] = np.inf, np.nan
        found = computed(PROVIDERS[name].offers[op, format], OPS[op], a, b)
        verdict = judge(found, exact(OPS[op], [a, b], {}))
        assert verdict.passed, verdict.message


@every_offer
@pytest.mark.parametrize("block", [1, 2, 4])
def test_square_blocks_and_sizes_of_zero(name: str, op: str, format: str, block: int) -> None:
    needed(name)
    offer = PROVIDERS[name].offers[op, format]
    for m, k, nnz in ((12, 8, 30), (0, 8, 0), (12, 0, 0), (12, 8, 0), (4, 4, 1)):
        a = stored(some_triplets("float64", m, k, nnz), format, block)
        for columns in (0, 1, 3):
            b = second(op, k, max(columns, 1), "float64")
            b = b if op == "spmv" else b[:, :columns]
            assert offer.refuses([a.type, dense_type(b)]) == ""
            found = judge(computed(offer, OPS[op], a, b), exact(OPS[op], [a, b], {}))
            assert found.passed, f"{m}x{k}, {columns} columns: {found.message}"


@every_offer
def test_the_same_bits_on_any_number_of_threads(
    name: str, op: str, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed(name)
    a = stored(some_triplets("float32", 600, 900, 40_000), format)
    b = second(op, 900, 33)
    offer = PROVIDERS[name].offers[op, format]
    results = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("MKL_NUM_THREADS", threads)
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        results.append(computed(offer, OPS[op], a, b))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("name", ON_CPU)
def test_a_prepared_matrix_outlives_the_one_it_was_made_of(name: str) -> None:
    needed(name)
    a = stored(some_triplets(), "csr")
    b = second("spmm", 84, 6)
    wanted = ms.spmm(a, b)
    prepared = ms.prepare("spmm", a, columns=6, level=name)
    gone = weakref.ref(a)
    del a
    gc.collect()
    junk = [np.full(900, np.nan, np.float32) for _ in range(50)]
    np.testing.assert_allclose(prepared(b), wanted, 1e-4, 1e-4)
    assert gone() is None
    assert len(junk) == 50
    assert prepared.level == name
    assert f"csr {name}" in repr(prepared)


@pytest.mark.parametrize("name", ON_CPU)
def test_wide_indices_are_narrowed_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needed(name)
    monkeypatch.setattr(index, "INT32_LIMIT", 10)
    wide = stored(some_triplets(), "csr")
    assert wide.arrays["indices"].dtype == np.int64
    b = second("spmm", 84, 6)
    prepared = ms.prepare("spmm", wide, level=name)
    np.testing.assert_allclose(prepared(b), ms.spmm(wide, b), 1e-4, 1e-4)
    if name != "scipy":  # which keeps them as they are
        assert prepared.bytes == 4 * (wide.nnz + 61)


@pytest.mark.parametrize("name", ON_CPU)
def test_threads_share_a_prepared_matrix(name: str) -> None:
    needed(name)
    a, b = stored(some_triplets(), "csr"), second("spmm", 84, 20)
    prepared = ms.prepare("spmm", a, level=name)
    wanted, found = prepared(b), {}

    def work(i: int) -> None:
        found[i] = [prepared(b) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for results in found.values():
        for c in results:
            np.testing.assert_array_equal(c, wanted)


def test_torch_keeps_the_number_of_its_threads() -> None:
    needed("torch")
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        ms.spmm(stored(some_triplets(), "csr"), second("spmm", 84, 3), level="torch")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_mkl_handles_are_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    needed("mkl")
    from minisparse.kernels.library import mkl

    destroyed: list[Any] = []
    monkeypatch.setattr(mkl._mkl(), "mkl_sparse_destroy", destroyed.append)
    held = mkl._prepare(stored(some_triplets(), "csr"))
    value = held.handle.value
    assert not destroyed
    del held
    gc.collect()
    assert destroyed == [value]


# -- which one is taken --------------------------------------------------------------------------


def test_the_preferred_one_that_is_there_and_does_not_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert tuple(PROVIDERS) == PREFERENCE
    a = stored(some_triplets(), "csr")
    half = [replace(a.type, dtype=np.dtype("int32"))] * 2
    pretend(monkeypatch, mkl=True, torch=True, scipy=True)
    assert choose("spmm", "csr", "library", [a.type, a.type]) == "mkl"
    assert choose("spmm", "csc", "library", [a.type, a.type]) == "torch"
    assert choose("spmm", "csr", "library", half) == "scipy"
    pretend(monkeypatch, scipy=True)
    assert choose("spmm", "csr", "library") == "scipy"


def test_what_is_missing_is_said_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    a, b = stored(some_triplets(), "csr"), second("spmm", 84, 3)
    with pytest.raises(
        MissingExtraError, match=r"SciPy is not installed: pip install \"minisparse"
    ):
        ms.spmm(a, b, level="scipy")
    with pytest.raises(MissingExtraError, match=r"MKL is not .*PyTorch is not .*SciPy is not"):
        ms.spmm(a, b, level="library")
    with pytest.raises(UnsupportedOpError, match=r"SciPy has no spmm for nm, only for csr"):
        ms.spmm(a.to("nm", n=4, m=4), b, level="scipy")
    with pytest.raises(UnsupportedOpError, match=r"no level 'cuda'; levels: loops, .*library"):
        ms.spmm(a, b, level="cuda")


def test_threads_that_the_environment_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, wanted in (("", 1), ("3", 3), ("2,1", 2), ("0", 1), ("many", 1)):
        monkeypatch.setenv("MKL_NUM_THREADS", text)
        assert threads_asked("MKL_NUM_THREADS") == wanted
