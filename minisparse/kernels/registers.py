"""The epilogue in registers: bias, activation and residual of an element by its own thread.

A thread that has summed an element of C holds it in a register. What follows the product is done
there, and C is written once: fused, an epilogue costs what it reads besides, and no launch. Each op
of a chain is a device function of a few lines that first calls ``before``, which stands for the one
before it::

    put   →   at_least   →   add_first   →   of_product       of bias and relu
    writes    max(., 0)      + bias          the sum itself

A chain is these functions bound to each other. As bound programs are remembered, each chain is
compiled once for each dtype.

Only memory rounds to a narrower dtype: a float16 in a register is a float32 to the compiler of
thread programs. So where sums are wider than the result, each step's value is written to C and read
back, by the thread that wrote it (``rounded``), and the result is the same as with one launch after
another. Not yet run on a GPU.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.xp import namespace
from minisparse.gpu import DeviceFunction, device_function, jit
from minisparse.kernels.execute import Epilogue
from minisparse.kernels.gelu.dense import CUBIC, SCALE
from minisparse.kernels.kernel import Finish
from minisparse.kernels.normal import LOG_ODDS
from minisparse.ops import ADD, ADD_BIAS, CLIP, GELU, RELU, SILU
from minisparse.ops.activations import bound_in
from minisparse.ops.arithmetic import by_rows

DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64")
"""What threads compute with; the language has neither bfloat16 nor complex numbers."""

Step = DeviceFunction[..., Any]
"""``step(value, c, m, n, first, second)``: the value of ``C[m, n]`` so far, and what lies beside C:
``first[m, n]`` and ``second[m, n]``, both of C's shape."""
Bound = tuple[Step, dict[str, Any]]
"""A step, and what its names are to be bound to."""

wide: Any = np.float32
narrow: Any = np.float32
low: Any = np.float32(0)
high: Any = np.float32(0)
LINEAR, CUBED = -2 * SCALE, -2 * SCALE * CUBIC
"""Of gelu's form by tanh: ``1 + tanh v`` is ``2 / (1 + exp(-2 v))``."""


@device_function
def of_product(value: Any, c: Array, m: Any, n: Any, first: Array, second: Array) -> Any:
    """Return the sum as it is: the beginning of every chain."""
    return value


before: Step = of_product


@device_function
def rounded(value: Any, c: Array, m: Any, n: Any, first: Array, second: Array) -> Any:
    """Round to C's dtype by writing to C and reading back."""
    c[m, n] = narrow(before(value, c, m, n, first, second))
    return wide(c[m, n])


@device_function
def add_first(value: Any, c: Array, m: Any, n: Any, first: Array, second: Array) -> Any:
    """Add what lies beside C first: a bias or a residual."""
    return before(value, c, m, n, first, second) + wide(first[m, n])


@device_function
def add_second(value: Any, c: Array, m: Any, n: Any, first: Array, second: Array) -> Any:
    """Add what lies beside C second."""
    return before(value, c, m, n, first, second) + wide(second[m, n])


@device_function
def at_least(value: Any, c: Array, m: Any, n: Any, first: Array, second: Array) -> Any:
    """Raise to a bound; NaN, which is not below it, stays."""
    value = before(value, c, m, n, first, second)
    if value < low:
        value = low
    return value


@device_function
def at_most(value: Any, c: Array, m: Any, n: Any, first: Array, second: Array) -> Any:
    """Lower to a bound; NaN, which is not above it, stays."""
    value = before(value, c, m, n, first, second)
    if value > high:
        value = high
    return value


@device_function
def silu(value: Any, c: Array, m: Any, n: Any, first: Array, second: Array) -> Any:
    """Return ``x / (1 + exp(-x))``: 0 where exp overflows, since x is far smaller."""
    x = before(value, c, m, n, first, second)
    return x / (wide(1) + jit.exp(-x))


@device_function
def gelu_by_tanh(value: Any, c: Array, m: Any, n: Any, first: Array, second: Array) -> Any:
    """Return gelu's form by tanh, as :mod:`minisparse.kernels.gelu.dense` computes it."""
    x = before(value, c, m, n, first, second)
    t = (x * x * wide(CUBED) + wide(LINEAR)) * x
    return x / (wide(1) + jit.exp(t))


@device_function
def gelu_in_single(value: Any, c: Array, m: Any, n: Any, first: Array, second: Array) -> Any:
    """Return gelu in float32: by the polynomial of ``log_odds_against`` (Horner, in x squared)."""
    x = before(value, c, m, n, first, second)
    square = x * x
    t = square * wide(LOG_ODDS[0])
    t = (t + wide(LOG_ODDS[1])) * square
    t = (t + wide(LOG_ODDS[2])) * square
    t = (t + wide(LOG_ODDS[3])) * square
    t = (t + wide(LOG_ODDS[4])) * square
    t = (t + wide(LOG_ODDS[5])) * square
    t = (t + wide(LOG_ODDS[6])) * x
    return x / (wide(1) + jit.exp(t))


