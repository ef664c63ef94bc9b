"""The seam: which library an array is of, where it lies, and what goes over the bus when."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from minisparse.core.errors import MissingExtraError, UsageError
from minisparse.core.xp import (
    asarray,
    check_one_place,
    device_of,
    is_on_gpu,
    namespace,
    to_device,
)
from tests.pretend_device import PretendCupy


def test_without_cupy_all_is_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    for x in (np.zeros(3), 2.5, [1], None):
        assert namespace(x) is np
        assert not is_on_gpu(x)
        assert device_of(x) == "cpu"
    assert namespace() is np
    assert "cupy" not in sys.modules


def test_where_arrays_lie(pretend_cupy: PretendCupy) -> None:
    x, y = np.zeros(3), pretend_cupy.zeros(3)
    assert (namespace(x), namespace(y), namespace(x, y), namespace(y, x)) == (
        np, pretend_cupy, pretend_cupy, pretend_cupy,
    )  # fmt: skip
    assert [device_of(a) for a in (x, y, y[0], 3, [y])] == ["cpu", "gpu", "gpu", "cpu", "cpu"]
    assert not pretend_cupy.transfers


def test_to_device_copies_only_over_the_bus(pretend_cupy: PretendCupy) -> None:
    x = np.arange(6, dtype=np.int16).reshape(2, 3)
    y = to_device(x, "gpu")
    assert [(t.to, t.nbytes) for t in pretend_cupy.transfers] == [("device", 12)]
    assert to_device(x, "cpu") is x
    assert to_device(y, "gpu") is y
    assert len(pretend_cupy.transfers) == 1
    y += 1
    np.testing.assert_array_equal(to_device(y, "cpu"), x + 1)
    assert [(t.to, t.nbytes) for t in pretend_cupy.transfers[1:]] == [("host", 12)]


def test_asarray_stays_where_it_is(pretend_cupy: PretendCupy) -> None:
    y = pretend_cupy.arange(3)
    assert asarray(y) is y
    assert asarray(y, np.float32).dtype == np.float32
    assert is_on_gpu(asarray(y, np.float32))
    assert isinstance(asarray(2.5, np.float32), np.ndarray)
    assert not pretend_cupy.transfers


def test_one_place(pretend_cupy: PretendCupy) -> None:
    x, y = np.zeros(3), pretend_cupy.zeros(3)
    check_one_place("f", {"a": x, "b": x, "n": 3})
    check_one_place("f", {"a": y, "b": y, "n": 3})
    with pytest.raises(UsageError, match=r"f: b on the GPU, but a, c in main memory: nothing is"):
        check_one_place("f", {"a": x, "b": y, "c": x, "n": 3})


def test_what_is_missing_is_said(
    pretend_cupy: PretendCupy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

    runtime = SimpleNamespace(getDeviceCount=refuse, CUDARuntimeError=RuntimeError)
    monkeypatch.setattr(pretend_cupy, "cuda", SimpleNamespace(runtime=runtime))
    with pytest.raises(UsageError, match=r"f: there is no GPU to use: CUDA says cudaErrorNoDev"):
        to_device(np.zeros(3), "gpu", "f")
    with pytest.raises(UsageError, match=r"f: device is 'cuda:0': it must be cpu or gpu"):
        to_device(np.zeros(3), "cuda:0", "f")
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingExtraError, match=r'f needs .* pip install "minisparse\[gpu-cuda13'):
        to_device(np.zeros(3), "gpu", "f")


@pytest.mark.gpu
def test_there_and_back_on_a_card() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    y = to_device(x, "gpu")
    assert namespace(y).__name__ == "cupy"
    assert (device_of(y), to_device(y, "gpu") is y) == ("gpu", True)
    np.testing.assert_array_equal(to_device(y, "cpu"), x)
