"""The first cost model: seconds from flops, bytes, gathered elements and calls.

    t = calls * call + max(flops / (peak * efficiency), bytes / bandwidth) + gathered / gather

Arithmetic and traffic overlap, so the larger counts (the roofline of Williams, Waterman and
Patterson, CACM 52(4), 2009); a gather fills the scratch that the arithmetic then reads, and a
call into the array library costs its entry whatever it does. A ``loops`` level is interpreted:
there each multiply-add is a step. Other libraries are closed boxes, and measured as wholes.
"""

import numpy as np

from minisparse.core.dtypes import DType
from minisparse.core.tensor_type import TensorType
from minisparse.cost.library_speeds import find_speed
from minisparse.cost.machine import Machine
from minisparse.formats import Pattern
from minisparse.kernels import Kernel, Level, Work
from minisparse.ops import Attrs, Op


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
    if level.work is not None and (pattern is not None or op.base.weight is None):
        return level.work(pattern, own, attrs)
    unit = "matmul" if op.base.sums_products else "elementwise"
    return Work(op.base.flops(own, attrs), kernel.bytes_moved(*own), calls=1, unit=unit)


def price(work: Work, level: str, dtype: DType, machine: Machine) -> float:
    """Return the predicted seconds of one call.

    Parameters
    ----------
    work : Work
        What the call does.
    level : str
        The kernel's level.
    dtype : numpy.dtype
        In which the arithmetic is done.
    machine : Machine
        Whose speeds count.
    """
    if level == "loops":
        return machine.call + work.flops / 2 * machine.step
    peak = machine.matmul_rate(dtype) if work.unit == "matmul" else machine.elementwise
    arithmetic = work.flops / (peak * work.efficiency)
    traffic = work.bytes / machine.bandwidth
    return work.calls * machine.call + max(arithmetic, traffic) + work.gathered / machine.gather


def price_library(
    op: Op,
    kernel: Kernel,
    provider: str,
    types: tuple[TensorType, ...],
    attrs: Attrs,
    machine: Machine,
) -> tuple[Work, float]:
    """Return what a library does, told by flops and bytes, and its predicted seconds.

    A library that was never measured on this machine is priced as if it did one element at a time.
    An epilogue is not fused with it: each of its ops passes over the result once more.
    """
    own = op.split(types)[0]
    moved = kernel.bytes_moved(*own)
    work = Work(op.base.flops(own, op.attrs_of(op.base, attrs)), moved, unit="elementwise")
    dtype = np.result_type(*(t.dtype for t in own))
    speed = find_speed(machine.libraries, provider, op.base.name, own)
    seconds = price(work, provider, dtype, machine) if speed is None else speed.seconds(own, dtype)
    result = op.base.infer(own, op.attrs_of(op.base, attrs))[0]
    after = machine.call + result.size / machine.elementwise
    return work, seconds + len(op.epilogue) * after
