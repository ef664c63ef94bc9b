"""Products by CUDA C, as NumPy follows them: right, well packed, and given to a card as due.

Where all numbers are whole and small, sums are exact in any order, and results are compared bit for
bit; others are judged by the oracle. The sources themselves: test_cuda_on_host.py.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import dense_type
from minisparse.formats import BSR, Matrix
from minisparse.gpu.cuda_source import CudaSource
from minisparse.gpu.tensor_cores import bank_conflicts, swizzled
from minisparse.kernels import KERNELS, Level, execute, pack
from minisparse.kernels.spmm import mma_tiles, tiles
from minisparse.kernels.spmm.mma_tiles import MMA_BSR, MMA_NM
from minisparse.kernels.spmm.tiled_csr import TILED_CSR
from minisparse.kernels.spmm.tiles import Tiles, prepare_bsr
from minisparse.ops import OPS, SPMM
from minisparse.oracle import exact_results, judge
from tests.kernels.gpu.on_host import launch, needs_cc
from tests.kernels.gpu.whole_numbers import (
    HALVES,
    LEVELS,
    SIZES,
    as_bsr,
    dtype_of,
    every_level,
    matrix,
    stored,
    whole,
)
from tests.kernels.reference import hold
from tests.pretend.array import bare
from tests.pretend_device import PretendCupy


@pytest.fixture(autouse=True)
def as_kernels_are_run() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# -- the models ------------------------------------------------------------------------------------


@every_level
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_models_multiply_exactly(rng: np.random.Generator, name: str, dtype: str) -> None:
    level, element = LEVELS[name][0], dtype_of(dtype)
    for m, k, n in SIZES:
        x, b = matrix(rng, name, m, k), whole(rng, k, n).astype(element)
        a = stored(name, x, element)
        types = [a.type if isinstance(a, Matrix) else dense_type(a), dense_type(b)]
        assert level.why_not is not None
        if dtype not in HALVES and name != "csr":
            assert dtype in level.why_not(types)
            continue
        assert level.why_not(types) == ""
        found = level.run(pack(level, a), b)
        assert found.dtype == element
        np.testing.assert_array_equal(found.astype(np.float64), x @ b.astype(np.float64))


def test_sums_are_kept_in_single_where_the_result_is() -> None:
    x, b = np.full((16, 64), 40.0, np.float16), np.full((64, 8), 50.0, np.float16)
    b[0] = 51
    a = pack(MMA_BSR, ms.from_dense(x, "bsr", block=(16, 16)))
    out = np.empty((16, 8), np.float32)
    assert mma_tiles.run(a, b, out=out) is out
    assert np.all(out == 40 * (51 + 63 * 50))
    assert np.all(np.isinf(mma_tiles.run(a, b)))  # beyond the largest float16


@every_level
def test_what_is_not_stored_is_not_multiplied(rng: np.random.Generator, name: str) -> None:
    x = matrix(rng, name, 140, 100)
    if name == "nm":
        x[:, 88:92] = [1, 0, 2, 0]
        line = 89  # free in all groups
    elif name == "dense":
        return
    else:
        x[:, 64:] = 0
        line = 70
    b = whole(rng, 100, 8).astype(np.float16)
    b[line] = np.inf
    level = LEVELS[name][0]
    found = level.run(pack(level, stored(name, x, np.float16)), b)
    b[line] = 0
    np.testing.assert_array_equal(found.astype(float), x @ b.astype(float))


@every_level
def test_an_epilogue_does_as_one_op_after_another(rng: np.random.Generator, name: str) -> None:
    level = LEVELS[name][0]
    x, b = 100 * matrix(rng, name, 70, 50), whole(rng, 50, 9).astype(np.float16)
    a = stored(name, x, np.float16)
    own = {"bias": rng.standard_normal(70).astype(np.float16), "r": 0 * b[:1] + np.float16(0.3)}
    for op in OPS.values():
        if op.base is not SPMM or not op.parts:
            continue
        rest = [
            own["bias"] if p.name == "add_bias" else own["r"]
            for p in op.epilogue
            if len(p.operands) > 1
        ]
        attrs = op.complete({"min": -1.0, "max": 5.0} if "min" in op.attrs else {})
        fused = execute(op, level, [pack(level, a), b, *rest], attrs)
        c = execute(SPMM, level, [pack(level, a), b])
        for part in op.epilogue:
            more = [rest.pop(0)] if len(part.operands) > 1 else []
            after = KERNELS[f"{part.name}_dense"].levels["vectorized"]
            c = execute(part, after, [c, *more], op.attrs_of(part, attrs))
        np.testing.assert_array_equal(fused, c, op.name)


@every_level
def test_results_go_where_they_are_told(rng: np.random.Generator, name: str) -> None:
    level = LEVELS[name][0]
    x, b = matrix(rng, name, 70, 50), whole(rng, 50, 9).astype(np.float16)
    a = pack(level, stored(name, x, np.float16))
    for out in (np.full((70, 9), 7, np.float16), np.full((9, 70), 7, np.float16).T):
        assert level.run(a, b, out=out) is out
        np.testing.assert_array_equal(out, (x @ b.astype(float)).astype(np.float16))
    assert level.run(a, b[:, :0]).shape == (70, 0)


@pytest.mark.parametrize("name", [name for name in LEVELS if name != "nm"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_ops_samples_are_right(name: str, dtype: str) -> None:
    level, format, block = LEVELS[name]
    if dtype == "float32" and name != "csr":
        return
    judged = 0
    for sample in SPMM.samples(np.random.default_rng(1)):
        given: Any = sample.operands[0]
        b: Any = sample.operands[1]
        if given.data.dtype.kind == "f":
            held = given.to_dense() if format == "dense" else hold(given, format, block)
            as_asked = held.with_data(held.data.astype(dtype)) if format != "dense" else held
            must_be_right(level, as_asked, b, dtype)
            judged += 1
    assert judged > 3


def must_be_right(level: Level, a: Any, b: Array, dtype: Any) -> None:
    """Let the oracle judge a product."""
    a = a if isinstance(a, Matrix) else a.astype(dtype)
    b = b.astype(dtype)
    (truth,) = exact_results(SPMM, [a, b], {})
    found = judge(execute(SPMM, level, [pack(level, a), b]), truth)
    assert found.passed, found.message


@every_level
@pytest.mark.parametrize("dtype", HALVES)
def test_fractions_are_summed_in_single(rng: np.random.Generator, name: str, dtype: str) -> None:
    element = dtype_of(dtype)
    x = matrix(rng, name, 40, 300) * rng.standard_normal((40, 300))
    b = rng.standard_normal((300, 12))
    must_be_right(LEVELS[name][0], stored(name, x, element), b, element)


def test_refusals_say_why() -> None:
    def types(format: str, dtype: str, other: str = "", **more: Any) -> list[Any]:
        a = ms.from_dense(np.eye(8, dtype=dtype), format, **more)
        return [a.type, dense_type(np.zeros((8, 2), other or dtype))]

    bsr, nm, csr = (level.why_not for level in (MMA_BSR, MMA_NM, TILED_CSR))
    assert bsr is not None
    assert nm is not None
    assert csr is not None
    assert "and blocks 8x8" in bsr(types("bsr", "float16", block=(8, 8)))
    assert "and blocks 16x32" in bsr(types("bsr", "float16", block=(16, 32)))
    assert "not for float32" in bsr(types("bsr", "float32", block=(16, 16)))
    assert "multiply 2:4, not 1:4" in nm(types("nm", "float16", n=1, m=4))
    assert "not for int8" in csr(types("csr", "int8"))
    assert "of one dtype" in csr(types("csr", "float32", "float64"))
    wide = replace(types("csr", "float32")[1], shape=(8, 10**8))
    assert "a grid has room for" in csr([types("csr", "float32")[0], wide])


def test_the_kernels_addresses_have_no_bank_conflicts() -> None:
    lanes = np.arange(32)
    for tile, group, sparse in (((16, 16), 16, False), ((64, 32), 1, False), ((64, 64), 4, True)):
        for n in (64, 128, 300):
            row = mma_tiles.shape_for(tile, group, sparse, n, 1000).row
            for piece in range(0, row, 1 if sparse else 2):
                k = lanes if sparse else lanes % 16
                pieces = piece + (0 * lanes if sparse else lanes // 16)
                assert bank_conflicts(swizzled(k, pieces, row)) == 0


# -- how tiles are packed --------------------------------------------------------------------------


@pytest.fixture(params=[1, 132], ids=["grouped", "alone"])
def enough(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let rows of tiles be grouped as for a large matrix, or not."""
    monkeypatch.setattr(tiles, "ENOUGH", request.param)
    found: int = request.param
    return found


