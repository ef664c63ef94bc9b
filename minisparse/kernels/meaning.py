"""Compute an op by its meaning, in whole arrays: the way on a device for most ops on plain arrays.

What makes array code fast on a CPU (pieces that stay in a cache, BLAS on views, threads, a look at
the data that spares a pass) only costs launches and waits there. An op's meaning is written for
whole arrays already, sums in the accumulator's dtype and looks at nothing, so it is that way.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from minisparse.core.dtypes import Array
from minisparse.core.xp import asarray
from minisparse.kernels.kernel import Level
from minisparse.ops import Op


def by_meaning(op: Op) -> Level:
    """Return the level that computes an op with one result by its meaning.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.ops import SOFTMAX
    >>> by_meaning(SOFTMAX).run(np.zeros((1, 2)), axis=-1)
    array([[0.5, 0.5]])
    """
    return Level(partial(_run, op), takes_out=True)


def by_meanings(op: Op) -> Level:
    """Return the same for an op with several results."""
    return Level(partial(_several, op))


def _run(op: Op, *operands: Array | None, out: Array | None = None, **attrs: Any) -> Any:
    found = asarray(op.dense(_given(operands), {**op.attrs, **attrs}))
    if out is None:
        return found
    out[...] = found
    return out


def _several(op: Op, *operands: Array | None, **attrs: Any) -> Any:
    return op.dense(_given(operands), {**op.attrs, **attrs})


def _given(operands: Sequence[Array | None]) -> list[Array]:
    return [x for x in operands if x is not None]
