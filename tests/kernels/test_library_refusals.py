"""What libraries compute by other rules than ours: refused, and each wrong answer shown.

A test of a wrong answer fails once the library mends it: then the refusal can go.
"""

import ctypes
import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import (
    FormatError,
    InternalError,
    MissingExtraError,
    UnsupportedOpError,
)
from minisparse.formats import from_triplets
from minisparse.kernels import PROVIDERS, pack
from minisparse.kernels.library import Offer, choose
from minisparse.ops import SPMM
from minisparse.oracle import exact, judge
from tests.kernels.lent import (
    EVERY,
    computed,
    needed,
    second,
    some_triplets,
    stored,
)


def test_mkl_would_overwrite_what_csc_stores_twice() -> None:
    needed("mkl")
    from minisparse.kernels.library import mkl

    a, b = stored(some_triplets(), "csc"), second("spmm", 84, 4)
    lent = Offer(PROVIDERS["mkl"].offers["spmm", "csr"].level, mkl._refuses)
    # As soon as this passes, csc of the spmm can be offered.
    assert not judge(computed(lent, SPMM, a, b), exact(SPMM, [a, b], {})).passed
    with pytest.raises(UnsupportedOpError, match="only the last of the entries"):
        ms.spmm(a, b, level="mkl")


def test_scipy_would_skip_zeros_that_are_stored() -> None:
    a = ms.COO(np.zeros(1, np.float32), [0], [0], (1, 1))
    b = np.array([[1, np.inf]], np.float32)
    with pytest.raises((UnsupportedOpError, MissingExtraError), match=r"0 \* inf|not installed"):
        ms.spmm(a, b, level="scipy")
    needed("scipy")
    lent = PROVIDERS["scipy"].offers["spmv", "coo"]
    # As soon as this passes, coo of the spmm can be offered.
    assert not judge(computed(lent, SPMM, a, b), exact(SPMM, [a, b], {})).passed


@pytest.mark.parametrize("format", ["csr", "csc", "bsr"])
def test_scipy_would_drop_cells_that_cancel(format: str) -> None:
    more: dict[str, Any] = {"block": (1, 1)} if format == "bsr" else {}
    a = ms.from_dense(np.array([[1.0, 1.0]]), format, **more)
    b = ms.from_dense(np.array([[1.0], [-1.0]]), format, **more)
    for op in ("spgemm", "add"):
        with pytest.raises(UnsupportedOpError, match="drops the cells that cancel"):
            choose(op, format, "scipy")
    needed("scipy")
    assert (a.to_scipy() @ b.to_scipy()).nnz == 0  # 1, by the rules
    assert (a.to_scipy() + (-a).to_scipy()).nnz == 0  # 2, by the rules


def test_mkl_would_store_cells_of_a_sparse_product_twice() -> None:
    with pytest.raises(UnsupportedOpError, match="two, or more"):
        choose("spgemm", "csr", "mkl")
    needed("mkl")
    from minisparse.kernels.library import mkl

    one = ms.CSR(np.ones(1, np.float32), [0], [0, 1], (1, 1))
    twice = ms.CSR(np.ones(2, np.float32), [0, 0], [0, 2], (1, 1))
    a, b, c = mkl._prepare(one), mkl._prepare(twice), ctypes.c_void_p()
    multiply, export = mkl._mkl().mkl_sparse_spmm, mkl._mkl().mkl_sparse_s_export_csr
    multiply(mkl._AS_IT_IS, a.handle.value, b.handle.value, ctypes.byref(c))
    numbers, arrays = [ctypes.c_int() for _ in range(3)], [ctypes.c_void_p() for _ in range(4)]
    assert export(c, *map(ctypes.byref, numbers), *map(ctypes.byref, arrays)) == 0
    assert ctypes.cast(arrays[1], ctypes.POINTER(ctypes.c_int))[0] == 2  # 1, by the rules
    mkl._mkl().mkl_sparse_destroy(c)


