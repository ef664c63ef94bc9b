"""Where scipy.sparse defines an operation too, its answer is ours.

Left out on purpose: infinities, which SciPy's product cell by cell treats in its own way;
comparisons whose answer would be dense, which are refused here; dtypes other than float64, which
SciPy sums and stacks by rules of its own; and n:m, which SciPy does not know. Entries of COO, CSR
and CSC are unsorted and repeated.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minisparse as ms
from tests.formats.structure.matrices import dense, is_same, matrices

sparse = pytest.importorskip("scipy.sparse", reason='needs pip install "minisparse[peers]"')

ROWS, COLS = [3, 0, 3, -1], [-6, 2, 2]
MASK = np.array([True, False, True, True, False, False])
ORDER = [4, 2, 0, 5, 1, 3]
Case = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def part(key: Any) -> Case:
    return lambda a: a[key], lambda s: s[key]


def reduced(name: str, axis: int | None) -> Case:
    return lambda a: getattr(a, name)(axis=axis), lambda s: getattr(s, name)(axis=axis)


def triangle(name: str, k: int) -> Case:
    return lambda a: getattr(a, name)(k), lambda s: getattr(sparse, name)(s, k)


def diagonal(k: int) -> Case:
    return lambda a: a.diagonal(k), lambda s: s.diagonal(k)


CASES: dict[str, Case] = {
    **{str(key): part(key) for key in (
        slice(1, 4), slice(None, None, -2), (slice(4, 0, -1), slice(1, None, 3)),
        (slice(-3, None), slice(None, -2)), ROWS, (slice(None), COLS), np.ix_(ROWS, COLS), MASK,
    )},
    "a cell": (lambda a: a[2, -1], lambda s: s[2, -1]),
    "cells": (lambda a: a[ROWS[:3], COLS], lambda s: np.asarray(s.todense()[ROWS[:3], COLS])),
    # A row or a column is 2-D here and 1-D there.
    "a row": (lambda a: a[-2], lambda s: s[[-2]]),
    "a column": (lambda a: a[:, 1], lambda s: s[:, [1]]),
    **{f"{name} {axis}": reduced(name, axis)
       for name in ("sum", "mean", "min", "max", "count_nonzero") for axis in (None, 0, 1)},
    **{f"{name} {k}": triangle(name, k) for name in ("triu", "tril") for k in (-4, -1, 0, 2, 5)},
    **{f"diagonal {k}": diagonal(k) for k in (-4, -1, 0, 2, 5)},
    "hstack": (lambda a: ms.hstack([a, a[:, :2]]), lambda s: sparse.hstack([s, s[:, :2]])),
    "vstack": (lambda a: ms.vstack([a, a[:2]]), lambda s: sparse.vstack([s, s[:2]])),
    "block_diag": (lambda a: ms.block_diag([a, a[:2]]), lambda s: sparse.block_diag([s, s[:2]])),
    "permuted": (lambda a: a.permute_rows(ORDER), lambda s: s[ORDER]),
    "negative": (lambda a: -a, lambda s: -s),
    "absolute": (abs, abs),
    "times": (lambda a: 3 * a, lambda s: 3 * s),
    "over": (lambda a: a / 4, lambda s: s / 4),
    "plus": (lambda a: a + a[::-1], lambda s: s + s[::-1]),
    "minus": (lambda a: a - a[::-1], lambda s: s - s[::-1]),
    "product": (lambda a: a * a[::-1], lambda s: s.multiply(s[::-1])),
    ">": (lambda a: a > 0.5, lambda s: s > 0.5),
    "<": (lambda a: a < -0.5, lambda s: s < -0.5),
    "!=": (lambda a: a != 0, lambda s: s != 0),
    "==": (lambda a: a == 1, lambda s: s == 1),
}  # fmt: skip


@pytest.mark.parametrize("format", ["coo", "csr", "csc", "bsr"])
@given(data=st.data())
def test_agrees_with_scipy(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, (6, 6), "float64"))
    # Not all of SciPy's formats can do all of this, and some forget to sum duplicates first.
    s = A.to_scipy().tocsr()
    s.sum_duplicates()
    for name, (ours, theirs) in CASES.items():
        found, expected = ours(A), theirs(s)
        found = dense(found) if isinstance(found, ms.formats.Matrix) else found
        expected = expected.toarray() if sparse.issparse(expected) else np.asarray(expected)
        # Extremes by axis are sparse there; a count has no dtype of its own.
        expected = expected.reshape(np.shape(found))
        if name.startswith(("count", "mean")):
            assert np.allclose(found, expected, rtol=1e-14), name
        else:
            assert is_same(found, expected), name
