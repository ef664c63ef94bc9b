"""Compute once what several nodes compute alike, and keep once what several constants hold.

Before    q = transpose(x)                   After    q = transpose(x)
          k = transpose(x)                            readers of k read q

Why       Exporters spell a mask or a scale out wherever it is used, and lowering makes one
          transposition or reshape for each of several layers that read the same value.
When      Op, operands and attributes are the same; operands of a sum, a product, a maximum may come
          in any order, for two of them. Constants are the same byte for byte. An op of another
          library may draw at random, and the body of an ``if_else`` or ``loop`` is not looked into.
Keeps     Every result bit for bit.
"""

from collections.abc import Hashable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.cost import Target
from minisparse.formats import Matrix
from minisparse.graph import Constant, Graph, Node
from minisparse.ops import Attrs
from minisparse.passes.rewrite import Pass
from minisparse.passes.sweep import Sweep

_COMMUTING = ("add", "multiply", "max", "min", "and", "or", "xor", "equal")


def run(graph: Graph, target: Target) -> Graph:
    """Let readers of a value that was computed before read the first one."""
    same = _same_constants(graph.constants, graph.patterns)
    sweep = Sweep(graph.replace_nodes([node.reading(same) for node in graph.nodes]))
    computed: dict[Hashable, Node] = {}
    for given in sweep.graph.nodes:
        node = sweep.seen(given)
        key = _key(node)
        first = None if key is None else computed.setdefault(key, node)
        if first is None or first is node or not sweep.forward(node, *first.outputs):
            sweep.keep(node)
    return sweep.result()


def _key(node: Node) -> Hashable | None:
    """Return what nodes that compute the same have in common; None for one that may not."""
    if not node.op.name.isidentifier() or node.wants:
        return None
    attrs = _frozen(node.attrs)
    inputs = node.inputs
    if node.op.name in _COMMUTING and len(inputs) == 2:
        inputs = tuple(sorted(inputs))
    return None if attrs is None else (node.op.name, inputs, attrs)


def _frozen(attrs: Attrs) -> Hashable | None:
    """Return attributes as something to look up by, None if one of them cannot be."""
    if not all(map(_is_plain, attrs.values())):
        return None
    return tuple((name, repr(value)) for name, value in sorted(attrs.items()))


def _is_plain(value: Any) -> bool:
    """Tell whether all there is to know of a value is in its ``repr``: 0.0 is not -0.0 there."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)


def _same_constants(constants: Mapping[str, Constant], known: Mapping[str, Any]) -> dict[str, str]:
    """Return for each constant that repeats another the name of that, of known pattern if any."""
    alike: dict[Hashable, list[str]] = {}
    for name in sorted(constants, key=lambda name: name not in known):
        constant = constants[name]
        alike.setdefault((type(constant), constant.shape, constant.dtype), []).append(name)
    same: dict[str, str] = {}
    for names in alike.values():
        first: dict[Hashable, str] = {}
        for name in names if len(names) > 1 else ():
            found = first.setdefault(_content(constants[name]), name)
            if found != name:
                same[name] = found
    return same


def _content(constant: Constant) -> Hashable:
    """Return what tells a constant from others of its type, shape and dtype: a digest."""
    if isinstance(constant, Matrix):
        arrays = ((name, x.dtype, _digest(x)) for name, x in constant.arrays.items())
        return (constant.type.layout, *arrays)
    return _digest(constant)


def _digest(array: Array) -> bytes:
    return blake2b(np.ascontiguousarray(array).view(np.uint8).data, digest_size=16).digest()


REMOVE_COMMON_SUBEXPRESSIONS = Pass(
    "remove_common_subexpressions",
    run,
    after=("lower_gemm", "lower_matmul"),
    before=("cancel_reshapes", "cancel_transposes", "select_format"),
)
