"""Shapes, layouts, dtypes, indices, orders and values: every one meets every other."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.oracle.cases import Rng, repeat_entries, sparse_problem, with_data
from minisparse.oracle.pairwise import all_pairs
from minisparse.oracle.problem import LAYOUTS, Problem, fitting_index_dtype
from minisparse.oracle.values import DTYPES, is_float, real, whole

_CHOICES: dict[str, tuple[Any, ...]] = {
    "shape": ((6, 6), (0, 5), (5, 0), (1, 17), (17, 1), (3, 40), (40, 3), (33, 31)),
    "columns": (4, 1, 0, 33),
    "dtype": DTYPES,
    "b_dtype": ("same", "float32", "float64", "int8", "int64", "complex64"),
    "indices": (
        ("int32", "int32"),
        ("int64", "int64"),
        ("int32", "int64"),
        ("int64", "int32"),
        ("uint32", "uint8"),
        ("int16", "int8"),
        ("uint64", "uint16"),
    ),
    "layout": LAYOUTS,
    "order": ("sorted", "unsorted", "reversed", "duplicates", "unsorted duplicates"),
    "lines": ("none empty", "rows empty", "last rows empty", "columns empty", "nothing stored"),
    "values": ("whole", "real", "zeros", "special"),
    "block": ((2, 3), (1, 1), (3, 2), (4, 4), (1, 5), (8, 1)),
    "before": (False, True),
}


@lru_cache
def _rows() -> tuple[dict[str, Any], ...]:
    return tuple(all_pairs(_CHOICES))


def pair_problems(rng: Rng) -> Iterator[Problem]:
    """Yield problems in which every two circumstances meet; the same for the same ``rng``."""
    for row in _rows():
        yield _problem(rng, row)


def _problem(rng: Rng, row: dict[str, Any]) -> Problem:
    dtype = row["dtype"]
    b_dtype = dtype if row["b_dtype"] == "same" else np.dtype(row["b_dtype"])
    make = real if row["values"] == "real" else whole
    plain = sparse_problem(rng, "", row["shape"], 0.6, row["columns"], dtype, make, b_dtype)
    problem = plain.with_entries(_kept(plain.a, row["lines"]))
    if row["values"] == "special" and "duplicates" not in row["order"]:
        problem = _special(rng, problem)
    if row["values"] in ("zeros", "special"):
        some = rng.random(problem.a.data.shape) < 0.3
        zero = dtype.type(0)
        problem = with_data(problem, np.where(some, zero, problem.a.data).astype(dtype))
    problem = repeat_entries(problem, _order(rng, len(problem.a.row), row["order"]), "")
    largest = max(len(problem.a.row), *problem.a.shape)
    i, j = (fitting_index_dtype(name, largest) for name in row["indices"])
    told = ", ".join(str(row[x]) for x in ("shape", "dtype", "layout", "order", "lines", "values"))
    earlier = whole(rng, problem.a.data.shape, dtype) if row["before"] else None
    return replace(
        problem,
        label=f"pairs: {told}",
        index_dtypes=(i, j),
        layout=row["layout"],
        block=row["block"],
        earlier=earlier,
        in_place=row["before"] and row["layout"] != "read-only",
    )


def _kept(a: Triplets, lines: str) -> Array:
    """Return which entries leave the lines empty that should be."""
    row, col = np.asarray(a.row), np.asarray(a.col)
    kept: dict[str, Array] = {
        "none empty": row >= 0,
        "rows empty": row % 3 == 1,
        "last rows empty": row < a.shape[0] // 2,
        "columns empty": (col % 3 == 1) & (col < a.shape[1] - 2),
        "nothing stored": row < 0,
    }
    return kept[lines]


def _order(rng: Rng, count: int, order: str) -> Array:
    """Return numbers of entries: all of them in some order, or some of them twice."""
    every = np.arange(count)
    if order == "reversed":
        return every[::-1]
    if order == "duplicates":
        return np.repeat(every, 1 + every % 2)
    if order == "unsorted duplicates":
        return rng.permutation(np.concatenate([every, every[: (count + 1) // 2]]))
    return rng.permutation(count) if order == "unsorted" else every


def _special(rng: Rng, problem: Problem) -> Problem:
    """Return the problem with NaN, infinities and zeros in b, where b is of floats."""
    if not is_float(problem.b.dtype):
        return problem
    b = problem.b.copy()
    some: Array = np.asarray(rng.random(b.shape) < 0.3)
    b[some] = rng.choice([np.inf, -np.inf, np.nan, 0.0], int(some.sum())).astype(b.dtype)
    return replace(problem, b=b)
