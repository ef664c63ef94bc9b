"""A chain: ops that are computed piece by piece, so that nothing between them is put down.

What it means is what its body means, one node after another; that a node is a chain says only that
the values between need not exist as a whole. As the fusions of XLA and the loop nests of TVM (Chen
et al., OSDI 2018) it may be any graph with one result, not a line only.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.ops.activations import RELU
from minisparse.ops.arithmetic import ADD, MULTIPLY
from minisparse.ops.binary import DIV, SUB
from minisparse.ops.body import Body
from minisparse.ops.control_samples import body_of
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.matmul import MATMUL
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types
from minisparse.ops.softmax import SOFTMAX


def _is_chain(types: Types, attrs: Attrs) -> bool:
    body = attrs["body"]
    return isinstance(body, Body) and len(body.inputs) == len(types) and len(body.outputs) == 1


def _gives_arrays(types: Types, attrs: Attrs) -> bool:
    body: Body = attrs["body"]
    single = all(len(node.outputs) == 1 for node in body.nodes)
    return single and all(t.format == "dense" for t in body.types(types).values())


def _result(types: Types, attrs: Attrs) -> TensorType:
    body: Body = attrs["body"]
    return body.infer(types)[0]


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    body: Body = attrs["body"]
    (found,) = body.dense(operands)
    shared = any(np.may_share_memory(found, x) for x in operands)
    return np.array(found) if shared else found


def _whole(rng: "np.random.Generator", *shape: int) -> Array:
    """Return whole numbers as float32, with which most arithmetic is exact."""
    return rng.integers(-9, 9, shape).astype(np.float32)


_RESIDUAL = body_of(
    "x y b", "r", (ADD, "x b", "s", {}), (MULTIPLY, "s y", "p", {}), (ADD, "p x", "t", {}),
    (RELU, "t", "r", {}),
)  # fmt: skip
_ATTENTION = body_of(
    "q k c m v", "o", (MATMUL, "q k", "s", {}), (DIV, "s c", "d", {}), (ADD, "d m", "z", {}),
    (SOFTMAX, "z", "w", {}), (MATMUL, "w v", "o", {}),
)  # fmt: skip
_SCORES = body_of("q k x", "r", (MATMUL, "q k", "s", {}), (SUB, "s x", "r", {}))
_SHARES = body_of("x y", "w", (ADD, "x y", "s", {}), (SOFTMAX, "s", "w", {"axis": 1}))
_MEAN = body_of("x y c", "m", (ADD, "x y", "s", {}), (DIV, "s c", "m", {}))
_KEPT = body_of("x y", "x")


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x, y = _whole(rng, 4, 3, 5), _whole(rng, 3, 5)
    residual = {"body": _RESIDUAL}
    yield Sample("same shape", (x, x[::-1], x), residual)
    yield Sample("a row, and a column", (x, y, y[:, :1]), residual)
    yield Sample("a number", (x, y, np.array(y[0, 0])), residual)
    yield Sample("no dimensions", (x[0, 0, 0, ...], x[0, 1, 0, ...], x[0, 0, 1, ...]), residual)
    yield Sample("no elements", (x[:0], y, y), residual)
    yield Sample("strided", (x[::2, :, ::2], y[:, ::2], y[:, ::-2]), residual)
    yield Sample("in Fortran order", (np.asfortranarray(x), y, np.asfortranarray(x)), residual)
    yield Sample("two dtypes", (x, y.astype("float64"), y), residual)
    yield Sample("a quotient", (x, y, np.array(3, "f4")), {"body": _MEAN})
    yield Sample("an operand handed back", (x, y), {"body": _KEPT})
    q, k, v = _whole(rng, 2, 3, 4, 6), _whole(rng, 2, 3, 6, 5), _whole(rng, 2, 3, 5, 2)
    yield Sample("a product, and less", (q, k, _whole(rng, 4, 5)), {"body": _SCORES})
    yield Sample("one product for all", (q, k[0, 0], _whole(rng, 4, 1)), {"body": _SCORES})
    yield Sample("softmax inside of rows", (x, y), {"body": _SHARES})
    mask = np.where(np.arange(5) < 3, 0, -np.inf).astype(np.float32)
    attention = {"body": _ATTENTION}
    yield Sample("attention", (q, k, np.array(2, "f4"), mask, v), attention)
    values = random_values(rng, (2, 1, 5, 2), "f4")
    yield Sample("heads share values", (q, k, np.array(3, "f4"), mask, values), attention)


CHAIN = Op(
    "chain",
    ("inputs*",),
    (
        Constraint(
            "C1", "body must be a body with an input for each operand, and one output", _is_chain
        ),
        Constraint("C2", "each node of the body must give one plain array", _gives_arrays),
    ),
    _result,
    _dense,
    lambda types, attrs: attrs["body"].flops(types),
    _samples,
    attrs={"body": None},
)
