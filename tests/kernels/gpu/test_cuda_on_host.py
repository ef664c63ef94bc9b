"""The package's CUDA C, compiled for this CPU with instructions in C: it does what its models do.

All numbers are whole and small, so that sums are exact in any order.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.bench.gpu import check_warp
from minisparse.core.dtypes import Array
from minisparse.gpu.tensor_cores import mma, mma_sp
from minisparse.kernels import execute, pack
from minisparse.kernels.spmm import mma_tiles, tiled_csr, tiles
from minisparse.kernels.spmm.tiled_csr import TILED_CSR
from minisparse.kernels.spmm.tiles import Tiles, prepare_bsr, prepare_dense, prepare_nm
from minisparse.ops import OPS
from tests.kernels.gpu.on_host import Launched, launch, needs_cc
from tests.kernels.gpu.whole_numbers import (
    LEVELS,
    aligned,
    as_bsr,
    dtype_of,
    matrix,
    stored,
    whole,
)


@pytest.fixture(autouse=True)
def as_kernels_are_run() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# -- the sources, compiled for this CPU ------------------------------------------------------------


def launch_tiles(
    a: Tiles,
    b: Array,
    folder: Path,
    *,
    wide: bool = True,
    bias: Array | None = None,
    relu: bool = False,
    **more: Any,
) -> tuple[Array, Launched]:
    """Return what ``mma_tiles.cu`` computes."""
    (m, k), n = a.shape, b.shape[1]
    shape = mma_tiles.shape_for(a.tile, a.group, a.sparse, n, len(a.order))
    c = np.full((m, n), 7, np.float32 if wide else a.dtype)
    aligned = n % 8 == 0
    constants = mma_tiles.macros(shape, a.dtype.name, wide, aligned, bias is not None, relu)
    given = c[:0, 0] if bias is None else bias
    args = (a.order, a.indptr, a.steps, a.values, a.metadata, b, given, c)
    sizes = (np.int32(m), np.int32(n), np.int32(k))
    grid = (len(a.order), -(-n // shape.tile_n))
    found = launch(
        more.pop("source", mma_tiles.SOURCE),
        folder,
        grid,
        shape.threads,
        (*args, *sizes),
        constants,
        shape.shared_bytes,
        **more,
    )
    return c, found


CASES = [
    ("bsr16", "float16", (70, 50, 136), {}),
    ("bsr32", "bfloat16", (70, 150, 9), {"eager": True}),
    ("bsr64", "float16", (130, 200, 136), {"backward": True}),
    ("dense", "bfloat16", (130, 200, 72), {}),
    ("dense", "float16", (64, 64, 264), {"eager": True}),
    ("nm", "float16", (130, 200, 136), {"backward": True}),
    ("nm", "bfloat16", (40, 50, 9), {}),
    ("bsr16", "float16", (270, 100, 136), {"grouped": True}),
    ("bsr32", "float16", (520, 150, 40), {"grouped": True, "eager": True}),
    ("dense", "float16", (300, 150, 136), {"grouped": True, "backward": True}),
    ("nm", "float16", (300, 200, 72), {"grouped": True}),
]
PREPARE: dict[str, Any] = {"bsr": prepare_bsr, "nm": prepare_nm, "dense": prepare_dense}


@needs_cc
@pytest.mark.parametrize(("name", "dtype", "sizes", "mode"), CASES)
def test_the_source_for_tensor_cores_does_what_its_model_does(
    rng: np.random.Generator,
    tmp_path: Path,
    name: str,
    dtype: str,
    sizes: tuple[int, int, int],
    mode: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    m, k, n = sizes
    mode = dict(mode)
    if mode.pop("grouped", False):
        monkeypatch.setattr(tiles, "ENOUGH", 1)
    element = dtype_of(dtype)
    x, b = matrix(rng, name, m, k), aligned(whole(rng, k, n).astype(element))
    a = PREPARE[LEVELS[name][1]](stored(name, x, element))
    c, launched = launch_tiles(a, b, tmp_path, **mode)
    np.testing.assert_array_equal(c, x @ b.astype(float))
    assert launched.conflicts == 0
    bias = (100 * rng.standard_normal(m)).astype(element)
    c, _ = launch_tiles(a, b, tmp_path, wide=False, bias=bias, relu=True, **mode)
    op = OPS["spmm_bias_relu"]
    modeled = execute(op, LEVELS[name][0], [a, b, bias], op.complete({}))
    np.testing.assert_array_equal(c.astype(float), modeled.astype(float))


BROKEN = [
    ("WAIT_FOR_COPIES(STAGES - 2)", "WAIT_FOR_COPIES(STAGES - 1)", "differs"),
    ("__syncthreads();", "", "differs"),
    ("(piece ^ (k & 7))", "piece", "conflicts"),
    ("step.k0 + k < K && n < N", "1", "reads outside of all arrays"),
    ("lane % 16, piece", "lane / 2, piece", "differs"),
    ("warp % WARPS_N", "0", "differs"),
    ("(1 << own) - 1", "(2 << own) - 1", "differs"),
    ("if (number + 1 < count)", "if (number + 2 < count)", "differs"),
]


@needs_cc
@pytest.mark.parametrize(("old", "new", "what"), BROKEN, ids=lambda text: text[:12])
def test_mistakes_in_the_source_are_found(
    rng: np.random.Generator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    what: str,
) -> None:
    text = mma_tiles.SOURCE.file.read_text()
    assert text.count(old) >= 1
    broken = tmp_path / "broken.cu"
    broken.write_text(text.replace(old, new))
    monkeypatch.setattr(tiles, "ENOUGH", 1)
    x, b = matrix(rng, "bsr32", 270, 390), aligned(whole(rng, 390, 72).astype(np.float16))
    a = prepare_bsr(as_bsr(x.astype(np.float16), 32))
    source = replace(mma_tiles.SOURCE, file=broken)
    if what == "reads outside of all arrays":
        with pytest.raises(AssertionError, match=what):
            launch_tiles(a, b, tmp_path, source=source)
        return
    c, launched = launch_tiles(a, b, tmp_path, source=source)
    same = np.array_equal(c, x @ b.astype(float))
    assert same == (what == "conflicts")
    assert launched.conflicts > 0 or what != "conflicts"


# -- single instructions --------------------------------------------------------------------------


@needs_cc
@pytest.mark.parametrize(("sparse", "selector"), [(0, 0), (1, 0), (1, 1)])
def test_one_instruction_is_what_its_model_is(
    rng: np.random.Generator, tmp_path: Path, sparse: int, selector: int
) -> None:
    a, b, words, sums = check_warp.operands(rng, bool(sparse))
    wanted = mma_sp(sums, a, b, words, selector) if sparse else mma(sums, a, b[:, :4])
    given = (aligned(a), aligned(b), words, sums)
    constants = {"BFLOAT": 0, "SPARSE": sparse, "SELECTOR": selector}
    launch(check_warp.SOURCE, tmp_path, (1, 1), 32, given, constants)
    np.testing.assert_array_equal(sums, wanted)


# -- tiles in registers ---------------------------------------------------------------------------

CSR_CASES = [
    ("float32", "int32", (30, 200, 136)),
    ("float32", "int64", (9, 40, 1030)),
    ("float64", "int32", (70, 50, 20)),
    ("float16", "int32", (30, 60, 24)),
    ("bfloat16", "int64", (30, 200, 9)),
    ("float16", "int32", (5, 4, 600)),
]


@needs_cc
@pytest.mark.parametrize(("dtype", "index", "sizes"), CSR_CASES)
def test_the_source_for_tiles_in_registers_does_what_its_model_does(
    rng: np.random.Generator, tmp_path: Path, dtype: str, index: str, sizes: tuple[int, int, int]
) -> None:
    m, k, n = sizes
    element = dtype_of(dtype)
    x, b = matrix(rng, "csr", m, k), aligned(whole(rng, k, n).astype(element))
    x[0, :] = 1  # longer than a strip
    held = pack(TILED_CSR, ms.from_dense(x.astype(element), "csr"))
    a = replace(held, indptr=held.indptr.astype(index), indices=held.indices.astype(index))
    bias = rng.standard_normal(m).astype(element)
    shape = tiled_csr.shape_for(n, b.itemsize, n * b.itemsize % 16 == 0)
    c = aligned(np.full((m, n), 7, element))
    args = (a.order, a.indptr, a.indices, a.data, b, bias, c, np.int32(m), np.int32(n))
    grid = (-(-m // shape.rows), -(-n // shape.tile_n))
    constants = tiled_csr.macros(shape, dtype, index, bias=True, relu=True)
    assert (np.diff(np.diff(a.indptr)[a.order]) <= 0).all()
    launch(tiled_csr.SOURCE, tmp_path, grid, tiled_csr.THREADS, args, constants)
    op = OPS["spmm_bias_relu"]
    modeled = execute(op, TILED_CSR, [a, b, bias], op.complete({}))
    np.testing.assert_array_equal(c.astype(float), modeled.astype(float))
