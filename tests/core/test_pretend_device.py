"""The pretend device: that it refuses what CuPy refuses, and counts what goes over the bus."""

import importlib
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import UsageError
from minisparse.core.xp import namespace
from minisparse.gpu import jit, thread_program
from tests.cupy_record import FILE, read
from tests.pretend.array import Ndarray
from tests.pretend_device import PretendCupy


def test_the_record_is_that_of_cupy() -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: the record stays as it is")
    recorded, found = json.loads(FILE.read_text()), read(importlib.import_module("cupy"))
    if recorded["version"] != cupy.__version__:
        pytest.skip(f"the record is of CuPy {recorded['version']}, installed is {cupy.__version__}")
    assert found == recorded


def test_is_found_and_computes(pretend_cupy: PretendCupy) -> None:
    x = pretend_cupy.arange(6.0)
    assert namespace(x) is pretend_cupy
    assert namespace(np.zeros(3), x) is pretend_cupy
    made = np.add(x[2:], 1) * x[:-2] - 2 * np.sqrt(x[1:5]) + abs(-x[:4])
    assert isinstance(made, Ndarray)
    assert isinstance(np.concatenate([x, x]).sum(), Ndarray)
    assert not pretend_cupy.transfers
    bare = np.arange(6.0)
    expected = (bare[2:] + 1) * bare[:-2] - 2 * np.sqrt(bare[1:5]) + bare[:4]
    np.testing.assert_array_equal(made.get(), expected)


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "implicit conversion": lambda x, cp: np.asarray(x),
    "mixed arithmetic": lambda x, cp: x + np.ones(6),
    "mixed arithmetic, swapped": lambda x, cp: np.ones(6) * x,
    "mixed in place": lambda x, cp: x.__iadd__(np.ones(6)),
    "mixed functions": lambda x, cp: np.concatenate([x, np.ones(2)]),
    "mixed where": lambda x, cp: cp.where(x > 0, x, np.ones(6)),
    "a list": lambda x, cp: x + [1.0] * 6,
    "out on the host": lambda x, cp: np.add(x, x, out=np.ones(6)),
    "host index": lambda x, cp: x[np.arange(2)],
    "host mask": lambda x, cp: x[np.ones(6, bool)],
    "host take": lambda x, cp: x.take(np.arange(2)),
    "host value": lambda x, cp: x.__setitem__(slice(2), np.ones(2)),
    "a bound of a slice": lambda x, cp: x[: cp.argmax(x)],
    "take with mode": lambda x, cp: np.take(x, cp.arange(2), mode="clip"),
    "method with mode": lambda x, cp: x.take(cp.arange(2), mode="clip"),
    "ufunc with where": lambda x, cp: np.add(x, x, where=True),
    "sum with where": lambda x, cp: np.sum(x, where=True),
    "at of NumPy": lambda x, cp: np.add.at(x, cp.arange(2), 1),
    "reduceat of NumPy": lambda x, cp: np.add.reduceat(x, cp.arange(2)),
    "reduce of NumPy": lambda x, cp: np.maximum.reduce(x),
    "add.at of int64": lambda x, cp: cp.add.at(cp.arange(3), cp.arange(3), 1),
    "add.at of complex": lambda x, cp: cp.add.at(x.astype("complex64"), cp.arange(3), 1),
    "lexsort of a tuple": lambda x, cp: cp.lexsort((x, x)),
    "astype with casting": lambda x, cp: x.astype(int, casting="unsafe"),
    "a function it lacks": lambda x, cp: np.insert(x, 0, 1),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refuses_with_a_type_error(what: str, pretend_cupy: PretendCupy) -> None:
    x = pretend_cupy.arange(6.0)
    with pytest.raises(TypeError):
        REFUSED[what](x, pretend_cupy)
    assert not [t for t in pretend_cupy.transfers if t.by != "repr"]  # as NumPy's message has it


def test_refuses_otherwise(pretend_cupy: PretendCupy) -> None:
    x = pretend_cupy.arange(6.0)
    for name in ("errstate", "insert", "spacing", "ix", "ndenumerate", "vecdot"):
        with pytest.raises(AttributeError):
            getattr(pretend_cupy, name)
    with pytest.raises(AttributeError):
        x.setflags(write=False)
    with pytest.raises(AttributeError):
        x.flags.writeable = False
    with pytest.raises(NotImplementedError):
        pretend_cupy.maximum.reduceat(x, pretend_cupy.arange(2))
    with pytest.raises(NotImplementedError):
        pretend_cupy.logical_or.at(x > 0, pretend_cupy.arange(2), True)
    with pytest.raises(ValueError, match="stable"):
        x.sort(kind="quicksort")
    with pytest.raises(ValueError, match="Unsupported dtype"):
        pretend_cupy.zeros(3, "U4")
    with pytest.raises(AssertionError, match="wrap it around"):
        x[pretend_cupy.asarray([7])]
    with pytest.raises(AssertionError, match="wrap it around"):
        np.take(x, pretend_cupy.full(1, -7))


