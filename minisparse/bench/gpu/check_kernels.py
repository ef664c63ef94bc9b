"""Checks: every kernel on the card over its op's samples, beside answer key and simulator."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from minisparse.bench.gpu.operands import compute, held_samples, plain, types_of
from minisparse.bench.gpu.part import FailedItem, Item, Part, SkippedItem
from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.gpu.program import Program
from minisparse.gpu.translate import rounded_products
from minisparse.kernels import KERNELS, Kernel
from minisparse.kernels.places import level_at
from minisparse.oracle import exact_results, judge

_SHOWN = 3
"""Wrong samples of a kernel that are told in full."""
_VARYING = ("atomic_add", "jit.exp", "jit.log", "jit.tanh", "jit.erfc")
"""What makes bits differ from the simulator's: sums in any order, functions rounded otherwise."""


def check_level(kernel: Kernel, level: str, quick: bool) -> Mapping[str, Any]:
    """Compute every sample on the card, and compare with the exact answer within its bound."""
    right, wrong, refused = 0, [], set()
    for sample, operands in held_samples(kernel):
        if quick and right >= 2 * _SHOWN:
            break
        try:
            refuses = level_at(kernel, level, "gpu").why_not
            why = refuses(types_of(operands)) if refuses is not None else ""
            found = None if why else compute(kernel, level, operands, sample, "gpu")
        except UnsupportedOpError as error:
            why = str(error)
        if why:
            refused.add(why)
            continue
        several = found if isinstance(found, tuple) else (found,)
        truths = exact_results(kernel.op, operands, sample.attrs)
        verdicts = [judge(plain(x), t) for x, t in zip(several, truths, strict=True)]
        wrong += [f"{sample.label}: {v.message}" for v in verdicts if not v.passed]
        right += all(v.passed for v in verdicts)
    if wrong:
        raise FailedItem("\n".join([f"{len(wrong)} wrong, {right} right", *wrong[:_SHOWN]]))
    if not right:
        raise SkippedItem("; ".join(sorted(refused)) or "no sample fits the kernel's format")
    return {"right": right, "refused": sorted(refused)}


def check_bits(kernel: Kernel, quick: bool) -> Mapping[str, Any]:
    """Compute samples on the card and in the simulator, and compare the bits."""
    same, programs = 0, set()
    for sample, operands in held_samples(kernel):
        refuses = level_at(kernel, "gpu", "gpu").why_not
        if refuses is not None and refuses(types_of(operands)):
            continue
        with rounded_products() as launched:
            there = compute(kernel, "gpu", operands, sample, "gpu")
        varying = {p.name for p in launched if varies(p)}
        if not launched or varying:
            programs |= varying
            continue
        here = compute(kernel, "gpu", operands, sample, "cpu")
        if not same_bits(plain(there), plain(here)):
            raise FailedItem(
                f"{sample.label}: {', '.join(p.name for p in launched)} gives other bits on the "
                f"card than in the simulator: {difference(plain(there), plain(here))}"
            )
        same += 1
        if same >= (2 if quick else 8):
            break
    if not same:
        what = f"{', '.join(sorted(programs))} sum in any order, or round functions otherwise"
        raise SkippedItem(what if programs else "no thread program was launched")
    return {"same": same}


def varies(program: Program) -> bool:
    """Tell whether a program's bits may differ from the simulator's."""
    text = inspect.getsource(program.function)
    return any(name in text for name in _VARYING) or any(map(varies, program.helpers.values()))


def same_bits(x: Array, y: Array) -> bool:
    """Tell whether two arrays are equal to the last bit; one NaN is as good as another.

    Examples
    --------
    >>> same_bits(np.array([0.0, np.nan]), np.array([-0.0, np.nan]))
    False
    """
    if (x.shape, x.dtype) != (y.shape, y.dtype):
        return False
    nan = (x != x) & (y != y)
    return bool(((x == y) & (np.signbit(x) == np.signbit(y)) | nan).all())


def difference(x: Array, y: Array) -> str:
    """Return where two arrays differ first, and what is there."""
    if (x.shape, x.dtype) != (y.shape, y.dtype):
        return f"{x.dtype}{list(x.shape)} and {y.dtype}{list(y.shape)}"
    nan = (x != x) & (y != y)
    at = np.argwhere(~((x == y) & (np.signbit(x) == np.signbit(y)) | nan))
    first = tuple(at[0].tolist())
    return f"{len(at)} of {x.size}, first at {first}: {x[first]!r} and {y[first]!r}"


def _levels(level: str) -> list[Kernel]:
    return [kernel for kernel in KERNELS.values() if level in kernel.levels]


def _items(level: str, quick: bool) -> Iterator[Item]:
    for kernel in _levels(level):
        yield Item(f"{kernel.name} {level}", partial(check_level, kernel, level, quick))


def _bits(quick: bool) -> Iterator[Item]:
    for kernel in _levels("gpu"):
        yield Item(kernel.name, partial(check_bits, kernel, quick))


def _part(
    name: str, title: str, seconds: float, order: int, items: Callable[[bool], Iterator[Item]]
) -> Part:
    return Part(name, title, seconds, items, order, workers=8)


THREADS = _part(
    "threads", "every gpu level, beside the answer key",
    75, 40, partial(_items, "gpu"),
)  # fmt: skip
BITS = _part(
    "bits", "every gpu level, beside the simulator",
    40, 60, _bits,
)  # fmt: skip
ARRAYS = _part(
    "arrays", "every vectorized level on CuPy, the same",
    60, 50, partial(_items, "vectorized"),
)  # fmt: skip
