"""SciPy's sparse arrays, there and back, and SciPy's answers beside ours."""

import sys
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import (
    DTypeError,
    FormatError,
    MissingExtraError,
    ShapeError,
    UnsupportedOpError,
)
from minisparse.formats import CSR, FORMATS, from_dense, from_scipy

FAMILIAR = ("coo", "csr", "csc", "bsr")
LAYOUTS: dict[str, Any] = {"block": (2, 3)}


@pytest.fixture(name="sparse")
def import_scipy_sparse() -> Any:
    return pytest.importorskip("scipy.sparse", reason='needs pip install "minisparse[peers]"')


def layout_of(format: str) -> dict[str, Any]:
    return {name: LAYOUTS[name] for name in FORMATS[format].layout_names}


def sample(dtype: str = "float64") -> Array:
    rng = np.random.default_rng(3)
    return (rng.integers(1, 9, (8, 9)) * (rng.random((8, 9)) < 0.3)).astype(dtype)


@pytest.mark.parametrize("format", FAMILIAR)
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_there_and_back(sparse: Any, format: str, kind: str) -> None:
    x = sample()
    s = getattr(sparse, f"{format}_{kind}")(x)
    A = from_scipy(s)
    assert type(A) is FORMATS[format]
    assert (A.to_dense() == x).all()
    back = A.to_scipy()
    assert back.format == format
    assert isinstance(back, sparse.sparray)
    assert (back.toarray() == x).all()


@pytest.mark.parametrize("format", FAMILIAR)
def test_same_arrays_as_scipy(sparse: Any, format: str) -> None:
    x = sample()
    A = from_dense(x, format, **layout_of(format))
    s = sparse.csr_array(x)
    s = s.tobsr((2, 3)) if format == "bsr" else s.asformat(format)
    s.sum_duplicates()
    A = from_dense(x, "csr").to(format, **layout_of(format))
    if format == "coo":
        order = np.lexsort((s.col, s.row))
        assert (s.row[order] == A.triplets().row).all()
    else:
        for name, array in A.arrays.items():
            assert (array == getattr(s, name)).all()


@pytest.mark.parametrize("format", FAMILIAR)
def test_is_a_copy_in_both_directions(sparse: Any, format: str) -> None:
    x = sample()
    A = from_dense(x, format, **(layout_of(format) if format != "bsr" else {"block": (2, 3)}))
    s = A.to_scipy()
    s.data[:] = -1
    assert (A.to_dense() == x).all()
    s = getattr(sparse, f"{format}_array")(x)
    A = from_scipy(s)
    s.data[:] = -1
    assert (A.to_dense() == x).all()


def test_stored_entries_stay_as_they_are(sparse: Any) -> None:
    s = sparse.coo_array(([1.0, 0.0, 2.0], ([1, 0, 1], [0, 1, 0])), shape=(2, 2))
    A = from_scipy(s)
    assert A.data.tolist() == [1, 0, 2]
    s = sparse.csr_array(([3.0, 1.0, 2.0], [1, 0, 1], [0, 3, 3]), shape=(2, 2))
    assert from_scipy(s).data.tolist() == [3, 1, 2]


def test_arrays_longer_than_what_they_hold(sparse: Any) -> None:
    s = sparse.csr_array(np.array([[0.0, 1.0], [0.0, 1.0]]))
    s.data, s.indices = np.append(s.data, [7, 8]), np.append(s.indices, [0, 5])
    assert from_scipy(s).to_dense().tolist() == [[0, 1], [0, 1]]


def test_broken_ones_are_found(sparse: Any) -> None:
    s = sparse.csr_array(sample())
    s.indices[0] = 99
    with pytest.raises(FormatError, match=r"CSR \(F9\): indices\[0\] is 99"):
        from_scipy(s)


def test_what_does_not_exist_there_or_here(sparse: Any) -> None:
    with pytest.raises(UnsupportedOpError, match=r"SciPy has no format 'nm'; write A\.to\('csr'\)"):
        from_dense(sample(), "nm", n=4, m=4).to_scipy()
    with pytest.raises(UnsupportedOpError, match="3x3 do not divide 8x9"):
        from_dense(sample(), "bsr", block=(3, 3)).to_scipy()
    with pytest.raises(DTypeError, match="float16"):
        from_dense(sample("float16"), "csr").to_scipy()
    with pytest.raises(UnsupportedOpError, match=r"format 'dia'.*\.tocsr\(\)"):
        from_scipy(sparse.dia_array(np.eye(3)))
    with pytest.raises(UnsupportedOpError, match="from_scipy: ndarray: it must be SciPy's"):
        from_scipy(np.eye(3))
    with pytest.raises(ShapeError, match=r"shape is \(3,\)"):
        from_scipy(sparse.coo_array(np.ones(3)))
    with pytest.raises(UnsupportedOpError, match="b is a csr_array"):
        _ = from_dense(np.eye(3), "csr") @ sparse.csr_array(np.eye(3))


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingExtraError, match=r'CSR\.to_scipy needs .*"minisparse\[peers\]"'):
        CSR([1.0], [0], [0, 1], (1, 1)).to_scipy()
