"""What only BSR and n:m have: blocks, groups, padding, and matrices that do not fit."""

from typing import Any

import numpy as np
import pytest

from minisparse.core import index
from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError, UsageError
from minisparse.core.triplets import Triplets
from minisparse.formats import BSR, CSR, FORMATS, NM, Matrix, from_dense, from_triplets

LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 4, "m": 4}


def layout_of(format: str) -> dict[str, Any]:
    return {name: LAYOUTS[name] for name in FORMATS[format].layout_names}


def crowded() -> Triplets:
    """Return unsorted entries, many of them duplicates."""
    flat = np.random.default_rng(7).integers(0, 30, 150) * 3
    return Triplets(flat // 11, flat % 11, np.arange(1.0, 151.0) / 7, (9, 11))


def same_bits(A: Matrix, x: Array) -> bool:
    dense = A.to_dense()
    return dense.shape == x.shape and dense.tobytes() == x.tobytes()


@pytest.mark.parametrize("target", ["coo", "csr", "csc"])
def test_blocks_stay_stored_within_the_shape(target: str) -> None:
    x = np.zeros((5, 7))
    x[4, 6] = 1
    A = from_dense(x, "bsr", block=(2, 3))
    assert A.nnz == 6
    B = A.to(target)
    row, col, _, _ = B.triplets()
    assert (row.tolist(), col.tolist()) == ([4], [6])
    x[0, 0] = 1
    assert from_dense(x, "bsr", block=(2, 3)).to(target).nnz == 7
    assert from_dense(x, "bsr", block=(2, 3)).to(target).triplets().row.max() == 4


@pytest.mark.parametrize("target", ["coo", "csr", "csc"])
def test_padding_of_nm_stays_stored_within_the_shape(target: str) -> None:
    x = np.array([[0, 0, 5, 0, 0, 0, 7.0]])
    A = from_dense(x, "nm", n=2, m=4)
    # The lowest free positions: 0 beside 2, and 0 beside 2.
    assert A.arrays["positions"].tolist() == [[0, 2, 0, 2]]
    row, col, data, _ = A.to(target).triplets()
    assert (row.tolist(), col.tolist(), data.tolist()) == ([0] * 4, [0, 2, 4, 6], [0, 5, 0, 7])
    # A group of one column has no second place within the shape.
    A = from_dense(x[:, :5], "nm", n=2, m=4)
    assert A.arrays["positions"].tolist() == [[0, 2, 0, 1]]
    assert A.to(target).triplets().col.tolist() == [0, 2, 4]


def test_nm_drops_explicit_zeros_only_without_room() -> None:
    # Columns 0 … 7: the first group holds two nonzeros, the second one.
    A = CSR([0.0, 1, 2, 0, 3, 0, 0], [0, 1, 2, 3, 4, 6, 7], [0, 7], (1, 8))
    B = A.to("nm", n=2, m=4)
    assert B.data.tolist() == [[1, 2, 3, 0]]
    assert B.arrays["positions"].tolist() == [
        [1, 2, 0, 2]
    ]  # 2 was stored and so comes before the free 1
    assert CSR([0.0, 0.0], [1, 3], [0, 2], (1, 4)).to("nm", n=2, m=4).arrays[
        "positions"
    ].tolist() == [[1, 3]]


@pytest.mark.parametrize("source", FORMATS)
def test_too_many_for_nm(source: str) -> None:
    x = np.ones((2, 9))
    x[0] = 0
    x[1, :4] = [0, 2, 0, 0]
    message = r"nm: row 1, group 1 \(columns 4 to 7\) holds 4 nonzeros: 2:4 allows 2"
    with pytest.raises(FormatError, match=message):
        from_dense(x, source, **layout_of(source)).to("nm", n=2, m=4)
    with pytest.raises(FormatError, match=message):
        from_dense(x, "nm", n=2, m=4)


def test_one_too_many_for_nm() -> None:
    x = np.array([[1, 1, 0, 0, 1, 1, 1, 0]])
    with pytest.raises(FormatError, match=r"row 0, group 1 .* holds 3 nonzeros: 2:4 allows 2"):
        from_dense(x, "nm", n=2, m=4)
    assert from_dense(x, "nm", n=3, m=4).nnz == 6


@pytest.mark.parametrize("block", [(0, 2), (2, -1), (2,), (2, 2, 2), 4, None, (1.5, 2), "ab"])
def test_blocks_that_are_none(block: Any) -> None:
    with pytest.raises(UsageError, match="it must be two integers of at least 1"):
        from_dense(np.ones((2, 2)), "bsr", block=block)


@pytest.mark.parametrize(
    ("n", "m"), [(0, 4), (5, 4), (2, 257), (2.0, 4), (-1, 4), (1, 0), ("2", 4)]
)
def test_groups_that_are_none(n: Any, m: Any) -> None:
    with pytest.raises(UsageError, match=r"n must be an integer from 1 to m"):
        from_dense(np.ones((2, 2)), "nm", n=n, m=m)


@pytest.mark.parametrize("block", [(1, 1), (1, 5), (7, 1), (3, 4), (20, 20)])
def test_blocks_of_any_size(block: tuple[int, int]) -> None:
    t = crowded()
    A = from_triplets(t, "bsr", block=block)
    assert isinstance(A, BSR)
    assert A.block == block
    assert same_bits(A, t.to_dense())
    assert same_bits(A.T, t.to_dense().T.copy())
    assert A.T.block == block[::-1]
    assert same_bits(from_dense(t.to_dense(), "bsr", block=block), t.to_dense())
    assert (A.to("csr").data != 0).sum() == (t.to_dense() != 0).sum()


def test_duplicate_and_unsorted_blocks() -> None:
    data = np.arange(1.0, 25.0).reshape(4, 2, 3)
    A = BSR(data, [1, 0, 1, 0], [0, 3, 4], (4, 6))
    x = np.zeros((4, 6))
    x[:2, 3:] = data[0] + data[2]
    x[:2, :3] = data[1]
    x[2:, :3] = data[3]
    for B in (A, A.canonical(), A.to("csr"), A.T.T, A.to("coo")):
        assert same_bits(B, x)
    assert A.canonical().nnz == 18
    assert A.T.nnz == 24


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 2), (2, 3), (7, 16), (256, 256), (100, 256)])
def test_groups_of_any_size(n: int, m: int) -> None:
    rng = np.random.default_rng(3)
    groups = 3
    x = np.zeros((6, groups * m))
    for row in x:
        for g in range(groups):
            row[g * m + rng.choice(m, rng.integers(0, n + 1), replace=False)] = 1.5
    x = x[:, : groups * m - m // 3]
    A = from_dense(x, "nm", n=n, m=m)
    A.check()
    assert A.block == (n, m)
    assert same_bits(A, x)
    for name in ("csr", "csc", "coo"):
        assert (
            A.to(name).to("nm", n=n, m=m).arrays["positions"].tobytes()
            == A.arrays["positions"].tobytes()
        )


def test_nm_without_columns_is_told_its_n() -> None:
    A = from_dense(np.zeros((3, 0)), "nm", n=1, m=4)
    assert A.block == (1, 4)
    assert NM(A.data, [[], [], []], (3, 0)).block == (2, 4)
    assert NM(A.data, [[], [], []], (3, 0), 4, 3).block == (3, 4)


def test_padding_beyond_the_index_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    # The last block reaches beyond row 2**31 - 1, where int32 would wrap into the shape.
    shape, r = (2**31 - 1, 1), 3 * 2**18
    block_rows = -(-shape[0] // r)
    data = np.zeros((1, r, 1))
    data[0, 0] = 1
    indptr = np.zeros(block_rows + 1, int)
    indptr[-1] = 1
    assert BSR(data, [0], indptr, shape).triplets().row.min() == (block_rows - 1) * r
    data[0, -1] = 1
    with pytest.raises(FormatError, match=rf"stands for A\[{block_rows * r - 1}, 0\], outside"):
        BSR(data, [0], indptr, shape)
    monkeypatch.setattr(index, "INT32_LIMIT", 127)
    assert from_dense(np.ones((1, 127)), "nm", n=20, m=20).triplets().col.dtype == np.int64
