"""One operation in a graph: an op, the names it reads, the names it defines."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from minisparse.core.tensor_type import Layout
from minisparse.ops.op import Op


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes
    ----------
    name : str
        Unique among the graph's nodes; explanations and breakpoints use it.
    op : Op
        What is computed.
    inputs : tuple of str
        Names of the values read, in the order of the op's operands.
    outputs : tuple of str
        Names of the values defined.
    attrs : mapping
        The op's attributes, complete.
    wants : mapping
        From operand positions to the layout in which the value should arrive; a wish written by
        ``select_format`` and fulfilled by ``insert_conversions``. It never changes the meaning.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    wants: Mapping[int, Layout] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The first value defined."""
        return self.outputs[0]

    def reading(self, names: Mapping[str, str]) -> "Node":
        """Return the node with values that it reads replaced by those of other names."""
        return replace(self, inputs=tuple(names.get(name, name) for name in self.inputs))
