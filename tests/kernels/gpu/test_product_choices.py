"""Which way a product by threads is taken, as its matrix and its columns say; what is refused."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.formats import CSR, find_pattern
from minisparse.gpu import simulator
from minisparse.kernels import KERNELS
from minisparse.kernels.spmm import threads_csr as spmm
from minisparse.kernels.spmm.threads import why_not
from minisparse.kernels.spmv import threads_csr as spmv
from tests.kernels.gpu.products import FORMATS, Launches, operands_of, pruned, rows_of, run, stored


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Launches:
    found = Launches()
    monkeypatch.setattr(simulator, "simulate", found)
    return found


def test_the_rows_decide_how_a_vector_is_multiplied(launches: Launches) -> None:
    x = np.ones(5000, np.float32)
    for counts, program in (
        ([1] * 100, "spmv_row_per_thread"),
        ([30] * 100, "spmv_row_per_warp"),
        ([5000, *[2] * 500], "spmv_merge_path"),
        ([4000, *[2] * 500], "spmv_row_per_warp"),
    ):
        indptr = np.append(0, np.cumsum(counts))
        indices = np.concatenate([np.arange(n) for n in counts])
        a = CSR(np.ones(len(indices), np.float32), indices, indptr, (len(counts), 5000))
        launches.clear()
        run("spmv", a, (a, x))
        assert launches[0][0].name == program
        launches.clear()
        run("spmm", a, (a, x[:, None]))
        assert launches[0][0].name == program


@pytest.mark.parametrize(
    ("columns", "program", "parts"),
    [(2, "spmm_row_per_lanes", 0), (31, "spmm_row_per_lanes", 0), (32, "spmm_row_per_warp", 1),
     (33, "spmm_row_per_warp", 2), (65, "spmm_row_per_warp", 4)],
)  # fmt: skip
def test_the_columns_decide_how_a_matrix_is_multiplied(
    columns: int, program: str, parts: int, launches: Launches
) -> None:
    a = rows_of(np.eye(7, dtype="float32"))
    run("spmm", a, (a, np.ones((7, columns), "float32")))
    assert launches[0][0].name == program
    assert launches[0][0].names.get("parts", 0) == parts


@pytest.mark.parametrize("format", FORMATS)
def test_one_column_is_a_vector(format: str, launches: Launches) -> None:
    rng = np.random.default_rng(12)
    a = stored(pruned(rng, "float32"), format)
    assert a is not None
    run("spmm", a, operands_of("spmm", a, rng, 1))
    run("spmv", a, operands_of("spmv", a, rng, 1))
    assert launches[0][0] is launches[1][0]
    types = (a.type, dense_type(np.ones((a.shape[1], 1), "float32")))
    of_matrix, of_vector = (KERNELS[f"{op}_{format}"].levels["gpu"].work for op in ("spmm", "spmv"))
    assert of_matrix is not None
    assert of_vector is not None
    pattern = find_pattern(a)
    vector = (a.type, dense_type(np.ones(a.shape[1], "float32")))
    assert of_matrix(pattern, types) == of_vector(pattern, vector)


def test_rows_of_very_different_lengths_begin_with_the_longest() -> None:
    rng = np.random.default_rng(8)
    x = (rng.random((40, 60)) < 0.05) * rng.standard_normal((40, 60))
    even, uneven = rows_of(x), rows_of(np.where(np.arange(40)[:, None] == 9, 1, x))
    assert spmm.prepare(even).order is None
    packed = spmm.prepare(uneven)
    assert packed.order is not None
    assert packed.order[0] == 9
    assert (np.diff(np.diff(uneven.indptr)[packed.order]) <= 0).all()
    assert packed.nbytes == uneven.nbytes + 40 * 4
    b = rng.standard_normal((60, 33))
    for given in (b, b[:, :7].copy()):
        plain = spmm.run(spmm.Swizzled(packed.rows, None), given)
        np.testing.assert_array_equal(spmm.run(packed, given), plain)


@pytest.mark.parametrize("dtype", ["bool", "complex64", "complex128"])
def test_dtypes_that_threads_do_not_have(dtype: str) -> None:
    a = rows_of(np.eye(3).astype(dtype))
    with pytest.raises(UnsupportedOpError, match=f"level gpu: threads do not compute with {dtype}"):
        ms.spmm(a, np.eye(3).astype(dtype), level="gpu")


def test_ways_that_there_are_not() -> None:
    a, b = rows_of(np.eye(3)), np.ones((3, 33))
    with pytest.raises(UsageError, match="row_per_lanes: B has 33 columns, and a row has 32 lanes"):
        spmm.row_per_lanes(a, b)
    with pytest.raises(UsageError, match="width is 48: it must be 32, 64 or 128, or 0"):
        spmm.row_per_warp(a, b, width=48)
    with pytest.raises(UsageError, match="width is 3: it must be 2, 4, 8, 16 or 32"):
        spmv.row_per_warp(a, b[:, 0], width=3)
    for threads, items in ((3, 1), (2048, 1), (2, 0)):
        with pytest.raises(UsageError, match=f"equal_pieces: {threads} threads of {items} items"):
            spmv.equal_pieces(a, b[:, 0], threads=threads, items=items)


def test_more_rows_than_32_bits_count() -> None:
    long = TensorType((2**31, 1), np.dtype("float32"), "csr", 0, np.dtype("int64"))
    assert why_not([long]) == "threads count rows and columns in 32 bits, and there are 2147483648"
    assert not why_not([TensorType(("m", 2**31 - 1), np.dtype("float16"))])
