"""Sources in CUDA C: their text, their constants, and what CuPy is asked for. No card, no CuPy."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from minisparse.core.errors import MissingExtraError
from minisparse.gpu import cuda_source
from minisparse.gpu.cuda_source import CudaSource
from minisparse.kernels.spmm import mma_tiles, tiled_csr


class RawKernel:
    """cupy.RawKernel, as far as it is used: it notes what it is given."""

    made: list["RawKernel"]
    max_dynamic_shared_size_bytes = 0

    def __init__(self, code: str, name: str, options: tuple[str, ...]) -> None:
        self.code, self.name, self.options = code, name, options
        self.launches: list[Any] = []
        self.made.append(self)

    def __call__(self, grid: Any, block: Any, args: Any, *, shared_mem: int) -> None:
        self.launches.append((grid, block, args, shared_mem))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[RawKernel]:
    cupy: Any = ModuleType("cupy")
    cupy.RawKernel = RawKernel
    cupy.cuda = SimpleNamespace(get_device_id=lambda: 0)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(RawKernel, "made", [], raising=False)
    cuda_source._kernel.cache_clear()
    return RawKernel.made


@pytest.mark.parametrize("source", [mma_tiles.SOURCE, tiled_csr.SOURCE], ids=lambda s: s.name)
def test_all_of_a_source_is_one_text(source: CudaSource) -> None:
    assert "#include" not in source.code
    assert "#define KERNEL" in source.code
    assert f"\n{source.name}(" in source.code
    assert '#include "instructions.cuh"' in source.file.read_text(encoding="utf-8")


def test_a_kernel_is_made_once_for_its_constants(made: list[RawKernel], tmp_path: Path) -> None:
    file = tmp_path / "f.cu"
    file.write_text("KERNEL void f() {}")
    source = CudaSource("f", file)
    for size in (64, 64, 128):
        source.launch((3,), (32,), ("x",), {"SIZE": size, "SUM": "float"}, 1000)
    assert [kernel.options[1:] for kernel in made] == [
        ("-DSIZE=64", "-DSUM=float"),
        ("-DSIZE=128", "-DSUM=float"),
    ]
    assert made[0].launches == [((3,), (32,), ("x",), 1000)] * 2
    assert (made[0].code, made[0].name) == ("KERNEL void f() {}", "f")
    assert made[0].max_dynamic_shared_size_bytes == 0


def test_much_shared_memory_is_asked_for(made: list[RawKernel], tmp_path: Path) -> None:
    file = tmp_path / "g.cu"
    file.write_text("")
    CudaSource("g", file).launch((1,), (1,), (), {}, 100 * 1024)
    assert made[0].max_dynamic_shared_size_bytes == 100 * 1024


def test_without_cupy_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingExtraError, match=r'pip install "minisparse\[gpu-cuda13\]"'):
        CudaSource("h", tmp_path / "h.cu").launch((1,), (1,), (), {})
