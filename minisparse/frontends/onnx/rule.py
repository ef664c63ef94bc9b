"""What a rule is: from one node of an ONNX model to nodes of ours.

A rule is a function of a :class:`Call`. It reads the node's attributes and operands, adds nodes
with :meth:`Call.op`, and returns the names of the values that are the node's results. Where it
cannot express the node it says :meth:`Call.decline`, and onnx's own implementation computes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.tensor_type import TensorType
from minisparse.frontends.onnx.draft import Draft
from minisparse.frontends.onnx.problems import Declined
from minisparse.ops import OPS, Op

if TYPE_CHECKING:
    from minisparse.frontends.onnx.importer import Importer

Results = str | Sequence[str]
"""The names of a node's results, in the order of its outputs; of a single one its name alone."""

Rule = Callable[["Call"], Results]
"""From a node to the names of its results."""


@dataclass(frozen=True)
class Rules:
    """A family's rules by the ONNX name of what they read; other domains as ``"domain:Name"``."""

    of: Mapping[str, Rule]


def same(op: str, **fixed: Any) -> Rule:
    """Return the rule of an op that ONNX and minisparse share: operands and attributes alike.

    Parameters
    ----------
    op : str
        Our name for it.
    **fixed
        Attributes that ONNX says by the op's name.
    """

    def rule(call: "Call") -> Sequence[str]:
        return call.apply(op, call.operands(), {**call.own_attrs(op), **fixed})

    return rule


@dataclass(frozen=True)
class Call:
    """One node while it is imported.

    Attributes
    ----------
    node : onnx.NodeProto
        The node itself.
    name : str
        Its name in our graph.
    inputs : tuple of str
        Our names of the values it reads; ``""`` where an optional one is left out.
    opset : int
        The version of the operator set that says what the node means.
    draft : Draft
        The graph that is being written.
    importer : Importer
        Who reads the graph around it: it imports bodies.
    attrs : mapping
        The node's attributes as numbers, texts, tuples of them, and protos.
    """

    node: Any
    name: str
    inputs: tuple[str, ...]
    opset: int
    draft: Draft
    importer: "Importer"
    attrs: Mapping[str, Any]

    def attr(self, name: str, default: Any = None) -> Any:
        """Return an attribute as a number, text, tuple or proto; ``default`` if it is not set."""
        return self.attrs.get(name, default)

    def own_attrs(self, op: str) -> dict[str, Any]:
        """Return those attributes of the node that an op of ours has too."""
        return {name: self.attrs[name] for name in self.find(op).attrs if name in self.attrs}

    def has(self, i: int) -> bool:
        """Tell whether operand i is given."""
        return i < len(self.inputs) and self.inputs[i] != ""

    def type(self, i: int = 0) -> TensorType:
        """Return the type of operand i."""
        return self.draft.types[self.inputs[i]]

    def type_of(self, value: str) -> TensorType:
        """Return the type of any value."""
        return self.draft.types[value]

    def known(self, i: int) -> tuple[Any, ...] | None:
        """Return the elements of operand i if they are known numbers, else None."""
        known = self.type(i).known if self.has(i) else None
        return None if known is None or any(isinstance(d, str) for d in known) else known

    def array(self, i: int) -> Array | None:
        """Return operand i where it is a plain constant, else None."""
        found = self.draft.constants.get(self.inputs[i]) if self.has(i) else None
        return found if isinstance(found, np.ndarray) else None

    def outputs(self) -> int:
        """Return how many of the node's results have a name: up to the last one used."""
        return max((i + 1 for i, name in enumerate(self.node.output) if name), default=0)

    def operands(self) -> tuple[str, ...]:
        """Return the operands, without those left out at the end.

        One left out in the middle makes the rule decline: it has to fill it in itself.
        """
        given = self.inputs
        while given and not given[-1]:
            given = given[:-1]
        if "" in given:
            self.decline("an operand in the middle is left out")
        return given

    def find(self, op: str) -> Op:
        """Return an op of ours by name."""
        if op not in OPS:
            self.decline(f"there is no op '{op}'")
        return OPS[op]

    def op(self, op: str, *operands: str, **attrs: Any) -> str:
        """Add a node and return the name of its first result."""
        return self.apply(op, operands, attrs)[0]

    def apply(self, op: str, operands: Sequence[str], attrs: Mapping[str, Any]) -> tuple[str, ...]:
        """Add a node and return the names of all its results."""
        return self.draft.add(self.find(op), operands, attrs, f"{self.name}:{op}")

    def constant(self, value: Any, dtype: Any = None, label: str = "constant") -> str:
        """Add a constant and return its name."""
        return self.draft.constant(f"{self.name}:{label}", np.asarray(value, dtype))

    def ints(self, values: Sequence[int], label: str = "axes") -> str:
        """Add a constant of int64 numbers, as shapes and axes are, and return its name."""
        return self.constant(list(values), np.int64, label)

    def like(self, value: Any, i: int = 0) -> str:
        """Add a number as a constant of operand i's dtype."""
        dtype: DType = self.type(i).dtype
        return self.constant(value, dtype)

    def decline(self, why: str, *expected: TensorType) -> NoReturn:
        """Say that ops of ours cannot express the node, and what is known of its results."""
        raise Declined(why, expected)
