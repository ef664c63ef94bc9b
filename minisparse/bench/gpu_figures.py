"""Measure a card's own figures: what it multiplies, moves, gathers and launches in a second.

The same figures as a CPU's (:mod:`minisparse.bench.figures`), by CuPy and by events. Not yet run on
a GPU.
"""

import math
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np

from minisparse.core.extras import require
from minisparse.cost import Machine, MemoryLevel
from minisparse.gpu.timing import host_seconds, time_on_gpu

PEAK = 8192
"""Rows and columns of the product whose rate counts as the card's peak; of others a quarter."""
SOME = 1 << 21
"""Elements of what is gone through once: enough to fill a card, and less than its caches."""
LINE = 64
"""Elements of a row that is gathered."""
BEHIND = 1 << 30
"""Bytes of what lies in the card's memory, and not in a cache."""
STEP = 1.7e-7
"""Seconds for a multiply-add of a Python loop: the host's, as shipped for cards."""
SPARSE = (8, 0)
"""Compute capability from which tensor cores multiply 2:4."""
RATES = {"float16": 1, "float32": 1, "float64": 2, "complex64": 2, "complex128": 4}
"""Dtypes whose products are measured, and by what sizes are divided for them."""

MEASURED = ("matmul", "other_matmul", "elementwise", "memory", "call")

Time = Callable[[Callable[[], object]], float]
"""Returns the seconds that a call takes the card."""


def measure_card(name: str = "gpu", slowness: float = 1.0) -> Machine:
    """Return the current card with the figures that are measured in some seconds.

    Parameters
    ----------
    name : str
        What to call it.
    slowness : float
        1 takes five seconds or so; less takes as much less, and tells it less surely.
    """
    cupy: Any = require("cupy", "gpu-cuda13", "measuring a card")
    told = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    identity = card_identity(cupy, told)

    def time(call: Callable[[], object]) -> float:
        return median(time_on_gpu({"": call}, False, budget=0.1 * slowness)[""])

    rates = {dtype: _product(cupy, dtype, by, time) for dtype, by in RATES.items()}
    whole = _product(cupy, "int32", 8, time)
    sparse = (int(told["major"]), int(told["minor"])) >= SPARSE
    return Machine(
        name=name,
        source=f"calibrated on {identity['card']}, CUDA {identity['cuda']}, driver "
        f"{identity['driver']}, CuPy {identity['cupy']}",
        matmul=rates,
        other_matmul=whole,
        elementwise=_elementwise(cupy, time),
        memory=tuple(_levels(cupy, float(told["l2CacheSize"]), time)),
        call=_launch(cupy),
        step=STEP,
        cores=int(told["multiProcessorCount"]),
        instructions=frozenset({"mma", "scalar_fma"} | ({"mma_sp"} if sparse else set())),
        sources=dict.fromkeys(MEASURED, "measured") | {"step": "a usual host's: Python runs there"},
        identity=identity,
    )


def card_identity(cupy: Any, told: Any) -> dict[str, str]:
    """Return what a card's profile has to fit: the card, the driver, CUDA and CuPy."""
    runtime, name = cupy.cuda.runtime, told["name"]
    return {
        "card": name.decode() if isinstance(name, bytes) else str(name),
        "driver": str(runtime.driverGetVersion()),
        "cuda": str(runtime.runtimeGetVersion()),
        "cupy": str(cupy.__version__),
    }


def _product(cupy: Any, dtype: str, by: int, time: Time) -> float:
    """Return the rate of a large product in a dtype, flop/s."""
    n = PEAK // by
    a, b = cupy.ones((n, n), dtype), cupy.ones((n, n), dtype)
    out = cupy.empty((n, n), dtype)
    return float(2.0 * n**3 / time(lambda: cupy.matmul(a, b, out=out)))


def _elementwise(cupy: Any, time: Time) -> float:
    x, y, out = (cupy.ones(SOME, "float32") for _ in range(3))
    return float(SOME / time(lambda: cupy.multiply(x, y, out=out)))


def _launch(cupy: Any) -> float:
    """Return what the host takes for a call on nothing."""
    x, out = cupy.ones(1, "float32"), cupy.ones(1, "float32")
    return host_seconds(lambda: cupy.add(x, x, out=out))


def _levels(cupy: Any, cache: float, time: Time) -> Iterator[MemoryLevel]:
    """Yield the cache of the whole card, then its memory."""
    yield _level(cupy, "L2", cache, int(cache) // 4, time)
    yield _level(cupy, "memory", math.inf, BEHIND, time)


def _level(cupy: Any, name: str, size: float, used: int, time: Time) -> MemoryLevel:
    """Return a level, measured by what takes so many bytes."""
    x = cupy.ones(used // 8, "float32")
    out = cupy.empty_like(x)
    moved = 2 * x.nbytes / time(lambda: cupy.copyto(out, x))
    lines = x[: x.size // LINE * LINE].reshape(-1, LINE)
    some = min(len(lines), SOME // LINE)
    where = cupy.asarray(np.random.default_rng(0).integers(0, len(lines), some))
    room = cupy.empty((some, LINE), "float32")
    gathered = room.size / time(lambda: cupy.take(lines, where, 0, out=room))
    return MemoryLevel(name, size, float(moved), float(gathered))
