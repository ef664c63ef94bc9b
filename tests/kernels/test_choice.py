"""The fast ways of ops that choose, on arrays on which they are taken, against plain sorting."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.kernels import KERNELS
from minisparse.ops import OPS

RNG = np.random.default_rng(0)


def run(op: str, *operands: Array, **attrs: Any) -> Any:
    level = KERNELS[f"{op}_dense"].levels["vectorized"]
    return level.run(*operands, **OPS[op].complete(attrs))


def awkward(shape: tuple[int, ...], dtype: str) -> Array:
    """Return values many of which are equal; of floats some infinite."""
    x = RNG.integers(-4, 5, shape).astype(dtype)
    if x.dtype.kind == "f":
        x[RNG.random(shape) < 0.01] = np.inf
        x[RNG.random(shape) < 0.01] = -np.inf
    return x


@pytest.mark.parametrize("op", ["arg_max", "arg_min"])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint16", "int64", "float16"])
def test_places_of_the_best_along_an_outer_axis(op: str, last: int, dtype: str) -> None:
    x = awkward((2, 7, 50, 60), dtype)
    choose = np.argmax if op == "arg_max" else np.argmin
    wanted = 6 - choose(x[:, ::-1], axis=1) if last else choose(x, axis=1)
    for keepdims in (0, 1):
        found = run(op, x, axis=1, keepdims=keepdims, select_last_index=last)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, wanted[:, None] if keepdims else wanted)


@pytest.mark.parametrize("op", ["arg_max", "arg_min"])
@pytest.mark.parametrize("last", [0, 1])
def test_nan_wins_wherever_it_is(op: str, last: int) -> None:
    x = awkward((9, 4000), "float32")
    x[RNG.random(x.shape) < 0.05] = np.nan
    found = run(op, x, axis=0, keepdims=0, select_last_index=last)
    broken = np.isnan(x).any(axis=0)
    assert broken.any()
    assert not broken.all()
    first, final = np.isnan(x).argmax(axis=0), 8 - np.isnan(x)[::-1].argmax(axis=0)
    np.testing.assert_array_equal(found[broken], (final if last else first)[broken])
    whole = OPS[op].dense((x,), {"axis": 0, "keepdims": 0, "select_last_index": last})
    np.testing.assert_array_equal(found, whole)


def test_more_places_than_a_byte_counts() -> None:
    x = np.zeros((300, 400), np.float32)
    x[299] = 1
    assert (run("arg_max", x, axis=0, keepdims=0) == 299).all()
    x = np.zeros((256, 400), np.float32)
    x[255] = 1
    assert (run("arg_max", x, axis=0, keepdims=0) == 255).all()


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint64", "float16"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_top_k_is_the_head_of_what_is_sorted(largest: int, dtype: str, axis: int) -> None:
    x = awkward((32, 33, 8), dtype)
    for k in (1, 4):
        values, places = run("top_k", x, np.array([k]), axis=axis, largest=largest)
        lines = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
        for line, v, p in zip(
            lines,
            np.moveaxis(values, axis, -1).reshape(-1, k),
            np.moveaxis(places, axis, -1).reshape(-1, k),
            strict=True,
        ):
            numbers = [int(y) if x.dtype.kind in "iu" else float(y) for y in line]
            sign = -1 if largest else 1
            wanted = sorted(range(len(numbers)), key=lambda i: (sign * numbers[i], i))[:k]
            assert p.tolist() == wanted
            np.testing.assert_array_equal(v, line[wanted])


def test_top_k_with_nan_and_in_other_orders_of_memory() -> None:
    x = awkward((30, 80), "float32")
    x[3, 50] = np.nan
    for given in (x, np.asfortranarray(x), x[::-1, ::-1]):
        values, places = run("top_k", given, np.array([2]), axis=1)
        wanted = OPS["top_k"].dense((given, np.array([2])), OPS["top_k"].complete({"axis": 1}))
        np.testing.assert_array_equal(values, wanted[0])
        np.testing.assert_array_equal(places, wanted[1])
        assert values.flags.c_contiguous
    assert np.isnan(run("top_k", x, np.array([2]), axis=1)[0][3, 0])


def test_an_image_with_an_infinity_is_resized_as_meant() -> None:
    x = RNG.standard_normal((1, 2, 20, 30)).astype(np.float32)
    x[0, 1, 4, 5] = np.inf
    none = np.empty(0, np.float32)
    operands = (x, none, np.array([1, 1, 2, 1.5], np.float32), none.astype(np.int64))
    for mode in ("linear", "cubic"):
        found = run("resize", *operands, mode=mode)
        wanted = OPS["resize"].dense(operands, OPS["resize"].complete({"mode": mode}))
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
        assert np.isfinite(found[0, 0]).all()
        finite = np.isfinite(wanted)
        np.testing.assert_allclose(found[finite], wanted[finite], 1e-5, 1e-5)