@pytest.mark.parametrize("format", ["coo", "csc"])
def test_mkl_would_sum_in_an_order_that_depends_on_threads(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed("mkl")
    a = stored(some_triplets("float32", 3000, 3000, 400_000), format)
    x = second("spmv", 3000, 1)
    with pytest.raises(UnsupportedOpError, match="number of its threads"):
        choose("spmv", format, "mkl")
    if (os.cpu_count() or 1) < 2:
        pytest.skip("needs two cores to differ")
    from minisparse.kernels.library import mkl

    results = []
    for threads in (1, 2):
        monkeypatch.setenv("MKL_NUM_THREADS", str(threads))
        held = mkl._prepare(a)
        y = np.empty(3000, np.float32)
        call = mkl._mkl().mkl_sparse_s_mv
        before = mkl._mkl().MKL_Set_Num_Threads_Local(threads)
        number = mkl._NUMBERS["float32"]
        described = mkl._Description(mkl._GENERAL, 0, 0)
        call(
            mkl._AS_IT_IS, number(1), held.handle.value, described,
            mkl._pointer(x), number(0), mkl._pointer(y),
        )  # fmt: skip
        mkl._mkl().MKL_Set_Num_Threads_Local(before)
        results.append(y)
    assert (results[0] != results[1]).any()


@pytest.mark.parametrize("name", ["mkl", "scipy", "torch"])
def test_blocks_that_reach_beyond_the_matrix_are_refused(name: str) -> None:
    ragged = from_triplets(some_triplets(), "bsr", block=(7, 7))  # 84 columns, but 60 rows
    b = second("spmm", 84, 3)
    with pytest.raises((UnsupportedOpError, MissingExtraError), match=r"padding|not installed"):
        ms.spmm(ragged, b, level=name)
    needed(name)
    level = PROVIDERS[name].offers["spmm", "bsr"].level
    if name == "mkl":  # takes the whole block rows, and leaves the others out
        c = np.full((60, 3), np.nan, np.float32)
        level.run(pack(level, ragged), b, out=c)
        assert np.isnan(c[56:]).all()
    elif name == "scipy":
        with pytest.raises(ValueError, match="index pointer size"):
            pack(level, ragged)
    else:  # does not look, unless asked to, and computes with memory that is not its own
        import torch

        p, i, x = (torch.tensor(ragged.arrays[n]) for n in ("indptr", "indices", "data"))
        with pytest.raises(RuntimeError, match="divisible"):
            torch.sparse_bsr_tensor(p, i, x, ragged.shape, check_invariants=True)


@pytest.mark.parametrize("name", ["mkl", "torch"])
def test_blocks_that_are_not_square_are_refused(name: str) -> None:
    a, b = from_triplets(some_triplets(), "bsr", block=(2, 3)), second("spmm", 84, 3)
    with pytest.raises((UnsupportedOpError, MissingExtraError), match=r"square|not installed"):
        ms.spmm(a, b, level=name)
    needed(name)
    offer = PROVIDERS[name].offers["spmm", "bsr"]
    if name == "torch":
        with pytest.raises(RuntimeError, match="non-square"):
            computed(offer, SPMM, a, b)
    else:  # it would take a block's height for its width
        assert not judge(computed(offer, SPMM, a, b), exact(SPMM, [a, b], {})).passed


@pytest.mark.parametrize("dtype", ["float16", "int8", "bool"])
def test_dtypes_that_a_library_does_not_have(dtype: str) -> None:
    a = stored(some_triplets("float32"), "csr")
    a = a.with_data(a.data.astype(dtype))
    b = np.ones((84, 2), dtype)
    for name in ("mkl", "torch"):
        with pytest.raises(UnsupportedOpError, match=f"only, not for {dtype}"):
            ms.spmm(a, b, level=name)
    if dtype != "float16":
        needed("scipy")
        np.testing.assert_array_equal(ms.spmm(a, b, level="scipy"), ms.spmm(a, b, level="loops"))
        return
    with pytest.raises(UnsupportedOpError, match="SciPy has no sparse arithmetic for float16"):
        ms.spmm(a, b, level="scipy")
    needed("scipy")
    level = PROVIDERS["scipy"].offers["spmm", "csr"].level
    assert level.run(pack(level, a), b).dtype != dtype  # it would widen the result


@pytest.mark.parametrize("name", ["mkl", "torch"])
def test_operands_of_two_dtypes_are_refused_when_they_are_known(name: str) -> None:
    a, b = stored(some_triplets(), "csr"), second("spmm", 84, 3, "float64")
    with pytest.raises(UnsupportedOpError, match="one dtype, not float32 and float64"):
        ms.spmm(a, b, level=name)
    needed(name)
    prepared = ms.prepare("spmm", a, level=name)
    with pytest.raises(UnsupportedOpError, match="one dtype, not float32 and float64"):
        prepared(b)
    level = PROVIDERS[name].offers["spmm", "csr"].level
    with pytest.raises((InternalError, RuntimeError)):  # never bytes read as another dtype's
        level.run(pack(level, a), b)


@pytest.mark.parametrize("name", ["mkl", "torch"])
def test_more_entries_than_32_bits_count_are_refused(name: str) -> None:
    a = stored(some_triplets(), "csr")
    many = replace(a.type, stored=1 << 31)
    assert "32-bit" in PROVIDERS[name].why_not("spmm", "csr", [many, many])


@pytest.mark.parametrize(("name", "op", "format"), EVERY)
def test_indices_that_were_written_into_are_not_followed(name: str, op: str, format: str) -> None:
    sound = stored(some_triplets(), format)
    arrays = {n: x.copy() for n, x in sound.arrays.items()}
    made: Any = type(sound)
    a = made(*arrays.values(), sound.shape)
    (wrong,) = {"col", "indices"} & set(arrays)
    arrays[wrong][5] = 10**6
    with pytest.raises(FormatError, match=rf"{wrong}\[5\] is 1000000"):
        pack(PROVIDERS[name].offers[op, format].level, a)  # installed or not
