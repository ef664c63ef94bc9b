"""General matrix multiplication, ONNX Gemm: ``Y = alpha * A' @ B' + beta * C``.

A' is A ``[M, K]``, or its transpose where ``transA`` is set; B' likewise ``[K, N]``; C broadcasts
to ``[M, N]``. Source: ONNX operators, Gemm (version 13).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.constraints import dtypes_mix, has_ndim
from minisparse.ops.dims import broadcast, matmul, may_equal, result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _sizes(types: Types, attrs: Attrs) -> tuple[Dim, Dim, Dim, Dim]:
    """Return M, A's K, B's K and N."""
    m, k = types[0].shape[::-1] if attrs["transA"] else types[0].shape
    b_k, n = types[1].shape[::-1] if attrs["transB"] else types[1].shape
    return m, k, b_k, n


def _shapes_fit(types: Types, attrs: Attrs) -> bool:
    _, k, b_k, _ = _sizes(types, attrs)
    return may_equal(k, b_k)


def _c_broadcasts(types: Types, attrs: Attrs) -> bool:
    m, _, _, n = _sizes(types, attrs)
    if len(types) < 3:
        return True
    found = broadcast([types[2].shape, (m, n)])
    return found is not None and len(found) == 2 and all(map(may_equal, found, (m, n)))


def _scales_fit(types: Types, attrs: Attrs) -> bool:
    whole = all(float(attrs[name]).is_integer() for name in ("alpha", "beta"))
    return whole or result_dtype(types).kind not in "biu"


def _result(types: Types, attrs: Attrs) -> TensorType:
    m, _, _, n = _sizes(types, attrs)
    return TensorType((m, n), result_dtype(types))


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    a, b, *c = operands
    y = matmul(a.T if attrs["transA"] else a, b.T if attrs["transB"] else b)
    dtype = np.result_type(*operands)
    y = y.astype(dtype) * dtype.type(attrs["alpha"])
    if c:
        y = y + c[0] * dtype.type(attrs["beta"])
    return asarray(y, dtype)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count the multiply-adds, and two operations per element where C is added."""
    m, k, _, n = (TensorType((d,), types[0].dtype).size for d in _sizes(types, attrs))
    return 2 * m * k * n + (2 * m * n if len(types) > 2 else 0)


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    a, b = random_values(rng, (5, 7), "float32"), random_values(rng, (7, 3), "float32")
    bias = random_values(rng, (3,), "float32")
    yield Sample("plain", (a, b))
    yield Sample("a linear layer", (a, b.T.copy(), bias), {"transB": 1})
    yield Sample("A transposed", (a.T.copy(), b), {"transA": 1})
    yield Sample("alpha and beta", (a, b, bias[None]), {"alpha": 0.5, "beta": -2.0})
    yield Sample("a column of C", (a, b, random_values(rng, (5, 1), "float32")))
    yield Sample("C without dimensions", (a, b, np.array(bias[0])))
    yield Sample("nothing to sum", (a[:, :0], b[:0], bias))
    yield Sample("no rows", (a[:0], b))
    for dtype in ("float64", "float16", "int8", "complex64", "bool"):
        sample = random_values(rng, (4, 6), dtype), random_values(rng, (6, 2), dtype)
        yield Sample(dtype, sample)


GEMM = Op(
    "gemm",
    ("a", "b", "c?"),
    (
        has_ndim("C1", "A and B must be 2-D", {0: 2, 1: 2}),
        Constraint("C2", "A's columns must equal B's rows, after transA and transB", _shapes_fit),
        Constraint("C3", "C must broadcast to A's rows times B's columns", _c_broadcasts),
        dtypes_mix("C4"),
        Constraint("C5", "alpha and beta must be whole numbers for integer dtypes", _scales_fit),
    ),
    _result,
    _dense,
    _flops,
    _samples,
    attrs={"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    sums_products=True,
)
