"""CuPy's sparse matrices: there and back on a card; and what is said where there is none."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import (
    DTypeError,
    FormatError,
    MissingExtraError,
    ShapeError,
    UnsupportedOpError,
)
from minisparse.formats import (
    COO,
    CSC,
    CSR,
    FORMATS,
    Matrix,
    from_cupy,
    from_dense,
    from_scipy,
    to_cupy,
)
from tests.pretend_device import PretendCupy

DTYPES = "bool float32 float64 complex64 complex128".split()
FAMILIAR = ("coo", "csr", "csc")
LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 2, "m": 4}
X = np.array([[0, 1, 0, 2], [0] * 4, [3, 0, 0, 1]])


def make(format: str, dtype: str = "float32") -> Matrix:
    return from_dense(
        X.astype(dtype), format, **{n: LAYOUTS[n] for n in FORMATS[format].layout_names}
    )


def assert_same(A: Matrix, B: Matrix) -> None:
    assert type(A) is type(B)
    assert A.shape == B.shape
    for name, array in A.arrays.items():
        assert B.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(array, B.arrays[name], err_msg=name)


# -- on a card -----------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("format", FAMILIAR)
@pytest.mark.parametrize("dtype", DTYPES)
def test_there_and_back(format: str, dtype: str) -> None:
    A = make(format, dtype)
    s = to_cupy(A)
    assert s.format == format
    assert s.dtype == A.dtype
    np.testing.assert_array_equal(s.toarray().get(), A.to_dense())
    assert_same(from_cupy(s).to_device("cpu"), A)


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("format", FAMILIAR)
def test_without_cells(format: str, shape: tuple[int, int]) -> None:
    A = from_dense(np.zeros(shape, "float32"), format)
    assert_same(from_cupy(to_cupy(A)).to_device("cpu"), A)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "A",
    [
        COO([1.0, 0.0, 2.0], [1, 0, 1], [0, 1, 0], (2, 2)),
        CSR([3.0, 0.0, 2.0], [1, 0, 1], [0, 3, 3], (2, 2)),
        CSC([3.0, 0.0, 2.0], [1, 0, 1], [0, 3, 3], (2, 2)),
    ],
)
def test_stored_entries_stay_as_they_are(A: Matrix) -> None:
    assert_same(from_cupy(to_cupy(A)).to_device("cpu"), A)


@pytest.mark.gpu
def test_is_a_copy() -> None:
    A = make("csr")
    s = to_cupy(A)
    s.data[:] = 7
    np.testing.assert_array_equal(A.to_dense(), X)


@pytest.mark.gpu
def test_wide_indices() -> None:
    A = COO([1.0], [2**40], [0], (2**41, 3))
    assert_same(from_cupy(to_cupy(A)).to_device("cpu"), A)


# -- without one: on the pretend device -----------------------------------------------------------


def stand_in(A: Matrix, **other: Any) -> Any:
    """Return what looks like CuPy's sparse matrix of the same arrays."""
    parts: dict[str, Any] = dict(A.to_device("gpu").arrays)
    parts |= {"format": A.format, "shape": A.shape, "tocoo": None}
    return SimpleNamespace(**(parts | other))


@pytest.fixture
def cupy(pretend_cupy: PretendCupy, monkeypatch: pytest.MonkeyPatch) -> PretendCupy:
    """Put a stand-in for CuPy's sparse matrices beside the pretend device."""

    def maker(format: str) -> Any:
        def make(parts: Any, shape: tuple[int, int]) -> Any:
            data, *rest = parts
            names = ("row", "col") if format == "coo" else ("indices", "indptr")
            arrays = dict(zip(names, rest[0] if format == "coo" else rest, strict=True))
            return SimpleNamespace(format=format, shape=shape, data=data, **arrays)

        return make

    sparse = ModuleType("cupyx.scipy.sparse")
    sparse.__dict__.update({f"{format}_matrix": maker(format) for format in FAMILIAR})
    monkeypatch.setitem(sys.modules, "cupyx.scipy.sparse", sparse)
    return pretend_cupy


@pytest.mark.parametrize("format", FAMILIAR)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_arrays_go_to_their_places(cupy: PretendCupy, format: str, dtype: str) -> None:
    A = make(format, dtype)
    s = to_cupy(A)
    assert cupy.bytes_to("device") == A.nbytes
    assert_same(from_cupy(s).to_device("cpu"), A)


@pytest.mark.parametrize("format", FAMILIAR)
def test_what_is_on_the_card_stays_there(cupy: PretendCupy, format: str) -> None:
    A = make(format).to_device("gpu")
    cupy.transfers.clear()
    s = to_cupy(A)
    assert cupy.transfers == []
    B = from_cupy(s)
    assert B.device == "gpu"
    assert max(t.nbytes for t in cupy.transfers) <= 8  # the checks' numbers
    s.data[:] = 7
    assert_same(A.to_device("cpu"), make(format))
    assert_same(B.to_device("cpu"), make(format))


@pytest.mark.parametrize("format", sorted(set(FORMATS) - set(FAMILIAR)))
def test_formats_that_it_does_not_have(cupy: PretendCupy, format: str) -> None:
    with pytest.raises(UnsupportedOpError, match=rf"no format '{format}'; write to_cupy\(A\.to"):
        to_cupy(make(format))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "float16"])
def test_dtypes_that_it_does_not_have(cupy: PretendCupy, dtype: str) -> None:
    with pytest.raises(DTypeError, match=rf"no sparse {dtype}.*widen the values first"):
        to_cupy(make("csr", dtype))


def test_what_from_cupy_refuses(cupy: PretendCupy) -> None:
    for other in (X, make("csr"), SimpleNamespace(format="dia", data=cupy.asarray(X))):
        with pytest.raises(UnsupportedOpError, match=r"from_cupy: .*must be CuPy's coo"):
            from_cupy(other)
    with pytest.raises(ShapeError, match=r"shape is \(4,\)"):
        from_cupy(stand_in(make("csr"), shape=(4,)))
    with pytest.raises(FormatError, match=r"CSR \(F9\): indices\[1\] is 9"):
        from_cupy(stand_in(make("csr"), indices=cupy.asarray([1, 9, 0, 3])))
    for indptr in ([], [0, -1]):
        with pytest.raises(FormatError, match=r"CSR \(F[4-7]\)"):
            from_cupy(stand_in(make("csr"), indptr=cupy.asarray(np.array(indptr, int))))
    with pytest.raises(UnsupportedOpError, match="not SciPy's; CuPy's are taken by from_cupy"):
        from_scipy(stand_in(make("csr")))


def test_arrays_longer_than_what_they_hold(cupy: PretendCupy) -> None:
    A = make("csc")
    assert isinstance(A, CSC)
    longer = {n: cupy.asarray(np.concatenate([array, array])) for n, array in A.arrays.items()}
    longer["indptr"] = cupy.asarray(A.indptr)
    assert_same(from_cupy(stand_in(A, **longer)).to_device("cpu"), A)


def test_without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupyx", None)
    monkeypatch.setitem(sys.modules, "cupyx.scipy.sparse", None)
    with pytest.raises(MissingExtraError, match=r'to_cupy needs .*"minisparse\[gpu-cuda13\]"'):
        to_cupy(make("csr"))