@device_function
def put(value: Any, c: Array, m: Any, n: Any, first: Array, second: Array) -> None:
    """Finish an element and write it: what a thread program calls with its sum."""
    c[m, n] = narrow(before(value, c, m, n, first, second))


@dataclass(frozen=True, eq=False)
class Registers:
    """How a thread program finishes and writes the elements of one result.

    Attributes
    ----------
    put : DeviceFunction
        To be bound to the program's ``put``: ``put(total, c, m, n, first, second)``.
    first, second : ndarray, shape (M, N)
        To be given to the program; C itself where there is nothing beside it.
    left : Finish or None
        What is to be done with the finished result, as threads cannot.
    """

    put: Step
    first: Array
    second: Array
    left: Finish | None = None

    @property
    def turned(self) -> "Registers":
        """For a program that computes the transpose of the result."""
        return Registers(self.put, self.first.T, self.second.T, self.left)

    @property
    def upright(self) -> "Registers":
        """For a program whose result is a vector ``[M]``, written as a matrix ``[M, 1]``."""
        return Registers(self.put, self.first[:, None], self.second[:, None], self.left)

    def afterwards(self, c: Array) -> None:
        """Do to the whole result what was left."""
        if self.left is not None:
            self.left(c, tuple(slice(0, length) for length in c.shape))


def in_registers(finish: Finish | None, c: Array) -> Registers:
    """Return how threads that own the elements of ``c`` finish and write them.

    Parameters
    ----------
    finish : Finish or None
        The epilogue.
    c : ndarray, shape (M, N) or (M,)
        Where the result goes. A bias has one value a row of it; what is added else broadcasts.

    Returns
    -------
    Registers
        With all of the epilogue in its ``put``; or with all of it ``left``, where it adds more than
        two arrays or one of a dtype that threads do not have, is gelu in float64, which takes four
        polynomials (:mod:`minisparse.kernels.normal`), or clips from infinity on.
    """
    beside = _beside(finish, c) if isinstance(finish, Epilogue) else None
    if isinstance(finish, Epilogue) and beside is not None:
        chain = _chain(*_written(finish), c.dtype)
        if chain is not None:
            first, second = [*beside, c, c][:2]
            return Registers(chain, first, second)
    return Registers(put.bind(before=of_product, narrow=c.dtype.type), c, c, finish)


def _beside(finish: Epilogue, c: Array) -> list[Array] | None:
    """Return the arrays that are added, as wide as c without a copy; None where threads cannot."""
    added = [
        by_rows(x, c.ndim) if part is ADD_BIAS else x
        for part, operands in zip(finish.parts, finish.operands, strict=True)
        for x in operands
    ]
    if len(added) > 2 or any(x.dtype.name not in DTYPES for x in added):
        return None
    xp = namespace(c)
    return [x if x.shape == c.shape else xp.broadcast_to(x, c.shape) for x in added]


def _written(finish: Epilogue) -> tuple[tuple[str, ...], tuple[tuple[str, Any], ...]]:
    """Return the names of the parts, and their attributes: what tells chains apart."""
    names = tuple(part.name for part in finish.parts)
    return names, tuple((n, finish.attrs[n]) for part in finish.parts for n in part.attrs)


@cache
def _chain(names: tuple[str, ...], attrs: tuple[tuple[str, Any], ...], dtype: DType) -> Step | None:
    """Return ``put`` of a chain of ops; None if there is one that threads cannot compute."""
    real, chain = accumulator(dtype), of_product
    for found in _steps(names, dict(attrs), dtype):
        if found is None:
            return None
        step, bound = found
        if dtype != real:
            chain = rounded.bind(before=chain, wide=real.type, narrow=dtype.type)
        chain = step.bind(before=chain, **bound)
    return put.bind(before=chain, narrow=dtype.type)


def _steps(
    names: tuple[str, ...], attrs: Mapping[str, Any], dtype: DType
) -> Iterator[Bound | None]:
    """Yield the device functions of a chain, each with what it is bound to; None for one amiss."""
    real = accumulator(dtype).type
    adders = iter((add_first, add_second))
    for name in names:
        if name in (ADD_BIAS.name, ADD.name):
            yield next(adders), {"wide": real}
        elif name == RELU.name:
            yield at_least, {"low": real(0)}
        elif name == SILU.name:
            yield silu, {"wide": real}
        elif name == CLIP.name:
            yield from _clip(attrs, dtype)
        elif name == GELU.name and attrs["approximate"] == "tanh":
            yield gelu_by_tanh, {"wide": real}
        elif name == GELU.name and real is np.float32:
            yield gelu_in_single, {"wide": real}
        else:
            yield None


def _clip(attrs: Mapping[str, Any], dtype: DType) -> Iterator[Bound | None]:
    """Yield the steps of clip; None where a bound that is infinite is one after all.

    CuPy's translator has no way to write infinity.
    """
    for name, step, key, nothing in (
        ("min", at_least, "low", -np.inf),
        ("max", at_most, "high", np.inf),
    ):
        if attrs[name] is not None and attrs[name] != nothing:
            limit = accumulator(dtype).type(bound_in(attrs[name], dtype))
            yield (step, {key: limit}) if np.isfinite(limit) else None
