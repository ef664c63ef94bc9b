"""Comparisons are those of the dense matrix, or refused where they would be dense."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.dtypes import bfloat16
from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError, UsageError
from minisparse.formats import COO, CSR, FORMATS, equal, from_dense, from_triplets
from tests.formats.structure.matrices import (
    SHAPES,
    dense,
    is_same,
    layout_of,
    matrices,
    triplets,
)

every_format = pytest.mark.parametrize("format", FORMATS)
OF_ZEROS: dict[Callable[[Any, Any], Any], bool] = {
    operator.eq: True, operator.ne: False, operator.lt: False,
    operator.le: True, operator.gt: False, operator.ge: True,
}  # fmt: skip
has_no_order = pytest.raises(DTypeError, match="complex numbers have no order")


@every_format
@given(data=st.data())
def test_with_a_number(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, special=True))
    x = A.to_dense()
    number = data.draw(st.sampled_from([0, 1, -2, 0.5, True, np.nan, np.inf, np.float32(1)]))
    for function in OF_ZEROS:
        if x.dtype.kind == "c" and function not in (operator.eq, operator.ne):
            with has_no_order:
                function(A, number)
        elif function(0, number):
            with pytest.raises(UnsupportedOpError, match="true of every cell that is not stored"):
                function(A, number)
        else:
            B = function(A, number)
            with np.errstate(all="ignore"):
                expected = function(x, number)
            assert is_same(dense(B), expected)
            assert type(B) is (CSR if format == "nm" else type(A))
            assert B.nnz == np.count_nonzero(expected) or format == "bsr"


@every_format
@given(data=st.data())
def test_two_matrices(format: str, data: st.DataObject) -> None:
    shape, dtype = data.draw(SHAPES), data.draw(st.sampled_from(["int8", "float32", "bool"]))
    A = data.draw(matrices(format, shape, dtype, special=True))
    B = data.draw(
        matrices(data.draw(st.sampled_from(list(FORMATS))), shape, "float64", special=True)
    )
    x, y = A.to_dense(), B.to_dense()
    for function, of_zeros in OF_ZEROS.items():
        if of_zeros:
            with pytest.raises(UnsupportedOpError, match=r"A [=<>]= B: .*A [!=<>]+ B for the opp"):
                function(A, B)
        else:
            assert is_same(dense(function(A, B)), function(x, y))
    assert equal(A, B) == (x == y).all()
    assert equal(A, B, equal_nan=True) == np.array_equal(x, y, equal_nan=True)


@every_format
@given(data=st.data())
def test_equal_looks_at_the_dense_matrix_alone(format: str, data: st.DataObject) -> None:
    t = data.draw(triplets())
    other = data.draw(st.sampled_from(list(FORMATS)))
    A = from_triplets(t, format, canonical=False, **layout_of(format))
    B = from_triplets(t, other, **layout_of(other))
    assert equal(A, B)
    assert equal(B, A)
    assert not (A != B).count_nonzero()
    if t.shape[0] and t.shape[1]:
        x = A.to_dense()
        x[-1, -1] = x[-1, -1] == 0
        assert not equal(A, from_dense(x, other, **layout_of(other)))


def test_equal() -> None:
    A = CSR([1.0, np.nan], [0, 1], [0, 2], (1, 2))
    assert not equal(A, A)
    assert equal(A, A, equal_nan=True)
    assert not equal(A, A.T)
    assert equal(from_dense([[1, 0]], "csr"), from_dense([[1.0, 0.0]], "coo"))
    with pytest.raises(UsageError, match="equal: B is a ndarray"):
        equal(A, A.to_dense())  # type: ignore[arg-type]


def test_numbers_that_the_dtype_cannot_hold() -> None:
    A = from_dense(np.array([[0, np.inf, 3]], "float16"), "csr")
    assert (A >= 1e300).to_dense().tolist() == [[False, True, False]]  # and no warning
    assert (A == 10**30).count_nonzero() == 1  # float16 has no 1e30 but infinity
    with pytest.raises(DTypeError, match=r"A > a: A is float16"):
        operator.gt(A, np.str_("a"))
    assert (from_dense([[1]], "csr") > 10**30).to_dense().tolist() == [[False]]
    with pytest.raises(DTypeError, match=r"A == 10{30}: A is bool: .*too large"):
        operator.eq(A != 0, 10**30)


def test_operands_that_do_not_compare() -> None:
    A = from_dense(np.eye(2), "csr")
    others: list[Any] = [1j, A.astype("complex64")]
    for right in others:
        with has_no_order:
            operator.gt(A, right)
    with pytest.raises(UnsupportedOpError) as refused:
        operator.eq(A, 0)
    assert "equal(A, B)" not in str(refused.value)
    narrow = bfloat16()
    if narrow is not None:
        B, C = A.astype("float16"), A.astype(narrow)
        for call in (operator.ne, equal):
            with pytest.raises(DTypeError):
                call(B, C)


def test_a_number_on_the_left() -> None:
    A = from_dense([[1, 5]], "csr")
    assert operator.lt(2, A).to_dense().tolist() == [[False, True]]
    assert operator.lt(np.float64(2), A).to_dense().tolist() == [[False, True]]
    assert operator.eq(np.array(5), A).to_dense().tolist() == [[False, True]]


@every_format
def test_what_is_refused(format: str) -> None:
    A = from_dense(np.eye(2), format, **layout_of(format))
    B = A.copy()
    refused: list[tuple[Any, str]] = [
        (lambda: A == B, r"write minisparse\.formats\.equal\(A, B\) for one answer, or A != B"),
        (lambda: A <= B, r"A > B for the opposite, or A\.to_dense\(\) <= B\.to_dense\(\)"),
        (lambda: A < 1, r"A < 1: .*A >= 1 for the opposite, or A\.to_dense\(\) < 1"),
        (lambda: operator.eq(A, np.eye(2)), r"b is of type ndarray; write A\.to_dense\(\) == b"),
        (lambda: np.eye(2) > A, r"A < b: "),
    ]
    for call, match in refused:
        with pytest.raises(UnsupportedOpError, match=match):
            call()
    with pytest.raises(ShapeError, match=r"A != B \(C1\)"):
        operator.ne(A, A[:1])
    with pytest.raises(TypeError, match="not supported between"):
        _ = A < "a"


@every_format
def test_is_neither_true_nor_false(format: str) -> None:
    A = from_dense(np.eye(2), format, **layout_of(format))
    with pytest.raises(UsageError, match=r"equal\(A, B\).*count_nonzero\(\) > 0.*A is None"):
        bool(A)
    with pytest.raises(UsageError, match="truth"):
        assert operator.ne(A, A.copy())


@every_format
def test_is_a_key_by_identity(format: str) -> None:
    A = from_dense(np.eye(2), format, **layout_of(format))
    B = A.copy()
    assert {A: 1, B: 2}[A] == 1
    assert A in [A, B]
    for stranger in (None, "a", object()):
        assert operator.ne(A, stranger) is True
        assert operator.eq(A, stranger) is False


def test_what_is_true_is_stored_and_nothing_else() -> None:
    A = COO([1, 5, 7], [0, 0, 1], [0, 1, 1], (2, 2))
    assert ((A > 4).dtype, (A > 4).nnz, (A.copy() != A).nnz) == (np.bool_, 2, 0)
    x = np.array([[1, 2, 0, 0], [0, 0, 3, 0]])
    for format in ("coo", "csr", "csc", "nm"):
        assert (from_dense(x, format, **layout_of(format)) > 1).nnz == 2
    blocks = from_dense(x, "bsr", block=(1, 2))
    assert ((blocks > 1).nnz, (blocks > 2).nnz, (blocks != blocks.copy()).nnz) == (4, 2, 0)
