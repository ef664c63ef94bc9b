"""The kernel of an op whose meaning, written for whole arrays, is already how to compute it.

Ops that move elements, or that work on each by itself with a function that NumPy has, need no
second way. An op gets a folder of its own where there is a faster way, a format, or loops.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import OPS, Op


def bytes_moved(*types: TensorType) -> int:
    """Count the operands once, and a result as large as the largest of them."""
    read = [t.size * t.itemsize for t in types]
    return sum(read) + max(read, default=0)


UFUNCS: Mapping[str, np.ufunc] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "cos": np.cos,
    "div": np.divide,
    "exp": np.exp,
    "floor": np.floor,
    "log": np.log,
    "neg": np.negative,
    "reciprocal": np.reciprocal,
    "round": np.rint,
    "sign": np.sign,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "sub": np.subtract,
    "tanh": np.tanh,
}
"""From ops to the one call of NumPy that they are, where all numbers are float32 or all float64.

Other dtypes are computed in another one, or with rules of their own.
"""


def _vectorized(op: Op, *operands: Array, **attrs: Any) -> Any:
    """Return what the op means: of one result itself, of several a tuple."""
    found = op.dense(operands, attrs)
    return found[0] if isinstance(found, tuple) and len(found) == 1 else found


def _by_ufunc(op: Op, *operands: Array, out: Array | None = None) -> Any:
    """Return what the op means, written to ``out`` by NumPy itself where that is the same."""
    if out is None:
        return _vectorized(op, *operands)
    dtype = out.dtype
    if dtype.char in "fd" and all(x.dtype == dtype for x in operands):
        return UFUNCS[op.name](*operands, out=out)
    out[...] = _vectorized(op, *operands)
    return out


def _joined(op: Op, *operands: Array, out: Array | None = None, **attrs: Any) -> Any:
    """Return operands side by side, along the axis that the attribute names."""
    if out is None:
        return _vectorized(op, *operands, **attrs)
    return np.concatenate(operands, attrs["axis"], out=out)


def plain_kernel(op: Op) -> Kernel:
    """Return the kernel that computes an op by its meaning.

    Examples
    --------
    >>> from minisparse.ops import OPS
    >>> plain_kernel(OPS["flatten"]).name
    'flatten_dense'
    """
    if op.name in UFUNCS:
        level = Level(partial(_by_ufunc, op), takes_out=True)
        return Kernel(op, None, bytes_moved, vectorized=level)
    if op is OPS["concat"]:
        joined = Level(partial(_joined, op), takes_out=True)
        return Kernel(op, None, bytes_moved, vectorized=joined)
    return Kernel(op, None, bytes_moved, vectorized=Level(partial(_vectorized, op)))


def plain_kernels(have: Mapping[str, Kernel]) -> dict[str, Kernel]:
    """Return a kernel for each op that has none among ``have``, by name."""
    computed = {kernel.op.name for kernel in have.values()}
    missing = [op for op in OPS.values() if not op.parts and op.name not in computed]
    return {kernel.name: kernel for kernel in map(plain_kernel, missing)}
