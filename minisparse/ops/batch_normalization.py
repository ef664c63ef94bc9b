"""Batch normalization at inference, ONNX BatchNormalization with training_mode 0.

``Y[n, c, ...] = (X[n, c, ...] - mean[c]) / sqrt(var[c] + epsilon) * scale[c] + bias[c]``.
Source: Ioffe and Szegedy, arXiv:1502.03167, algorithm 2; ONNX operators (version 15).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.constraints import has_kind
from minisparse.ops.dims import may_equal, result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, *statistics = operands
    shape = (-1,) + (1,) * (x.ndim - 2)
    scale, bias, mean, var = (s.reshape(shape) for s in statistics)
    y = (x - mean) / np.sqrt(var + attrs["epsilon"]) * scale + bias
    return asarray(y, np.result_type(*operands))


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for shape, dtype in (
        ((4, 3), "float32"),
        ((2, 3, 4, 5), "float32"),
        ((0, 3, 2, 2), "float32"),
        ((1, 1, 1, 1), "float64"),
        ((2, 5, 3), "float16"),
    ):
        statistics = [random_values(rng, shape[1:2], dtype) for _ in range(4)]
        statistics[3] = np.abs(statistics[3])
        label = f"{dtype} {'x'.join(map(str, shape))}"
        yield Sample(label, (random_values(rng, shape, dtype), *statistics))
        yield Sample(
            f"{label}, variance 0",
            (random_values(rng, shape, dtype), *statistics[:3], statistics[3] * 0),
            {"epsilon": 1e-2},
        )


BATCH_NORMALIZATION = Op(
    "batch_normalization",
    ("x", "scale", "bias", "mean", "var"),
    (
        Constraint(
            "C1",
            "X must be [N, C, ...]; scale, bias, mean and var 1-D",
            lambda types, attrs: types[0].ndim >= 2 and all(t.ndim == 1 for t in types[1:]),
        ),
        Constraint(
            "C2",
            "scale, bias, mean and var must have one value for each of X's channels",
            lambda types, attrs: all(may_equal(t.shape[0], types[0].shape[1]) for t in types[1:]),
        ),
        has_kind("C3", "f", "dtypes must be real floating-point"),
        Constraint(
            "C4", "epsilon must not be negative", lambda types, attrs: attrs["epsilon"] >= 0
        ),
    ),
    lambda types, attrs: TensorType(types[0].shape, result_dtype(types)),
    _dense,
    lambda types, attrs: 2 * types[0].size,
    _samples,
    attrs={"epsilon": 1e-5},
)
