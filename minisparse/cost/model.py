"""The cost model: what a call does, times what this machine takes for it.

A kernel tells its :class:`~minisparse.kernels.Work` from the pattern: padding, panels and pieces
included, not sparsity alone. :mod:`minisparse.cost.coefficients` has the formula that makes a price
of it, by parts, with coefficients that were fitted for the way in which the kernel computes (or, on
a machine that was not calibrated, derived from its figures). A ``loops`` level is interpreted:
there each multiply-add is a step. An epilogue passes over the result where it is near. Other
libraries are closed boxes, and measured as wholes.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import DType
from minisparse.core.tensor_type import TensorType
from minisparse.cost.coefficients import price_with
from minisparse.cost.library_speeds import find_speed
from minisparse.cost.machine import Machine
from minisparse.cost.price import Price
from minisparse.formats import Pattern
from minisparse.kernels import Kernel, Level, Work
from minisparse.ops import Attrs, Op

NEAR = 1 << 16
"""Elements of a result that are finished at once, before they leave the cache."""
FUSING = 4.0
"""Calls' time that a fused op takes to begin, besides those of its parts."""


def work_of(
    op: Op,
    kernel: Kernel,
    level: Level,
    pattern: Pattern | None,
    types: tuple[TensorType, ...],
    attrs: Attrs,
) -> Work:
    """Return what one call does: the level's own account, or the op's flops and kernel's bytes.

    Parameters
    ----------
    op : Op
        The op, perhaps fused; its epilogue is not counted as traffic.
    kernel, level : Kernel, Level
        How it would be computed.
    pattern : Pattern or None
        What is known of the sparse operand.
    types : tuple of TensorType
        Operand types, sizes known, the sparse operand's as it would be stored.
    attrs : mapping
        The op's attributes.
    """
    own, attrs = op.split(types)[0], op.attrs_of(op.base, attrs)
    known = pattern is not None or kernel.format is None
    if level.work is not None and known:
        return level.work(pattern, own, attrs)
    unit = "matmul" if op.base.sums_products else "elementwise"
    return Work(op.base.flops(own, attrs), kernel.bytes_moved(*own), calls=1, unit=unit)


def names_of(kernel: Kernel, work: Work) -> tuple[str, ...]:
    """Return for what a price is fitted, the closest first.

    Examples
    --------
    >>> from minisparse.kernels import KERNELS
    >>> names_of(KERNELS["dsmm_csr"], Work(1, 1, way="panels"))
    ('dsmm panels', 'spmm panels')
    >>> names_of(KERNELS["relu_dense"], Work(1, 1))
    ('relu_dense',)
    """
    if not work.way:
        return (kernel.name,)
    return tuple(dict.fromkeys((f"{kernel.op.base.name} {work.way}", f"spmm {work.way}")))


class Basis(NamedTuple):
    """What a price depends on beside the work and the machine.

    Attributes
    ----------
    dtype : numpy.dtype
        In which the arithmetic is done.
    names : tuple of str
        For what coefficients may have been fitted, the closest first: see :func:`names_of`.
    footprint, reach : float
        Bytes of all operands and results, and of those that are gathered from or written to.
    """

    dtype: DType
    names: tuple[str, ...] = ()
    footprint: float = 0.0
    reach: float = 0.0


def price(work: Work, level: str, basis: Basis, machine: Machine) -> Price:
    """Return the predicted time of one call, by parts.

    Parameters
    ----------
    work : Work
        What the call does.
    level : str
        The kernel's level.
    basis : Basis
        On which data.
    machine : Machine
        Whose speeds count.
    """
    if level == "loops":
        return Price(compute=work.flops / 2 * machine.step, calls=machine.call)
    known = (name for name in basis.names if machine.knows(name, level))
    c = machine.coefficients_of(next(known, ""), level, work.unit)
    return price_with(c, work, machine.scale(basis.dtype, work.unit, basis.footprint, basis.reach))


def price_epilogue(
    op: Op, types: Sequence[TensorType], result: TensorType, machine: Machine, apart: bool = False
) -> Price:
    """Return the predicted time of an op's epilogue, nothing for an op without one.

    Parameters
    ----------
    op : Op
        Perhaps fused.
    types : sequence of TensorType
        Of its operands, sizes known.
    result : TensorType
        Of its base.
    machine : Machine
        Whose speeds count.
    apart : bool
        Whether each part passes over the whole result, and not over what is near.
    """
    if not op.epilogue:
        return Price()
    elements = result.size
    at_once = elements if apart else min(elements, NEAR)
    passes = math.ceil(elements / max(at_once, 1))
    found = Price(calls=FUSING * machine.call)
    for part, more in zip(op.epilogue, op.split(types)[1:], strict=True):
        wide = sum(t.size for t in more) if part.name != "add_bias" else 0
        work = Work(
            flops=float(part.flops((result, *more), {})),
            bytes=float((2 * elements + wide) * result.itemsize),
            calls=2.0 * passes,
            unit="elementwise",
        )
        near = 2.0 * at_once * result.itemsize
        basis = Basis(result.dtype, (f"{part.name}_dense",), near)
        found += price(work, "vectorized", basis, machine)
    return found


def price_library(
    op: Op,
    kernel: Kernel,
    provider: str,
    types: tuple[TensorType, ...],
    attrs: Attrs,
    machine: Machine,
) -> tuple[Work, Price]:
    """Return what a library does, told by flops and bytes, and its predicted time.

    A library that was never measured on this machine is priced as if it did one element at a time.
    An epilogue is not fused with it: each of its ops passes over the result once more.
    """
    own, attrs = op.split(types)[0], op.attrs_of(op.base, attrs)
    moved = kernel.bytes_moved(*own)
    work = Work(op.base.flops(own, attrs), moved, unit="elementwise")
    dtype = np.result_type(*(t.dtype for t in own))
    speed = find_speed(machine.speeds, provider, op.base.name, own)
    if speed is None:
        found = price(work, provider, Basis(dtype), machine)
    else:
        call = speed.call * 1e-6
        found = Price(compute=speed.seconds(own, dtype) - call, calls=call)
    result = op.base.infer(own, attrs)[0]
    return work, found + price_epilogue(op, types, result, machine, apart=True)
