"""A body: the nodes inside of an ``if_else`` or a ``loop``, as a function of values.

It has no constants of its own. What it reads from outside is captured: handed in beside its own
inputs, and an operand of the control op, so that a graph still says who reads what.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from minisparse.core.dtypes import Array
from minisparse.core.errors import GraphError, MinisparseError
from minisparse.core.symbolic import UNKNOWN, is_unknown, names_in
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.node import Node


@dataclass(frozen=True)
class Body:
    """A function of values, written in ops.

    Attributes
    ----------
    inputs : tuple of str
        Names of the values handed in, in order: those of its own, then the captured ones.
    nodes : tuple of Node
        Each reads only inputs and what earlier nodes define.
    outputs : tuple of str
        Which values are handed back, in order; a value may be named twice.

    Raises
    ------
    GraphError
        At construction, if a name is defined twice or read before it is defined.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.ops import ADD
    >>> twice = Body(("x",), (Node("sum", ADD, ("x", "x"), ("y",)),), ("y",))
    >>> twice.dense((np.array([1, 2]),))
    (array([2, 4]),)
    """

    inputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        """Verify the body's form."""
        defined: set[str] = set()
        for reader, read, names in (
            ("its inputs", (), self.inputs),
            *((f"node '{node.name}'", node.inputs, node.outputs) for node in self.nodes),
            ("its outputs", self.outputs, ()),
        ):
            for name in read:
                if name not in defined:
                    raise GraphError(f"body: {reader} read '{name}', which nothing before defines")
            for name in names:
                if name in defined:
                    raise GraphError(f"body: '{name}' is defined twice")
                defined.add(name)

    def types(self, given: Sequence[TensorType]) -> dict[str, TensorType]:
        """Return the type of every value, from those of the inputs.

        Sizes that nothing tells have numbers that no type among ``given`` uses.
        """
        numbers = _Numbers(given)
        types = {n: numbers.told(t) for n, t in zip(self.inputs, given, strict=True)}
        for node in self.nodes:
            try:
                results = node.op.infer([types[name] for name in node.inputs], node.attrs)
            except MinisparseError as error:
                where = f"node '{node.name}' on {', '.join(node.inputs)}"
                raise type(error)(f"{where}: {error}") from error
            if len(results) != len(node.outputs):
                raise GraphError(
                    f"node '{node.name}': {node.op.name} gives {len(results)} results, "
                    f"but {len(node.outputs)} names are defined"
                )
            types.update(zip(node.outputs, map(numbers.told, results), strict=True))
        return types

    def infer(self, given: Sequence[TensorType]) -> tuple[TensorType, ...]:
        """Return the types of the outputs; a size that only the body knows is ``"?"`` outside."""
        types = self.types(given)
        seen = {name for t in given for d in t.shape for name in names_in(d)}
        return tuple(_seen_from_outside(types[name], seen) for name in self.outputs)

    def flops(self, given: Sequence[TensorType]) -> int:
        """Return the floating-point operations of all nodes; sizes that are unknown count as 1."""
        types = {n: t.bind(dict.fromkeys(t.symbols, 1)) for n, t in self.types(given).items()}
        return sum(
            node.op.flops([types[name] for name in node.inputs], node.op.complete(node.attrs))
            for node in self.nodes
        )

    def dense(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        """Return the outputs, each node computed by what its op means."""
        values: dict[str, Any] = dict(zip(self.inputs, operands, strict=True))
        for node in self.nodes:
            attrs: Mapping[str, Any] = node.op.complete(node.attrs)
            results = node.op.dense([values[name] for name in node.inputs], attrs)
            several = results if isinstance(results, tuple) else (results,)
            values.update(zip(node.outputs, map(asarray, several), strict=True))
        return tuple(values[name] for name in self.outputs)

    def __repr__(self) -> str:
        """Return what goes in and what comes out, in a line."""
        return f"({', '.join(self.inputs)}) -> ({', '.join(self.outputs)})"


class _Numbers:
    """Gives each size that nothing tells a name that does not occur outside: ``?'1``, ``?'2``."""

    def __init__(self, given: Sequence[TensorType]) -> None:
        deepest = max((str(d).count("'") for t in given for d in t.shape), default=0)
        self._prefix = UNKNOWN + "'" * (deepest + 1)
        self._count = 0

    def told(self, given: TensorType) -> TensorType:
        """Return a type without a plain ``"?"`` in its shape."""
        if UNKNOWN not in given.shape:
            return given
        return replace(given, shape=tuple(self._name() if d == UNKNOWN else d for d in given.shape))

    def _name(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"


def _seen_from_outside(inner: TensorType, seen: set[str]) -> TensorType:
    """Return a type in which sizes made of names that only the body has are unknown."""

    def is_inner(dim: Any) -> bool:
        return isinstance(dim, str) and is_unknown(dim) and not seen.issuperset(names_in(dim))

    known = inner.known
    if known is not None and any(is_inner(d) for d in known):
        known = None
    shape = tuple(UNKNOWN if is_inner(d) else d for d in inner.shape)
    return replace(inner, shape=shape, known=known)