@pytest.mark.parametrize("name", LEVELS)
def test_groups_multiply_exactly(rng: np.random.Generator, name: str, enough: int) -> None:
    x, b = matrix(rng, name, 530, 90), whole(rng, 90, 33).astype(np.float16)
    a = pack(LEVELS[name][0], stored(name, x, np.float16))
    if isinstance(a, Tiles):
        assert (a.group > 1) == (enough == 1)
    found = LEVELS[name][0].run(a, b)
    np.testing.assert_array_equal(found.astype(float), x @ b.astype(float))


def test_steps_are_the_columns_in_which_a_group_has_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "ENOUGH", 1)
    there = np.zeros((9, 6), bool)
    there[0, [0, 2, 5]] = there[1, [0, 5]] = there[2, 2] = there[8, 1] = True
    x = np.kron(there, np.ones((32, 32))).astype(np.float16)
    a = prepare_bsr(as_bsr(x, 32))
    assert a.group == 8
    assert a.indptr.tolist() == [0, 3, 4]
    assert a.order.tolist() == [0, 1]
    below = np.zeros((16, 6), bool)
    below[0, 1], below[8:11] = True, there[:3]
    x = np.kron(below, np.ones((32, 32))).astype(np.float16)
    assert prepare_bsr(as_bsr(x, 32)).order.tolist() == [1, 0]
    assert a.steps[:, 0].tolist() == [0, 64, 160, 32]
    assert a.steps[:, 1].tolist() == [0b011, 0b101, 0b011, 0b001]
    assert a.steps[:, 2].tolist() == [0, 2, 4, 6]
    assert a.nbytes >= 7 * 32 * 32 * 2


