"""``A @ b`` and ``b @ A`` against the dense product, and where they must differ from it."""

import re
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError
from minisparse.core.triplets import Triplets
from minisparse.formats import COO, CSR, FORMATS, Matrix, from_dense, from_triplets

DTYPES = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 4, "m": 4}

every_format = pytest.mark.parametrize("format", FORMATS)


def layout_of(format: str) -> dict[str, Any]:
    return {name: LAYOUTS[name] for name in FORMATS[format].layout_names}


def sample(shape: tuple[int, ...], dtype: Any = "float64", density: float = 0.4) -> Array:
    rng = np.random.default_rng(sum(shape))
    return (rng.integers(-9, 9, shape) * (rng.random(shape) < density)).astype(dtype)


def make(format: str, x: Array) -> Matrix:
    return from_dense(x, format, **layout_of(format))


@every_format
@pytest.mark.parametrize("shape", [(5, 7), (6, 12), (1, 9), (9, 1), (0, 5), (5, 0), (0, 0)])
@pytest.mark.parametrize("columns", [None, 0, 1, 2, 5])
def test_small_integers_are_exact(format: str, shape: tuple[int, int], columns: int | None) -> None:
    x = sample(shape)
    tail = () if columns is None else (columns,)
    b, c = sample((shape[1], *tail), density=1), sample((*tail, shape[0]), density=1)
    A = make(format, x)
    assert ((A @ b) == x @ b).all()
    assert ((c @ A) == c @ x).all()
    assert (A @ b).shape == (x @ b).shape
    assert (c @ A).shape == (c @ x).shape


@every_format
@pytest.mark.parametrize("ours", DTYPES)
@pytest.mark.parametrize("theirs", DTYPES)
def test_every_mix_of_dtypes(format: str, ours: str, theirs: str) -> None:
    x, b = sample((6, 8), ours), sample((8, 3), theirs, 1)
    C, D = make(format, x) @ b, b.T @ make(format, x.T)
    dtype = np.result_type(x, b)
    width = accumulator(dtype)
    expected = (x.astype(width) @ b.astype(width)).astype(dtype)
    assert C.dtype == D.dtype == dtype
    assert (expected == C).all()
    assert (expected.T == D).all()
    assert (make(format, x) @ b[:, 0] == expected[:, 0]).all()


@every_format
def test_bfloat16_accumulates_in_float32(format: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason='pip install "minisparse[io]"')
    x = np.ones((1, 600), ml_dtypes.bfloat16)
    b = np.ones((600, 2), ml_dtypes.bfloat16)
    C = make(format, x) @ b
    assert C.dtype == x.dtype
    assert (C.astype(float) == 600).all()  # summed in bfloat16 it would stop at 256


@every_format
def test_float16_accumulates_in_float32(format: str) -> None:
    x, b = np.ones((1, 4000), "float16"), np.ones((4000, 2), "float16")
    assert ((make(format, x) @ b) == 4000).all()  # summed in float16 it would stop at 2048
    assert ((make(format, x) @ b[:, 0]) == 4000).all()
    assert ((b.T @ make(format, x.T)) == 4000).all()


@every_format
def test_float16_products_do_not_overflow_before_they_are_summed(format: str) -> None:
    x, b = np.array([[300, -300]], "float16"), np.full((2, 2), 300, "float16")
    assert (make(format, x) @ b).tolist() == [[0, 0]]
    assert (make(format, x) @ b[:, 0]).tolist() == [0]
    assert (make(format, x) @ b[:, 0]).dtype == np.float16


@every_format
def test_int8_wraps_in_the_result(format: str) -> None:
    x, b = np.full((1, 3), 100, "int8"), np.full((3, 2), 2, "int8")
    assert (make(format, x) @ b).tolist() == [[600 - 2 * 256 - 0] * 2]
    assert (make(format, x) @ b).dtype == np.int8


@every_format
def test_implicit_zeros_are_skipped_and_stored_ones_are_not(format: str) -> None:
    x = np.zeros((8, 8))
    x[0, 0] = 1
    b = np.zeros((8, 2))
    b[0], b[7] = 3, np.inf
    # Column 7 shares no block and no group with the one entry.
    assert (make(format, x) @ b).tolist()[0] == [3, 3] or format == "nm"
    stored = from_triplets(
        Triplets(np.array([0, 0]), np.array([0, 7]), np.array([1.0, 0.0]), (8, 8)), "csr"
    )
    for A in (stored, stored.to(format, **layout_of(format))):
        assert np.isnan((A @ b)[0]).all()
        assert np.isnan((A @ b[:, 0])[0])
        assert not np.isnan(b.T @ from_dense(np.eye(8), "csr")).any()


@every_format
def test_duplicates_and_disorder(format: str) -> None:
    rng = np.random.default_rng(1)
    t = Triplets(rng.integers(0, 6, 60), rng.integers(0, 9, 60), rng.integers(1, 9, 60), (6, 9))
    A = from_triplets(t, format, canonical=False, **layout_of(format))
    b = sample((9, 4), "int64", 1)
    assert ((A @ b) == t.to_dense() @ b).all()
    assert ((b.T[:, :6] @ A) == b.T[:, :6] @ t.to_dense()).all()


@every_format
def test_random_floats(format: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((70, 90)) * (rng.random((70, 90)) < 0.3)
    b = rng.standard_normal((90, 20))
    bound = 1e-13 * (np.abs(x) @ np.abs(b)) + 1e-300
    assert (np.abs(make(format, x) @ b - x @ b) <= bound).all()
    assert (
        np.abs(make(format, x) @ np.asfortranarray(b)[:, ::2] - (x @ b)[:, ::2]) <= bound[:, ::2]
    ).all()


def test_shapes_that_do_not_fit() -> None:
    A = CSR([1.0], [0], [0, 1, 1], (2, 3))
    message = "A @ b (C1): A is 2x3 but b is 4x5: A's columns must equal b's rows"
    with pytest.raises(ShapeError, match=re.escape(message)):
        _ = A @ np.ones((4, 5))
    with pytest.raises(ShapeError, match=re.escape("(C1): A is 2x3 but b is 4:")):
        _ = A @ np.ones(4)
    message = "b @ A (C1): b is 4x5 but A is 2x3: b's columns must equal A's rows"
    with pytest.raises(ShapeError, match=re.escape(message)):
        _ = np.ones((4, 5)) @ A
    scalar: Any = np.float64(3)
    for b in (np.ones((3, 1, 1)), scalar):
        with pytest.raises(ShapeError, match=re.escape("A @ b (C2): b has shape")):
            _ = A @ b
        with pytest.raises(ShapeError, match=re.escape("b @ A (C2): b has shape")):
            _ = b @ A


def test_what_is_no_plain_array() -> None:
    A = CSR([1.0], [0], [0, 1, 1], (2, 2))
    with pytest.raises(UnsupportedOpError, match=r"two sparse matrices is ms\.spgemm"):
        _ = A @ COO([1.0], [0], [0], (2, 2))  # type: ignore[operator]
    with pytest.raises(DTypeError, match="b: dtype object is not supported"):
        _ = A @ np.array([None, None])
    assert (A @ [1, 2]).tolist() == [1, 0]  # type: ignore[operator]
    assert ([1, 2] @ A).tolist() == [1, 0]  # type: ignore[operator]


def test_the_result_can_be_written() -> None:
    C = CSR([1.0], [0], [0, 1, 1], (2, 2)) @ np.ones((2, 3))
    C += 1
    assert C.tolist() == [[2, 2, 2], [1, 1, 1]]
