"""Parts of a matrix are what NumPy cuts out of the dense one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core import index
from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError, SelectionError, UsageError
from minisparse.formats import BSR, COO, CSC, CSR, FORMATS, NM, from_dense
from tests.formats.structure.matrices import dense, is_same, layout_of, matrices

every_format = pytest.mark.parametrize("format", FORMATS)


@st.composite
def lines(draw: st.DrawFn, size: int) -> Any:
    """Draw what selects whole lines: a slice, a mask, a list or an array that may repeat."""
    kinds = ["slice", "mask", "list", "all"] if size else ["slice", "mask", "all"]
    kind = draw(st.sampled_from(kinds))
    if kind == "slice":
        bound = st.none() | st.integers(-size - 2, size + 2)
        step = st.sampled_from([None, 1, 2, -1, -3, 10**30])
        return slice(draw(bound), draw(bound), draw(step))
    if kind == "mask":
        return np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)
    if kind == "list":
        return draw(st.lists(st.integers(-size, size - 1), max_size=6))
    return slice(None)


@every_format
@given(data=st.data())
def test_rows_and_columns(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, special=True))
    x = A.to_dense()
    rows, cols = data.draw(lines(A.shape[0])), data.draw(lines(A.shape[1]))
    assert is_same(dense(A[rows]), x[_as_index(rows)])
    assert is_same(dense(A[:, cols]), x[:, _as_index(cols)])
    assert is_same(dense(A[..., cols]), x[..., _as_index(cols)])
    expected = x[_as_index(rows)][:, _as_index(cols)]
    if isinstance(rows, slice) or isinstance(cols, slice):
        assert is_same(dense(A[rows, cols]), expected)
    mesh = np.ix_(np.arange(len(x))[_as_index(rows)], np.arange(A.shape[1])[_as_index(cols)])
    assert is_same(dense(A[mesh]), expected)


def _as_index(key: Any) -> Any:
    return np.array(key, np.intp) if isinstance(key, list) else key


@every_format
@given(data=st.data())
def test_single_cells(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, shape=(5, 6), special=True))
    x = A.to_dense()
    rows = data.draw(st.lists(st.integers(-5, 4), max_size=5))
    cols = data.draw(st.lists(st.integers(-6, 5), min_size=len(rows), max_size=len(rows)))
    found = A[rows, cols]
    assert type(found) is np.ndarray
    assert is_same(found, x[_as_index(rows), _as_index(cols)])
    for m, k in zip(rows, cols, strict=True):
        assert type(A[m, k]) is type(x[m, k])
        assert is_same(A[m, k], x[m, k])
        assert is_same(dense(A[m]), x[[m]])
        assert is_same(dense(A[:, k]), x[:, [k]])
    assert is_same(A[2, cols], x[2, _as_index(cols)])
    assert is_same(A[rows, np.int8(-1)], x[_as_index(rows), -1])


@every_format
def test_a_matrix_can_be_gone_through_row_by_row(format: str) -> None:
    x = np.arange(12.0).reshape(4, 3)
    A = from_dense(x, format, **layout_of(format))
    assert [row.to_dense().tolist() for row in A] == x[:, None].tolist()
    assert list(A[:0]) == []


def test_formats_that_hold_every_pattern_stay() -> None:
    x = np.arange(30.0).reshape(5, 6)
    keys: list[Any] = [2, slice(1, 4), [0, 0], (slice(None), [5, 1]), np.ix_([0], [1])]
    for kind in (COO, CSC, CSR):
        A = from_dense(x, kind.format)
        assert {type(A[key]) for key in keys} == {kind}


def test_blocks_stay_where_none_is_cut() -> None:
    A = from_dense(np.ones((5, 12)), "bsr", block=(2, 3))
    whole: list[Any] = [slice(2, 4), slice(4, None), slice(2, 2), (slice(2), slice(3, 9)), ...]
    for key in whole:
        assert (type(A[key]), A[key].block) == (BSR, (2, 3))
    cut: list[Any] = [
        slice(1, 4), slice(0, 3), slice(None, None, -1), slice(0, 4, 2), [0, 1], 0,
        (slice(2), slice(2)),
    ]  # fmt: skip
    assert {type(A[key]) for key in cut} == {CSR}


def test_groups_stay_where_none_is_cut() -> None:
    A = from_dense(np.ones((5, 12)) * (np.arange(12) % 4 < 2), "nm", n=2, m=4)
    whole: list[Any] = [3, [4, 4, 0], slice(None, None, -2), (slice(None), slice(4, 12))]
    for key in whole:
        assert (type(A[key]), A[key].block) == (NM, (2, 4))
        assert A[key].nnz == A[key].shape[0] * A[key].shape[1] // 2
    cut: list[Any] = [
        (slice(None), slice(2, 6)), (slice(None), slice(4, 11)), (slice(None), [0, 1, 2, 3]),
        np.ix_([0], [1]),
    ]  # fmt: skip
    assert {type(A[key]) for key in cut} == {CSR}


def test_entries_keep_their_order_and_duplicates() -> None:
    A = CSR([1.0, 2.0, 3.0, 4.0], [2, 0, 2, 1], [0, 3, 4], (2, 3))
    assert A[0].data.tolist() == [1, 2, 3]
    assert A[::-1].data.tolist() == [4, 1, 2, 3]
    assert (A[:, ::-1].indices.tolist(), A[:, ::-1].data.tolist()) == ([0, 2, 0, 1], [1, 2, 3, 4])
    assert A[:, [2, 2]].indices.tolist() == [0, 1, 0, 1]
    assert A[0, 2] == 4


def test_a_step_is_a_step_where_few_columns_are_stored() -> None:
    for A in (from_dense([[0, 5, 0, 0]], "csr"), from_dense([[0, 5, 0, 0]], "csc")):
        assert A[:, ::2].to_dense().tolist() == [[0, 0]]
        assert A.T[::2].to_dense().tolist() == [[0], [0]]
        assert A[:, range(1, 3)].to_dense().tolist() == [[5, 0]]


def test_a_run_of_rows_shares_the_arrays() -> None:
    A = from_dense(np.eye(9), "csr")
    assert np.shares_memory(A[2:5].data, A.data)
    assert np.shares_memory(A.T[:, 2:5].data, A.data)


def test_index_width_follows_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "INT32_LIMIT", 5)
    for format in ("coo", "csr", "csc"):
        A = from_dense(np.eye(9), format)
        assert A.type.index_dtype == np.int64
        assert A[:3, 2:5].type.index_dtype == np.int32
        assert (A[:3, 2:5].to_dense() == np.eye(9)[:3, 2:5]).all()


def test_a_part_of_a_huge_matrix_costs_what_it_stores() -> None:
    huge = 2**62
    A = COO([1.0, 2.0, 4.0], [huge - 1, 5, huge - 1], [huge - 2, 7, 3], (huge, huge))
    assert A[huge - 1, huge - 2] == 1
    assert A[-1:, ::-1].shape == (1, huge)
    assert A[-1:, ::-1].triplets().col.tolist() == [1, huge - 4]
    assert A[[5, -1]].triplets().row.tolist() == [1, 0, 1]
    assert A[5:6, 7:9].to_dense().tolist() == [[2, 0]]


BAD: list[tuple[Any, type[MinisparseError], str]] = [
    (4, SelectionError, r"row 4 does not exist: A has 4 rows, -4 to 3"),
    ((0, -7), SelectionError, r"column -7 does not exist: A has 6 columns, -6 to 5"),
    ([0, 9], SelectionError, r"row 9 does not exist"),
    ((slice(None), [-9]), SelectionError, r"column -9 does not exist"),
    (2**70, SelectionError, r"row 1180591620717411303424 does not exist"),
    (np.array([True]), SelectionError, r"mask has 1 elements: it must have 4, one for each row"),
    (([0, 1], [0, 1, 2]), SelectionError, r"np\.ix_\(rows, columns\)"),
    (1.0, UsageError, r"float does not select a row"),
    (True, UsageError, r"bool does not select a row"),
    (None, UsageError, r"NoneType does not select a row"),
    ("a", UsageError, r"str does not select a row"),
    ((0, [0.5]), UsageError, r"columns are float64: they must be integers or bools"),
    ((0, 1, 2), UsageError, r"3 indices: a matrix has two axes"),
    ((..., ...), UsageError, r"a matrix has two axes"),
    (slice(0, 4, 0), UsageError, r"slice of the rows: slice step cannot be zero"),
    (slice("a"), UsageError, r"slice of the rows"),
    ((np.eye(2, dtype=int), np.eye(2, dtype=int)), UsageError, r"they must be 1-D"),
    (np.ones((4, 6), bool), UsageError, r"A\.to_dense\(\)\[mask\]"),
]  # fmt: skip


@every_format
@pytest.mark.parametrize(("key", "error", "match"), BAD)
def test_what_does_not_select(
    format: str, key: Any, error: type[MinisparseError], match: str
) -> None:
    A = from_dense(np.ones((4, 6)), format, **layout_of(format))
    with pytest.raises(error, match=match):
        A[key]


def test_a_condition_does_not_select() -> None:
    A = from_dense(np.eye(3), "csr")
    with pytest.raises(UsageError, match=r"where A's cells meet a condition is A \* condition"):
        A[A > 0]
    with pytest.raises(SelectionError, match="A has no rows"):
        A[:0][0]


def test_an_index_error_like_any_other() -> None:
    with pytest.raises(IndexError):
        from_dense(np.eye(3), "csr")[3]


@given(data=st.data())
def test_agrees_with_scipy(data: st.DataObject) -> None:
    pytest.importorskip("scipy.sparse", reason='needs pip install "minisparse[peers]"')
    A = data.draw(matrices("csr", shape=(5, 6), dtype="float64"))
    rows, cols = data.draw(lines(5)), data.draw(lines(6))
    try:
        expected: Array = A.to_scipy()[_as_index(rows)][:, _as_index(cols)].toarray()
    except OverflowError:  # a step that SciPy cannot count with
        return
    assert is_same(A[rows][:, cols].to_dense(), expected)
