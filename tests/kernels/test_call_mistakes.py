"""What is given to an op by mistake is told, with what to write instead."""

import pickle
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import (
    DTypeError,
    FormatError,
    MinisparseError,
    ShapeError,
    UnsupportedOpError,
    UsageError,
)
from minisparse.formats import from_dense
from minisparse.kernels import KERNELS, PROVIDERS
from minisparse.kernels.library.mkl import _Handle
from minisparse.kernels.recording import measure_counts, record
from tests.kernels.lent import needed

X = np.eye(6, 8, dtype="float32")
A = from_dense(X, "csr")
B = np.ones((8, 4), "float32")


# -- no arrays -----------------------------------------------------------------------------------


def test_matrices_of_scipy() -> None:
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    s, t = sparse.csr_array(X), sparse.coo_matrix(X.T)
    for call in (
        lambda: ms.spmm(s, B),
        lambda: ms.softmax(s),
        lambda: ms.spgemm(s, A.T),
        lambda: ms.prepare("spmm", s),
    ):
        with pytest.raises(UnsupportedOpError, match=r"A is a sparse matrix of SciPy.*from_scipy"):
            call()
    with pytest.raises(UnsupportedOpError, match=r"spgemm: B is .*: write ms\.from_scipy\(B\)"):
        ms.spgemm(A, t)
    with pytest.raises(UnsupportedOpError, match=r"from_scipy\(A\.tocsr\(\)\)"):
        ms.spmm(sparse.dok_array(X), B)
    for call in (lambda: ms.spmm(A, t), lambda: ms.prepare("spmm", A)(t)):
        with pytest.raises(UnsupportedOpError, match=r"spmm: B is .* plain array: .*B\.toarray\("):
            call()


def test_sparse_tensors_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    t = torch.from_numpy(X).to_sparse_coo()
    with pytest.raises(UnsupportedOpError, match=r"PyTorch .*write ms\.formats\.from_torch\(A\)"):
        ms.spmm(t, B)
    with pytest.raises(UnsupportedOpError, match=r"B is .*PyTorch .*write B\.to_dense\(\)"):
        ms.spmm(A, t.T)


def test_what_holds_no_numbers() -> None:
    with pytest.raises(DTypeError, match="spmm: A is None: it must be a Matrix or an array of"):
        ms.spmm(None, B)  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="spmm: B is 'csr': it must be an array of numbers"):
        ms.spmm(A, "csr")
    with pytest.raises(FormatError, match="spmm: B is not a rectangular array"):
        ms.spmm(A, [[1, 2], [3]])
    with pytest.raises(FormatError, match="spmm: B is a masked array"):
        ms.spmm(A, np.ma.masked_less(B, 2))
    with pytest.raises(DTypeError, match=r"B is uint64 \(supported are bool, int8, .*complex128\)"):
        ms.spmm(A, B.astype("uint64"))


# -- where the result goes -----------------------------------------------------------------------


def test_out_must_be_an_array_and_the_result_dense() -> None:
    calls: tuple[Any, ...] = (ms.prepare("spmm", A), lambda b, out: ms.spmm(A, b, out=out))
    for call in calls:
        with pytest.raises(ShapeError, match=r"out is of type list: .*writeable.*float32\[6, 4\]"):
            call(B, out=[0])
    with pytest.raises(UnsupportedOpError, match="relu: the result is a csr matrix, which takes"):
        ms.relu(A, out=X.copy())


# -- attributes, levels and formats --------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, -1, np.int64(1)])
def test_a_single_axis(axis: int) -> None:
    for x in (A, X):
        np.testing.assert_array_equal(ms.reduce_sum(x, axis), ms.reduce_sum(x, (axis,)))
    with pytest.raises(ShapeError, match=r"reduce_sum \(C1\): X is 6x8, with axes=1.5"):
        ms.reduce_sum(A, 1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [2.5, -1, "4"])
def test_columns_are_a_number(columns: Any) -> None:
    with pytest.raises(ShapeError, match=f"columns is {columns!r}: it must be an integer"):
        ms.prepare("spmm", A, columns=columns)


def test_all_levels_are_listed() -> None:
    with pytest.raises(UnsupportedOpError, match="loops, vectorized, gpu, library, mkl, torch"):
        ms.spmm(A, B, level="fast")


def test_operands_in_two_formats() -> None:
    for call, other in ((ms.add, A.to("coo")), (ms.spgemm, from_dense(X.T, "csc"))):
        with pytest.raises(UnsupportedOpError, match=r"convert one with \.to\("):
            call(A, other)


# -- recordings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [measure_counts, record])
def test_operands_of_a_recording_are_a_tuple(count: Any) -> None:
    kernel = KERNELS["spmm_csr"]
    with pytest.raises(UsageError, match=r"operands is a CSR: .*record\(kernel, \(a, b\)\)"):
        count(kernel, A, B)
    with pytest.raises(UsageError, match="1 operands given, not a, b"):
        count(kernel, (A,))
    with pytest.raises(UsageError, match=r"'spmm_csr' is no kernel: .*KERNELS"):
        count("spmm_csr", (A, B))


# -- pickle --------------------------------------------------------------------------------------

FORMATS = [A.to(f) for f in ("coo", "csr", "csc")] + [
    A.to("bsr", block=(2, 2)),
    A.to("nm", n=2, m=4),
]
PREPARED = [(a, level) for a in (X, *FORMATS) for level in ("loops", "vectorized")] + [
    (a, name)
    for a in FORMATS
    for name in ("torch", "scipy")
    if ("spmm", a.format) in PROVIDERS[name].offers
]


@pytest.mark.parametrize(
    ("a", "level"), PREPARED, ids=lambda x: x if isinstance(x, str) else getattr(x, "format", "x")
)
def test_a_prepared_matrix_can_be_pickled(a: Any, level: str) -> None:
    if level in PROVIDERS:
        needed(level)
    for op, more in (("spmm", (B,)), ("spmm_bias_clip", (B, np.arange(6, dtype="float32")))):
        k = ms.prepare(op, a, level=level, attrs={"max": 3.0} if "clip" in op else {})
        again = pickle.loads(pickle.dumps(k))
        np.testing.assert_array_equal(again(*more), k(*more))
        assert repr(again) == repr(k)


def test_what_mkl_holds_is_not_pickled() -> None:
    with pytest.raises(UsageError, match=r"cannot be pickled.*ms\.prepare"):
        pickle.dumps(_Handle("csr"))


# -- names ---------------------------------------------------------------------------------------


def test_errors_are_found_at_the_top() -> None:
    for name in "DType Format MissingExtra Shape UnsupportedOp Usage".split():
        assert issubclass(getattr(ms, f"{name}Error"), MinisparseError)
