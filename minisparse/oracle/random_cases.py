"""Hard inputs drawn at random: every trouble with every other, again and again the same by seed."""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.oracle.cases import Rng, repeat_entries, sparse_problem, with_data
from minisparse.oracle.problem import LAYOUTS, Problem, fitting_index_dtype
from minisparse.oracle.values import DTYPES, full_range, is_float, real, scaled, whole

_SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 40)
_LONG = (64, 65, 127, 130, 257, 300)
_INDEX_DTYPES = ("int32", "int32", "int64", "int64", "int16", "uint8", "uint32", "uint16")
_DENSITIES = (0.02, 0.1, 0.3, 0.5, 0.8, 1.0)


def random_problem(seed: int, number: int) -> Problem:
    """Return problem ``number`` of the series that ``seed`` begins."""
    rng = np.random.default_rng([seed, number])
    dtype = DTYPES[0] if rng.random() < 0.4 else DTYPES[rng.integers(len(DTYPES))]
    problem = _matrix(rng, dtype)
    problem, notes = _spoil(rng, problem)
    return replace(problem, label=", ".join([f"random {number}: {dtype}", *notes]))


def _matrix(rng: Rng, dtype: DType) -> Problem:
    """Return sorted entries without duplicates, some rows empty."""
    m, k, n = (int(rng.choice(_SIZES)) for _ in range(3))
    if rng.random() < 0.15:
        k, m = int(rng.choice(_LONG)), min(m, 5)
    make = real if rng.random() < 0.4 else whole
    if dtype.kind in "iu" and rng.random() < 0.5:
        make = full_range
    problem = sparse_problem(rng, "", (m, k), float(rng.choice(_DENSITIES)), n, dtype, make)
    if rng.random() < 0.5:
        some = rng.random(m) < rng.choice([0.2, 0.5, 0.8])
        problem = problem.with_entries(some[problem.a.row])
    return problem


def _spoil(rng: Rng, problem: Problem) -> tuple[Problem, list[str]]:
    """Add a few of the troubles that make no difference, or should make the right one."""
    notes = []
    floating = is_float(problem.b.dtype)
    special = floating and rng.random() < 0.2
    if special:
        # An infinity times duplicates of both signs is NaN or not, depending on who sums first.
        problem = replace(problem, b=_with_special(rng, problem.b))
        notes.append("inf and NaN in b")
    elif rng.random() < 0.35:
        problem = _with_duplicates(rng, problem)
        notes.append("duplicates")
    if rng.random() < 0.4:
        order = rng.permutation(len(problem.a.row))
        problem = repeat_entries(problem, order, "")
        notes.append("unsorted")
    if rng.random() < 0.3:
        data = problem.a.data
        keep = rng.random(data.shape) < 0.7
        problem = with_data(problem, np.where(keep, data, data.dtype.type(0)))
        notes.append("explicit zeros")
    if floating and problem.b.dtype.itemsize > 2 and rng.random() < 0.1:
        problem = with_data(problem, scaled(rng, problem.a.data.shape, problem.a.data.dtype, 20))
        notes.append("badly scaled")
    return _place(rng, problem, notes)


def _place(rng: Rng, problem: Problem, notes: list[str]) -> tuple[Problem, list[str]]:
    """Choose dtypes of indices, layout in memory, block size, and a call before."""
    if rng.random() < 0.4:
        largest = max(len(problem.a.row), *problem.a.shape)
        i, j = (fitting_index_dtype(str(rng.choice(_INDEX_DTYPES)), largest) for _ in range(2))
        problem = replace(problem, index_dtypes=(i, j))
        notes.append(f"indices of {i} and {j}")
    if rng.random() < 0.35:
        problem = replace(problem, layout=LAYOUTS[rng.integers(len(LAYOUTS))])
        notes.append(f"layout: {problem.layout}")
    if rng.random() < 0.15 and len(problem.a.data):
        dtype = problem.a.data.dtype
        other = whole(rng, problem.a.data.shape, dtype)
        problem = replace(problem, earlier=other, in_place=bool(rng.random() < 0.5))
        notes.append("the same indices before")
    block = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    return replace(problem, block=block), notes


def _with_duplicates(rng: Rng, problem: Problem) -> Problem:
    count = len(problem.a.row)
    again = rng.integers(0, count, count // 2 + 1) if count else np.zeros(0, int)
    where = np.concatenate([np.arange(count), again])
    if rng.random() < 0.5:
        where = np.sort(where)
    return repeat_entries(problem, where, "")


def _with_special(rng: Rng, b: Array) -> Array:
    hit = b.copy()
    some = rng.random(b.shape) < rng.choice([0.05, 0.3])
    hit[some] = rng.choice([np.inf, -np.inf, np.nan], int(some.sum())).astype(b.dtype)
    return hit
