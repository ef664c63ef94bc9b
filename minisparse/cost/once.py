"""What is done once for a weight: converting it to a layout, and packing it for a kernel.

Both are passes over arrays: over every element of a dense matrix, over every stored entry of
another, a few dozen of them where entries have to be sorted or placed. How long these take is
fitted like everything else, under the names of the formats and of the kernel.
"""

import numpy as np

from minisparse.core.tensor_type import DENSE, TensorType
from minisparse.cost.machine import Machine
from minisparse.cost.model import Basis, price
from minisparse.kernels import Kernel, Level, Work

MOVED = 12.0
"""Passes over stored entries, to bring them from one format to another."""
PACKED = 30.0
"""Passes over stored entries, to choose panels and to lay them out."""
CALLS = 25.0
"""Calls into the array library that either takes, more or less."""


def convert_work(now: TensorType, then: TensorType) -> Work:
    """Return what is done to store a weight of one type as another."""
    dense = sum(t.size * t.itemsize for t in (now, then) if t.layout == DENSE)
    stored = sum(float(t.nnz) for t in (now, then) if t.layout != DENSE)
    rows = float(then.dims[0]) if then.ndim else 0.0
    moved = dense + stored * then.itemsize
    return Work(MOVED * stored, moved, calls=CALLS, unit="elementwise", rows=rows, entries=stored)


def prepare_work(weight: TensorType) -> Work:
    """Return what is done to pack a weight."""
    stored, rows = float(weight.nnz), float(weight.dims[0]) if weight.ndim else 0.0
    moved = stored * weight.itemsize
    return Work(PACKED * stored, moved, calls=CALLS, unit="elementwise", rows=rows, entries=stored)


def once_basis(work: Work) -> Basis:
    """Return on which data that is done: what is read and written, once each."""
    return Basis(np.dtype(np.float32), (), work.bytes, work.bytes)


def convert_name(now: TensorType, then: TensorType) -> str:
    """Return under which name a conversion is fitted: ``"dense to csr"``."""
    return f"{now.format} to {then.format}"


def prepare_names(kernel: Kernel, work: Work) -> tuple[str, ...]:
    """Return under which names packing is fitted: for the way that is then taken, or for any."""
    return (f"{kernel.name} {work.way}", kernel.name) if work.way else (kernel.name,)


def convert_seconds(now: TensorType, then: TensorType, machine: Machine) -> float:
    """Return about how long a weight of one type takes to be stored as another; 0 for no change.

    Parameters
    ----------
    now, then : TensorType
        As the graph has it, and as it is wanted; sizes known.
    machine : Machine
        Whose speeds count.
    """
    if now.layout == then.layout:
        return 0.0
    names = (convert_name(now, then),)
    return _seconds(convert_work(now, then), names, "convert", machine)


def prepare_seconds(
    kernel: Kernel, level: Level, work: Work, weight: TensorType, machine: Machine
) -> float:
    """Return about how long a level takes to pack a weight; 0 where it prepares nothing.

    Parameters
    ----------
    kernel, level : Kernel, Level
        A kernel for this format, and one of its levels.
    work : Work
        What a call will do then.
    weight : TensorType
        As it is stored; sizes known.
    machine : Machine
        Whose speeds count.
    """
    if level.prepare is None:
        return 0.0
    return _seconds(prepare_work(weight), prepare_names(kernel, work), "prepare", machine)


def _seconds(work: Work, names: tuple[str, ...], level: str, machine: Machine) -> float:
    return price(work, level, once_basis(work)._replace(names=names), machine).seconds
