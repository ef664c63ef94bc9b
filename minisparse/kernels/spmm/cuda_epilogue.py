"""The epilogue in kernels of CUDA C: bias and ReLU are done in registers, the rest afterwards."""

from dataclasses import dataclass
from typing import Any

from minisparse.core.dtypes import Array
from minisparse.core.xp import namespace
from minisparse.kernels.kernel import Finish
from minisparse.ops import ADD_BIAS, RELU

_FUSED = ((ADD_BIAS,), (RELU,), (ADD_BIAS, RELU))


@dataclass(frozen=True, eq=False)
class InKernel:
    """What of an epilogue a kernel does.

    Attributes
    ----------
    bias : ndarray, shape (M,)
        In the result's dtype; empty where nothing is added.
    relu : bool
        Whether the greater of each element and 0 is kept.
    left : Finish or None
        What is to be done with the result in memory.
    """

    bias: Array
    relu: bool
    left: Finish | None

    def afterwards(self, c: Array) -> None:
        """Do to the whole result what was left."""
        if self.left is not None:
            self.left(c, tuple(slice(0, length) for length in c.shape))


def in_kernel(finish: Finish | None, c: Array) -> InKernel:
    """Return what of an epilogue a kernel does that writes ``c``; c has elements."""
    xp: Any = namespace(c)
    none = xp.empty(0, c.dtype)
    epilogue: Any = finish
    parts = tuple(getattr(finish, "parts", ()))  # which any other Finish does not have
    if parts not in _FUSED:
        return InKernel(none, False, finish)
    added = [x for operands in epilogue.operands for x in operands]
    bias = xp.ascontiguousarray(added[0].astype(c.dtype, copy=False)) if added else none
    return InKernel(bias, RELU in parts, None)
