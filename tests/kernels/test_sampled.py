"""SDDMM and row softmax: what is stored where, tiles of every kind, padding, and memory."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError
from minisparse.core.triplets import Triplets
from minisparse.formats import COO, CSR, NM, Matrix, from_dense, from_triplets
from minisparse.kernels import KERNELS, pack
from minisparse.kernels.sddmm import bsr as blocks
from minisparse.kernels.sddmm import lines, sampling
from minisparse.kernels.softmax import runs
from minisparse.ops import SDDMM, SOFTMAX
from minisparse.oracle import exact, judge
from tests.kernels.reference import hold

FORMATS = ("csr", "csc", "coo", "bsr", "nm")
every_format = pytest.mark.parametrize("format", FORMATS)
every_level = pytest.mark.parametrize("level", ["loops", "vectorized"])


def scattered(seed: int, shape: tuple[int, int], density: float) -> Triplets:
    """Return entries in any order, some of them twice."""
    rng = np.random.default_rng(seed)
    row, col = np.nonzero(rng.random(shape) < density)
    order = rng.permutation(np.append(np.arange(len(row)), np.arange(len(row) // 4)))
    data = rng.standard_normal(len(order)).astype(np.float32)
    return Triplets(row[order], col[order], data, shape)


def factors(
    seed: int, shape: tuple[int, int], depth: int, dtype: str = "float32"
) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((shape[0], depth)), rng.standard_normal((depth, shape[1]))
    return x.astype(dtype), y.astype(dtype)


def assert_right(op: Any, result: Any, operands: tuple[Any, ...]) -> None:
    found = judge(result.to_dense() if isinstance(result, Matrix) else result, exact(op, operands))
    assert found.passed, found.message
    assert found.verdict == "PASS"


# -- what is stored where ------------------------------------------------------------------------


@every_format
@every_level
def test_positions_and_their_order_are_kept(format: str, level: str) -> None:
    a = hold(scattered(0, (9, 10), 0.4), format)
    for result in (ms.sddmm(a, *factors(1, a.shape, 3), level=level), ms.softmax(a, level)):
        assert isinstance(result, Matrix)
        assert result.type == a.type
        for name, role in a.roles.items():
            if role != "values":
                np.testing.assert_array_equal(result.arrays[name], a.arrays[name])
        result.check()


@every_level
def test_a_cell_stored_twice_has_two_values(level: str) -> None:
    a = COO([2.0, 3.0, 2.0], [0, 0, 0], [1, 1, 0], (1, 2))
    x, y = np.array([[10.0]]), np.array([[1.0, 7.0]])
    sampled = ms.sddmm(a, x, y, level)
    assert isinstance(sampled, COO)
    np.testing.assert_array_equal(sampled.data, [140, 210, 20])
    weighed = ms.softmax(a, level)
    assert isinstance(weighed, COO)
    np.testing.assert_allclose(weighed.data, np.exp([2, 3, 2]) / np.exp([2, 3, 2]).sum())


def test_the_oracle_adds_cells_that_are_stored_twice() -> None:
    twice = np.zeros(2, int)
    large = Triplets(twice, twice, np.array([1e16, 1.0]), (1, 1))
    truth = exact(SDDMM, (large, np.ones((1, 1)), np.ones((1, 1))))
    assert (truth.hi[0, 0], truth.lo[0, 0]) == (1e16, 1.0)
    assert truth.bound[0, 0] > 1  # to_dense adds in float64
    wrapping = COO(np.full(2, 100, np.int8), twice, twice, (1, 1))
    operands = (wrapping, np.ones((1, 1), np.int8), np.ones((1, 1), np.int8))
    assert exact(SDDMM, operands).hi[0, 0] == 200 - 256
    assert_right(SDDMM, ms.sddmm(*operands), operands)


@every_level
def test_the_result_has_the_common_dtype(level: str) -> None:
    a = from_dense(np.eye(3, dtype=bool), "csr")
    x, y = factors(0, (3, 3), 2)
    result = ms.sddmm(a, x, y.astype("float64"), level)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result.data, np.einsum("md,dm->m", x.astype("float64"), y))


def test_plain_arrays_store_every_cell() -> None:
    a = np.array([[0.0, 1.0], [2.0, np.inf]])
    x, y = np.array([[1.0], [0.0]]), np.array([[np.inf, 1.0]])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(ms.sddmm(a, x, y), a * (x @ y))
    np.testing.assert_allclose(ms.softmax(a[:1]), [[0.2689414213699951, 0.7310585786300049]])


def test_wrong_operands_are_refused() -> None:
    a = from_dense(np.eye(3), "csr")
    with pytest.raises(ShapeError, match=r"sddmm \(C2\): A is 3x3, X is 2x4, Y is 4x3: A must"):
        ms.sddmm(a, np.ones((2, 4)), np.ones((4, 3)))
    with pytest.raises(DTypeError, match=r"softmax \(C2\): A is int64: the dtype must be real"):
        ms.softmax(from_dense(np.eye(3, dtype="int64"), "csr"))


def test_a_mask_is_packed_once_for_many_factors() -> None:
    a = hold(scattered(0, (30, 20), 0.3), "csr")
    packed = ms.prepare("sddmm", a)
    for seed in (1, 2):
        x, y = factors(seed, a.shape, 4)
        found, once = packed(x, y), ms.sddmm(a, x, y)
        np.testing.assert_array_equal(found.data, once.data)
    assert packed.bytes >= a.nbytes


# -- cells that are not there --------------------------------------------------------------------


@every_format
@every_level
def test_cells_that_are_not_stored_disturb_nothing(format: str, level: str) -> None:
    """Every row and column meets an inf or a NaN, but never in a stored cell."""
    x, y = np.ones((8, 2), np.float32), np.ones((2, 8), np.float32)
    x[::2, 0], y[1, 1::2] = np.inf, np.nan
    dense = np.zeros((8, 8), np.float32)
    dense[1::2, ::2] = 3
    layouts: dict[str, dict[str, Any]] = {"bsr": {"block": (1, 1)}, "nm": {"n": 2, "m": 4}}
    a = from_dense(dense, format, **layouts.get(format, {}))
    result = ms.sddmm(a, x, y, level)
    stored = result.to_dense()[1::2, ::2]
    np.testing.assert_array_equal(stored, np.full_like(stored, 6))


@pytest.mark.parametrize("format", ["bsr", "nm"])
@every_level
def test_padding_beyond_the_shape_stays_zero(format: str, level: str) -> None:
    a = hold(scattered(3, (7, 13), 0.6), format)
    x, y = factors(0, a.shape, 3)
    x[-1], y[:, -1] = np.inf, np.nan
    for result in (ms.sddmm(a, x, y, level), ms.softmax(a, level)):
        assert isinstance(result, Matrix)
        padding = result._padding()
        assert padding is not None
        assert padding.any()
        np.testing.assert_array_equal(result.data[padding], 0)


@every_level
def test_padding_inside_of_a_block_has_weight(level: str) -> None:
    dense = np.array([[0.0, 5.0, 0.0, 0.0, 0.0]])
    a = from_dense(dense, "bsr", block=(1, 2))
    np.testing.assert_allclose(ms.softmax(a, level).data, [[[0.0066928509, 0.9933071491]]])
    kept = from_dense(dense, "csr")
    np.testing.assert_array_equal(ms.softmax(kept, level).data, [1.0])
    group = NM([[5.0, 0.0, 0.0, 0.0]], [[1, 2, 0, 3]], (1, 5))
    np.testing.assert_allclose(ms.softmax(group, level).data[0, [2, 3]].sum(), 1 / (np.exp(5) + 2))


# -- tiles ---------------------------------------------------------------------------------------


def band(rows: int, width: int) -> Triplets:
    """Return entries on both sides of the diagonal."""
    row, col = np.nonzero(np.abs(np.subtract.outer(np.arange(rows), np.arange(rows))) <= width)
    return Triplets(row, col, np.cos(row + 2 * col).astype(np.float32), (rows, rows))


def test_rectangles_are_where_they_pay() -> None:
    near = sampling.pack(*_positions(band(300, 8)), 300)
    kinds = [type(tile) for tile in near.tiles]
    assert kinds == [sampling.Rectangle] * 5
    spans = [tile.columns for tile in near.tiles if isinstance(tile, sampling.Rectangle)]
    assert spans[1] == slice(56, 136)
    few = scattered(0, (300, 300), 0.01)
    assert all(isinstance(tile, slice) for tile in sampling.pack(*_positions(few), 300).tiles)
    mixed = band(300, 8)
    keep = (mixed.row // 64 != 2) | (mixed.row == mixed.col)
    mixed = Triplets(mixed.row[keep], mixed.col[keep], mixed.data[keep], mixed.shape)
    kinds = [type(tile) for tile in sampling.pack(*_positions(mixed), 300).tiles]
    assert kinds.count(slice) == 1


def _positions(entries: Triplets) -> tuple[CSR, Array, Array]:
    a = from_triplets(entries, "csr")
    assert isinstance(a, CSR)
    found = a.triplets()
    return a, found.row, found.col


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "complex64", "int8", "bool"])
def test_tiles_of_both_kinds_are_right(
    format: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ROWS": 4, "DENSE": 0.6, "GATHERED": 16}.items():
        monkeypatch.setattr(sampling, name, value)
    t = band(40, 2)
    keep = (t.row < 15) | (t.row % 7 == 0) | (t.row > 30)
    again = np.append(np.flatnonzero(keep)[::-1], [5, 5])
    data = (t.data[again] * 3).astype(dtype)
    t = Triplets(t.row[again], t.col[again], data, t.shape)
    a = hold(t, format)
    x, y = (2 * f for f in factors(1, a.shape, 5))
    operands = (a, x.astype(dtype), y.astype(dtype))
    packed = pack(KERNELS[f"sddmm_{format}"].levels["vectorized"], a)
    assert {type(tile) for tile in packed.tiles} == {slice, sampling.Rectangle}
    assert_right(SDDMM, ms.sddmm(*operands), operands)


@every_format
def test_factors_too_large_to_copy_are_fetched_where_they_are(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = hold(scattered(0, (30, 40), 0.3), format)
    operands = (a, *factors(1, a.shape, 7, "float16"))
    whole = ms.sddmm(*operands)
    monkeypatch.setattr(lines, "WHOLE", 0)
    monkeypatch.setattr(sampling, "GATHERED", 50)
    monkeypatch.setattr(blocks, "AT_ONCE", 300)
    assert_right(SDDMM, whole, operands)
    assert_right(SDDMM, ms.sddmm(*operands), operands)


@every_format
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_softmax_of_long_rows_is_right(
    format: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    t = scattered(5, (6, 90), 0.7)
    t = t._replace(data=(4 * t.data).astype(dtype))
    a = hold(t, format)
    whole = ms.softmax(a).to_dense()
    monkeypatch.setattr(runs, "AT_ONCE", 16)
    for module in ("softmax.bsr", "softmax.nm", "rows"):
        monkeypatch.setattr(f"minisparse.kernels.{module}.AT_ONCE", 16)
    result = ms.softmax(a)
    assert_right(SOFTMAX, result, (a,))
    np.testing.assert_allclose(result.to_dense(), whole, 1e-3 if dtype == "float16" else 1e-5)


@pytest.mark.parametrize("place", [0, 17, 99])
def test_a_nan_anywhere_goes_through_a_long_row(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", 16)
    data = np.linspace(0, 1, 100)
    data[place] = np.nan
    a = CSR(data, np.arange(100), [0, 100], (1, 100))
    assert np.isnan(ms.softmax(a).data).all()


def test_sorted_coo_is_computed_as_csr_is() -> None:
    rows = from_triplets(scattered(0, (40, 30), 0.3), "csr")
    found = ms.softmax(rows.to("coo"))
    assert found.has_sorted_indices
    np.testing.assert_array_equal(found.data, ms.softmax(rows).data)


def test_softmax_of_many_short_rows_is_right() -> None:
    t = scattered(5, (3000, 40), 0.08)
    a = hold(t, "csr")
    assert a.nnz > 10_000
    sums = np.bincount(a.triplets().row, ms.softmax(a).data, minlength=3000)
    filled = np.bincount(a.triplets().row, minlength=3000) > 0
    np.testing.assert_allclose(sums, np.where(filled, 1, 0), 1e-5)
    by_row = runs.softmax_by_row(a.data, a.triplets().row, 3000)
    np.testing.assert_allclose(ms.softmax(a).data, by_row, 1e-5)


# -- any matrix ----------------------------------------------------------------------------------


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(FORMATS),
    st.tuples(st.integers(0, 12), st.integers(0, 12)),
    st.sampled_from([0, 1, 2, 5]),
    st.sampled_from(["float32", "float64", "float16"]),
)
def test_any_matrix(seed: int, format: str, shape: tuple[int, int], depth: int, dtype: str) -> None:
    t = scattered(seed, shape, 0.4)
    a = hold(t._replace(data=t.data.astype(dtype)), format)
    x, y = factors(seed, shape, depth, dtype)
    for op, operands in ((SDDMM, (a, x, y)), (SOFTMAX, (a,))):
        result = ms.sddmm(*operands) if op is SDDMM else ms.softmax(a)
        found = judge(result.to_dense(), exact(op, operands))
        assert found.passed, found.message


# -- memory and threads --------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csr", "csc", "coo", "bsr"])
def test_scratch_does_not_grow_with_the_matrix(format: str) -> None:
    """Gathered as a whole, the factors of 160 000 entries would take 41 MB each."""
    rng = np.random.default_rng(0)
    dense = np.zeros((2000, 2000), np.float32)
    dense.reshape(-1)[rng.choice(dense.size, 160_000, replace=False)] = 1
    a = from_dense(dense, format, **({"block": (1, 2)} if format == "bsr" else {}))
    x, y = factors(0, a.shape, 64)
    level = KERNELS[f"sddmm_{format}"].levels["vectorized"]
    packed = pack(level, a)
    peak = _peak(lambda: level.run(packed, x, y))
    assert peak < 4 * a.nnz + 8 * a.nnz + 6e6
    level = KERNELS[f"softmax_{format}"].levels["vectorized"]
    assert _peak(lambda: level.run(a)) < 4 * a.nnz + 3e6


def _peak(run: Any) -> int:
    run()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("format", ["csr", "csc", "coo", "bsr"])
def test_the_number_of_threads_changes_no_bit(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    a = hold(scattered(0, (300, 200), 0.1), format)
    x, y = factors(0, a.shape, 16)
    found = []
    for threads in (1, 3):
        for module in (sampling, blocks):
            monkeypatch.setattr(module, "SHARED", 0)
            monkeypatch.setattr(module, "usable_threads", lambda threads=threads: threads)
        monkeypatch.setattr(sampling, "GATHERED", 1 << 10)
        monkeypatch.setattr(blocks, "AT_ONCE", 1 << 10)
        found.append(ms.sddmm(a, x, y).data)
    np.testing.assert_array_equal(found[0], found[1])


def test_threads_share_a_packed_mask() -> None:
    a = hold(scattered(0, (200, 300), 0.1), "csr")
    level = KERNELS["sddmm_csr"].levels["vectorized"]
    packed = pack(level, a)
    given = [factors(seed, a.shape, 16) for seed in range(8)]
    alone = [level.run(packed, x, y).data for x, y in given]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda f: level.run(packed, *f).data, given))
    np.testing.assert_array_equal(alone, together)
