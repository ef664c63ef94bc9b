"""Rows summed by several lanes of a warp: what the formats' products with a vector share."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.gpu import ThreadProgram, device_function, jit
from minisparse.kernels.kernel import Finish
from minisparse.kernels.registers import Registers
from minisparse.kernels.spmm.threads import (
    THREADS,
    fitting,
    in_blocks,
    new_result,
    own_elements,
)

A = TypeVar("A", bound=Any)

lanes, halvings = jit.WARP, 5


@device_function
def sum_of_lanes(total: Any) -> Any:
    """Return to lane 0 of each group of ``lanes`` the sum of what its lanes have.

    Half of them add what the other half has, ``halvings`` times. All lanes of the warp must call.
    """
    for step in range(1, halvings + 1):
        total += jit.shfl_down_sync(jit.FULL, total, np.uint32(lanes >> step), width=lanes)
    return total


def lanes_for(length: int) -> int:
    """Return how many lanes a row of some length gets: each has two entries or more.

    Examples
    --------
    >>> [lanes_for(length) for length in (0, 2, 3, 20, 1000)]
    [1, 1, 2, 16, 32]
    """
    return fitting(in_blocks(length, 2), jit.WARP)


def by_lanes(
    program: ThreadProgram, args: Sequence[Any], rows: int, width: int, dtype: DType
) -> None:
    """Launch a program with ``width`` lanes for each row, in blocks of whole warps.

    Parameters
    ----------
    program : ThreadProgram
        With names ``wide``, ``lanes`` and ``sum_of_lanes``.
    args : sequence
        Its arguments.
    rows : int
        At least 1.
    width : int
        2, 4, 8, 16 or 32.
    dtype : numpy.dtype
        Of the result.
    """
    total = sum_of_lanes.bind(lanes=width, halvings=width.bit_length() - 1)
    bound = program.bind(wide=accumulator(dtype).type, lanes=width, sum_of_lanes=total)
    high = max(fitting(rows, THREADS // width), jit.WARP // width)
    bound((in_blocks(rows, high),), (width, high), args)


def own_vector(
    a: A,
    x: Array,
    out: Array | None,
    finish: Finish | None,
    launch: Callable[[A, Array, Array, Registers], None],
) -> Array:
    """Return ``A @ x`` as ``launch(a, x, y, own)`` computes it, where ``y`` is ``[M, 1]``."""
    y = new_result(a, x, a.shape[:1], out)
    return own_elements(y, finish, lambda own: launch(a, x, y[:, None], own.upright))
