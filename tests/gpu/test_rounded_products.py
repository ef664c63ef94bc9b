"""Programs compiled as the simulator computes: products rounded before they are added."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.gpu import ThreadProgram, jit, thread_program, translate
from minisparse.gpu.translate import rounded_products


@thread_program
def multiply_add(x: Array, y: Array) -> None:
    i = np.int32(jit.threadIdx.x)
    y[i] += x[i] * x[i]


class OnCard:
    """What a launch asks of an array of CuPy."""

    def __init__(self) -> None:
        x = np.zeros(4, np.float32)
        self.dtype, self.ndim, self.size, self.itemsize, self.flags = (
            x.dtype, x.ndim, x.size, x.itemsize, x.flags
        )  # fmt: skip
        self._c_contiguous = self._index_32_bits = True


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, ...]]]:
    """Note the options of each compilation; nothing is compiled, and nothing runs."""
    options: list[tuple[str, ...]] = []
    launched = SimpleNamespace(cuda=SimpleNamespace(get_device_id=lambda: 0))
    monkeypatch.setitem(sys.modules, "cupy", launched)

    def made(translated: Any, more: tuple[str, ...] = ()) -> Any:
        options.append(more)
        return lambda grid, block, args: None

    monkeypatch.setattr(translate, "compiled", made)
    monkeypatch.setattr(translate, "translate", lambda program, types: None)
    multiply_add._compiled.clear()
    yield options
    multiply_add._compiled.clear()


def launch(program: ThreadProgram) -> None:
    translate.launch(program, (1,), (4,), (OnCard(), OnCard()))


def test_such_programs_are_compiled_apart_and_told(compiled: list[tuple[str, ...]]) -> None:
    launch(multiply_add)
    with rounded_products() as launched:
        launch(multiply_add)
        launch(multiply_add)
    assert launched == [multiply_add, multiply_add]
    launch(multiply_add)
    assert compiled == [(), ("--fmad=false",)]


def test_what_fails_inside_leaves_nothing_behind(compiled: list[tuple[str, ...]]) -> None:
    with pytest.raises(ZeroDivisionError), rounded_products():
        _ = 1 / 0
    launch(multiply_add)
    assert compiled == [()]
