"""The logarithm of softmax along an axis: ``y = (x - max) - log(sum exp(x - max))``.

Nothing that softmax rounds to 0 is lost. Source: ONNX operators, LogSoftmax (version 13).
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.constraints import has_kind
from minisparse.ops.op import Attrs, Op
from minisparse.ops.reductions import largest_along
from minisparse.ops.softmax import axis_named, samples_along_axes


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    (a,) = operands
    axis = attrs["axis"]
    x = a.astype(accumulator(a.dtype))
    x = x - largest_along(x, -np.inf, axis)
    y = x - np.log(np.exp(x).sum(axis=axis, keepdims=True))
    return asarray(y).astype(a.dtype)


LOG_SOFTMAX = Op(
    "log_softmax",
    ("x",),
    (axis_named("X"), has_kind("C2", "f", "the dtype must be real floating-point")),
    lambda types, attrs: TensorType(types[0].shape, types[0].dtype),
    _dense,
    lambda types, attrs: 5 * types[0].size,
    samples_along_axes,
    attrs={"axis": -1},
)
