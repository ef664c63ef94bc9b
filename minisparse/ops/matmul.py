"""Products of stacks of matrices, ONNX MatMul: ``C[..., m, n] = sum_k A[..., m, k] B[..., k, n]``.

Dimensions before the last two are broadcast; a vector is a row on the left and a column on the
right, and the result lacks that dimension. Source: ``numpy.matmul``; ONNX operators, MatMul
(version 13).
"""

from collections.abc import Iterator

import numpy as np

from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.constraints import plain_mix
from minisparse.ops.dims import broadcast, matmul, may_equal, result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _inner(types: Types) -> tuple[Dim, Dim]:
    """Return A's K and B's."""
    a, b = (t.shape for t in types)
    return a[-1], b[-2] if len(b) > 1 else b[0]


def _inner_fit(types: Types, attrs: Attrs) -> bool:
    return may_equal(*_inner(types))


def _stack(types: Types) -> tuple[Dim, ...] | None:
    """Return the dimensions before the matrices, broadcast; None where they do not."""
    return broadcast([t.shape[:-2] for t in types])


def _result(types: Types, attrs: Attrs) -> TensorType:
    a, b = (t.shape for t in types)
    rows = a[-2:-1]
    columns = b[-1:] if len(b) > 1 else ()
    return TensorType((*(_stack(types) or ()), *rows, *columns), result_dtype(types))


def _flops(types: Types, attrs: Attrs) -> int:
    (result,) = MATMUL.infer(types, attrs)
    k = next((d for d in _inner(types) if isinstance(d, int)), 1)
    return 2 * result.size * k


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for left, right in (
        ((5, 7), (7, 3)),
        ((2, 5, 7), (7, 3)),
        ((2, 3, 4, 6), (2, 3, 6, 5)),
        ((3, 4, 6), (2, 1, 6, 5)),
        ((6,), (6, 5)),
        ((4, 6), (6,)),
        ((6,), (6,)),
        ((2, 4, 6), (6,)),
        ((6,), (3, 6, 2)),
        ((4, 0), (0, 3)),
        ((0, 4, 2), (2, 3)),
        ((2, 1, 1), (2, 1, 1)),
    ):
        sizes = " by ".join("x".join(map(str, shape)) for shape in (left, right))
        yield Sample(sizes, (random_values(rng, left, "f4"), random_values(rng, right, "f4")))
    a, b = random_values(rng, (2, 9, 6), "f4"), random_values(rng, (2, 8, 9), "f4")
    yield Sample("transposed", (a.transpose(0, 2, 1), b.transpose(0, 2, 1)))
    yield Sample("in Fortran order", (np.asfortranarray(a[:, :, :4]), b[:, :4, :3]))
    special = a.copy()
    special[0, 0, 0], special[1, 2, 3] = np.nan, np.inf
    yield Sample("NaN and inf", (special, np.zeros((6, 2), "f4")))
    for dtype in ("float64", "float16", "int8", "uint16", "uint64", "bool", "complex64"):
        pair = random_values(rng, (2, 3, 5), "i1"), random_values(rng, (5, 2), "i1")
        if np.dtype(dtype).kind in "fc":
            pair = random_values(rng, (2, 3, 5), dtype), random_values(rng, (5, 2), dtype)
        yield Sample(dtype, tuple(x.astype(dtype) for x in pair))
    yield Sample("two dtypes", (pair[0].real.astype("f4"), pair[1].real.astype("f8")))


MATMUL = Op(
    "matmul",
    ("a", "b"),
    (
        Constraint(
            "C1",
            "A and B must have at least one dimension",
            lambda types, attrs: all(t.ndim > 0 for t in types),
        ),
        Constraint("C2", "A's columns must equal B's rows", _inner_fit),
        Constraint(
            "C3",
            "the dimensions before the matrices must broadcast",
            lambda types, attrs: _stack(types) is not None,
        ),
        plain_mix("C4"),
    ),
    _result,
    lambda operands, attrs: asarray(matmul(operands[0], operands[1])),
    _flops,
    _samples,
    sums_products=True,
)
