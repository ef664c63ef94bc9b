"""Hard inputs of single ops: what is no trouble to a product may be much to a softmax."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.triplets import Triplets
from minisparse.oracle.cases import Rng, repeat_entries, sparse_problem, with_data
from minisparse.oracle.problem import Problem
from minisparse.oracle.values import DTYPES, is_float, whole


def special_problems(op: str, rng: Rng) -> Iterator[Problem]:
    """Yield the problems that only one op, or a few, have trouble with."""
    yield from _SPECIAL.get(op, _nothing)(rng)


def _nothing(rng: Rng) -> Iterator[Problem]:
    yield from ()


def _softmax(rng: Rng) -> Iterator[Problem]:
    """Yield rows whose exponentials overflow or vanish, and infinities of every kind."""
    plain = sparse_problem(rng, "", (6, 7), 0.7)
    count, row = len(plain.a.row), plain.a.row
    x = rng.standard_normal(count).astype("float32")
    yield with_data(plain, x, "values near 0")
    yield with_data(plain, x * 300, "exponentials overflow and vanish")
    yield with_data(plain, x - 300, "all far below 0")
    yield with_data(plain, x + 300, "all far above 0")
    yield with_data(plain, x + (300 * row).astype("float32"), "rows far from each other")
    yield with_data(plain, np.full_like(x, 2), "all the same")
    some = rng.random(count) < 0.4
    for value, what in ((-np.inf, "-inf"), (np.inf, "inf"), (np.nan, "NaN")):
        hit = np.where(some, value, x).astype("float32")
        yield with_data(plain, hit, f"{what} among the values")
        yield with_data(plain, np.where(row % 2, hit, value).astype("float32"), f"rows of {what}")
    most = float(np.finfo("float32").max)
    yield with_data(plain, np.sign(x) * np.float32(most), "the largest numbers, of either sign")
    for dtype in filter(is_float, DTYPES):
        long = sparse_problem(rng, f"{dtype}: a long row", (2, 600), 0.9, 1, dtype)
        yield with_data(long, (long.a.data * 0.25).astype(dtype))
        if dtype.itemsize == 2:
            wide = with_data(plain, (x * 30).astype(dtype), f"{dtype}: overflows")
            yield replace(wide, b=wide.b.astype(dtype))


def _spgemm(rng: Rng) -> Iterator[Problem]:
    """Yield products whose cells cancel, and second matrices with empty and with long rows."""
    row, col = np.indices((5, 8)).reshape(2, -1)
    sign = np.where(col % 2, -1, 1).astype("float32")
    a = Triplets(row, col, sign, (5, 8))
    same = np.ones((8, 6), "float32")
    yield Problem("terms that cancel", a, same, np.ones(5, "float32"))
    yield sparse_problem(rng, "empty rows of B", (9, 15), 0.5, 1)
    yield sparse_problem(rng, "rows of B with one entry", (9, 15), 0.5, 2)
    yield sparse_problem(rng, "results longer than 64", (4, 6), 0.6, 150)
    yield sparse_problem(rng, "more terms than cells", (3, 60), 0.9, 3)
    narrow = sparse_problem(rng, "more results than int8 can count", (20, 5), 0.5, 30)
    yield replace(narrow, index_dtypes=("int8", "int8"))
    hit = sparse_problem(rng, "NaN and inf in B", (6, 7), 0.5, 6)
    b = hit.b.copy()
    b[1, :3], b[3, 2:], b[5, 1] = np.nan, np.inf, -np.inf
    yield replace(hit, b=b)


def _sddmm(rng: Rng) -> Iterator[Problem]:
    """Yield depths around the usual tiles, with square factors among them."""
    for depth in (1, 3, 4, 5, 8, 9, 33):
        yield sparse_problem(rng, f"depth {depth}", (9, 9), 0.5, depth)
    plain = sparse_problem(rng, "", (6, 7), 0.6, 4)
    some = rng.random(plain.a.data.shape) < 0.5
    hit = plain.b.copy()
    hit[1], hit[4, 2] = np.nan, np.inf
    zeros = np.where(some, 0, plain.a.data).astype("float32")
    yield replace(with_data(plain, zeros, "zeros stored beside NaN and inf"), b=hit)


def _dense(rng: Rng) -> Iterator[Problem]:
    """Yield plain arrays with everything that is nearly zero, or not a number."""
    plain = sparse_problem(rng, "", (6, 7), 0.6)
    x = plain.a.data.copy()
    x[::5], x[1::5], x[2::5] = -0.0, np.nan, np.finfo("float32").smallest_subnormal
    for layout in ("C", "F", "sliced"):
        with_all = with_data(plain, x, f"-0.0, NaN and subnormals, layout: {layout}")
        yield replace(with_all, layout=layout)
    for dtype in ("complex64", "complex128"):
        turned = sparse_problem(rng, f"{dtype}: imaginary", (5, 6), 0.5, dtype=dtype)
        yield with_data(turned, np.where(turned.a.row % 2, turned.a.data, 1j).astype(dtype))


def _conversions(rng: Rng) -> Iterator[Problem]:
    """Yield more entries than narrow pointers count, and duplicates that cancel."""
    many = sparse_problem(rng, "more entries than int8 can count", (60, 9), 0.9)
    yield replace(many, index_dtypes=("int16", "int8"))
    three = sparse_problem(rng, "", (5, 6), 0.6)
    again = repeat_entries(three, np.tile(np.arange(len(three.a.row)), 3), "each cell three times")
    yield again
    sign = np.sign(again.a.data) * np.repeat([1, 1, -2], len(three.a.row)).astype("float32")
    yield with_data(again, sign, "sums that cancel")


def huge_problems(op: str, rng: Rng) -> Iterator[Problem]:
    """Yield a conversion's matrix whose cells cannot be numbered in 32 bits."""
    if op not in ("coo_to_csr", "csr_to_csc", "csr_to_coo"):
        return
    side = 70_000
    at = rng.integers(0, side, (2, 40))
    row = np.concatenate([at[0], [side - 1, 0, side - 1, 30_678]])
    col = np.concatenate([at[1], [side - 1, side - 1, 0, 33_647]])
    a = Triplets(row, col, whole(rng, (44,), "float32"), (side, side))
    few = np.zeros((side, 0), "float32")
    yield Problem("more cells than 32 bits can number", a, few, np.ones(side, "float32"))


