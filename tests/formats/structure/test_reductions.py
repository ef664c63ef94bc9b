"""Reductions give what NumPy gives for the dense matrix, dtype and all."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.dtypes import bfloat16
from minisparse.core.errors import DTypeError, ShapeError, UsageError
from minisparse.formats import COO, FORMATS, from_dense
from tests.formats.structure.matrices import is_same, layout_of, matrices

every_format = pytest.mark.parametrize("format", FORMATS)
AXES = (None, 0, 1, -1, -2)


def numpys(x: Any, name: str, axis: int | None) -> Any:
    """Return NumPy's answer, in float32 and rounded once for what NumPy sums too narrowly."""
    with np.errstate(all="ignore"):
        if x.dtype.name in ("float16", "bfloat16"):
            return np.asarray(getattr(x.astype("float32"), name)(axis=axis)).astype(x.dtype)
        return getattr(x, name)(axis=axis)


@every_format
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@given(data=st.data())
def test_sum_and_mean(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, special=True))
    x = A.to_dense()
    axis = data.draw(st.sampled_from(AXES))
    for name in ("sum", "mean"):
        found = getattr(A, name)(axis=axis)
        expected = numpys(x, name, axis)
        if name == "mean" and x.dtype.kind == "c" and x.size:
            assert np.allclose(found, expected)
        else:
            assert is_same(found, expected)
        assert isinstance(found, np.generic) == (axis is None)


@every_format
@given(data=st.data())
def test_extremes(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, special=True))
    x = A.to_dense()
    axis = data.draw(st.sampled_from(AXES))
    for name in ("min", "max"):
        if x.dtype.kind == "c":
            with pytest.raises(DTypeError, match="complex numbers have no order"):
                getattr(A, name)(axis)
            continue
        try:
            with np.errstate(all="ignore"):
                expected = getattr(x, name)(axis=axis)
        except ValueError:  # there is no identity
            with pytest.raises(ShapeError, match=f"{name}: A is .*no cell to choose from"):
                getattr(A, name)(axis)
            continue
        assert is_same(getattr(A, name)(axis), expected)
        assert type(getattr(A, name)(axis)) is type(expected)


@every_format
@given(data=st.data())
def test_count_nonzero(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, special=True))
    for axis in AXES:
        assert type(A.count_nonzero()) is int
        assert is_same(A.count_nonzero(axis), np.count_nonzero(A.to_dense(), axis))


@every_format
def test_zeros_that_are_not_stored_count(format: str) -> None:
    x = np.array([[3.0, 0.0, 5.0], [-1.0, -2.0, -3.0]])
    A = from_dense(x, format, **layout_of(format))
    assert A.min(axis=1).tolist() == [0, -3]
    assert A.max(axis=0).tolist() == [3, 0, 5]
    assert A.mean(axis=1).tolist() == x.mean(axis=1).tolist()
    assert (from_dense(-np.eye(2), format, **layout_of(format))).max() == 0


def test_a_cell_is_summed_before_it_is_counted() -> None:
    A = COO(np.array([100, 100, 1, -1], "int8"), [0, 0, 1, 1], [0, 0, 1, 1], (2, 2))
    assert (A.sum(), A.min(), A.max(), A.count_nonzero()) == (-56, -56, 0, 1)
    assert A.sum().dtype == np.int64


def test_narrow_sums_are_accumulated_in_float32() -> None:
    x = np.full((1, 4096), 1.001, "float16")
    assert from_dense(x, "csr").sum() == np.float16(x.astype("float32").sum())
    x = np.full((1, 4096), 60000, "float16")
    assert from_dense(x, "csr").sum() == np.inf
    assert from_dense(x, "csr").mean() == np.float16(60000)
    narrow = bfloat16()
    if narrow is not None:
        ones = from_dense(np.ones((1, 4096), narrow), "csr")
        assert (ones.sum(), ones.mean()) == (4096, 1)  # 256 + 1 is 256 in bfloat16


def test_overflow_and_nan_give_values_and_no_warnings() -> None:
    A = from_dense(np.array([[np.inf, -np.inf], [3e38, 3e38]], "float32"), "csr")
    assert np.isnan(A.sum(axis=1)[0])
    assert A.sum(axis=1)[1] == np.inf
    assert np.isnan(A.mean(axis=1)[0])
    assert np.isnan(from_dense(np.zeros((0, 0)), "csr").mean())


@every_format
@pytest.mark.parametrize("axis", [2, -3, 0.5, True, "0", (0, 1)])
def test_axes_that_do_not_exist(format: str, axis: Any) -> None:
    A = from_dense(np.eye(2), format, **layout_of(format))
    for name in ("sum", "mean", "min", "max", "count_nonzero"):
        with pytest.raises(UsageError, match=f"{name}: axis is .*: it must be 0, 1 or None"):
            getattr(A, name)(axis)


@pytest.mark.parametrize("format", ["coo", "csr", "csc", "bsr"])
@given(data=st.data())
def test_agrees_with_scipy(format: str, data: st.DataObject) -> None:
    pytest.importorskip("scipy.sparse", reason='needs pip install "minisparse[peers]"')
    A = data.draw(matrices(format, (4, 6), "float64"))
    s = A.to_scipy()
    for axis in (None, 0, 1):
        assert is_same(A.sum(axis), np.asarray(s.sum(axis=axis)))
        assert np.allclose(A.mean(axis), s.mean(axis=axis), rtol=1e-14)
        if axis is not None:
            for name in ("min", "max"):
                expected = getattr(s.tocsr(), name)(axis=axis).toarray()
                assert is_same(getattr(A, name)(axis), expected.reshape(-1))
