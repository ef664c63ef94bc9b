"""Cell by cell, a matrix is computed with as the dense one, wherever something is stored."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minisparse.core.dtypes import bfloat16
from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError
from minisparse.formats import BSR, COO, CSR, FORMATS, Matrix, from_dense
from tests.formats.structure.matrices import DTYPES, SHAPES, dense, is_same, layout_of, matrices

every_format = pytest.mark.parametrize("format", FORMATS)
OPERATORS = (operator.add, operator.sub, operator.mul)


def stored_cells(A: Matrix) -> Any:
    """Return which cells are stored, ``[M, K]``."""
    row, col, _, _ = A.triplets()
    there = np.zeros(A.shape, bool)
    there[row, col] = True
    return there


@every_format
@given(data=st.data())
def test_two_matrices(format: str, data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    A = data.draw(matrices(format, shape))
    B = data.draw(matrices(data.draw(st.sampled_from(list(FORMATS))), shape))
    assume(_mix(A, B))
    x, y = A.to_dense(), B.to_dense()
    for function in OPERATORS:
        if function is operator.sub and x.dtype == y.dtype == bool:
            continue
        C = function(A, B)
        with np.errstate(all="ignore"):
            assert is_same(dense(C), function(x, y))
        assert C.has_canonical_format
        union = stored_cells(A) | stored_cells(B)
        both = stored_cells(A) & stored_cells(B)
        assert (stored_cells(C) == (both if function is operator.mul else union)).all()
        kept = type(A) is type(B) and A.format != "nm"
        assert type(C) is (type(A) if kept else CSR)


def _mix(A: Matrix, B: Matrix) -> bool:
    try:
        np.promote_types(A.dtype, B.dtype)
    except TypeError:  # bfloat16 and float16, or a wide integer
        return False
    return True


@every_format
@given(data=st.data())
def test_infinities_meet_only_what_is_stored(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, (3, 4), "float32", special=True))
    B = data.draw(matrices(format, (3, 4), "float32", special=True))
    x, y = A.to_dense(), B.to_dense()
    with np.errstate(all="ignore"):
        assert is_same((A + B).to_dense(), x + y)
        assert is_same((A - B).to_dense(), x - y)
        both = stored_cells(A) & stored_cells(B)
        assert is_same((A * B).to_dense(), np.where(both, x * y, np.float32(0)))
        assert is_same((A * np.inf).to_dense(), np.where(stored_cells(A), x * np.float32(np.inf), 0)
                       .astype("float32"))  # fmt: skip
        assert is_same((A / 0).to_dense(), np.where(stored_cells(A), x / np.float32(0), 0)
                       .astype("float32"))  # fmt: skip


@every_format
@given(data=st.data())
def test_a_number(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format))
    x = A.to_dense()
    numbers: list[Any] = [2, -1, 0.5, True, 1j, np.float32(3), np.int16(2), np.array(2)]
    number = data.draw(st.sampled_from(numbers))
    cases: list[Callable[[Any], Any]] = [
        lambda a: a * number, lambda a: number * a, lambda a: a / number,
        lambda a: a + 0, lambda a: 0 + a, lambda a: a - 0, lambda a: 0.0 - a,
    ]  # fmt: skip
    for case in cases:
        try:
            with np.errstate(all="ignore"):
                expected = case(x)
        except OverflowError:  # -1 and uint8
            with pytest.raises(DTypeError, match="out of bounds for uint8"):
                case(A)
            continue
        B = case(A)
        assert is_same(dense(B), expected)
        assert (type(B), B.block) == (type(A), A.block)
        assert (stored_cells(B) == stored_cells(A)).all()


@every_format
@given(data=st.data())
def test_signs_and_dtypes(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, special=True))
    x = A.to_dense()
    assert is_same(dense(abs(A)), abs(x))
    assert is_same(dense(A.conj()), x.conj())
    if x.dtype == bool:
        with pytest.raises(DTypeError, match="bool has no sign"):
            _ = -A
    else:
        assert is_same(dense(-A), -x)
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    if x.dtype.kind == "c" and dtype.kind not in "bc":
        with pytest.raises(DTypeError, match="drops the imaginary parts"):
            A.astype(dtype)
    elif np.isfinite(x.astype(complex)).all():
        with np.errstate(all="ignore"):
            assert is_same(dense(A.astype(dtype)), x.astype(dtype))
        assert (A.astype(dtype) is A) == (dtype == A.dtype)


def test_duplicates_are_summed_before_what_is_not_linear() -> None:
    A = COO(np.array([100, 100, -7], "int8"), [0, 0, 1], [0, 0, 0], (2, 1))
    assert abs(A).to_dense().tolist() == [[56], [7]]
    assert A.astype("int64").to_dense().tolist() == [[-56], [-7]]
    assert (A / 2).to_dense().tolist() == [[-28.0], [-3.5]]
    assert (A > 0).to_dense().tolist() == [[False], [False]]
    assert (A != 0).nnz == 2
    assert (-A).nnz == 3


def test_an_order_without_duplicates_stays() -> None:
    A = CSR([1.0, 2.0], [1, 0], [0, 2], (1, 2))
    for B in (A * 2, A / 2, -A, abs(A), A != 0, A.astype("float32")):
        assert B.triplets().col.tolist() == [1, 0]


def test_what_cancels_keeps_its_slot() -> None:
    A = from_dense([[1.0, 2.0]], "csr")
    assert ((A - A).nnz, (A - A).to_dense().tolist()) == (2, [[0, 0]])
    assert (A * 0).nnz == 2


def test_blocks_meet_blocks() -> None:
    x, y = (
        np.kron(np.array(blocks), np.ones((2, 3)))[:3, :8]
        for blocks in ([[1, 0, 2], [0, 0, 3]], [[1, 1, 0], [0, 0, 1]])
    )
    A, B = from_dense(x, "bsr", block=(2, 3)), from_dense(y, "bsr", block=(2, 3))
    for function, blocks in ((operator.add, 4), (operator.mul, 2)):
        C = function(A, B)
        assert isinstance(C, BSR)
        assert (C.block, len(C.data)) == ((2, 3), blocks)
    assert type(A + from_dense(x, "bsr", block=(2, 2))) is CSR
    assert type(A + from_dense(x, "csr")) is CSR


@every_format
def test_padding_beyond_the_shape_is_no_part_of_the_matrix(format: str) -> None:
    A = from_dense(np.ones((3, 5)), format, **layout_of(format))
    for B in (A * np.nan, A * np.inf, A / 0):
        assert not np.isfinite(dense(B)).any()


def test_no_warnings() -> None:
    A = from_dense(np.array([[np.inf, 3e38]], "float32"), "csr")
    assert np.isnan((A - A).to_dense()[0, 0])
    assert np.isinf((A + A).to_dense()).all()


def test_the_builtin_sum() -> None:
    A = from_dense(np.eye(2), "csr")
    total: Any = sum([A, A, A])
    assert total.to_dense().tolist() == [[3, 0], [0, 3]]


@every_format
def test_what_would_be_dense_is_refused(format: str) -> None:
    A = from_dense(np.eye(3), format, **layout_of(format))
    refused: list[tuple[Callable[[], Any], str]] = [
        (lambda: A + 1, r"A \+ 1: .*write A\.to_dense\(\) \+ 1, or A\.with_data\(A\.data \+ 1\)"),
        (lambda: 1 - A, r"1 - A: .*write 1 - A\.to_dense\(\)"),
        (lambda: A + np.nan, "the matrix dense"),
        (lambda: 2 / A, r"2 / A: .*divide by zero"),
        (lambda: A / A, r"A / B: 0 / 0"),
        (lambda: A + np.eye(3), r"b is of type ndarray.*A\.to_dense\(\) \+ b"),
        (lambda: np.eye(3) * A, r"A \* b: .*A @ b is the matrix product"),
        (lambda: operator.add([1, 2, 3], A), "b is of type list"),
        (lambda: operator.add(A, (1, 2, 3)), "b is of type tuple"),
        (lambda: A / np.eye(3), "b is of type ndarray"),
    ]
    for call, match in refused:
        with pytest.raises(UnsupportedOpError, match=match):
            call()
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = A + "a"


def test_operands_that_do_not_fit() -> None:
    A = from_dense(np.eye(3), "csr")
    with pytest.raises(ShapeError, match=r"A \+ B \(C1\): A is 3x3 but B is 2x3: shapes must be"):
        _ = A + A[:2]
    with pytest.raises(ShapeError, match=r"A \* B \(C1\): A is 3x3 but B is 3x2"):
        _ = A * A[:, :2]
    with pytest.raises(DTypeError, match="bool has no difference; A != B"):
        _ = (A != 0) - (A != 0)
    with pytest.raises(DTypeError, match="out of bounds for int8"):
        _ = A.astype("int8") * 300
    with pytest.raises(DTypeError, match=r"A \* 2: .*uint16 is not supported"):
        _ = A.astype("uint8") * np.uint16(2)
    with pytest.raises(DTypeError, match=r"A \* a: A is float64"):
        _ = A * np.str_("a")
    wide = bfloat16()
    if wide is not None:
        with pytest.raises(DTypeError, match=r"float16 and bfloat16 do not mix.*\.astype"):
            _ = A.astype("float16") + A.astype(wide)


@pytest.mark.parametrize("format", ["coo", "csr", "csc", "bsr"])
@given(data=st.data())
def test_agrees_with_scipy(format: str, data: st.DataObject) -> None:
    pytest.importorskip("scipy.sparse", reason='needs pip install "minisparse[peers]"')
    A = data.draw(matrices(format, (4, 6), "float64"))
    B = data.draw(matrices(format, (4, 6), "int32"))
    s, t = A.to_scipy(), B.to_scipy()
    for function in OPERATORS:
        expected = function(s, t) if function is not operator.mul else s.multiply(t)
        assert is_same(function(A, B).to_dense(), expected.toarray())
    with pytest.raises(UnsupportedOpError, match="make b one by from_dense or from_scipy"):
        _ = A + t
