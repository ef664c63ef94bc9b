"""What the card is, and whether the simplest program runs on it."""

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from minisparse.bench.gpu.part import FailedItem, Item, Part
from minisparse.core.dtypes import Array
from minisparse.core.extras import require
from minisparse.core.xp import to_device
from minisparse.gpu import jit, thread_program

PACKAGES = (
    "cupy-cuda13x", "cupy-cuda12x", "nvmath-python", "nvidia-cusparse", "nvidia-cusparse-cu12",
    "nvidia-cusparselt-cu13", "nvidia-cusparselt-cu12",
)  # fmt: skip


@thread_program
def double(x: Array, y: Array) -> None:
    """Write twice each element."""
    i = np.int32(jit.grid(1))
    if i < len(x):
        y[i] = x[i] + x[i]


def describe() -> Mapping[str, Any]:
    """Return what a figure was measured on: the card, its driver, and the libraries."""
    cupy: Any = require("cupy", "gpu-cuda13", "bench gpu")
    runtime = cupy.cuda.runtime
    told = runtime.getDeviceProperties(cupy.cuda.Device().id)
    major, minor = told["major"], told["minor"]
    return {
        "card": told["name"].decode(),
        "compute capability": f"{major}.{minor}",
        "multiprocessors": int(told["multiProcessorCount"]),
        "memory": int(told["totalGlobalMem"]),
        "L2": int(told["l2CacheSize"]),
        "driver": runtime.driverGetVersion(),
        "CUDA": runtime.runtimeGetVersion(),
        "CuPy": cupy.__version__,
        "NumPy": np.__version__,
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def run_one() -> Mapping[str, Any]:
    """Translate, compile and launch a program of one line."""
    x = np.arange(1000, dtype=np.float32)
    given, found = to_device(x, "gpu"), to_device(np.zeros_like(x), "gpu")
    double((8,), (128,), (given, found))
    if not np.array_equal(to_device(found, "cpu"), 2 * x):
        raise FailedItem("twice each element is not what was written")
    return {"elements": len(x)}


def _items(quick: bool) -> Iterator[Item]:
    yield Item("what it is", describe)
    yield Item("one thread program", run_one)


CARD = Part("card", "what the card is, and one simple program", 15, _items, 0)
