"""What ``show`` draws is what the arrays hold, in every format, as text and as a card."""

import itertools
import re
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.formats import COO, CSC, CSR, FORMATS, NM, Matrix, View, from_dense
from minisparse.formats.views import _WALKS

LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 2, "m": 4}
X = np.array([[0, 5, 0, 0, 7, 0, 8], [0] * 7, [1, 0, 0, 2, 0, 0, 0], [0, 0, 3, 0, 0, 4, 0]], "i4")


def make(format: str, x: Array = X) -> Matrix:
    return from_dense(x, format, **{name: LAYOUTS[name] for name in FORMATS[format].layout_names})


WALKS = [(f, g) for f, g in itertools.product(FORMATS, _WALKS) if g in FORMATS[f].roles]


def unit_of(format: str, array: str) -> str:
    return "col" if array == "col" or format == "csc" else "row"


def dense_lines(text: str, unit: str) -> dict[int, list[str]]:
    """Read the dense rows or columns off the drawing."""
    name = {"row": "row", "col": "column"}[unit]
    found = re.findall(rf"^{name} (\d+)  (.*)$", text, re.MULTILINE)
    return {int(number): cells.split() for number, cells in found}


@pytest.mark.parametrize(("format", "array"), WALKS)
def test_every_line_is_drawn_as_it_is(format: str, array: str) -> None:
    A = make(format)
    unit = unit_of(format, array)
    lines = X if unit == "row" else X.T
    row, col, _, _ = A.triplets()
    stored = set(zip(row.tolist(), col.tolist(), strict=True))
    for i, line in enumerate(lines):
        view = A.show(array, **{unit: i})
        text = str(view)
        assert text.isascii()
        assert max(map(len, text.splitlines())) <= 80
        drawn = dense_lines(text, unit)
        assert i in drawn or not line.any()
        for m, cells in drawn.items():
            at = [(m, k) if unit == "row" else (k, m) for k in range(len(cells))]
            assert len(cells) == len(line)
            assert cells == [str(X[cell]) if cell in stored else "." for cell in at]


@pytest.mark.parametrize("format", FORMATS)
def test_arrays_side_by_side(format: str) -> None:
    A = make(format)
    view = A.show()
    assert isinstance(view, View)
    assert str(view) == repr(view)
    for name in A.arrays:
        assert re.search(rf"^{name} ", str(view), re.MULTILINE)
        assert name in view._repr_html_()


@pytest.mark.parametrize(("format", "array"), WALKS)
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (3, 3), (500, 70)])
@pytest.mark.parametrize("dtype", ["bool", "float16", "complex64", "int64"])
def test_any_shape_and_dtype(format: str, array: str, shape: tuple[int, int], dtype: str) -> None:
    x = np.zeros(shape)
    x[::7, ::2] = 1 / 7
    view = make(format, x.astype(dtype)).show(array)
    assert max(map(len, str(view).splitlines())) <= 80
    assert "<table" in view._repr_html_()


def test_the_fullest_line_is_the_default() -> None:
    assert "Row 0 starts" in str(make("csr").show("indptr"))
    assert "Row 2 starts" in str(make("csr", X[[1, 1, 0]]).show("indptr"))
    assert "row 2 is found" in str(make("coo", X[[1, 1, 0]]).show("row"))
    assert "row 0 is found" in str(make("coo").show("row"))


def test_the_array_that_is_looked_through_is_named() -> None:
    assert "col[p] = 4, and 1 of them" in " ".join(str(make("coo").show("col", col=4)).split())


def test_disorder_and_duplicates_are_told() -> None:
    A = CSR([1.0, 2.0, 3.0], [2, 0, 2], [0, 3, 3], (2, 4))
    text = str(A.show("indptr", row=0))
    said = " ".join(text.split())
    assert "The columns are not sorted" in said
    assert "The cell in column 2 is stored 2 times" in said
    assert dense_lines(text, "row") == {0: ["2", ".", "4", "."]}
    assert "it is empty" in str(A.show("indptr", row=1))
    assert "not sorted" not in str(A.canonical().show("indptr"))
    huge = np.float16(60000)
    assert "inf" in str(COO([huge, huge], [0, 0], [1, 1], (1, 2)).show("row"))


def test_duplicates_alone_are_no_disorder() -> None:
    said = str(CSR([1.0, 2.0], [1, 1], [0, 2], (1, 2)).show("indptr"))
    assert "stored 2 times" in said
    assert "not sorted" not in said


def test_arrays_stand_in_reading_order() -> None:
    orders = {"csr": "indptr indices data", "csc": "indptr indices data", "coo": "row col data"}
    for format, names in orders.items():
        assert re.findall(r"^(\w+) \w+\[", str(make(format).show()), re.MULTILINE) == names.split()


def test_what_is_said_of_block_rows() -> None:
    A = from_dense(np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 0, 0, 0]]), "bsr", block=(2, 3))
    text = str(A.show("indptr", row=2))
    assert "Block row 1 (rows 2 to 3) starts at slot indptr[1] = 2 and ends before" in text
    assert "one block." in text
    assert "which block column each" in " ".join(text.split())
    assert dense_lines(text, "row") == {2: ["9", "0", "0", "."]}
    assert re.findall(r"^ +(\^.*)$", text, re.MULTILINE) == ["^  ^", "^^^^^^^"]
    assert "2 blocks." in str(A.show("indptr", row=0))


def test_of_a_tall_block_the_rows_around_the_asked_one_are_drawn() -> None:
    A = from_dense(np.arange(1, 61).reshape(30, 2), "bsr", block=(20, 2))
    for row, drawn in ((None, range(8)), (7, range(8)), (9, range(8, 16)), (19, range(16, 20)),
                       (29, range(28, 30))):  # fmt: skip
        assert list(dense_lines(str(A.show("indptr", row=row)), "row")) == list(drawn)


def test_far_away_columns_need_no_memory() -> None:
    A = COO([1.0, 2.0], [0, 2**40], [5, 2**50], (2**40 + 1, 2**50 + 1))
    assert str(2**50) in str(A.show("row", row=2**40))
    assert str(2**40) in str(A.show("col", col=2**50))


def test_padding_is_not_drawn() -> None:
    for beyond in (1, 2):
        A = NM([[1, 0, 2, 0]], [[0, 3, 0, beyond]], (1, 5))
        assert dense_lines(str(A.show("positions")), "row") == {0: ["1", ".", ".", "0", "2"]}


def test_usage_errors() -> None:
    A = make("csr")
    with pytest.raises(UsageError, match=r"'positions' cannot be followed in a csr .*'indptr' can"):
        A.show("positions")
    with pytest.raises(UsageError, match="row is 4: it must lie between 0 and 3"):
        A.show("indptr", row=4)
    with pytest.raises(UsageError, match="row is -1"):
        A.show("indptr", row=-1)
    with pytest.raises(UsageError, match="row= was given, but no array to follow"):
        A.show(row=1)
    with pytest.raises(UsageError, match=r"indptr of csr leads to rows: write row=, not col="):
        A.show("indptr", col=1)
    with pytest.raises(UsageError, match=r"leads to columns: write col=, not row="):
        CSC([1.0], [0], [0, 1], (1, 1)).show("indptr", row=0)