@pytest.mark.parametrize("size", mma_tiles.BLOCKS)
def test_blocks_in_any_order_and_stored_twice(
    rng: np.random.Generator, size: int, enough: int
) -> None:
    held = as_bsr(np.ones((3 * size, 4 * size), np.float16), size)
    data = whole(rng, 12, size, size).astype(np.float16)
    indices = np.array([3, 1, 1, 0, 2, 2, 2, 2, 0, 0, 3, 1])
    a = BSR(data, indices, held.indptr, held.shape)
    b = whole(rng, 4 * size, 8).astype(np.float16)
    found = mma_tiles.run(prepare_bsr(a), b)
    np.testing.assert_array_equal(found.astype(float), a.to_dense().astype(float) @ b.astype(float))


# -- on a card -------------------------------------------------------------------------------------


@pytest.fixture
def card(pretend_cupy: PretendCupy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PretendCupy:
    """Let sources that are launched on a pretended card be compiled for this CPU, and run."""

    def launched(
        source: Any, grid: Any, block: Any, args: Any, constants: Any, shared_bytes: int = 0
    ) -> None:
        given = [bare(x) for x in args]
        launch(source, tmp_path, grid, block[0], given, constants, shared_bytes)

    monkeypatch.setattr(CudaSource, "launch", launched)
    return pretend_cupy


@needs_cc
@every_level
def test_what_a_card_is_given(name: str, rng: np.random.Generator, card: PretendCupy) -> None:
    level = LEVELS[name][0]
    x, b = matrix(rng, name, 70, 100), whole(rng, 100, 41).astype(np.float16)
    bias = rng.standard_normal(70).astype(np.float16)
    a = stored(name, x, np.float16)
    there = [a.to_device("gpu") if isinstance(a, Matrix) else card.asarray(a)]
    there += [card.asarray(y) for y in (b, bias)]
    there[0] = pack(level, there[0])
    op = OPS["spmm_bias_relu"]
    card.transfers.clear()
    found = execute(op, level, there, op.complete({}))
    assert card.transfers == []
    wanted = execute(op, level, [pack(level, a), b, bias], op.complete({}))
    np.testing.assert_array_equal(found.get(), wanted)


@needs_cc
@every_level
@pytest.mark.parametrize("odd", ["b", "c"])
def test_arrays_may_begin_anywhere(
    name: str, odd: str, rng: np.random.Generator, card: PretendCupy
) -> None:
    level = LEVELS[name][0]
    x, b = matrix(rng, name, 70, 100), whole(rng, 100, 40).astype(np.float16)
    a = stored(name, x, np.float16)
    there = pack(level, a.to_device("gpu") if isinstance(a, Matrix) else card.asarray(a))
    room = card.zeros(100 * 40 + 8, np.float16)
    start = -room.data.ptr % 16 // 2 + (odd == "b")
    b_there = room[start : start + 4000].reshape(100, 40)
    b_there[...] = card.asarray(b)
    room = card.zeros(70 * 40 + 1, np.float16)
    out = room[odd == "c" :][: 70 * 40].reshape(70, 40)
    assert level.run(there, b_there, out=out) is out
    np.testing.assert_array_equal(out.get().astype(float), x @ b.astype(float))


@pytest.mark.gpu
@every_level
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_card_multiplies_exactly(rng: np.random.Generator, name: str, dtype: str) -> None:
    import cupy

    level, element = LEVELS[name][0], dtype_of(dtype)
    if dtype not in HALVES and name != "csr":
        return
    for m, k, n in (*SIZES, (1000, 1000, 1000), (500, 300, 30)):
        x, b = matrix(rng, name, m, k), whole(rng, k, n).astype(element)
        bias = whole(rng, m).astype(element)
        a = stored(name, x, element)
        there = a.to_device("gpu") if isinstance(a, Matrix) else cupy.asarray(a)
        op = OPS["spmm_bias_relu"]
        given = [pack(level, there), cupy.asarray(b), cupy.asarray(bias)]
        found = cupy.asnumpy(execute(op, level, given, op.complete({})))
        exact = np.maximum(x @ b.astype(float) + bias.astype(float)[:, None], 0)
        np.testing.assert_array_equal(found.astype(float), exact.astype(element).astype(float))
