"""Sparse matrices on which careless kernels go wrong, as triplets: what ops' samples are made of.

After the list in "Inputs beat tolerances": empty rows, rows and columns that do not exist, orders
that are not sorted, duplicates, explicit zeros, sizes that are no multiple of a block, every dtype.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, as_dtype, bfloat16
from minisparse.core.triplets import Triplets

DTYPES = ("float64", "float16", "int8", "int32", "uint8", "bool", "complex64", "complex128")


def hard_matrices(rng: "np.random.Generator") -> Iterator[tuple[str, Triplets]]:
    """Yield labels and matrices; the first is a plain float32 one of 13 x 10."""
    plain = random_triplets(rng, (13, 10), 0.3)
    yield "plain, no multiple of a block", plain
    yield from _with_empty_lines(rng)
    yield from _of_odd_shapes(rng)
    yield from _in_odd_orders(rng, plain)
    for dtype in (*DTYPES, *(["bfloat16"] if bfloat16() is not None else [])):
        yield dtype, random_triplets(rng, (9, 12), 0.4, dtype)


def random_triplets(
    rng: "np.random.Generator", shape: tuple[int, int], density: float, dtype: Any = "float32"
) -> Triplets:
    """Return a random matrix, row by row, without duplicates."""
    mask = rng.random(shape) < density
    row, col = np.nonzero(mask)
    return Triplets(row, col, random_values(rng, (len(row),), dtype), shape)


def random_values(rng: "np.random.Generator", shape: tuple[int, ...], dtype: Any) -> Array:
    """Return values none of which is zero; integers small enough for every dtype."""
    dtype = as_dtype(dtype, "random_values")
    whole = rng.integers(1, 10, shape)
    if dtype.kind in "biu":
        signs = 1 if dtype.kind in "bu" else rng.choice([-1, 1], shape)
        return np.asarray(whole * signs).astype(dtype)
    values: Array = rng.standard_normal(shape) + rng.choice([-1.0, 1.0], shape) * 0.25
    if dtype.kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def dense_operand(rng: "np.random.Generator", shape: tuple[int, ...], dtype: Any) -> Array:
    """Return a fitting dense operand in C order."""
    return np.ascontiguousarray(random_values(rng, shape, dtype))


def rearranged(b: Array) -> Iterator[tuple[str, Array]]:
    """Yield a matrix in other ways in which it may lie in memory, and in another dtype."""
    yield "in Fortran order", np.asfortranarray(b)
    yield "strided", np.repeat(np.repeat(b, 2, 0), 3, 1)[::2, ::3]
    yield "backwards", b[::-1, ::-1]
    yield "of another dtype", b.astype(np.float64)


def _with_empty_lines(rng: "np.random.Generator") -> Iterator[tuple[str, Triplets]]:
    t = random_triplets(rng, (12, 11), 0.5)
    empty = {
        "first row empty": t.row > 0,
        "last row empty": t.row < 11,
        "a run of empty rows": (t.row < 4) | (t.row > 8),
        "half of the rows and columns pruned": (t.row % 2 == 1) & (t.col % 2 == 0),
        "one long row among short ones": (t.row == 5) | (t.col == 3),
        "nothing stored": t.row < 0,
        "one entry": np.arange(len(t.row)) == len(t.row) // 2,
    }
    for label, keep in empty.items():
        yield label, Triplets(t.row[keep], t.col[keep], t.data[keep], t.shape)


def _of_odd_shapes(rng: "np.random.Generator") -> Iterator[tuple[str, Triplets]]:
    for label, shape, density in (
        ("one row", (1, 17), 0.5),
        ("one column", (17, 1), 0.5),
        ("one element", (1, 1), 1.0),
        ("no rows", (0, 5), 0.5),
        ("no columns", (5, 0), 0.5),
        ("every element stored", (8, 8), 1.0),
        ("wide, rows longer than 128", (3, 300), 0.6),
        ("tall", (140, 4), 0.3),
    ):
        yield label, random_triplets(rng, shape, density)


def _in_odd_orders(rng: "np.random.Generator", plain: Triplets) -> Iterator[tuple[str, Triplets]]:
    row, col, data, shape = plain
    shuffled = rng.permutation(len(row))
    yield "unsorted", Triplets(row[shuffled], col[shuffled], data[shuffled], shape)
    yield "backwards", Triplets(row[::-1], col[::-1], data[::-1], shape)
    again = np.concatenate([np.arange(len(row)), shuffled[: len(row) // 2]])
    yield "duplicates apart", Triplets(row[again], col[again], data[again], shape)
    again = np.repeat(np.arange(len(row)), 2)
    yield "duplicates side by side", Triplets(row[again], col[again], data[again], shape)
    cancelling = np.where(np.arange(len(again)) % 2, -data[again], data[again])
    yield "duplicates that cancel", Triplets(row[again], col[again], cancelling, shape)
    zeros = np.where(rng.random(len(data)) < 0.3, 0, data).astype(data.dtype)
    yield "explicit zeros", Triplets(row, col, zeros, shape)
    yield "negative zeros", Triplets(row, col, -np.abs(zeros), shape)
    scales = np.exp2(rng.integers(-60, 60, len(data)).astype(np.float32))
    yield "badly scaled", Triplets(row, col, data * scales, shape)
