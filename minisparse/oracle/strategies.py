"""Hypothesis strategies for sparse matrices in plain arrays, for anybody's test suite.

Each strategy gives the arguments of a plain-array call by name, as the contracts of
:mod:`minisparse.oracle` have them, with everything that implementations stumble over: empty lines,
unsorted and repeated entries, explicit zeros, mixed index dtypes. A test of one's own kernel::

    from hypothesis import given
    from minisparse.oracle import strategies

    @given(strategies.csr(dtype="int64"))
    def test_row_sums(a):
        got = my_row_sums(a["indptr"], a["data"])
        ends = a["indptr"].astype(int)
        assert got.tolist() == [a["data"][s:e].sum() for s, e in zip(ends, ends[1:])]

The entries are drawn by hypothesis one by one, so that it can shrink a failure to the smallest
matrix. Importing this module needs the package hypothesis: ``pip install "minisparse[oracle]"``.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.extras import require
from minisparse.core.triplets import Triplets
from minisparse.oracle.contracts import CONTRACTS, find_contract
from minisparse.oracle.problem import LAYOUTS, Problem, arrange, fitting_index_dtype
from minisparse.oracle.values import DTYPES, is_float

if TYPE_CHECKING:
    import hypothesis.strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy
else:
    require("hypothesis", "oracle", "drawing sparse matrices")
    import hypothesis.strategies as st

_INDEX_DTYPES = ("int32", "int64", "int16", "uint8", "uint32", "int8", "uint64")
_SPECIAL = (float("inf"), float("-inf"), float("nan"), 0.0, -0.0)


def problems(
    op: str,
    *,
    dtype: Any = None,
    max_side: int = 9,
    special: bool = True,
) -> "SearchStrategy[Problem]":
    """Draw problems that an op has a meaning for; ``contract.arguments`` makes arrays of them.

    Parameters
    ----------
    op : str
        A contract's name: ``"spmm_csr"``.
    dtype : optional
        Of matrix and dense operand; else every dtype is drawn, and mixed.
    max_side : int
        Largest number of rows, columns, and columns of b.
    special : bool
        Whether floats may be NaN or infinite. They come without duplicates, because which NaN an
        infinity and its duplicates make depends on who adds first.

    Raises
    ------
    UsageError
        If there is no such op.
    """
    contract = find_contract(op)
    return _problems(dtype, max_side, special).filter(contract.accepts)


def csr(
    *, dtype: Any = None, max_side: int = 9, special: bool = True
) -> "SearchStrategy[dict[str, Any]]":
    """Draw ``{"indptr", "indices", "data", "shape"}``; rows may be unsorted, cells come twice.

    Parameters
    ----------
    dtype, max_side, special
        As in :func:`problems`.
    """
    return _arrays("spmm_csr", dtype, max_side, special)


def csc(
    *, dtype: Any = None, max_side: int = 9, special: bool = True
) -> "SearchStrategy[dict[str, Any]]":
    """Draw the same compressed along columns; see :func:`csr`."""
    return _arrays("spmm_csc", dtype, max_side, special)


def coo(
    *, dtype: Any = None, max_side: int = 9, special: bool = True
) -> "SearchStrategy[dict[str, Any]]":
    """Draw ``{"row", "col", "data", "shape"}``, in any order; see :func:`csr`."""
    return _arrays("spmm_coo", dtype, max_side, special)


def bsr(
    *, dtype: Any = None, max_side: int = 9, special: bool = True
) -> "SearchStrategy[dict[str, Any]]":
    """Draw ``{"indptr", "indices", "data" [nblocks, r, c], "shape"}``; see :func:`csr`."""
    return _arrays("spmm_bsr", dtype, max_side, special)


def nm(
    *, dtype: Any = None, max_side: int = 9, special: bool = True
) -> "SearchStrategy[dict[str, Any]]":
    """Draw 2:4 matrices: ``{"values", "positions", "shape"}``; see :func:`csr`."""
    return _arrays("spmm_nm", dtype, max_side, special)


@st.composite
def dense(
    draw: "DrawFn",
    shape: tuple[int, ...] | None = None,
    dtype: Any = None,
    *,
    special: bool = True,
) -> Array:
    """Draw a plain array, in any layout: Fortran-ordered, strided, backwards, read-only.

    Parameters
    ----------
    shape : tuple of int, optional
        A matrix of up to 9 by 9 if it is not given.
    dtype : optional
        Any supported one if it is not given.
    special : bool
        Whether floats may be NaN or infinite.
    """
    if shape is None:
        shape = draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
    kind = np.dtype(dtype) if dtype is not None else draw(st.sampled_from(DTYPES))
    x = _values(draw, int(np.prod(shape)), kind, special=special).reshape(shape)
    layout = draw(st.sampled_from(LAYOUTS[:-1]))
    x = arrange(x, layout)
    x.flags.writeable = layout != "read-only"
    return x


def _arrays(op: str, dtype: Any, max_side: int, special: bool) -> "SearchStrategy[dict[str, Any]]":
    """Draw the arrays of the matrix of a product."""
    contract = CONTRACTS[op]

    def matrix(problem: Problem) -> dict[str, Any]:
        return {n: x for n, x in contract.arguments(problem).items() if n not in ("b", "x")}

    drawn = problems(op, dtype=dtype, max_side=max_side, special=special)
    return drawn.map(matrix)


@st.composite
def _problems(draw: "DrawFn", dtype: Any, max_side: int, special: bool) -> Problem:
    m, k, n = (draw(st.integers(0, max_side)) for _ in range(3))
    a_dtype = np.dtype(dtype) if dtype is not None else draw(st.sampled_from(DTYPES))
    mixed = dtype is None and draw(st.booleans())
    b_dtype = draw(st.sampled_from(DTYPES)) if mixed else a_dtype
    cells = draw(st.lists(st.integers(0, m * k - 1), max_size=4 * max_side)) if m * k else []
    cell = np.array(cells, np.int64)
    special = special and len(set(cells)) == len(cells)
    data = _values(draw, len(cells), a_dtype, special=special)
    a = Triplets(cell // max(k, 1), cell % max(k, 1), data, (m, k))
    b = _values(draw, k * n, b_dtype, special=special).reshape(k, n)
    bias = _values(draw, m, a_dtype, special=special)
    problem = Problem("drawn by hypothesis", a, b, bias)
    return _placed(draw, problem)


def _placed(draw: "DrawFn", problem: Problem) -> Problem:
    """Draw what should make no difference."""
    largest = max(len(problem.a.row), *problem.a.shape)
    i, j = (fitting_index_dtype(draw(st.sampled_from(_INDEX_DTYPES)), largest) for _ in range(2))
    before = draw(st.booleans()) and len(problem.a.data) > 0
    return replace(
        problem,
        index_dtypes=(i, j),
        layout=draw(st.sampled_from(LAYOUTS)),
        block=(draw(st.integers(1, 4)), draw(st.integers(1, 4))),
        earlier=np.ones_like(problem.a.data) if before else None,
        in_place=before and draw(st.booleans()),
    )


def _values(draw: "DrawFn", count: int, dtype: DType, *, special: bool) -> Array:
    """Draw numbers of a dtype; small whole ones first, since these are the plainest."""
    if dtype.kind == "b":
        elements: SearchStrategy[Any] = st.booleans()
    elif dtype.kind in "iu":
        info = np.iinfo(dtype)
        low, high = int(info.min), int(info.max)
        elements = st.one_of(st.integers(max(-4, low), 4), st.integers(low, high))
    else:
        # Up to 100: products and their sums stay finite, in float16 too.
        real = st.floats(-100, 100, width=16, allow_subnormal=is_float(dtype))
        elements = st.one_of(st.integers(-4, 4).map(float), real)
        if special and is_float(dtype):
            elements = st.one_of(elements, st.sampled_from(_SPECIAL))
        if dtype.kind == "c":
            elements = st.builds(complex, elements, elements)
    drawn = draw(st.lists(elements, min_size=count, max_size=count))
    return np.array(drawn).astype(dtype) if drawn else np.zeros(0, dtype)
