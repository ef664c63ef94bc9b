"""Operands of checks and timings: an op's samples in a kernel's format, and the way to the card."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.core.triplets import Triplets
from minisparse.core.xp import to_device
from minisparse.formats import Matrix, from_triplets
from minisparse.kernels import Kernel, execute, pack
from minisparse.kernels.places import level_at
from minisparse.ops import Sample

_BLOCK = (2, 3)
_KEPT, _GROUP = 2, 4


def held_samples(kernel: Kernel, seed: int = 0) -> Iterator[tuple[Sample, list[Any]]]:
    """Yield an op's samples with their operands as a kernel takes them, those that it can hold."""
    for sample in kernel.op.samples(np.random.default_rng(seed)):
        operands = [_held(kernel, i, x) for i, x in enumerate(sample.operands)]
        if not any(x is None for x in operands):
            yield sample, operands


def _held(kernel: Kernel, at: int, given: Any) -> Any:
    """Return an operand in a kernel's format; None where the format cannot hold it."""
    if at not in kernel.op.sparse:
        return given
    if kernel.format is None:
        return given.to_dense() if isinstance(given, Triplets) else given
    if not isinstance(given, Triplets):
        return None
    second = kernel.op.name == "spgemm" and at == 1  # whose blocks are as high as A's are wide
    return in_format(given, kernel.format_name, _BLOCK[::-1] if second else _BLOCK)


def in_format(triplets: Triplets, format: str, block: tuple[int, int] = _BLOCK) -> Matrix:
    """Return triplets in a format, as unsorted and repeated as it can hold them.

    Of each group of four, what does not fit into 2:4 is left out for n:m: another matrix, and as
    good.
    """
    if format == "bsr":
        return from_triplets(triplets, "bsr", block=block, canonical=False)
    if format != "nm":
        return from_triplets(triplets, format, canonical=False)
    row, col, data, shape = from_triplets(triplets, "coo").triplets()
    group = row.astype(np.int64) * (1 + shape[1]) + col // _GROUP
    first = np.searchsorted(group, group)  # sorted by row and column, and so by group
    fits = np.arange(len(group)) - first < _KEPT
    kept = Triplets(row[fits], col[fits], data[fits], shape)
    return from_triplets(kept, "nm", n=_KEPT, m=_GROUP)


def types_of(operands: list[Any]) -> list[TensorType]:
    """Return the operands' types."""
    return [x.type if isinstance(x, Matrix) else dense_type(x) for x in operands]


def on_device(x: Any, device: str) -> Any:
    """Return an operand, or a result, on a device."""
    if isinstance(x, tuple):
        return tuple(on_device(each, device) for each in x)
    return x.to_device(device) if isinstance(x, Matrix) else to_device(x, device)


def compute(kernel: Kernel, level: str, operands: list[Any], sample: Sample, device: str) -> Any:
    """Return what a level of a kernel makes of a sample on a device, brought to the host."""
    # What a process died of is told by the last that it said.
    sys.stderr.write(f"{kernel.name} {level}: {sample.label}\n")
    sys.stderr.flush()
    found = level_at(kernel, level, device)
    told = kernel.op.told  # numbers that the host has to know
    given = [x if i in told else on_device(x, device) for i, x in enumerate(operands)]
    at = kernel.op.weight
    with np.errstate(all="ignore"):
        if at is not None:
            given[at] = pack(found, given[at])
        result = execute(kernel.op, found, given, kernel.op.complete(sample.attrs))
    return on_device(result, "cpu")


def plain(x: Any) -> Array:
    """Return one result as a plain array."""
    return x.to_dense() if isinstance(x, Matrix) else np.asarray(x)