def _blocks(rng: Rng) -> Iterator[Problem]:
    """Yield blocks of every form: tall, wide, single cells, larger than the matrix."""
    sizes: Sequence[tuple[int, int]] = ((1, 1), (1, 4), (4, 1), (3, 2), (4, 4), (2, 5), (16, 16))
    for block in sizes:
        problem = sparse_problem(rng, f"blocks of {block[0]} by {block[1]}", (13, 11), 0.15)
        yield replace(problem, block=block)


def _groups(rng: Rng) -> Iterator[Problem]:
    """Yield n:m groups with fewer entries than there is room for, and many groups."""
    for density in (0.05, 0.2, 0.6):
        yield sparse_problem(rng, f"groups filled to {density:.0%}", (7, 20), density)
    yield sparse_problem(rng, "columns beyond 256", (2, 300), 0.1, 2)
    plain = sparse_problem(rng, "room left beside NaN and inf", (5, 12), 0.15)
    b = plain.b.copy()
    b[::3], b[1::3] = np.nan, np.inf
    yield replace(plain, b=b)


_SPECIAL: dict[str, Callable[[Rng], Iterator[Problem]]] = {
    "softmax_csr": _softmax,
    "spgemm_csr": _spgemm,
    "sddmm_csr": _sddmm,
    "dense_to_csr": _dense,
    "coo_to_csr": _conversions,
    "csr_to_coo": _conversions,
    "csr_to_csc": _conversions,
    "csr_to_bsr": _blocks,
    "spmm_bsr": _blocks,
    "spmm_nm": _groups,
}
