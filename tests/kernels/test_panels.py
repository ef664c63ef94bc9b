"""Row panels of every height, which small samples alone would never choose."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.dtypes import Array, DType
from minisparse.core.triplets import Triplets
from minisparse.formats import CSR, from_dense
from minisparse.kernels import KERNELS, pack
from minisparse.kernels.spmm import bsr, packing, panels
from minisparse.kernels.spmm.choice import HEIGHTS as TALL
from minisparse.kernels.spmm.choice import Choice, Extent
from minisparse.ops import SPMM
from tests.kernels.reference import assert_is_product, hold

HEIGHTS = (0, *TALL)
LEVEL = KERNELS["spmm_csr"].levels["vectorized"]


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what makes packing choose a height, whatever it would cost."""

    def use(height: int) -> None:
        def choose(counts: Extent, columns: int) -> Choice:
            return Choice(min(height, counts.rows), 0, 0, 0, 1, 0)

        monkeypatch.setattr(packing, "choose", choose)

    return use


def random_csr(seed: int, m: int, k: int, density: float, dtype: str = "float32") -> CSR:
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((m, k)) < density, rng.standard_normal((m, k)), 0)
    found = from_dense(x.astype(dtype), "csr")
    assert isinstance(found, CSR)
    return found


@pytest.mark.parametrize("height", HEIGHTS)
def test_every_height_is_right_on_every_sample(force: Callable[[int], None], height: int) -> None:
    force(height)
    for sample in SPMM.samples(np.random.default_rng(4)):
        a, b = sample.operands
        assert isinstance(a, Triplets)
        assert isinstance(b, np.ndarray)
        held = hold(a, "csr")
        packed = pack(LEVEL, held)
        with np.errstate(all="ignore"):
            result = LEVEL.run(packed, b)
        assert_is_product(result, held, b, f"R = {height}, {sample.label}")


