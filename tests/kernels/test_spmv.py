"""Products with vectors: slices of every shape, which small samples alone would never make."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import dense_type
from minisparse.core.triplets import Triplets
from minisparse.formats import CSR, FORMATS, Matrix, find_pattern, from_dense, from_triplets
from minisparse.kernels import KERNELS, pack
from minisparse.kernels.spmm import rows
from minisparse.kernels.spmm.panels import Panels
from minisparse.kernels.spmm.rows import stored_columns, stored_rows, times_vector
from minisparse.kernels.spmv import bsr, packed, slices
from minisparse.kernels.spmv.filled import Filled
from minisparse.kernels.spmv.slices import Slices
from minisparse.ops import SPMV
from tests.kernels.reference import assert_is_product, hold
from tests.kernels.test_panels import problems

LEVEL = KERNELS["spmv_csr"].levels["vectorized"]
FORMATS_HELD = ("dense", *FORMATS)


def skewed(seed: int, m: int, k: int, dtype: str = "float32") -> CSR:
    """Return rows from empty to full, in no order."""
    rng = np.random.default_rng(seed)
    chance = rng.permutation(np.linspace(0, 1, m))[:, None]
    x = np.where(rng.random((m, k)) < chance, rng.standard_normal((m, k)), 0)
    found = from_dense(x.astype(dtype), "csr")
    assert isinstance(found, CSR)
    return found


def assert_is_y(y: Array, a: Array | Matrix, x: Array, label: str = "") -> None:
    assert_is_product(y[:, None], a, x[:, None], label)


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what sets constants of the slices, and packs even dense matrices as such."""

    def use(**constants: int) -> None:
        monkeypatch.setattr(packed, "ENTRY_BYTES", 0)
        for name, value in constants.items():
            monkeypatch.setattr(slices, name, value)

    return use


SHAPES = {
    "as it comes": {},
    "a slice a length": {"CALL": 0},
    "one slice": {"CALL": 10**9, "PART": 10**9},
    "small parts": {"PART": 7},
    "all by row": {"LONG": 1, "CALL": 10},
    "some by row": {"LONG": 4, "CALL": 3},
    "narrow indices": {"NEAR": 0},
    "shared": {"SHARED": 0, "PART": 9},
}


@pytest.mark.parametrize("constants", SHAPES.values(), ids=SHAPES)
def test_every_shape_of_slices_is_right(
    sliced: Callable[..., None], constants: dict[str, int]
) -> None:
    sliced(**constants)
    for sample in SPMV.samples(np.random.default_rng(4)):
        a, x = sample.operands
        assert isinstance(a, Triplets)
        assert isinstance(x, np.ndarray)
        held = hold(a, "csr")
        ready = pack(LEVEL, held)
        assert isinstance(ready, Slices)
        with np.errstate(all="ignore"):
            assert_is_y(LEVEL.run(ready, x), held, x, sample.label)


