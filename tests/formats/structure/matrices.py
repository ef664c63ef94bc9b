"""Matrices as awkward as their format can hold them: unsorted, repeated, with stored zeros."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from minisparse.core.dtypes import Array, bfloat16
from minisparse.core.triplets import Triplets
from minisparse.formats import FORMATS, Matrix, from_triplets

DTYPES = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
# 4:4 holds every matrix.
LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 4, "m": 4}
SIZES = st.integers(0, 7)
SHAPES = st.tuples(SIZES, SIZES)


def layout_of(format: str) -> dict[str, Any]:
    return {name: LAYOUTS[name] for name in FORMATS[format].layout_names}


def numbers(dtype: Any) -> list[Any]:
    """Return values of a dtype, few of which a sum can round."""
    if dtype.kind == "u":
        return [0, 1, 2, 3, 200]
    if dtype.kind == "i":
        return [0, 1, -1, 3, 100]
    if dtype.kind == "c":
        return [0, 1, -1j, 2 - 3j]
    return [0, 1] if dtype.kind == "b" else [0.0, 1.0, -1.0, 0.5, -3.0]


def dtypes() -> st.SearchStrategy[Any]:
    found = [np.dtype(name) for name in DTYPES]
    wide = bfloat16()
    return st.sampled_from(found if wide is None else [*found, wide])


@st.composite
def triplets(
    draw: st.DrawFn,
    shape: tuple[int, int] | None = None,
    dtype: Any = None,
    special: bool = False,
) -> Triplets:
    """Draw entries in any order, some cells twice; NaN and infinities among them if special."""
    rows, cols = shape = draw(SHAPES) if shape is None else shape
    dtype = draw(dtypes()) if dtype is None else np.dtype(dtype)
    size = rows * cols
    flat = np.array(draw(st.lists(st.integers(0, size - 1), max_size=14)) if size else [], np.int64)
    extra = [np.nan, np.inf, -np.inf] if special and dtype.kind in "fV" else []
    values = st.sampled_from(numbers(dtype) + extra)
    data = np.array(draw(st.lists(values, min_size=len(flat), max_size=len(flat)))).astype(dtype)
    return Triplets(flat // max(cols, 1), flat % max(cols, 1), data, shape)


@st.composite
def matrices(
    draw: st.DrawFn,
    format: str,
    shape: tuple[int, int] | None = None,
    dtype: Any = None,
    special: bool = False,
) -> Matrix:
    entries = draw(triplets(shape, dtype, special))
    canonical = draw(st.booleans())
    return from_triplets(entries, format, canonical=canonical, **layout_of(format))


def is_same(found: Any, expected: Any) -> bool:
    """Tell whether shape, dtype and values agree; NaN equals NaN, and zeros have no sign."""
    found, expected = np.asarray(found), np.asarray(expected)
    alike = found.shape == expected.shape and found.dtype == expected.dtype
    equal = (found == expected) | ((found != found) & (expected != expected))
    return alike and bool(equal.all())


def dense(A: Matrix) -> Array:
    """Return A as NumPy has it, once A has been checked."""
    A.check()
    return A.to_dense()
