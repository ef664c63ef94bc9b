"""Hard inputs that every implementation meets first: each one kind of trouble, simple ones first.

After the list in "Inputs beat tolerances". Unless rounding is the point, values are small whole
numbers: then the exact answer is due bit for bit, and one wrong index shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.oracle.problem import LAYOUTS, Problem
from minisparse.oracle.values import (
    DTYPES,
    full_range,
    is_float,
    real,
    scaled,
    subnormal,
    whole,
)

Rng = np.random.Generator


def hard_problems(rng: Rng) -> Iterator[Problem]:
    """Yield the problems that come before the random ones; the same for the same ``rng``."""
    plain = sparse_problem(rng, "plain", (13, 10), 0.4)
    yield plain
    yield from _empty_lines(rng)
    yield from _orders(rng)
    yield from _special_values(rng)
    yield from _layouts(rng)
    yield from _calls_before(rng)
    yield from _sizes(rng)
    yield from _index_dtypes(rng)
    yield from _roundings(rng)
    yield from _dtypes(rng)


def sparse_problem(
    rng: Rng,
    label: str,
    shape: tuple[int, int],
    density: float,
    columns: int = 5,
    dtype: Any = "float32",
    make: Any = whole,
    b_dtype: Any = None,
) -> Problem:
    """Return a problem with random sorted entries, without duplicates."""
    row, col = np.nonzero(rng.random(shape) < density)
    a = Triplets(row, col, make(rng, (len(row),), dtype), shape)
    b = make(rng, (shape[1], columns), dtype if b_dtype is None else b_dtype)
    return Problem(label, a, b, make(rng, (shape[0],), dtype))


def with_data(problem: Problem, data: Array, label: str = "") -> Problem:
    """Return the problem with other stored values."""
    return replace(problem, a=problem.a._replace(data=data), label=label or problem.label)


def repeat_entries(problem: Problem, numbers: Array, label: str) -> Problem:
    """Return the problem with the entries of the given numbers, in that order."""
    return replace(problem.with_entries(numbers), label=label)


def _empty_lines(rng: Rng) -> Iterator[Problem]:
    full = sparse_problem(rng, "", (12, 11), 0.6)
    row, col = full.a.row, full.a.col
    yield repeat_entries(full, rng.permutation(len(row))[: len(row) // 4], "unsorted, rows empty")
    for label, keep in (
        ("first row empty", row > 0),
        ("last row empty", row < 11),
        ("last rows empty", row < 9),
        ("a run of empty rows", (row < 3) | (row > 7)),
        ("empty rows first, last and between", (row > 1) & (row < 10) & (row % 3 > 0)),
        ("every second row empty", row % 2 == 1),
        ("empty columns", (col > 1) & (col < 9) & (col != 5)),
        ("nothing stored", row < 0),
        ("one entry", np.arange(len(row)) == len(row) // 2),
        ("one long row", row == 5),
        ("one long row among short ones", (row == 5) | (col == 3)),
    ):
        yield replace(full.with_entries(keep), label=label)


def _orders(rng: Rng) -> Iterator[Problem]:
    plain = sparse_problem(rng, "", (9, 8), 0.5)
    count = len(plain.a.row)
    every, mixed = np.arange(count), rng.permutation(count)
    yield repeat_entries(plain, mixed, "unsorted")
    yield repeat_entries(plain, every[::-1], "reverse sorted")
    yield repeat_entries(plain, np.repeat(every, 2), "duplicates side by side")
    yield repeat_entries(plain, np.concatenate([every, every]), "duplicates apart")
    yield repeat_entries(
        plain, np.concatenate([mixed, mixed[: count // 3], mixed[:5]]), "duplicates and unsorted"
    )
    other = repeat_entries(plain, np.repeat(every, 3), "")
    yield with_data(other, whole(rng, (3 * count,), "float32"), "duplicates of other values")
    sign = np.tile([1, -1], count).astype("float32")
    twice = repeat_entries(plain, np.repeat(every, 2), "")
    yield with_data(twice, twice.a.data * sign, "duplicates that cancel")


def _special_values(rng: Rng) -> Iterator[Problem]:
    plain = sparse_problem(rng, "", (8, 9), 0.5)
    data, b = plain.a.data, plain.b
    some = rng.random(len(data)) < 0.3
    zeros = np.where(some, 0, data).astype(data.dtype)
    yield with_data(plain, zeros, "explicit zeros")
    yield with_data(plain, np.zeros_like(data), "nothing but explicit zeros")
    negative = with_data(plain, -np.abs(zeros), "-0.0 stored, -0.0 in b")
    yield replace(negative, b=np.where(rng.random(b.shape) < 0.3, -0.0, b).astype(b.dtype))
    for value in (np.inf, np.nan, -np.inf):
        hit = b.copy()
        hit[2:5, 1] = value
        hit[7] = value
        yield replace(plain, b=hit, label=f"implicit zeros beside {value}")
        yield replace(with_data(plain, zeros, f"explicit zeros beside {value}"), b=hit)
        stored = np.where(some, value, data).astype(data.dtype)
        yield with_data(plain, stored, f"{value} stored")
        nothing = np.zeros_like(b)
        nothing[::2, 0] = b[::2, 0]
        yield replace(with_data(plain, stored, f"{value} stored beside zeros of b"), b=nothing)
    both = b.copy()
    both[::2, 0], both[1::2, 0], both[0, 1] = np.inf, -np.inf, np.nan
    yield replace(plain, b=both, label="inf, -inf and NaN in one column")
    bias = plain.bias.copy()
    bias[:3] = np.nan, np.inf, -np.inf
    yield replace(plain, bias=bias, label="NaN and inf in the bias")


def _layouts(rng: Rng) -> Iterator[Problem]:
    for layout in LAYOUTS[1:]:
        for shape in ((10, 7), (6, 6)):
            problem = sparse_problem(rng, f"layout: {layout}", shape, 0.5, columns=shape[1] - 1)
            yield replace(problem, layout=layout)
    square = sparse_problem(rng, "everything square", (6, 6), 0.5, columns=6)
    yield square
    one = Triplets(np.arange(6), np.arange(6), np.ones(6, "float32"), (6, 6))
    yield replace(square, a=one, label="the identity")
    yield replace(square, layout="F", label="everything square, layout: F")


def _calls_before(rng: Rng) -> Iterator[Problem]:
    for in_place, how in ((False, "other values before"), (True, "values overwritten in place")):
        for shape in ((7, 8), (20, 20)):
            plain = sparse_problem(rng, how, shape, 0.4)
            other = whole(rng, plain.a.data.shape, "float32")
            yield replace(plain, earlier=other, in_place=in_place)
    for _ in range(2):  # same shape and number of entries, other positions
        yield repeat_entries(
            sparse_problem(rng, "", (7, 8), 1.0), rng.permutation(56)[:20], "same sizes again"
        )


def _sizes(rng: Rng) -> Iterator[Problem]:
    for label, shape, density, columns in (
        ("no rows", (0, 5), 0.5, 3),
        ("no columns", (5, 0), 0.5, 3),
        ("no rows and no columns", (0, 0), 0.5, 3),
        ("b without columns", (5, 6), 0.5, 0),
        ("b of one column", (5, 6), 0.5, 1),
        ("one row", (1, 17), 0.5, 4),
        ("one column", (17, 1), 0.5, 4),
        ("one element", (1, 1), 1.0, 1),
        ("one element, not stored", (1, 1), 0.0, 1),
        ("every element stored", (8, 8), 1.0, 8),
        ("a row longer than 32", (2, 40), 0.9, 3),
        ("a row longer than 128", (3, 150), 0.95, 3),
        ("a row longer than 256", (2, 300), 0.95, 2),
        ("a row longer than 1024", (1, 1100), 1.0, 1),
        ("exactly 32", (32, 32), 0.3, 32),
        ("one more than 32", (33, 33), 0.3, 33),
        ("one less than 32", (31, 31), 0.3, 31),
        ("one more than 64, b of 65 columns", (65, 63), 0.1, 65),
        ("wide", (3, 200), 0.2, 4),
        ("tall", (200, 3), 0.4, 4),
        ("b wider than 256", (5, 6), 0.5, 257),
        ("b wider than 1024", (2, 3), 0.7, 1030),
        ("very sparse", (90, 80), 0.005, 3),
    ):
        yield sparse_problem(rng, label, shape, density, columns)


def large_problems(rng: Rng) -> Iterator[Problem]:
    """Yield the few that are so large that one does not write them down: counters overflow."""
    for label, shape, density, columns in (
        ("more rows than 1024", (1030, 3), 0.4, 2),
        ("more entries than 4096", (70, 66), 0.95, 2),
        ("columns beyond 16 bits", (3, 66_000), 0.0005, 1),
        ("rows beyond 16 bits", (66_000, 3), 0.0005, 1),
    ):
        yield sparse_problem(rng, label, shape, density, columns)


def _index_dtypes(rng: Rng) -> Iterator[Problem]:
    plain = sparse_problem(rng, "", (9, 12), 0.4)
    pairs: Sequence[tuple[str, str]] = (
        ("int64", "int64"),
        ("int32", "int64"),
        ("int64", "int32"),
        ("uint32", "int32"),
        ("int16", "uint8"),
        ("uint64", "int64"),
        ("int32", "uint16"),
    )
    for pair in pairs:
        yield replace(plain, index_dtypes=pair, label=f"indices of {pair[0]} and {pair[1]}")
    narrow = sparse_problem(rng, "products of int8 indices overflow", (100, 90), 0.01)
    yield replace(narrow, index_dtypes=("int8", "int8"))
    bytes_ = sparse_problem(rng, "row times columns overflows uint8", (40, 200), 0.02)
    yield replace(bytes_, index_dtypes=("int32", "uint8"))
    counts = sparse_problem(rng, "more entries than indices can count", (50, 8), 0.8)
    yield replace(counts, index_dtypes=("int16", "int8"))
    short = sparse_problem(rng, "row times columns overflows int16", (250, 250), 0.004)
    yield replace(short, index_dtypes=("int16", "int16"))


def _roundings(rng: Rng) -> Iterator[Problem]:
    for dtype in filter(is_float, DTYPES):
        yield sparse_problem(rng, f"{dtype}: real", (9, 12), 0.5, dtype=dtype, make=real)
        long = sparse_problem(rng, f"{dtype}: long positive sums", (2, 500), 0.9, 3, dtype, real)
        yield replace(with_data(long, np.abs(long.a.data)), b=np.abs(long.b))
        yield _cancelling(rng, dtype)
    for dtype in map(np.dtype, ("float32", "float64")):
        tiny = sparse_problem(rng, f"{dtype}: subnormal", (6, 7), 0.5, dtype=dtype, make=subnormal)
        yield replace(tiny, b=whole(rng, tiny.b.shape, dtype))
        wild = sparse_problem(rng, f"{dtype}: badly scaled", (8, 9), 0.6, dtype=dtype)
        yield with_data(wild, scaled(rng, wild.a.data.shape, dtype, 40))
        rows = np.exp2(rng.integers(-30, 30, 8))[wild.a.row].astype(dtype)
        yield with_data(wild, wild.a.data * rows, f"{dtype}: badly scaled rows")
        large = sparse_problem(rng, f"{dtype}: near the largest", (6, 1), 1.0, dtype=dtype)
        most = np.finfo(dtype).max * np.array([1, -1, 0.5, -0.5, 0.9, 0.7])
        yield replace(with_data(large, most.astype(dtype)), b=np.sign(large.b))

    half = sparse_problem(rng, "float16: sums beyond the largest", (4, 6), 1.0, dtype="float16")
    terms = np.tile([60_000, 60_000, -60_000, -30_000, 10, 1], 4).astype("float16")
    yield replace(with_data(half, terms), b=np.ones_like(half.b))


def _cancelling(rng: Rng, dtype: Any) -> Problem:
    """Return large terms that cancel in pairs beside small ones, whole: in every order exact."""
    most = {"float64": 2.0**40, "float32": 2.0**18}.get(np.dtype(dtype).name, 2.0**6)
    row, col = np.indices((4, 12)).reshape(2, -1)
    data = np.tile([most, 1, -most, 2], 12)
    a = Triplets(row, col, data.astype(dtype), (4, 12))
    return Problem(f"{dtype}: cancelling sums", a, np.ones((12, 2), dtype), np.ones(4, dtype))


def _dtypes(rng: Rng) -> Iterator[Problem]:
    for dtype in DTYPES:
        yield sparse_problem(rng, f"{dtype}: whole", (7, 8), 0.5, dtype=dtype)
        if dtype.kind in "iu":
            label = f"{dtype}: sums that wrap"
            yield sparse_problem(rng, label, (6, 9), 0.5, dtype=dtype, make=full_range)
        if dtype.kind == "c":
            yield sparse_problem(rng, f"{dtype}: real", (6, 9), 0.5, dtype=dtype, make=real)
    for a_dtype, b_dtype in (
        ("float32", "float64"),
        ("float64", "float32"),
        ("float16", "float32"),
        ("int8", "float32"),
        ("float32", "int8"),
        ("int32", "float32"),
        ("int32", "int64"),
        ("bool", "float32"),
        ("float32", "complex64"),
        ("complex64", "float64"),
        ("uint8", "int8"),
    ):
        label = f"{a_dtype} times {b_dtype}"
        yield sparse_problem(rng, label, (7, 8), 0.5, dtype=a_dtype, b_dtype=b_dtype)
