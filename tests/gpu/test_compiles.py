"""Every source of CUDA C compiles for each generation of cards, and spills no registers.

No card is needed: see :mod:`minisparse.gpu.nvrtc`.
"""

import sys
from collections.abc import Iterator
from itertools import product

import pytest

from minisparse.bench.gpu import check_warp
from minisparse.core.errors import MissingExtraError
from minisparse.gpu.cuda_source import Constants, CudaSource
from minisparse.gpu.nvrtc import (
    ARCHITECTURES,
    Compiled,
    CompileError,
    compile_cuda,
    is_available,
    resources,
)
from minisparse.kernels.spmm import mma_tiles, tiled_csr
from minisparse.kernels.spmm.tiles import WHOLE

needs_nvrtc = pytest.mark.skipif(
    not is_available(), reason='NVRTC is not installed: pip install "minisparse[nvrtc]"'
)
every_arch = pytest.mark.parametrize("arch", ARCHITECTURES)

SPILLING = """
extern "C" __global__ void spills(float *x) {
    float held[64];
    for (int i = 0; i < 64; ++i) held[i] = x[threadIdx.x + 32 * i];
    __syncthreads();
    for (int i = 0; i < 64; ++i) x[threadIdx.x + 32 * i] = held[63 - i] * held[i];
}
"""


@needs_nvrtc
def test_spills_are_seen() -> None:
    free = compile_cuda(SPILLING)
    assert (free.spill_stores, free.spill_loads) == (0, 0)
    assert free.registers > 32
    tight = compile_cuda(SPILLING, options=["-maxrregcount=24"])
    assert tight.registers <= 24
    assert tight.spill_stores > 0
    assert tight.spill_loads > 0
    assert tight.cubin[:4] == b"\x7fELF"


@needs_nvrtc
def test_shared_memory_is_seen() -> None:
    code = """
extern "C" __global__ void reverse(float *x) {
    __shared__ float held[256];
    held[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = held[255 - threadIdx.x];
}
"""
    assert compile_cuda(code).shared_bytes >= 1024


@needs_nvrtc
def test_a_mistake_is_told_as_the_compiler_tells_it() -> None:
    with pytest.raises(CompileError, match=r"for sm_90: kernel.cu\(1\): error: identifier"):
        compile_cuda('extern "C" __global__ void f(float *x) { x[0] = y; }')


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy.cuda", None)
    with pytest.raises(MissingExtraError, match=r'pip install "minisparse\[nvrtc\]"'):
        compile_cuda("")


def test_several_kernels_are_told_apart() -> None:
    log = """ptxas info    : Compiling entry function 'f' for 'sm_80'
ptxas info    : Function properties for f
    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 2048 bytes smem, 400 bytes cmem[0]
ptxas info    : Compiling entry function 'g' for 'sm_80'
ptxas info    : Function properties for g
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers"""
    compiled = Compiled(b"", resources(log), log)
    assert compiled.kernels["g"].registers == 8
    assert (compiled.registers, compiled.shared_bytes) == (255, 2048)
    assert (compiled.spill_stores, compiled.spill_loads) == (12, 8)


# -- templates ------------------------------------------------------------------------------------


def mma_shapes() -> list[mma_tiles.Shape]:
    """Return all sizes that are ever chosen."""
    kinds = [((16, 16), g, False) for g in (1, 16)] + [((32, 32), g, False) for g in (1, 8)]
    kinds += [((64, 32), group, False) for group in (1, 2, 4)]
    kinds += [(WHOLE, group, sparse) for group, sparse in product((1, 2, 4), (False, True))]
    found = [
        mma_tiles.shape_for(tile, group, sparse, n, groups)
        for tile, group, sparse in kinds
        for n, groups in product((1, 64, 100, 300, 10_000), (1, 10_000))
    ]
    return list(dict.fromkeys(found))


def flags() -> list[tuple[str, bool, bool, bool, bool]]:
    """Return eight of the 32 combinations, among which all four of any two flags occur."""
    found = []
    for x, y, z in product((False, True), repeat=3):
        found.append((mma_tiles.DTYPES[x], y, z, x != y, x != z))
    return found


def mma_variants() -> Iterator[Constants]:
    """Yield each of the sizes once, with other flags each time, and the largest with all eight."""
    for i, shape in enumerate(mma_shapes()):
        yield mma_tiles.macros(shape, *flags()[i % 8])
    for sparse in (False, True):
        largest = mma_tiles.shape_for(WHOLE, 4, sparse, 10_000, 1000)
        for each in flags():
            yield mma_tiles.macros(largest, *each)


def csr_variants() -> Iterator[Constants]:
    for dtype, size in (("float16", 2), ("bfloat16", 2), ("float32", 4), ("float64", 8)):
        shapes = {
            tiled_csr.shape_for(n, size, aligned)
            for n, aligned in product((8, 16, 32, 64, 128, 256, 1024), (False, True))
        }
        for i, shape in enumerate(sorted(shapes, key=str)):
            for index in ("int32", "int64"):
                yield tiled_csr.macros(shape, dtype, index, bias=i % 2 == 0, relu=i % 3 == 0)


def must_fit(source: CudaSource, variants: Iterator[Constants], arch: str) -> None:
    for constants in variants:
        kernel = compile_cuda(source.code, arch, source.options(constants)).kernels[source.name]
        spilled = kernel.spill_stores + kernel.spill_loads + kernel.stack
        assert spilled == 0, f"{kernel} with {constants}"


def test_all_sizes_are_found() -> None:
    shapes = mma_shapes()
    assert {s.tile_n for s in shapes if not s.sparse} == {64, 128, 256}
    assert {s.tile_n for s in shapes if s.sparse} == {64, 128, 256}
    assert {s.group * s.tile_m for s in shapes} == {16, 32, 64, 128, 256}
    for s in shapes:
        assert s.group % s.warps_m == 0
        assert s.threads % s.row == 0
        assert s.tile_n // s.warps_n % 16 == 0
        # An A100 has 163 KB for a block of threads.
        assert s.shared_bytes <= 163 * 1024


@needs_nvrtc
@every_arch
def test_tensor_cores(arch: str) -> None:
    must_fit(mma_tiles.SOURCE, mma_variants(), arch)


@needs_nvrtc
@every_arch
def test_tiles_in_registers(arch: str) -> None:
    must_fit(tiled_csr.SOURCE, csr_variants(), arch)


@needs_nvrtc
@every_arch
def test_single_instructions(arch: str) -> None:
    flags = product((0, 1), (0, 1), (0, 1))
    names = ("BFLOAT", "SPARSE", "SELECTOR")
    must_fit(check_warp.SOURCE, (dict(zip(names, each, strict=True)) for each in flags), arch)


@pytest.mark.parametrize("source", [mma_tiles.SOURCE, tiled_csr.SOURCE], ids=lambda s: s.name)
@needs_nvrtc
def test_defaults_are_complete(source: CudaSource) -> None:
    assert compile_cuda(source.code).kernels[source.name].spill_stores == 0
