"""Attention where arrays lie on a device: the scores of all entries, their softmax, the sums of V.

The scores are written to memory, one for each entry; what never is are those that no entry wants.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.formats import Pattern
from minisparse.kernels.entries import Entries, dots, entries_work, pack, softmax, write_product
from minisparse.kernels.kernel import Level, Work
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import ATTENTION, Attrs
from minisparse.ops.attention import scale_of


def run(
    mask: Entries,
    q: Array,
    k: Array,
    v: Array,
    scale: float | None = None,
    out: Array | None = None,
) -> Array:
    """Return ``softmax(scale * mask * (q @ k.T)) @ v``; a row without entries is 0."""
    dtypes = (mask.dtype, q.dtype, k.dtype, v.dtype)
    wide = wide_dtype(*dtypes)
    scores = dots(mask, q, k, wide)
    scores *= mask.data.astype(wide, copy=False)
    scores *= wide.type(scale_of(scale, q.shape[1]))
    weights = softmax(mask, scores)
    if out is None:
        out = namespace(q).empty((len(q), v.shape[1]), np.result_type(*dtypes))
    write_product(mask, weights, v, out)
    return out


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of a row of Q, of K and of V for each entry, and of a softmax."""
    (result,) = ATTENTION.infer(types, attrs)
    mask, q, _, v = types
    return entries_work(mask, mask.nnz * (2.0 * q.dims[1] + v.dims[1] + 5), result)


ON_DEVICE = Level(run, pack, work, takes_out=True)
"""Three passes over the entries: see :mod:`minisparse.kernels.entries`."""