@pytest.mark.parametrize("constants", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("special", [np.inf, np.nan])
def test_padding_meets_nothing_of_x(
    sliced: Callable[..., None], constants: dict[str, int], special: float
) -> None:
    sliced(**constants)
    a = skewed(1, 30, 20)
    for at in (0, 7, 19):
        x = np.random.default_rng(2).standard_normal(20).astype("float32")
        x[at] = special
        with np.errstate(all="ignore"):
            y = LEVEL.run(pack(LEVEL, a), x)
        assert_is_y(y, a, x, f"x[{at}]")
        np.testing.assert_array_equal(np.isfinite(y), a.to_dense()[:, at] == 0)


@pytest.mark.parametrize("constants", SHAPES.values(), ids=SHAPES)
def test_weights_that_are_not_finite_stay_in_their_rows(
    sliced: Callable[..., None], constants: dict[str, int]
) -> None:
    sliced(**constants)
    a = skewed(1, 30, 20)
    data = a.data.copy()
    data[a.indptr[[4, 9, 20]]] = np.inf, np.nan, -np.inf
    a = a.with_data(data)
    x = np.random.default_rng(2).standard_normal(20).astype("float32")
    with np.errstate(all="ignore"):
        y = LEVEL.run(pack(LEVEL, a), x)
    assert_is_y(y, a, x)
    assert np.count_nonzero(~np.isfinite(y)) == 3


def test_slices_hold_what_they_promise(sliced: Callable[..., None]) -> None:
    sliced(CALL=5, PART=60, LONG=12)
    a = skewed(3, 40, 20)
    ready = pack(LEVEL, a)
    counts = np.sort(np.diff(a.indptr))[::-1]
    lengths = [s.values.shape[s.letters == "rw,rw->r"] for part in ready.parts for s in part.slices]
    assert lengths == sorted(lengths, reverse=True)
    for part in ready.parts:
        assert part.indices.size <= 60 or len(part.slices) == 1
        assert part.indices.size == sum(s.values.size for s in part.slices)
        for s in part.slices:
            inside = counts[s.rows]
            assert s.values.size == inside[0] * len(inside)
            assert s.values.size - inside.sum() <= 5
            assert (s.letters == "rw,rw->r") == (inside[0] >= 12)
    assert ready.filled == np.count_nonzero(counts)
    assert ready.slots == sum(part.indices.size for part in ready.parts)
    assert ready.nbytes > a.data.nbytes
    assert repr(ready).startswith("Slices(40x20, ")


def test_indices_are_as_narrow_as_their_range(sliced: Callable[..., None]) -> None:
    sliced(NEAR=10)
    for k, width in ((65535, "uint16"), (65536, "int32")):
        col = np.array([0, 5, k - 1] * 5)
        entries = Triplets(np.arange(15) // 3, col, np.arange(1.0, 16), (6, k))
        a = from_triplets(entries, "csr")
        ready = pack(LEVEL, a)
        assert ready.parts[0].indices.dtype == width
        x = np.zeros(k)
        x[[0, 5, -1]] = 1, 10, 100
        assert_is_y(LEVEL.run(ready, x), a, x)


def test_threads_change_no_bit(
    sliced: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sliced(PART=500, SHARED=0)
    a = skewed(4, 300, 200)
    x = np.random.default_rng(5).standard_normal(200).astype("float32")
    ready = pack(LEVEL, a)
    found = []
    for threads in (1, 2, 4):
        monkeypatch.setattr(slices, "usable_threads", lambda threads=threads: threads)
        found.append(LEVEL.run(ready, x))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


# -- which packing -------------------------------------------------------------------------------


def half_full(seed: int, dtype: str) -> Matrix:
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((60, 50)) < 0.5, rng.integers(1, 9, (60, 50)), 0)
    x[::3] = x[:, ::4] = 0
    return from_dense(x.astype(dtype), "csr")


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("float32", Filled), ("float16", Filled), ("complex64", Filled), ("int32", Slices)],
)
def test_nearly_full_rows_and_columns_are_packed_as_such(dtype: str, kind: type) -> None:
    a = half_full(6, dtype)
    ready = pack(LEVEL, a)
    assert isinstance(ready, kind)
    x = np.random.default_rng(7).integers(-3, 4, 50)
    for other in (dtype, "float64"):
        assert_is_y(LEVEL.run(ready, x.astype(other)), a, x.astype(other), other)
    if isinstance(ready, Filled):
        assert ready.values.shape == (40, 37)
        assert ready.nbytes > ready.values.nbytes
        assert repr(ready).startswith("Filled(60x50, 40x37 in use, ")


@pytest.mark.parametrize("special", [np.inf, np.nan])
def test_a_filled_matrix_stores_no_zeros_of_its_own(special: float) -> None:
    a = half_full(8, "float32")
    ready = pack(LEVEL, a)
    for at in (0, 13):  # a column that stores nothing, and one that stores some
        x = np.ones(50, "float32")
        x[at] = special
        with np.errstate(all="ignore"):
            assert_is_y(LEVEL.run(ready, x), a, x, f"x[{at}]")


def test_whole_rows_and_columns_are_neither_gathered_nor_checked() -> None:
    ready = pack(LEVEL, from_dense(np.ones((16, 24), "float32"), "csr"))
    assert isinstance(ready, Filled)
    assert (ready.columns, ready.position, ready.rows) == (None, None, None)


def test_duplicates_are_not_added_up_beforehand() -> None:
    huge = np.float32(3e38)
    a = CSR(np.array([huge, huge, huge, 1]), [0, 0, 0, 1], [0, 2, 4], (2, 2))
    ready = pack(LEVEL, a)
    assert isinstance(ready, Slices)
    np.testing.assert_allclose(LEVEL.run(ready, np.full(2, 1e-10, "float32")), [6e28, 3e28], 1e-6)


@pytest.mark.parametrize("density", [0.02, 0.2, 0.9])
@pytest.mark.parametrize("format", ["csr", "csc", "coo", "nm"])
def test_work_is_what_is_packed(format: str, density: float) -> None:
    rng = np.random.default_rng(7)
    x = np.where(rng.random((400, 600)) < density, 1, 0).astype("float32")
    if format == "nm":
        x = np.where(np.arange(600) % 8 < 1, 1, 0) * np.ones((400, 1), "float32")
    a = from_dense(x.astype("float32"), format, **({"n": 1, "m": 8} if format == "nm" else {}))
    level = KERNELS[f"spmv_{format}"].levels["vectorized"]
    assert level.work is not None
    told = level.work(find_pattern(x), (a.type, dense_type(np.zeros(600, "float32"))))
    ready = pack(level, a)
    if isinstance(ready, Slices):
        assert told.flops == 2 * ready.slots
        assert told.gathered == pytest.approx(ready.slots, rel=0.002)
    else:
        assert told.flops == 2 * ready.values.size
        assert told.gathered <= a.shape[1]  # columns that are used, once


