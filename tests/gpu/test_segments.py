"""Reductions of runs: by reduceat in main memory, by thread programs on a card; as one another."""

import math
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array, bfloat16
from minisparse.core.errors import UsageError
from minisparse.gpu import checking
from minisparse.gpu.segments import add_runs, reduce_segments, segment_maxima, segment_sums
from tests.pretend_device import PretendCupy

DTYPES = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
POINTERS = np.array([0, 0, 3, 3, 40, 41, 110, 112])
"""Runs that are empty, shorter than a warp, as long, and longer than two."""
UFUNCS = [np.add, np.multiply, np.maximum, np.minimum]


def values_of(dtype: Any, more: tuple[int, ...] = ()) -> Array:
    rng = np.random.default_rng(len(more))
    return rng.integers(-3, 4, (112, *more)).astype(dtype)


def on_card(cupy: Any, reduce: np.ufunc, values: Array, out: Array) -> Array:
    found: Array = cupy.asarray(out)
    given = cupy.asarray(values), cupy.asarray(POINTERS)
    cupy.transfers.clear()
    assert reduce_segments(reduce, *given, found) is found
    assert not cupy.transfers
    return found.get()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("reduce", UFUNCS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("more", [(), (3,), (2, 2), (1,), (0,)])
def test_the_same_in_both_places(
    pretend_cupy: PretendCupy, reduce: np.ufunc, dtype: str, more: tuple[int, ...]
) -> None:
    if dtype.startswith("complex") and reduce is not np.add:
        return  # is refused: they have no order, and are pairs for a thread program
    values, out = values_of(dtype, more), np.ones((7, *more), dtype)
    if reduce is np.multiply:  # of which others soon leave what is exact
        values = np.minimum(values, values.dtype.type(1))
        values[3:] = np.maximum(values[3:], values.dtype.type(1))
    expected = reduce_segments(reduce, values, POINTERS, out.copy())
    np.testing.assert_array_equal(on_card(pretend_cupy, reduce, values, out), expected)


@pytest.mark.parametrize("seed", [None, 0, 1])
@pytest.mark.parametrize("more", [(), (3,)])
def test_no_races_in_any_order(
    pretend_cupy: PretendCupy, seed: int | None, more: tuple[int, ...]
) -> None:
    values = np.random.default_rng(1).standard_normal((112, *more)).astype(np.float32)
    cells = pretend_cupy.asarray(np.delete(POINTERS, [0, 2])), pretend_cupy.empty((5, *more), "f4")
    expected = on_card(pretend_cupy, np.add, values, np.zeros((7, *more), np.float32))
    with checking(seed):
        found = on_card(pretend_cupy, np.add, values, np.zeros((7, *more), np.float32))
        add_runs(pretend_cupy.asarray(values), *cells)
    assert found.tobytes() == expected.tobytes()


def test_reduces_in_the_dtype_of_the_result(pretend_cupy: PretendCupy) -> None:
    values = np.full(112, 100, np.int8)
    for dtype in (np.int8, np.int64, np.float32):
        expected = reduce_segments(np.add, values, POINTERS, np.zeros(7, dtype))
        found = on_card(pretend_cupy, np.add, values, np.zeros(7, dtype))
        np.testing.assert_array_equal(found, expected)
    strided = pretend_cupy.zeros((7, 4))
    reduce_segments(
        np.add, pretend_cupy.asarray(values), pretend_cupy.asarray(POINTERS), strided[:, 1]
    )
    np.testing.assert_array_equal(strided.sum(0).get(), [0, 11200, 0, 0])


def test_bfloat16(pretend_cupy: PretendCupy) -> None:
    pytest.importorskip("ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"')
    values, out = values_of(bfloat16()), np.ones(7, bfloat16())
    expected = reduce_segments(np.add, values.astype("f4"), POINTERS, out.astype("f4"))
    found = on_card(pretend_cupy, np.add, values, out)
    np.testing.assert_array_equal(found, expected.astype(bfloat16()))


def test_nan_goes_through_and_empty_runs_stay(pretend_cupy: PretendCupy) -> None:
    values = values_of("float32")
    values[[1, 20, 109]] = np.nan
    given = pretend_cupy.asarray(values), pretend_cupy.asarray(POINTERS)
    for f in (segment_maxima, segment_sums):
        found: Any = f(*given)
        np.testing.assert_array_equal(found.get(), f(values, POINTERS))
    out = np.full(7, 42.0, np.float32)
    found = on_card(pretend_cupy, np.minimum, values, out)
    assert np.flatnonzero(found == 42).tolist() == [0, 2]
    assert np.isnan(found[[1, 3, 5]]).all()


def test_sums_of_floats_are_near_and_the_same_each_time(pretend_cupy: PretendCupy) -> None:
    values = np.random.default_rng(1).standard_normal(112).astype(np.float32)
    found = [on_card(pretend_cupy, np.add, values, np.zeros(7, np.float32)) for _ in range(2)]
    assert found[0].tobytes() == found[1].tobytes()
    for s in range(7):
        run = values[POINTERS[s] : POINTERS[s + 1]].astype(float)
        # Every addition rounds once; a lane adds three at most, and then five lanes' sums.
        bound = 8 * 2.0**-24 * np.abs(run).sum() * (1 + 2.0**-20)
        assert abs(found[0][s] - math.fsum(run)) <= bound


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_by_one_rounds_as_add_at(pretend_cupy: PretendCupy, dtype: str) -> None:
    rng = np.random.default_rng(3)
    values = (rng.standard_normal(112) * 100).astype(dtype)
    filled = np.array([0, 3, 40, 41, 110, 112])
    expected = np.zeros(5, dtype)
    np.add.at(expected, np.repeat(np.arange(5), np.diff(filled)), values)
    given = pretend_cupy.asarray(values), pretend_cupy.asarray(filled)
    found = add_runs(*given, pretend_cupy.empty(5, dtype))
    assert found.get().tobytes() == expected.tobytes()  # type: ignore[attr-defined]


def test_what_there_is_no_program_for(pretend_cupy: PretendCupy) -> None:
    x, p = pretend_cupy.zeros(112), pretend_cupy.asarray(POINTERS)
    with pytest.raises(UsageError, match="no hypot of runs of float64 on a GPU, only add, mult"):
        reduce_segments(np.hypot, x, p, pretend_cupy.ones(7))
    for reduce in (np.multiply, np.maximum):
        with pytest.raises(UsageError, match=r"of runs of complex64 on a GPU, only add$"):
            reduce_segments(reduce, x, p, pretend_cupy.ones(7, "complex64"))
    with pytest.raises(UsageError, match="some of its arrays are on the card and some are not"):
        reduce_segments(np.add, x, POINTERS, pretend_cupy.ones(7))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("more", [(), (3,)])
def test_on_a_card(dtype: str, more: tuple[int, ...]) -> None:
    import cupy

    values = values_of(dtype, more)
    for reduce in UFUNCS[: 1 if dtype.startswith("complex") else None]:
        out = np.ones((7, *more), dtype)
        if reduce is np.multiply:
            values = np.minimum(values, values.dtype.type(1))
        given = cupy.asarray(values), cupy.asarray(POINTERS), cupy.asarray(out)
        found = reduce_segments(reduce, *given).get()  # type: ignore[attr-defined]
        np.testing.assert_array_equal(found, reduce_segments(reduce, values, POINTERS, out))
