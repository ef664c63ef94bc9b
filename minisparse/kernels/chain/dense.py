"""A chain piece by piece: each piece goes through all of the body while it is near.

A piece is as large as a core's own cache can hold a few of; what is between is written to memory
that is used again for the next piece. That is the loop fusion and tiling of compilers (Wolf and
Lam, "A data locality optimizing algorithm", PLDI 1991); for attention it gives the blocks of
FlashAttention (Dao et al., NeurIPS 2022), but that a block has whole rows of scores, so that no sum
has to be scaled again. Which axes can be cut is found in :mod:`minisparse.kernels.chain.cuts`.
"""

from functools import partial

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.chain.program import BLOCK, PIECE, Program
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.lookup import find_level
from minisparse.ops import Attrs, Op
from minisparse.ops.body import Body
from minisparse.ops.chain import CHAIN

AS_SLOW = 60.0
"""Multiply-adds of a product that take as long as another operation on an element."""


def bytes_moved(*types: TensorType) -> int:
    """Count the operands once, and a result as large as the largest of them."""
    read = [t.size * t.itemsize for t in types]
    return sum(read) + max(read, default=0)


def vectorized(*inputs: Array, body: Body, out: Array | None = None) -> Array:
    """Compute piece by piece, as a whole where that is not larger than a piece."""
    return Program(body)(*inputs, out=out)


def _as_a_whole(*inputs: Array, body: Body, out: Array | None = None) -> Array:
    """Compute one node after another: on a device nothing stays near between two calls."""
    return Program(body, device=True)(*inputs, out=out)


def work(pattern: Pattern | None, types: tuple[TensorType, ...], attrs: Attrs) -> Work:
    """Return the work of all nodes; of the bytes, those of operands and result alone."""
    body: Body = attrs["body"]
    inner = body.types(types)
    products = others = 0.0
    largest = 1
    for node in body.nodes:
        own = tuple(inner[name] for name in node.inputs)
        flops = _flops(node.op, own, {**node.op.attrs, **node.attrs})
        if node.op.sums_products:
            products += flops
        else:
            others += flops
        largest = max(largest, inner[node.output].size)
    result = inner[body.outputs[0]]
    moved = sum(t.size * t.itemsize for t in (*types, result))
    calls = len(body.nodes) * -(-largest // (BLOCK if products else PIECE))
    if products:
        return Work(products + AS_SLOW * others, moved, calls=calls)
    return Work(others, moved, calls=calls, unit="elementwise")


def _flops(op: Op, types: tuple[TensorType, ...], attrs: Attrs) -> float:
    """Return the operations of a node as its own kernel accounts for them."""
    level = find_level(op, "dense", "vectorized")[1]
    if level.work is not None and op.weight is not None and not op.sums_products:
        return level.work(None, types, attrs).flops
    return op.flops(types, attrs)


_ON_DEVICE = Level(_as_a_whole, takes_out=True, settle=partial(Program, device=True))
CHAIN_DENSE = Kernel(
    CHAIN,
    None,
    bytes_moved,
    vectorized=Level(vectorized, work=work, takes_out=True, settle=Program, device=_ON_DEVICE),
)