@pytest.mark.parametrize("few", [0, 1 << 16])
def test_blocks_as_blocks_and_as_rows(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bsr, "FEW", few)
    level = KERNELS["spmv_bsr"].levels["vectorized"]
    assert level.work is not None
    for sample in SPMV.samples(np.random.default_rng(11)):
        a, x = sample.operands
        assert isinstance(a, Triplets)
        assert isinstance(x, np.ndarray)
        held = hold(a, "bsr")
        ready = pack(level, held)
        assert isinstance(ready, Panels) == (held.nnz > few), sample.label
        with np.errstate(all="ignore"):
            assert_is_y(level.run(ready, x), held, x, sample.label)
        told = level.work(find_pattern(a.to_dense()), (held.type, dense_type(x)))
        assert told.flops >= 0


# -- every format --------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["loops", "vectorized"])
@pytest.mark.parametrize("format", FORMATS_HELD)
def test_the_public_call_in_every_format(format: str, level: str) -> None:
    rng = np.random.default_rng(8)
    x = np.where(rng.random((9, 12)) < 0.4, rng.standard_normal((9, 12)), 0)
    x[:, 2::4] = x[:, 1::4] = 0  # at most 2 of 4
    layouts: dict[str, dict[str, Any]] = {"bsr": {"block": (2, 5)}, "nm": {"n": 2, "m": 4}}
    a = x if format == "dense" else from_dense(x, format, **layouts.get(format, {}))
    v = rng.standard_normal(24)[::-2]
    y = ms.spmv(a, v, level=level)
    assert_is_y(y, a, v, level)
    out = np.full(9, np.nan)
    assert ms.spmv(a, v, level=level, out=out) is out
    np.testing.assert_array_equal(out, y)
    prepared = ms.prepare("spmv", a, level=level)
    assert_is_y(prepared(v), a, v, level)
    assert prepared.bytes > 0


@given(problems())
def test_anything(problem: tuple[Triplets, Array]) -> None:
    triplets, b = problem
    x = b[:, 0] if b.shape[1] else np.zeros(len(b), b.dtype)
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        for name, value in {"CALL": 2, "PART": 6, "LONG": 4, "NEAR": 8}.items():
            patch.setattr(slices, name, value)
        for kernel in KERNELS.values():
            if kernel.op is not SPMV or kernel.format is None:
                continue
            a = hold(triplets, kernel.format_name)
            level = kernel.levels["vectorized"]
            assert_is_y(level.run(pack(level, a), x), a, x, kernel.name)


# -- stored lines --------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 5, 1 << 15])
def test_times_vector_in_chunks(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK", chunk)
    for sample in SPMV.samples(np.random.default_rng(9)):
        a, x = sample.operands
        assert isinstance(a, Triplets)
        assert isinstance(x, np.ndarray)
        if x.dtype not in ("float32", "float64"):
            continue
        held = hold(a, "csr")
        with np.errstate(all="ignore"):
            y = times_vector(stored_rows(held), x.astype(np.result_type(x, held.data)))
        assert_is_y(y, held, x, sample.label)


def test_times_vector_sums_in_the_dtype_of_x() -> None:
    a = from_dense(np.array([[100, 100, 0], [0, -128, 3]], np.int8), "csr")
    x = np.array([1.5, 2.5, np.inf], np.float32).repeat(2)[::2]
    y = times_vector(stored_rows(a), x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, [400, np.inf])


def test_times_vector_needs_little_memory() -> None:
    entries = 2_000_000
    a = CSR(np.ones(entries), np.zeros(entries, int), [0, entries // 2, entries], (2, 1))
    b = CSR(np.ones(entries), np.zeros(entries, int), np.arange(0, entries + 1, 20), (100_000, 1))
    for matrix, most in ((a, 9e6), (b, 3e6)):  # a row is added up at once
        lines = stored_rows(matrix)
        tracemalloc.start()
        y = times_vector(lines, np.ones(1))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert y.sum() == entries
        assert peak < most


@pytest.mark.parametrize("format", FORMATS)
def test_stored_columns_are_the_rows_of_the_transpose(format: str) -> None:
    rng = np.random.default_rng(10)
    x = np.where(rng.random((7, 10)) < 0.3, rng.standard_normal((7, 10)), 0)
    row, col = np.nonzero(x)
    shuffled = rng.permutation(len(row))
    entries = Triplets(row[shuffled], col[shuffled], x[row, col][shuffled], (7, 10))
    a = hold(entries, format)
    found, wanted = stored_columns(a), a.to_dense().T
    dense = np.zeros(found.shape)
    ends = np.append(found.starts[1:], len(found.indices))
    for line, first, last in zip(found.rows, found.starts, ends, strict=True):
        np.add.at(dense[line], found.indices[first:last], found.data[first:last])
    np.testing.assert_array_equal(dense, wanted)
