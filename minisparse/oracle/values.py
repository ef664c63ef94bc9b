"""Values for hard inputs: whole numbers that leave no room for rounding, and hostile ones."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, bfloat16

_bfloat16 = bfloat16()
DTYPES: tuple[DType, ...] = (
    *map(
        np.dtype,
        "float32 float64 float16 int8 uint8 int16 int32 int64 bool complex64 complex128".split(),
    ),
    *([_bfloat16] if _bfloat16 is not None else []),
)
"""Every dtype that matrices may have; bfloat16 where ml_dtypes is installed."""


def is_float(dtype: DType) -> bool:
    """Tell whether a dtype is of real floating-point numbers; NumPy calls bfloat16's kind V."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def whole(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, most: int = 4) -> Array:
    """Return whole numbers of 1 to ``most``, of either sign where the dtype has one.

    Sums of their products are exact in every order, so bitwise equality can be demanded.
    """
    dtype = np.dtype(dtype)
    x = rng.integers(1, most + 1, shape)
    if dtype.kind not in "bu":
        x = x * rng.choice([-1, 1], shape)
    if dtype.kind == "c":
        return (x + 1j * rng.integers(-most, most + 1, shape)).astype(dtype)
    return np.asarray(x).astype(dtype)


def real(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return normally distributed numbers; whole ones where the dtype has no others."""
    dtype = np.dtype(dtype)
    if dtype.kind in "biu":
        return whole(rng, shape, dtype)
    x: Array = rng.standard_normal(shape)
    if dtype.kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def full_range(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return integers from the whole range of their dtype, so that sums wrap."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return whole(rng, shape, dtype)
    info = np.iinfo(dtype)
    x: Array = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    return x


def scaled(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, bits: int) -> Array:
    """Return normally distributed numbers times powers of two of up to ``bits`` either way."""
    dtype = np.dtype(dtype)
    return (real(rng, shape, "float64") * np.exp2(rng.integers(-bits, bits + 1, shape))).astype(
        dtype
    )


def subnormal(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return small multiples of the smallest positive number of float32 or float64."""
    dtype = np.dtype(dtype)
    x: Array = whole(rng, shape, dtype, 50) * np.finfo(dtype).smallest_subnormal
    return x
