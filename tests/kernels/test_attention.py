"""Sparse attention: the three ops in one, blocks of rows of every kind, and memory."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError
from minisparse.core.tensor_type import dense_type
from minisparse.core.triplets import Triplets
from minisparse.formats import BSR, COO, CSR, Matrix, from_dense
from minisparse.kernels import KERNELS, pack
from minisparse.kernels.attention import blocks, bsr, dense
from minisparse.kernels.sddmm import lines, sampling
from minisparse.ops import ATTENTION
from minisparse.oracle import exact, judge
from tests.kernels.reference import hold

FORMATS = ("csr", "coo", "bsr", "dense")
every_format = pytest.mark.parametrize("format", FORMATS)
every_level = pytest.mark.parametrize("level", ["loops", "vectorized"])


def random_mask(seed: int, shape: tuple[int, int], density: float) -> Triplets:
    """Return entries in any order, all of them 1, some of them twice."""
    rng = np.random.default_rng(seed)
    row, col = np.nonzero(rng.random(shape) < density)
    order = rng.permutation(np.append(np.arange(len(row)), np.arange(len(row) // 5)))
    return Triplets(row[order], col[order], np.ones(len(order), np.float32), shape)


def held(mask: Triplets, format: str) -> Any:
    return mask.to_dense() if format == "dense" else hold(mask, format)


def vectors(
    seed: int, shape: tuple[int, int], width: tuple[int, int], dtype: str = "float32"
) -> tuple[Array, Array, Array]:
    (m, n), (d, e) = shape, width
    rng = np.random.default_rng(seed)
    q, k, v = (rng.standard_normal(size).astype(dtype) for size in ((m, d), (n, d), (n, e)))
    return q, k, v


def assert_right(result: Array, operands: tuple[Any, ...], scale: float | None = None) -> None:
    found = judge(result, exact(ATTENTION, operands, {"scale": scale}))
    assert found.passed, found.message


# -- what it means -------------------------------------------------------------------------------


@every_format
@every_level
def test_it_is_sddmm_softmax_and_spmm(format: str, level: str) -> None:
    mask = held(random_mask(0, (9, 14), 0.4), format)
    q, k, v = vectors(1, (9, 14), (4, 3), "float64")
    scores = ms.sddmm(mask, q, k.T, level)
    scaled = scores.with_data(scores.data * 0.5) if isinstance(scores, Matrix) else scores * 0.5
    apart = ms.spmm(ms.softmax(scaled, level), v, level)
    np.testing.assert_allclose(ms.attention(mask, q, k, v, level=level), apart, 1e-12)


@every_level
def test_the_values_of_the_mask_multiply_the_scores(level: str) -> None:
    mask = CSR([1.0, 3.0], [0, 1], [0, 2], (1, 2))
    q, k, v = np.array([[2.0]]), np.array([[0.5], [1.0]]), np.eye(2)
    weights = np.exp([1.0, 6.0]) / np.exp([1.0, 6.0]).sum()
    np.testing.assert_allclose(ms.attention(mask, q, k, v, level=level), weights[None], 1e-15)


@every_level
def test_the_scale_is_one_over_the_root_of_d_unless_given(level: str) -> None:
    mask = CSR(np.ones(2), [0, 1], [0, 2], (1, 2))
    q, k, v = np.ones((1, 16)), np.stack([np.zeros(16), np.ones(16)]), np.array([[0.0], [1.0]])
    for scale, score in ((None, 4.0), (1.0, 16.0), (0, 0.0), (-0.125, -2.0)):
        found = ms.attention(mask, q, k, v, scale, level)
        np.testing.assert_allclose(found, [[1 / (1 + np.exp(-score))]], 1e-14)


@pytest.mark.parametrize("format", ["csr", "coo", "bsr"])
@every_level
def test_a_row_without_entries_gives_zeros(format: str, level: str) -> None:
    t = Triplets(np.array([0, 4]), np.array([1, 2]), np.ones(2), (6, 5))
    mask, (q, k, v) = hold(t, format), vectors(0, (6, 5), (2, 3), "float64")
    out = np.full((6, 3), np.nan)
    result = ms.attention(mask, q, k, v, level=level, out=out)
    assert result is out
    empty = [2, 3] if format == "bsr" else [1, 2, 3, 5]
    np.testing.assert_array_equal(result[empty], 0)
    assert np.isfinite(result).all()
    assert result[[0, 4]].all()


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16"])
def test_masks_of_other_dtypes(dtype: str) -> None:
    t = random_mask(3, (8, 9), 0.5)
    given = vectors(1, (8, 9), (3, 2))
    wanted = ms.attention(hold(t, "csr"), *given)
    result = ms.attention(hold(t._replace(data=t.data.astype(dtype)), "csr"), *given)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, wanted)


def test_wrong_operands_are_refused() -> None:
    mask, (q, k, v) = hold(random_mask(0, (4, 5), 0.5), "csr"), vectors(0, (4, 5), (2, 3))
    with pytest.raises(ShapeError, match=r"attention \(C2\): mask is 4x5, Q is 4x2, K is 4x2"):
        ms.attention(mask, q, q, v)
    with pytest.raises(ShapeError, match=r"C3.*same number of columns"):
        ms.attention(mask, q, k[:, :1], v)
    with pytest.raises(DTypeError, match=r"C5"):
        ms.attention(mask, q.astype("int8"), k, v)
    with pytest.raises(ShapeError, match=r"C6.*scale must be a finite number"):
        ms.attention(mask, q, k, v, scale=np.inf)


# -- cells that are not there --------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csr", "coo", "bsr"])
@pytest.mark.parametrize("density", [0.02, 0.9])
@every_level
def test_keys_nobody_looks_at_disturb_nothing(format: str, density: float, level: str) -> None:
    """Column 0 of the mask is empty; K and V are infinite there."""
    shape = (12, 41)
    t = random_mask(2, shape, density)
    keep = t.col > 2  # BSR's blocks are 3 wide
    t = Triplets(t.row[keep], t.col[keep], t.data[keep], shape)
    q, k, v = vectors(1, shape, (4, 3))
    wanted = ms.attention(hold(t, format), q, k, v, level=level)
    k[0], v[0] = np.nan, np.inf
    result = ms.attention(hold(t, format), q, k, v, level=level)
    np.testing.assert_allclose(result, wanted, 1e-5, 1e-6)


@pytest.mark.parametrize("format", ["csr", "coo", "bsr"])
def test_nan_and_inf_in_v_reach_only_who_looks_there(format: str) -> None:
    t = random_mask(2, (90, 100), 0.3)
    q, k, v = vectors(1, (90, 100), (4, 3))
    v[7, 0], v[8, 1] = np.nan, np.inf
    mask = hold(t, format)
    result = ms.attention(mask, q, k, v)
    assert_right(result, (mask, q, k, v))
    looks = mask.to_dense() != 0
    if format != "bsr":
        np.testing.assert_array_equal(np.isnan(result[:, 0]), looks[:, 7])
        np.testing.assert_array_equal(np.isinf(result[:, 1]), looks[:, 8])
    assert np.isfinite(result[:, 2]).all()


@every_level
def test_blocks_that_reach_beyond_the_matrix(level: str) -> None:
    """One key and one query of each last block are beyond; they would have weight."""
    mask = BSR(np.array([[[1, 1], [1, 1]], [[1, 0], [0, 0]]]) * 1.0, [0, 1], [0, 1, 2], (3, 3))
    q, k = np.zeros((3, 1)), np.zeros((3, 1))
    v = np.array([[2.0], [4.0], [np.inf]])
    found = ms.attention(mask, q, k, v, level=level)
    np.testing.assert_array_equal(found, [[3.0], [3.0], [np.inf]])


# -- blocks of rows ------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csr", "coo", "bsr", "dense"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_work_cut_into_small_pieces_is_right(
    format: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    t = random_mask(4, (19, 38), 0.4)
    mask = held(t._replace(data=t.data.astype(dtype)), format)
    q, k, v = vectors(1, (19, 38), (5, 3), dtype)
    for module in (blocks, bsr):
        monkeypatch.setattr(module, "AT_ONCE", 40)
    monkeypatch.setattr(dense, "CELLS", 80)
    monkeypatch.setattr(lines, "WHOLE", 0)
    monkeypatch.setattr(sampling, "DENSE", 2)
    assert_right(ms.attention(mask, q, k, v), (mask, q, k, v))


@pytest.mark.parametrize("format", ["csr", "coo"])
@pytest.mark.parametrize("special", [False, True])
def test_rectangles_and_gathered_rows_are_right(
    format: str, special: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ROWS": 4, "DENSE": 0.5}.items():
        monkeypatch.setattr(sampling, name, value)
    rng = np.random.default_rng(0)
    near = np.abs(np.subtract.outer(np.arange(30), np.arange(30))) <= 3
    near[8:20] = rng.random((12, 30)) < 0.2
    row, col = np.nonzero(near)
    again = np.append(rng.permutation(len(row)), [0, 1, 2])
    t = Triplets(row[again], col[again], np.ones(len(again), np.float32), (30, 30))
    q, k, v = vectors(1, t.shape, (4, 3))
    if special:
        v[3, 1], v[12, 0], v[25, 2] = np.inf, np.nan, -np.inf
    mask = hold(t, format)
    packed = pack(KERNELS[f"attention_{format}"].levels["vectorized"], mask)
    assert packed.rectangles
    assert packed.bundles
    assert any(bundle.outside is not None for bundle in packed.bundles)
    assert_right(ms.attention(mask, q, k, v), (mask, q, k, v))


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(FORMATS),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.sampled_from([0, 1, 4]), st.sampled_from([0, 1, 3])),
    st.sampled_from([0.02, 1, 30]),
)
def test_any_mask(
    seed: int, format: str, shape: tuple[int, int], width: tuple[int, int], sharp: float
) -> None:
    mask, (q, k, v) = held(random_mask(seed, shape, 0.5), format), vectors(seed, shape, width)
    assert_right(ms.attention(mask, q, k, v, sharp), (mask, q, k, v), sharp)


# -- memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csr", "bsr", "dense"])
def test_the_scores_are_never_there_as_a_whole(format: str) -> None:
    """1536 x 1536 scores would take 9.4 MB."""
    rng = np.random.default_rng(0)
    cells = np.kron(rng.random((96, 96)) < 0.1, np.ones((16, 16), bool)).astype(np.float32)
    mask: Any = cells
    if format != "dense":
        mask = from_dense(cells, format, **({"block": (16, 16)} if format == "bsr" else {}))
    q, k, v = vectors(0, cells.shape, (64, 64))
    level = KERNELS[f"attention_{format}"].levels["vectorized"]
    packed = pack(level, mask)
    level.run(packed, q, k, v, scale=None)
    tracemalloc.start()
    try:
        level.run(packed, q, k, v, scale=None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    result = 4 * 1536 * 64
    assert peak < result + 5e6


@pytest.mark.parametrize("format", ["csr", "coo", "bsr"])
def test_the_number_of_threads_changes_no_bit(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mask, (q, k, v) = hold(random_mask(0, (300, 200), 0.04), format), vectors(0, (300, 200), (8, 4))
    monkeypatch.setattr(blocks, "AT_ONCE", 1 << 10)
    monkeypatch.setattr(blocks, "SHARED", 0)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(blocks, "usable_threads", lambda threads=threads: threads)
        found.append(ms.attention(mask, q, k, v))
    np.testing.assert_array_equal(found[0], found[1])


def test_fewer_bytes_move_than_in_three_kernels() -> None:
    mask = hold(random_mask(0, (64, 80), 0.2), "csr")
    q, k, v = vectors(0, mask.shape, (16, 16))
    types = [dense_type(x) for x in (q, k.T, v)]
    fused = KERNELS["attention_csr"].bytes_moved(mask.type, types[0], dense_type(k), types[2])
    apart = (
        KERNELS["sddmm_csr"].bytes_moved(mask.type, types[0], types[1])
        + KERNELS["softmax_csr"].bytes_moved(mask.type)
        + KERNELS["spmm_csr"].bytes_moved(mask.type, types[2])
    )
    # Scores are written, read, and as weights written and read again; indices are read again.
    assert apart - fused >= 4 * mask.nnz * 4


def test_stored_order_changes_nothing_but_rounding() -> None:
    t = random_mask(6, (40, 50), 0.2)
    given = vectors(1, t.shape, (8, 4), "float64")
    order = np.random.default_rng(0).permutation(len(t.row))
    shuffled = COO(t.data[order], t.row[order], t.col[order], t.shape)
    wanted = ms.attention(hold(t, "csr"), *given)
    np.testing.assert_allclose(ms.attention(shuffled, *given), wanted, 1e-12, 1e-13)
