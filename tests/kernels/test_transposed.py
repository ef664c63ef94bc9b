"""Products with A transposed, and with A on the right: ``ms.spmm_t`` and ``ms.dsmm``."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError
from minisparse.core.tensor_type import dense_type
from minisparse.core.triplets import Triplets
from minisparse.formats import COO, FORMATS, Matrix, find_pattern, from_dense
from minisparse.kernels import KERNELS, execute, pack
from minisparse.kernels.dsmm import turned
from minisparse.kernels.spmm.panels import TILE
from minisparse.ops import ADD, ADD_BIAS, DSMM, RELU, SPMM_T
from tests.kernels.reference import assert_is_product, hold
from tests.kernels.test_panels import problems

LAYOUTS: dict[str, Any] = {"bsr": {"block": (2, 3)}, "nm": {"n": 2, "m": 4}}


def transpose(a: Array | Matrix) -> Array | Matrix:
    """Return the transpose with the very same entries, explicit zeros and duplicates among them."""
    if not isinstance(a, Matrix):
        return a.T
    row, col, data, shape = a.triplets()
    return COO(data, col, row, shape[::-1])


def random(seed: int, *shape: int, density: float = 1.0, dtype: str = "float32") -> Array:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape)
    return np.where(rng.random(shape) < density, values, 0).astype(dtype)


@pytest.fixture(params=["dense", *FORMATS])
def a(request: pytest.FixtureRequest) -> Array | Matrix:
    x = random(0, 9, 12, density=0.6)
    x[:, 2::4] = x[:, 1::4] = 0  # at most 2 of 4
    format = request.param
    return x if format == "dense" else from_dense(x, format, **LAYOUTS.get(format, {}))


@pytest.mark.parametrize("level", ["loops", "vectorized"])
def test_spmm_t_in_every_format(a: Array | Matrix, level: str) -> None:
    b = random(1, 9, 5)
    c = ms.spmm_t(a, b, level=level)
    assert_is_product(c, transpose(a), b, level)
    out = np.full((12, 5), np.nan, "float32")
    assert ms.spmm_t(a, b, level=level, out=out) is out
    np.testing.assert_array_equal(out, c)


@pytest.mark.parametrize("level", ["loops", "vectorized"])
def test_dsmm_in_every_format(a: Array | Matrix, level: str) -> None:
    b = random(1, 5, 9)
    c = ms.dsmm(b, a, level=level)
    assert_is_product(c.T, transpose(a), b.T, level)
    out = np.full((5, 12), np.nan, "float32")
    assert ms.dsmm(b, a, level=level, out=out) is out
    np.testing.assert_array_equal(out, c)


def test_a_prepared_matrix_is_used_many_times(a: Array | Matrix) -> None:
    spmm_t, dsmm = ms.prepare("spmm_t", a, columns=64), ms.prepare("dsmm", a, columns=64)
    for n in (64, 1, 0, 3, 300):
        b = random(2, 9, n)
        assert_is_product(spmm_t(b), transpose(a), b, f"{n} columns")
        assert_is_product(dsmm(b.T).T, transpose(a), b, f"{n} rows")
        out = np.empty((n, 12), "float32")
        assert dsmm(b.T, out=out) is out
        np.testing.assert_array_equal(out, dsmm(b.T))
    wide = random(3, 4, 9, dtype="float64")
    assert_is_product(dsmm(wide).T, transpose(a), wide.T, "float64 times float32")
    for found in (spmm_t, dsmm):
        assert found.bytes > 0
        assert "vectorized, 9x12 float32" in repr(found)


def test_mistakes_are_named() -> None:
    a = from_dense(np.eye(3), "csr")
    with pytest.raises(ShapeError, match=r"spmm_t \(C2\): A is 3x3 but B is 4x5: A's rows must"):
        ms.spmm_t(a, np.zeros((4, 5)))
    with pytest.raises(ShapeError, match=r"dsmm \(C2\): B is 4x5 but A is 3x3: B's columns must"):
        ms.dsmm(np.zeros((4, 5)), a)
    with pytest.raises(ShapeError, match=r"dsmm \(C1\): b is \[3\] but A is 3x3"):
        ms.dsmm(np.zeros(3), a)
    with pytest.raises(DTypeError, match=r"dsmm \(C3\)"):
        ms.dsmm(np.zeros((2, 3), object), a)
    with pytest.raises(UnsupportedOpError, match="only A can be sparse"):
        ms.dsmm(a, a)
    with pytest.raises(ShapeError, match=r"dsmm \(C2\)"):
        ms.prepare("dsmm", a)(np.zeros((3, 2)))
    with pytest.raises(ShapeError, match=r"it must be a writeable float64\[2, 3\]"):
        ms.dsmm(np.zeros((2, 3)), a, out=np.zeros((3, 2)))


@given(problems())
def test_anything(problem: tuple[Triplets, Array]) -> None:
    triplets, b = problem
    row, col, data, shape = triplets
    other = Triplets(col, row, data, shape[::-1])  # so that b fits the transpose
    with np.errstate(all="ignore"):
        for kernel in KERNELS.values():
            if kernel.op not in (SPMM_T, DSMM) or kernel.format is None:
                continue
            a = hold(other, kernel.format_name)
            level = kernel.levels["vectorized"]
            ready = pack(level, a)
            found = level.run(ready, b) if kernel.op is SPMM_T else level.run(b.T, ready).T
            assert_is_product(found, transpose(a), b, kernel.name)


# -- tiles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(300, 40), (40, 300)])
def test_dsmm_by_tiles_is_the_same(
    shape: tuple[int, int], order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = from_dense(random(4, *shape, density=0.1), "csr")
    b = random(5, 2 * TILE + 5, shape[0]).copy(order)
    level = KERNELS["dsmm_csr"].levels["vectorized"]
    ready = pack(level, a)
    for at_once in (1, 1 << 19):
        monkeypatch.setattr(turned, "AT_ONCE", at_once)
        c = level.run(b, ready)
        assert c.flags.c_contiguous
        np.testing.assert_allclose(c, b.astype(float) @ a.to_dense(), 1e-4, 1e-4)
        out = np.empty(c.shape, "float32", order)
        level.run(b, ready, out=out)
        np.testing.assert_array_equal(out, c)


def test_finish_sees_every_element_once_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turned, "AT_ONCE", 1)
    level = KERNELS["dsmm_csr"].levels["vectorized"]
    ready = pack(level, from_dense(random(6, 30, 20, density=0.3), "csr"))
    b = random(7, 2 * TILE + 5, 30)
    plain, tiles = level.run(b, ready), []

    def finish(tile: Array, index: tuple[slice, ...]) -> None:
        np.testing.assert_array_equal(tile, plain[index])
        tile += 1000
        tiles.append(index)

    np.testing.assert_array_equal(level.run(b, ready, finish=finish), plain + np.float32(1000))
    assert len(tiles) == 3


@pytest.mark.parametrize("format", FORMATS)
def test_epilogues_lie_along_the_axes_of_c(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turned, "AT_ONCE", 1)
    x = random(8, 12, 8, density=0.4)
    x[:, 2::4] = x[:, 1::4] = 0
    a = from_dense(x, format, **LAYOUTS.get(format, {}))
    n = TILE + 5
    b = random(9, n, 12)
    per_column, per_row, each = random(10, 8), random(11, n), random(12, n, 8)
    level = KERNELS[f"dsmm_{format}"].levels["vectorized"]
    ready = pack(level, a)
    c = execute(DSMM, level, (b, ready))
    for op, more, wanted in (
        (DSMM.then(ADD), (per_column,), c + per_column),
        (DSMM.then(ADD_BIAS), (per_row,), c + per_row[:, None]),
        (DSMM.then(ADD).then(RELU), (each,), np.maximum(c + each, 0)),
    ):
        found = execute(op, level, (b, ready, *more), op.complete({}))
        np.testing.assert_array_equal(found, wanted, op.name)
    level = KERNELS[f"spmm_t_{format}"].levels["vectorized"]
    op = SPMM_T.then(ADD_BIAS).then(RELU)
    found = execute(op, level, (pack(level, a), b.T, per_column), op.complete({}))
    np.testing.assert_array_equal(found, np.maximum(c.T + per_column[:, None], 0))


def test_dsmm_needs_little_memory_beside_its_result() -> None:
    b = random(13, 40_000, 64)
    level = KERNELS["dsmm_csr"].levels["vectorized"]
    ready = pack(level, from_dense(random(14, 64, 64), "csr"))
    level.run(b[:1000], ready)  # the scratch that a thread keeps is there then
    tracemalloc.start()
    c = level.run(b, ready)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < c.nbytes + 8e6


def test_csc_is_packed_as_it_stands() -> None:
    a = from_dense(random(19, 40, 30, density=0.2), "csc")
    ready = pack(KERNELS["spmm_t_csc"].levels["vectorized"], a)
    turned_csr = pack(KERNELS["spmm_csr"].levels["vectorized"], a.T)
    for x, y in zip(ready.chunks, turned_csr.chunks, strict=True):
        np.testing.assert_array_equal(x.values, y.values)


# -- what it will take ---------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["spmm_t", "dsmm"])
@pytest.mark.parametrize("format", ["csr", "csc", "coo", "bsr", "nm"])
def test_work_is_what_is_packed(format: str, op: str) -> None:
    x = random(15, 384, 512, density=0.05)
    if format == "bsr":
        blocks = np.random.default_rng(16).random((48, 64)) < 0.1
        x = (np.kron(blocks, np.ones((8, 8))) * random(17, 384, 512)).astype("float32")
    if format == "nm":
        x = np.where(np.arange(512) % 8 == 3, random(17, 384, 512), 0)
    layouts: dict[str, dict[str, Any]] = {"bsr": {"block": (8, 8)}, "nm": {"n": 1, "m": 8}}
    a = from_dense(x, format, **layouts.get(format, {}))
    level = KERNELS[f"{op}_{format}"].levels["vectorized"]
    assert level.work is not None
    b = dense_type(np.zeros((384, 256), "float32"))
    types = (a.type, b) if op == "spmm_t" else (dense_type(np.zeros((256, 384), "float32")), a.type)
    told = level.work(find_pattern(x), types)
    ready = pack(level, a, 256)
    if format == "nm":  # where the padding lies is not known, so this is a guess
        assert told.flops > 0
        return
    assert told.flops == pytest.approx(2 * 256 * ready.multiplied, rel=0.15)
    turned = 256 * (384 + 512) if op == "dsmm" else 0  # B and C, element by element
    found = told.gathered - turned
    assert found == pytest.approx(256 * ready.gathered, rel=0.15, abs=a.nnz / 100)


def test_turning_b_and_c_is_counted() -> None:
    x = random(18, 96, 64, density=0.1)
    a, b = from_dense(x, "csr"), np.zeros((96, 32), "float32")
    found = []
    for op, types in (
        ("spmm_t", (a.type, dense_type(b))),
        ("dsmm", (dense_type(b.T), a.type)),
    ):
        level = KERNELS[f"{op}_csr"].levels["vectorized"]
        assert level.work is not None
        found.append(level.work(find_pattern(x), types))
    assert found[1].gathered - found[0].gathered == pytest.approx(32 * (96 + 64))
    assert found[1].calls > found[0].calls
    assert found[1].flops == found[0].flops