@pytest.mark.parametrize("height", HEIGHTS)
def test_what_is_not_initialized_never_shows(
    force: Callable[[int], None], height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(height)

    def poisoned(shape: tuple[int, ...], dtype: DType) -> Array:
        return np.full(shape, np.nan, dtype)

    for module in (packing, bsr):
        monkeypatch.setattr(module, "aligned_empty", poisoned)
    monkeypatch.setattr(panels, "scratch", lambda use, shape, dtype: poisoned(shape, dtype))
    for format in ("csr", "bsr", "nm"):
        level = KERNELS[f"spmm_{format}"].levels["vectorized"]
        for sample in SPMM.samples(np.random.default_rng(4)):
            a, b = sample.operands
            if isinstance(a, Triplets) and isinstance(b, np.ndarray) and b.dtype == "float32":
                held = hold(a, format)
                with np.errstate(all="ignore"):
                    result = level.run(pack(level, held), b)
                if np.isfinite(b).all():
                    assert np.isfinite(result).all(), f"{format}, {sample.label}"


@pytest.mark.parametrize("height", HEIGHTS)
def test_a_pack_serves_many_calls(force: Callable[[int], None], height: int) -> None:
    force(height)
    a = random_csr(1, 22, 33, 0.2)
    packed = pack(LEVEL, a)
    rng = np.random.default_rng(2)
    for columns in (5, 1, 130, 0, 257, 5, 16):
        b = rng.standard_normal((33, columns)).astype("float32")
        assert_is_product(LEVEL.run(packed, b), a, b, f"{columns} columns")
    wide = rng.standard_normal((33, 7))
    assert_is_product(LEVEL.run(packed, wide), a, wide, "float32 times float64")


def test_chunks_are_cut_by_size_and_padding(
    force: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    force(2)
    monkeypatch.setattr(panels, "SCRATCH", 1000)
    a = random_csr(3, 101, 60, 0.15)
    packed = pack(LEVEL, a)
    assert len(packed.chunks) > 5
    assert len(list(panels._pieces(packed.chunks, 20, 1000))) > len(packed.chunks) + 3
    widths = [chunk.values.shape[2] for chunk in packed.chunks]
    assert widths == sorted(widths)
    for chunk in packed.chunks:
        used = np.count_nonzero(chunk.values.any(axis=1), axis=1)
        assert used.min() * packing.SLACK + 1 > used.max()
    b = np.random.default_rng(4).standard_normal((60, 20)).astype("float32")
    assert_is_product(LEVEL.run(packed, b), a, b, "many chunks")


def test_pruned_rows_and_columns_become_one_dense_product() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((64, 96)).astype("float32")
    x[rng.permutation(64)[:32]] = 0
    x[:, rng.permutation(96)[:48]] = 0
    packed = pack(LEVEL, from_dense(x, "csr"))
    (chunk,) = packed.chunks
    assert chunk.values.shape == (1, 32, 48)
    assert packed.rows is None  # nothing in it is padding: nothing is ever computed again


def test_whole_rows_and_columns_are_neither_gathered_nor_scattered() -> None:
    packed = pack(LEVEL, from_dense(np.ones((16, 24), "float32"), "csr"))
    assert packed.position is None
    assert packed.chunks[0].columns is None
    assert packed.gathered == 0


def test_blocks_stored_by_rows_are_found() -> None:
    rng = np.random.default_rng(6)
    x = np.kron(rng.random((64, 64)) < 0.1, np.ones((8, 8))).astype("float32")
    packed = pack(LEVEL, from_dense(x, "csr"))
    assert packed.height == 8
    assert packed.multiplied < 1.2 * np.count_nonzero(x)


def test_few_columns_are_multiplied_entry_by_entry() -> None:
    a = random_csr(7, 400, 400, 0.02)
    packed = pack(LEVEL, a, columns=1)
    assert not packed.chunks
    b = np.random.default_rng(8).standard_normal((400, 6)).astype("float32")
    assert_is_product(LEVEL.run(packed, b), a, b, "more columns than foretold")


def test_a_pack_tells_its_bytes_and_its_shape() -> None:
    packed = pack(LEVEL, random_csr(9, 20, 30, 0.3))
    arrays = [x for chunk in packed.chunks for x in chunk if x is not None]
    assert packed.nbytes >= sum(x.nbytes for x in arrays) > 0
    assert repr(packed).startswith("Panels(20x30, 1 chunks of height 20")


@pytest.mark.parametrize("height", HEIGHTS)
def test_finish_sees_every_element_once_and_all_rows(
    force: Callable[[int], None], height: int
) -> None:
    force(height)
    a = random_csr(10, 30, 20, 0.3)
    packed = pack(LEVEL, a)
    b = np.random.default_rng(11).standard_normal((20, 300)).astype("float32")
    plain = LEVEL.run(packed, b)

    def finish(tile: Array, index: tuple[slice, ...]) -> None:
        np.testing.assert_array_equal(tile, plain[index])
        tile += 1000

    np.testing.assert_array_equal(LEVEL.run(packed, b, finish=finish), plain + np.float32(1000))


# -- rule S1: padding meets inf and NaN ----------------------------------------------------------


def test_the_smallest_case_of_rule_s1() -> None:
    """A 0 that is stored makes NaN of inf, one that is not makes nothing."""
    a = CSR(np.array([1.0, 0.0, 2.0]), [1, 0, 1], [0, 1, 3], (2, 2))
    b = np.array([[np.inf], [1.0]])
    for level in KERNELS["spmm_csr"].levels.values():
        with np.errstate(all="ignore"):
            result = level.run(pack(level, a), b)
        np.testing.assert_array_equal(result, [[1.0], [np.nan]])


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("height", HEIGHTS)
def test_padding_meets_inf_and_nothing_happens(
    force: Callable[[int], None], height: int, special: float
) -> None:
    force(height)
    a = random_csr(12, 20, 40, 0.2)
    for columns in (3, 20, 150):
        b = np.random.default_rng(13).standard_normal((40, columns)).astype("float32")
        b[7, 1] = b[30, 2] = special
        with np.errstate(all="ignore"):
            result = LEVEL.run(pack(LEVEL, a), b)
        assert_is_product(result, a, b, f"{columns} columns")


@pytest.mark.parametrize("height", HEIGHTS)
def test_weights_that_are_not_finite(force: Callable[[int], None], height: int) -> None:
    force(height)
    a = random_csr(14, 20, 30, 0.3)
    data = a.data.copy()
    data[[3, 40]] = np.inf, np.nan
    a = a.with_data(data)
    b = np.random.default_rng(15).integers(-2, 3, (30, 20)).astype("float32")
    with np.errstate(all="ignore"):
        assert_is_product(LEVEL.run(pack(LEVEL, a), b), a, b, "inf and NaN in A")


@pytest.mark.parametrize("height", HEIGHTS)
def test_overflow_is_that_of_the_stored_terms(force: Callable[[int], None], height: int) -> None:
    force(height)
    huge = np.float32(3e38)
    # The duplicates' sum overflows, the sum of their products does not.
    a = CSR(np.array([huge, huge, 1, huge], "float32"), [0, 0, 1, 2], [0, 2, 4], (2, 3))
    b = np.array([[1e-10], [5.0], [4.0]], "float32")
    with np.errstate(all="ignore"):
        result = LEVEL.run(pack(LEVEL, a), np.repeat(b, 7, axis=1))
    np.testing.assert_allclose(result[0], 6e28, rtol=1e-6)
    np.testing.assert_array_equal(result[1], np.inf)


# -- anything ------------------------------------------------------------------------------------

VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.5, 3.0, 1e-30, 2.5e37, np.inf, -np.inf, np.nan])


@st.composite
def problems(draw: st.DrawFn) -> tuple[Triplets, Array]:
    """Return a matrix, unsorted and with duplicates, and a factor, both with special values."""
    m, k, n = (draw(st.integers(0, limit)) for limit in (9, 9, 6))
    count = draw(st.integers(0, 24)) if m and k else 0
    entries = st.tuples(st.integers(0, max(m - 1, 0)), st.integers(0, max(k - 1, 0)), VALUES)
    drawn = draw(st.lists(entries, min_size=count, max_size=count))
    row, col, data = (np.array(x) for x in zip(*drawn, strict=True)) if drawn else [np.zeros(0)] * 3
    dtype = draw(st.sampled_from(["float32", "float64"]))
    b = np.array(draw(st.lists(VALUES, min_size=k * n, max_size=k * n)), dtype).reshape(k, n)
    return Triplets(row.astype(int), col.astype(int), data.astype(dtype), (m, k)), b


@given(problems(), st.sampled_from(HEIGHTS))
def test_anything(problem: tuple[Triplets, Array], height: int) -> None:
    triplets, b = problem
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(packing, "choose", lambda c, n: Choice(min(height, c.rows), 0, 0, 0, 1, 0))
        patch.setattr(panels, "NARROW", 2)
        for kernel in KERNELS.values():
            if kernel.op is not SPMM or kernel.format is None:
                continue
            a = hold(triplets, kernel.format_name)
            for name, level in kernel.levels.items():
                result = level.run(pack(level, a), b)
                assert_is_product(result, a, b, f"{kernel.name} {name}, R = {height}")


def test_who_finishes_takes_out() -> None:
    levels = KERNELS["spmm_csr"].levels
    assert levels["vectorized"].fuses
    assert levels["vectorized"].takes_out
    assert not levels["loops"].takes_out