COUNTED: dict[str, tuple[Callable[[Any, Any], Any], str, int]] = {
    "get": (lambda x, cp: x.get(), "host", 48),
    "asnumpy": (lambda x, cp: cp.asnumpy(x), "host", 48),
    "item": (lambda x, cp: x.sum().item(), "host", 8),
    "int": (lambda x, cp: int(x[3]), "host", 8),
    "bool": (lambda x, cp: bool((x > 2).any()), "host", 1),
    "tolist": (lambda x, cp: x.tolist(), "host", 48),
    "repr": (lambda x, cp: repr(x), "host", 48),
    "nonzero": (lambda x, cp: np.nonzero(x), "host", 8),
    "unique": (lambda x, cp: np.unique(x), "host", 8),
    "mask": (lambda x, cp: x[x > 2], "host", 4),
    "mask, assigned": (lambda x, cp: x.__setitem__(x > 2, 0), "host", 4),
    "repeat": (lambda x, cp: np.repeat(x, cp.ones(6, int)), "host", 8),
    "asarray": (lambda x, cp: cp.asarray(np.ones(6)), "device", 48),
    "array of a list": (lambda x, cp: cp.array([1.0, 2.0]), "device", 16),
    "index of a list": (lambda x, cp: x[[1, 2]], "device", 16),
    "set": (lambda x, cp: x.set(np.ones(6)), "device", 48),
}


@pytest.mark.parametrize("what", COUNTED)
def test_counts_transfers(what: str, pretend_cupy: PretendCupy) -> None:
    function, to, nbytes = COUNTED[what]
    x = pretend_cupy.arange(6.0)
    function(x, pretend_cupy)
    assert [(t.to, t.nbytes) for t in pretend_cupy.transfers] == [(to, nbytes)]


def test_counts_nothing_else(pretend_cupy: PretendCupy) -> None:
    x = pretend_cupy.arange(6.0)
    x += 1
    x[2:4] = 7
    x[pretend_cupy.arange(2)] = 3
    x[1] = x[0] + np.float32(2)
    y = pretend_cupy.asarray(x).reshape(2, 3).T @ x[:2]
    pretend_cupy.add.at(y, pretend_cupy.zeros(2, int), pretend_cupy.ones(2))
    np.cumsum(y), np.sort(y), np.searchsorted(y, x), len(y), y.shape, y.sum(dtype=np.float32)
    assert not pretend_cupy.transfers
    assert y[0].item() == x[0].item() * x[0].item() + x[3].item() * x[1].item() + 2


def test_memory_is_shared_and_poisoned(pretend_cupy: PretendCupy) -> None:
    x = pretend_cupy.zeros((2, 3))
    x[0][1:] = 5
    x.T[2, 1] = 7
    np.testing.assert_array_equal(x.get(), [[0, 5, 5], [0, 0, 7]])
    assert bool(np.isnan(pretend_cupy.empty(3)).all())
    assert bool((pretend_cupy.empty_like(pretend_cupy.zeros(3, "int8")) == 85).all())


def test_pickling_goes_over_the_bus(pretend_cupy: PretendCupy) -> None:
    x = pretend_cupy.arange(3.0)
    y = pickle.loads(pickle.dumps(x))
    assert isinstance(y, Ndarray)
    assert [t.to for t in pretend_cupy.transfers] == ["host", "device"]


@thread_program
def double(x: Any, y: Any) -> None:
    i = jit.blockIdx.x * jit.blockDim.x + jit.threadIdx.x
    if i < len(x):
        y[i] = x[i] + x[i]


def test_thread_programs_run_on_it(pretend_cupy: PretendCupy) -> None:
    x = pretend_cupy.arange(5.0)
    y = pretend_cupy.empty_like(x)
    double((2,), (3,), (x, y))
    assert not pretend_cupy.transfers
    np.testing.assert_array_equal(y.get(), [0, 2, 4, 6, 8])
    with pytest.raises(UsageError, match="some of its arrays are on the card and some are not"):
        double((2,), (3,), (x, np.zeros(5)))
