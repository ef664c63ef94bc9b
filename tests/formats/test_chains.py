"""Conversions chained at random keep the dense meaning bit for bit, whatever the dtype."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core import index
from minisparse.core.dtypes import Array, as_dtype
from minisparse.core.tensor_type import Layout
from minisparse.core.triplets import Triplets
from minisparse.formats import FORMATS, Matrix, from_dense, from_triplets

DTYPES = "bool int8 uint8 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()
LIMITS = (2**31 - 1, 6)
"""The second one is soon exceeded, so that indices become int64 on small matrices."""
VALUES = (0, 1, -1, 3, 0.1, 1 / 3, 100, 1e4, -1e4, float("inf"))


def dtype_of(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"')
    return as_dtype(name, "test")


def as_values(chosen: list[float], dtype: np.dtype[Any]) -> Array:
    with np.errstate(all="ignore"):  # what float16 cannot hold becomes inf
        values = np.array(chosen, np.float64)
        if dtype.kind in "iu":
            values = np.where(np.isfinite(values), values, 77) % 120
        made = values.astype(dtype)
        return made * np.asarray(1 - 2j, dtype) if dtype.kind == "c" else made


@st.composite
def entries(draw: st.DrawFn, dtype: np.dtype[Any]) -> Triplets:
    """Draw stored entries in any order: duplicates, explicit zeros, empty rows, empty shapes."""
    m, k = draw(st.tuples(st.integers(0, 9), st.integers(0, 17)))
    cells = draw(st.lists(st.integers(0, m * k - 1), max_size=30)) if m * k else []
    chosen = draw(st.lists(st.sampled_from(VALUES), min_size=len(cells), max_size=len(cells)))
    flat = np.array(cells, np.int64)
    return Triplets(flat // max(k, 1), flat % max(k, 1), as_values(chosen, dtype), (m, k))


def tightest(x: Array, m: int) -> int:
    """Return the least n of an n:m that holds x."""
    padded = np.pad(x != 0, ((0, 0), (0, -x.shape[1] % m)))
    return max(1, int(padded.reshape(-1, m).sum(axis=1).max(initial=0)))


@st.composite
def layouts(draw: st.DrawFn, x: Array) -> Layout:
    """Draw a layout that can hold x: blocks that need not divide the shape, the tightest n:m."""
    format = draw(st.sampled_from(list(FORMATS)))
    names = FORMATS[format].layout_names
    if names == ("block",):
        return Layout(format, draw(st.tuples(st.integers(1, 5), st.integers(1, 5))))
    if names == ("n", "m"):
        m = draw(st.integers(1, 9))
        return Layout(format, (draw(st.integers(tightest(x, m), m)), m))
    return Layout(format)


def assert_same_bits(A: Matrix, x: Array) -> None:
    dense = A.to_dense()
    assert (dense.shape, dense.dtype) == (x.shape, x.dtype)
    assert dense.tobytes() == x.tobytes()


def assert_index_width(A: Matrix) -> None:
    if A.format == "nm":
        return  # positions count within a group
    expected = index.index_dtype(A.shape, A.data.size)
    assert {a.dtype for name, a in A.arrays.items() if A.roles[name] != "values"} == {expected}


@pytest.mark.parametrize("name", DTYPES)
@given(data=st.data(), canonical=st.booleans(), limit=st.sampled_from(LIMITS))
def test_up_to_five_conversions(
    name: str, data: st.DataObject, canonical: bool, limit: int
) -> None:
    t = data.draw(entries(dtype_of(name)))
    with np.errstate(all="ignore"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "INT32_LIMIT", limit)
        x = t.to_dense()
        A = from_triplets(t, data.draw(layouts(x)), canonical=canonical)
        assert_same_bits(A, x)
        for _ in range(data.draw(st.integers(1, 5))):
            A = A.to(data.draw(layouts(x)))
            A.check()
            assert_same_bits(A, x)
            assert_index_width(A)


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("block", [(1, 2), (1, 4), (2, 4), (4, 8), (6, 8), (3, 5), (7, 7)])
def test_general_groups(source: str, block: tuple[int, int]) -> None:
    n, m = block
    rng = np.random.default_rng(m)
    # Sorting noise leaves n cells of each group; 23 columns leave the last group short.
    noise = rng.random((6, -(-23 // m), m))
    x = ((noise.argsort(axis=2).argsort(axis=2) < n) * noise).reshape(6, -1)[:, :23]
    layout = {"bsr": Layout("bsr", (4, 3)), "nm": Layout("nm", (m, m))}.get(source, Layout(source))
    A = from_dense(x, layout).to(Layout("nm", block))
    A.check()
    assert A.block == block
    assert A.data.shape == (6, -(-23 // m) * n)
    assert_same_bits(A, x)
    assert_same_bits(A.to("csr"), x)


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("block", [(1, 1), (2, 3), (5, 1), (1, 4), (16, 32)])
def test_blocks_that_do_not_divide_the_shape(source: str, block: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    x = np.where(rng.random((7, 11)) < 0.4, rng.standard_normal((7, 11)), 0)
    layout = {"bsr": Layout("bsr", (3, 2)), "nm": Layout("nm", (4, 4))}.get(source, Layout(source))
    A = from_dense(x, layout).to(Layout("bsr", block))
    A.check()
    assert A.data.shape[1:] == block
    assert_same_bits(A, x)
    assert_same_bits(A.to("coo"), x)
