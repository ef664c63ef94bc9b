"""The kernel of an op whose meaning, written for whole arrays, is already how to compute it.

Ops that move elements, or that work on each by itself with a function that NumPy has, need no
second way. An op gets a folder of its own where there is a faster way, a format, or loops.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import OPS, Op


def bytes_moved(*types: TensorType) -> int:
    """Count the operands once, and a result as large as the largest of them."""
    read = [t.size * t.itemsize for t in types]
    return sum(read) + max(read, default=0)


def _vectorized(op: Op, *operands: Array, **attrs: Any) -> Any:
    """Return what the op means: of one result itself, of several a tuple."""
    found = op.dense(operands, attrs)
    return found[0] if isinstance(found, tuple) and len(found) == 1 else found


def plain_kernel(op: Op) -> Kernel:
    """Return the kernel that computes an op by its meaning.

    Examples
    --------
    >>> from minisparse.ops import OPS
    >>> plain_kernel(OPS["flatten"]).name
    'flatten_dense'
    """
    return Kernel(op, None, bytes_moved, vectorized=Level(partial(_vectorized, op)))


def plain_kernels(have: Mapping[str, Kernel]) -> dict[str, Kernel]:
    """Return a kernel for each op that has none among ``have``, by name."""
    computed = {kernel.op.name for kernel in have.values()}
    missing = [op for op in OPS.values() if not op.parts and op.name not in computed]
    return {kernel.name: kernel for kernel in map(plain_kernel, missing)}
