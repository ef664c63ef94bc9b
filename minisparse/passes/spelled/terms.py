"""Products and sums as they are meant, in whatever order and by however many nodes written."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import DType
from minisparse.graph import Node
from minisparse.ops import OPS
from minisparse.ops.op import Attrs, Op, Types
from minisparse.passes.numbers import number_of
from minisparse.passes.sweep import Sweep

DEEPEST = 6
"""How many multiplications above each other are taken apart: no function here needs more."""


@dataclass(frozen=True)
class Product:
    """A number times values.

    Attributes
    ----------
    number : float
        All numbers multiplied.
    values : tuple of str
        The other factors, in the order in which they were found.
    """

    number: float
    values: tuple[str, ...]

    def without(self, value: str) -> tuple[str, ...] | None:
        """Return the values but one, None if it is not among them."""
        if value not in self.values:
            return None
        at = self.values.index(value)
        return self.values[:at] + self.values[at + 1 :]


class Terms:
    """Reads a graph, as a sweep has left it, as formulas.

    Only what is read once is taken apart: who else reads a value needs it anyway.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep

    def number(self, value: str) -> float | None:
        """Return the number that a constant is, None if it is none."""
        return number_of(self.sweep.constants.get(value))

    def made(self, value: str, *ops: str) -> Node | None:
        """Return the node that makes a value for one reader, if it is one of these ops."""
        node = self.sweep.producer(value)
        fits = node is not None and node.op.name in ops and self.sweep.is_read_once(value)
        return node if fits else None

    def product(self, value: str, depth: int = DEEPEST) -> Product:
        """Return a value as a product, be it of one factor."""
        found = self.number(value)
        if found is not None:
            return Product(found, ())
        node = self.made(value, "multiply", "div") if depth else None
        return Product(1.0, (value,)) if node is None else self.product_of(node, depth - 1)

    def product_of(self, node: Node, depth: int = DEEPEST) -> Product:
        """Return the result of a multiplication or division as a product."""
        first, second = node.inputs
        if node.op.name == "multiply":
            a, b = self.product(first, depth), self.product(second, depth)
            return Product(a.number * b.number, a.values + b.values)
        number = self.number(second)
        if not number:  # a quotient of values is a factor like any other
            return Product(1.0, (node.output,))
        a = self.product(first, depth)
        return Product(a.number / number, a.values)

    def addends(self, value: str) -> Iterator[tuple[str, str]]:
        """Yield the operands of a sum of two in both orders; nothing if the value is none."""
        node = self.made(value, "add")
        if node is not None:
            yield node.inputs[0], node.inputs[1]
            yield node.inputs[1], node.inputs[0]

    def plus(self, value: str, number: float) -> str | None:
        """Return what a number is added to, None if the value is no such sum."""
        for other, addend in self.addends(value):
            if self.is_close(addend, number):
                return other
        return None

    def power(self, values: tuple[str, ...], x: str) -> float | None:
        """Return the exponent of x if all of these factors are powers of it."""
        total = 0.0
        for value in values:
            node = self.made(value, "pow")
            if value == x:
                total += 1
            elif node is not None and node.inputs[0] == x:
                total += self.number(node.inputs[1]) or math.nan
            else:
                return None
        return total

    def is_close(self, value: str, number: float) -> bool:
        """Tell whether a constant is a number as its dtype has it."""
        found = self.number(value)
        return found is not None and is_close(found, number, self.sweep.types[value].dtype)

    def node(self, op: str, of: Node, inputs: tuple[str, ...], **attrs: object) -> Node | None:
        """Return the node of another op in the place of one; None where it gives another type."""
        meaning = OPS[op]
        complete = meaning.complete(attrs)
        types = tuple(self.sweep.types[name] for name in inputs)
        if not _takes(meaning, types, complete):
            return None
        result, wanted = meaning.infer(types, complete)[0], self.sweep.types[of.output]
        if (result.shape, result.dtype) != (wanted.shape, wanted.dtype):
            return None
        return Node(of.name, meaning, inputs, of.outputs, complete)


def _takes(op: Op, types: Types, attrs: Attrs) -> bool:
    plain = all(t.format == "dense" for t in types)
    return plain and all(c.holds(types, attrs) for c in op.constraints)


def is_close(found: float, number: float, dtype: DType) -> bool:
    """Tell whether a number is another, but for what a dtype rounds.

    Examples
    --------
    >>> is_close(1.4142135, 2**0.5, np.dtype("float32"))
    True
    >>> is_close(1.4142135, 2**0.5, np.dtype("float64"))
    False
    """
    if dtype.kind != "f":
        return found == number
    return abs(found - number) <= 2 * float(np.finfo(dtype).eps) * abs(number)
