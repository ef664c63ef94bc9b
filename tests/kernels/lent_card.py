"""For tests of libraries for graphics cards: a pretended card with pretended libraries."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix
from minisparse.gpu.cuda_source import CudaSource
from minisparse.kernels.library import card, cusparselt, descriptors
from minisparse.kernels.library.card import small_product, tried
from tests.kernels.gpu import on_host
from tests.kernels.pretend_cupyx import CsrMatrix, PretendCupyx
from tests.kernels.pretend_cusparselt import PretendCusparseLt
from tests.kernels.pretend_nvmath import PretendCusparse
from tests.pretend.array import bare
from tests.pretend_device import PretendCupy

STREAM = 7


@dataclass
class Card:
    """A pretended card with pretended libraries."""

    cupy: PretendCupy
    sparse: PretendCusparse
    lt: PretendCusparseLt
    cupyx: PretendCupyx


@pytest.fixture
def here(
    pretend_cupy: PretendCupy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Card]:
    stream = SimpleNamespace(ptr=STREAM, synchronize=lambda: None)
    monkeypatch.setattr(pretend_cupy.cuda, "get_current_stream", lambda: stream, raising=False)
    found = Card(pretend_cupy, PretendCusparse(), PretendCusparseLt(), PretendCupyx(pretend_cupy))
    made = pretend_cupy.empty

    def empty(shape: Any, dtype: Any = float) -> Any:
        """Return an array, and note how large it is: a workspace must be as large as was asked."""
        x = made(shape, dtype)
        found.sparse.sizes[x.data.ptr] = found.lt.sizes[x.data.ptr] = x.nbytes
        return x

    monkeypatch.setattr(pretend_cupy, "empty", empty)
    modules: dict[str, Any] = {
        "nvmath": ModuleType("nvmath"),
        "nvmath.bindings": ModuleType("nvmath.bindings"),
        "nvmath.bindings.cusparse": found.sparse,
        "nvmath.bindings.cusparseLt": found.lt,
        "cupyx": ModuleType("cupyx"),
        "cupyx.cusparse": found.cupyx,
        "cupyx.scipy.sparse": SimpleNamespace(csr_matrix=CsrMatrix),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)

    def launched(
        source: Any, grid: Any, block: Any, args: Any, constants: Any, shared_bytes: int = 0
    ) -> None:
        given = [bare(x) for x in args]
        on_host.launch(source, tmp_path, grid, block[0], given, constants, shared_bytes)

    monkeypatch.setattr(CudaSource, "launch", launched)
    monkeypatch.setattr(card, "device_count", lambda: 1)
    monkeypatch.setattr(card, "is_installed", lambda name: True)
    caches = (descriptors.handle_of, cusparselt._handle_of, tried)
    for cache in caches:
        cache.cache_clear()
    yield found
    for cache in caches:
        cache.cache_clear()


def on_card(a: Matrix) -> Any:
    held: Any = a
    return held.to_device("gpu")


def types_of(op: str, format: str, dtype: str) -> list[TensorType]:
    operands, _ = small_product(op, format, dtype)
    return [x.type if isinstance(x, Matrix) else TensorType(x.shape, x.dtype) for x in operands]
