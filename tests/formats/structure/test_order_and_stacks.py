"""Diagonals, triangles, permutations, transposes and stacks against the dense matrices."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minisparse as ms
from minisparse.core.dtypes import bfloat16
from minisparse.core.errors import DTypeError, ShapeError, UsageError
from minisparse.formats import BSR, COO, CSR, FORMATS, NM, Matrix, equal, from_dense
from tests.formats.structure.matrices import DTYPES, dense, is_same, layout_of, matrices

every_format = pytest.mark.parametrize("format", FORMATS)


@every_format
@given(data=st.data(), k=st.integers(-9, 9) | st.sampled_from([2**70, -(2**70)]))
def test_diagonals_and_triangles(format: str, data: st.DataObject, k: int) -> None:
    A = data.draw(matrices(format, special=True))
    x = A.to_dense()
    near = max(-9, min(k, 9))
    assert is_same(A.diagonal(k), np.diagonal(x, near))
    assert is_same(dense(A.triu(k)), np.triu(x, near))
    assert is_same(dense(A.tril(k)), np.tril(x, near))
    assert equal(A.triu(k) + A.tril(near - 1), A, equal_nan=True)
    assert type(A.triu(k)) is (type(A) if not A.layout_names else CSR)


def test_entries_of_a_triangle_keep_their_order() -> None:
    A = COO([1.0, 2.0, 3.0], [0, 1, 0], [1, 0, 1], (2, 2)).triu()
    assert A.data.tolist() == [1, 3]


@every_format
@pytest.mark.parametrize("k", [0.5, None, "1"])
def test_no_diagonal(format: str, k: Any) -> None:
    A = from_dense(np.eye(3), format, **layout_of(format))
    for name in ("diagonal", "triu", "tril"):
        with pytest.raises(UsageError, match=f"{name}: k is {k!r}: it must be an integer"):
            getattr(A, name)(k)


@every_format
@given(data=st.data())
def test_permutations_and_their_inverses(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, special=True))
    x = A.to_dense()
    rows = np.array(data.draw(st.permutations(range(A.shape[0]))), np.int64)
    cols = np.array(data.draw(st.permutations(range(A.shape[1]))), np.int64)
    B = A.permute_rows(rows)
    assert is_same(dense(B), x[rows])
    assert is_same(dense(B.permute_rows(np.argsort(rows))), x)
    B = A.permute_columns(cols)
    assert is_same(dense(B), x[:, cols])
    assert is_same(dense(B.permute_columns(np.argsort(cols))), x)


@every_format
def test_what_is_no_permutation(format: str) -> None:
    A = from_dense(np.ones((3, 4)), format, **layout_of(format))
    with pytest.raises(UsageError, match=r"order is int64\[2\]: it must be 3 integers, one for"):
        A.permute_rows([0, 1])
    with pytest.raises(UsageError, match=r"order names column 1 2 times: .*A\[order\] may"):
        A.permute_columns([0, 1, 1, 3])
    with pytest.raises(UsageError, match=r"order\[2\] is -1: it must be at least 0 and less"):
        A.permute_rows([0, 1, -1])
    with pytest.raises(UsageError, match=r"float64\[3\]"):
        A.permute_rows([0.0, 1.0, 2.0])
    with pytest.raises(UsageError, match=r"order\[2\] is 3: .* less than 3"):
        A.permute_rows([0, 1, 3])
    with pytest.raises(UsageError, match=r"order is int64\[3, 1\]"):
        A.permute_rows([[0], [1], [2]])


@every_format
def test_narrow_integers_do_not_wrap(format: str) -> None:
    x = np.eye(256, 4)
    A = from_dense(x, format, **layout_of(format))
    order = np.arange(256, dtype="uint8")[::-1]
    assert (A.permute_rows(order).to_dense() == x[::-1]).all()


def test_coordinates_are_widened_before_they_are_moved() -> None:
    A = COO([1.0], [2**31 - 2], [0], (2**31 - 1, 1))
    assert ms.vstack([A, A]).triplets().row.tolist() == [2**31 - 2, 2**32 - 3]
    assert ms.hstack([A.T, A.T]).triplets().col.tolist() == [2**31 - 2, 2**32 - 3]


@every_format
@given(data=st.data())
def test_transpose_twice(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, special=True))
    if format == "nm":
        A = A.to("csr")
    assert is_same(dense(A.T), A.to_dense().T)
    assert is_same(dense(A.T.T), A.to_dense())
    assert type(A.T.T) is type(A)


@every_format
@given(data=st.data())
def test_stacks(format: str, data: st.DataObject) -> None:
    rows, cols = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6))
    dtype = data.draw(st.sampled_from(["int8", "float32", "complex64"]))
    other = data.draw(st.sampled_from(list(FORMATS)))
    A = data.draw(matrices(format, (rows, cols), dtype))
    dtype = data.draw(st.sampled_from(DTYPES))
    wide = data.draw(matrices(other, (rows, data.draw(st.integers(0, 6))), dtype))
    tall = data.draw(matrices(other, (data.draw(st.integers(0, 6)), cols), dtype))
    x, y, z = A.to_dense(), wide.to_dense(), tall.to_dense()
    assert is_same(dense(ms.hstack([A, wide, A])), np.hstack([x, y, x]))
    assert is_same(dense(ms.vstack([A, tall, A])), np.vstack([x, z, x]))
    zeros = np.zeros((rows, y.shape[1]), x.dtype), np.zeros((rows, cols), y.dtype)
    assert is_same(dense(ms.block_diag([A, wide])), np.block([[x, zeros[0]], [zeros[1], y]]))
    assert ms.vstack([A, tall, A]).nnz in range(2 * A.nnz + tall.nnz + 1)


@pytest.mark.parametrize("format", ["coo", "csr", "csc"])
def test_stacks_keep_format_order_and_duplicates(format: str) -> None:
    A = ms.formats.from_triplets(
        COO([1.0, 2.0, 3.0], [0, 0, 0], [1, 0, 1], (1, 2)).triplets(), format, canonical=False
    )
    for B in (ms.vstack([A, A]), ms.hstack([A, A]), ms.block_diag([A, A])):
        assert type(B) is FORMATS[format]
        assert B.nnz == 6
        assert sorted(B.data.tolist()) == [1, 1, 2, 2, 3, 3]


def test_stacks_of_blocks_and_groups() -> None:
    x = np.ones((4, 6))
    A = from_dense(x, "bsr", block=(2, 3))
    for B in (ms.vstack([A, A[:2]]), ms.hstack([A, A]), ms.block_diag([A, A])):
        assert (type(B), B.block) == (BSR, (2, 3))
        assert B.nnz in (36, 48)
    short = from_dense(x[:3], "bsr", block=(2, 3))
    assert type(ms.vstack([A, short])) is BSR
    assert type(ms.vstack([short, A])) is CSR
    narrow = from_dense(x[:, :4], "bsr", block=(2, 3))
    assert type(ms.hstack([A, narrow])) is BSR
    assert type(ms.hstack([narrow, A])) is CSR
    assert type(ms.vstack([A, from_dense(x, "bsr", block=(2, 2))])) is CSR
    G = from_dense(np.eye(4), "nm", n=2, m=4)
    for B in (ms.vstack([G, G]), ms.hstack([G, G])):
        assert (type(B), B.block, B.nnz) == (NM, (2, 4), 16)
    assert (type(ms.block_diag([G, G])), ms.block_diag([G, G]).nnz) == (CSR, 16)
    assert type(ms.hstack([G[:, :3], G])) is CSR


STACKS: list[Any] = [ms.hstack, ms.vstack, ms.block_diag]


@pytest.mark.parametrize("stack", STACKS)
def test_what_does_not_stack(stack: Any) -> None:
    A = from_dense(np.eye(2), "csr")
    name = stack.__name__
    with pytest.raises(UsageError, match=f"{name}: no matrices were given"):
        stack([])
    with pytest.raises(UsageError, match=f"{name}: item 1 is a ndarray: .*from_dense"):
        stack([A, np.eye(2)])
    huge = COO([1.0], [0], [0], (2**62, 2**62))
    with pytest.raises(ShapeError, match=r"together they exceed 2\*\*63 - 1"):
        stack([huge, huge, huge])
    if bfloat16() is not None:
        with pytest.raises(DTypeError, match=f"{name}: float16 and bfloat16 do not mix"):
            stack([A.astype("float16"), A.astype(bfloat16())])


def test_sizes_that_do_not_fit() -> None:
    A: Matrix = from_dense(np.ones((2, 3)), "csr")
    with pytest.raises(ShapeError, match=r"hstack \(C1\): 2x3, 3x2: .*same number of rows"):
        ms.hstack([A, A.T])
    with pytest.raises(ShapeError, match=r"vstack \(C1\): 2x3, 3x2: .*same number of columns"):
        ms.vstack([A, A.T])
