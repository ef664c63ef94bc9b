"""Multiply whole matrices as one instruction after the other would, bit for bit."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError, UsageError
from minisparse.formats import Matrix
from minisparse.kernels.instructions.dot import (
    dot_saturating,
    dot_through_words,
    dot_wrapping,
    wrap,
)
from minisparse.kernels.instructions.fma import CHAIN, Order, sum_in_order
from minisparse.kernels.instructions.narrow import round_to
from minisparse.kernels.instructions.sparse import compress
from minisparse.kernels.instructions.table import MachineInstruction, find_instruction
from minisparse.kernels.instructions.tensor_core import find_core, sum_blocks

_DOTS = {"avx512_dpbusds": dot_saturating, "avx2_maddubs": dot_through_words}


def emulate(
    instruction: str | MachineInstruction,
    a: Any,
    b: Any,
    c: Any = None,
    *,
    order: Order = CHAIN,
    core: str = "ampere",
) -> Array:
    """Return ``D = A @ B + C`` as a loop of one instruction computes it.

    M and N are cut into tiles of the instruction's shape, which changes no bit; K is gone through
    from 0 on, filled up with zeros at its end.

    Parameters
    ----------
    instruction : str or MachineInstruction
        Of :data:`~minisparse.kernels.instructions.table.INSTRUCTIONS`.
    a : array_like or Matrix, shape (M, K)
        The weight. Of floats any dtype will do whose *values* the instruction's format has:
        nothing is rounded here unasked (see :func:`round_to`). Integers have its very dtype. For
        ``mma.sp`` it must fit the instruction's n:m, and an NM matrix keeps its own positions.
    b : array_like, shape (K, N)
        Likewise.
    c : array_like, shape (M, N), optional
        What sums begin with, of the accumulator's dtype; 0 if left out.
    order : Order
        Of fused multiply-adds: a chain for each element, as where lanes lie along n, or lanes
        along k. Other instructions have an order of their own.
    core : str
        Of tensor cores: the generation, one of :data:`CORES`.

    Returns
    -------
    ndarray of the accumulator's dtype, shape (M, N)

    Raises
    ------
    UsageError
        If there is no such instruction or generation, or it does not multiply the format, or an
        order is given to an instruction that has its own.
    ShapeError, DTypeError
        If operands do not fit together, or hold values that the instruction's format does not.
    FormatError
        If A does not fit the n:m.

    Examples
    --------
    >>> a = np.full((1, 4), 255, np.uint8)
    >>> b = np.full((4, 1), 127, np.int8)
    >>> [int(emulate(name, a, b)[0, 0]) for name in ("avx512_dpbusd", "avx2_maddubs")]
    [129540, 65534]
    >>> w = np.array([[1, 2.0**-12, 2.0**-12, 2.0**-12]])  # each small product is 2**-24
    >>> [float(emulate("mma_f16", w, w.T, core=core)[0, 0] - 1) for core in ("volta", "ampere")]
    [0.0, 1.1920928955078125e-07]
    """
    found = find_instruction(instruction)
    if order != CHAIN and not _is_fma(found):
        raise UsageError(f"{found.name}: it has an order of its own; leave order out")
    weight = a if isinstance(a, Matrix) else np.asarray(a)
    right = np.asarray(b)
    if weight.ndim != 2 or right.ndim != 2 or weight.shape[1] != right.shape[0]:
        raise ShapeError(
            f"{found.name}: A is {_shape(weight)} and B {_shape(right)}: both must be matrices, "
            "and A must have as many columns as B has rows"
        )
    start = _start(found, c, (weight.shape[0], right.shape[1]))
    columns = None
    if found.group is not None:
        weight, columns = compress(weight, *found.group)
        last = max(right.shape[0], int(columns.max(initial=-1)) + 1)
        right = np.pad(right, [(0, last - right.shape[0]), (0, 0)])
    elif isinstance(weight, Matrix):
        weight = weight.to_dense()
    if found.accumulator == "int32":
        return _integers(found, weight, right, start, columns)
    left, right = _floats(found, weight, "A"), _floats(found, right, "B")
    if _is_fma(found):
        return sum_in_order(left, right, start, order)
    return sum_blocks(left, right, start, found.operands[0][0], find_core(core), columns)


def _is_fma(instruction: MachineInstruction) -> bool:
    return instruction.operands[0][0] == instruction.accumulator and instruction.shape[2] == 1


def _shape(x: Any) -> str:
    return "x".join(map(str, x.shape)) or "a number"


def _start(instruction: MachineInstruction, c: Any, shape: tuple[int, int]) -> Array:
    """Return C, or zeros."""
    if c is None:
        return np.zeros(shape, instruction.accumulator)
    given = np.asarray(c)
    if given.shape != shape:
        raise ShapeError(f"{instruction.name}: C is {_shape(given)}: it must be {shape}")
    if given.dtype != instruction.accumulator:
        raise DTypeError(
            f"{instruction.name}: C is {given.dtype}, and sums are {instruction.accumulator}: "
            f'use c.astype("{instruction.accumulator}")'
        )
    return given


def _floats(instruction: MachineInstruction, x: Array, name: str) -> Array:
    """Return an operand as float32 or float64, once it is sure that no value changes."""
    format = instruction.operands[0][0]
    if x.dtype.kind != "f" and x.dtype.name != "bfloat16":
        raise DTypeError(f"{instruction.name}: {name} is {x.dtype}: it must be floating-point")
    if format == "float64":
        return x.astype(np.float64)
    rounded = round_to(x, format)
    changed = (rounded != x.astype(np.float64)) & ~np.isnan(rounded)
    if changed.any():
        i, j = (int(found[0]) for found in np.nonzero(changed))
        raise DTypeError(
            f"{instruction.name}: {name}[{i}, {j}] = {x[i, j]!s} is no {format} number: round "
            f'first, with round_to(x, "{format}")'
        )
    return rounded


def _integers(
    instruction: MachineInstruction, a: Array, b: Array, c: Array, columns: Array | None
) -> Array:
    """Return the product of an instruction on integers."""
    kinds = (a.dtype.name, b.dtype.name)
    if kinds == ("bool", "bool"):
        a, b = a.astype(np.uint8), b.astype(np.uint8)
    elif kinds == ("int8", "int8") and instruction.shifts:
        # As libraries do: B shifted by 128 to be unsigned, and what that adds taken off again.
        rows = a.astype(np.int64).sum(axis=1, keepdims=True)
        c = wrap(c.astype(np.int64) - 128 * rows)
        b = (b.astype(np.int16) + 128).astype(np.uint8)
    elif kinds not in instruction.operands:
        pairs = ", ".join(f"{x} by {y}" for x, y in instruction.operands)
        raise DTypeError(
            f"{instruction.name}: A is {kinds[0]} and B {kinds[1]}: it multiplies {pairs}"
        )
    if columns is not None:
        expanded = np.zeros((len(a), b.shape[0]), a.dtype)
        np.put_along_axis(expanded, columns, a, axis=1)
        a = expanded
    if a.dtype.itemsize > 1:
        return wrap(a.astype(np.int64) @ b.astype(np.int64) + c)
    return _DOTS.get(instruction.name, dot_wrapping)(a, b, c)
