"""The graph: what is computed, in single static assignment, and never changed.

A rewrite returns another graph; :func:`minisparse.graph.verify.verify` runs on every one.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field, replace
from functools import cached_property
from pathlib import Path

from minisparse.core.dtypes import Array
from minisparse.core.errors import GraphError, MinisparseError
from minisparse.core.symbolic import UNKNOWN
from minisparse.core.tensor_type import TensorType, known_type
from minisparse.formats import Matrix, Pattern
from minisparse.ops.node import Node

Constant = Array | Matrix


@dataclass(frozen=True)
class Graph:
    """A network: inputs, constants, nodes in an order in which they can run, outputs.

    Attributes
    ----------
    name : str
        The model's name.
    inputs : mapping
        From input names to their types.
    constants : mapping
        From names to plain arrays or sparse matrices.
    nodes : tuple of Node
        Each reads only inputs, constants and what earlier nodes define.
    outputs : mapping
        From the names by which a run returns its results to the values returned.
    patterns : mapping
        From names of constants to what ``recognize_sparsity`` found in them.
    metadata : mapping
        Free text that travels with the model: where it comes from, its accuracy when trained.

    Raises
    ------
    GraphError
        At construction, if a name is defined twice or read before it is defined.
    """

    name: str
    inputs: Mapping[str, TensorType]
    constants: Mapping[str, Constant]
    nodes: tuple[Node, ...]
    outputs: Mapping[str, str]
    patterns: Mapping[str, Pattern] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    inferred_before: "InitVar[Mapping[str, _Inferred] | None]" = None

    def __post_init__(self, inferred_before: "Mapping[str, _Inferred] | None") -> None:
        """Verify the graph's form and infer every type, but where a graph before it did."""
        from minisparse.graph.verify import verify

        self.__dict__["_inferred_before"] = inferred_before or {}
        verify(self)
        del self.__dict__["_inferred_before"]  # it would keep alive what a rewrite dropped

    @property
    def types(self) -> dict[str, TensorType]:
        """The type of every value, inferred in the order of the nodes."""
        return self._inference[0]

    @cached_property
    def _inference(self) -> "tuple[dict[str, TensorType], dict[str, _Inferred]]":
        """Types by value, and by node what they were inferred from.

        A rewrite replaces a few nodes: what the graph before it found for the others still holds.
        """
        types, known = dict(self.inputs), self.__dict__["_inferred_before"]
        unknown = itertools.count(1)
        for name, constant in self.constants.items():
            before = known.get(name)
            if before is not None and before.holds_for(constant, ()):
                types[name] = before.results[0]
            else:
                types[name] = constant_type(constant)
        inferred = {name: _Inferred(c, (), (types[name],)) for name, c in self.constants.items()}
        for node in self.nodes:
            operands = tuple(types[name] for name in node.inputs)
            before = known.get(node.output)
            if before is None or not before.holds_for(node, operands):
                before = _Inferred(node, operands, self._infer(node, operands))
            inferred[node.output] = before
            found = [numbered(result, unknown) for result in before.results]
            types.update(zip(node.outputs, found, strict=True))
        return types, inferred

    @staticmethod
    def _infer(node: Node, operands: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """Return the types of a node's results; an error names the node."""
        try:
            results = node.op.infer(operands, node.attrs)
        except MinisparseError as error:
            where = f"node '{node.name}' on {', '.join(node.inputs)}"
            raise type(error)(f"{where}: {error}") from error
        if len(results) != len(node.outputs):
            raise GraphError(
                f"node '{node.name}': {node.op.name} gives {len(results)} results, "
                f"but {len(node.outputs)} names are defined"
            )
        return results

    @cached_property
    def producers(self) -> dict[str, Node]:
        """From each computed value to the node that defines it."""
        return {output: node for node in self.nodes for output in node.outputs}

    def readers(self, value: str) -> list[Node]:
        """Return the nodes that read a value, each once, in order."""
        return list(self._readers.get(value, ()))

    @cached_property
    def _readers(self) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return found

    def node(self, name: str) -> Node:
        """Return the node of that name; GraphError names the known ones if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise GraphError(f"graph '{self.name}' has no node '{name}'; it has: {known}")

    def operand_types(self, node: Node) -> tuple[TensorType, ...]:
        """Return the types of a node's operands, in order."""
        return tuple(self.types[name] for name in node.inputs)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants as stored."""
        return sum(constant.nbytes for constant in self.constants.values())

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the dimensions that are known only at run time."""
        return tuple(dict.fromkeys(s for t in self.inputs.values() for s in t.symbols))

    def bind(self, **sizes: int) -> "Graph":
        """Return the graph with named dimensions fixed: ``graph.bind(batch=64)``."""
        unknown = sorted(set(sizes) - set(self.symbols))
        if unknown:
            raise GraphError(
                f"graph '{self.name}' has no dimension {', '.join(unknown)}; "
                f"named dimensions: {', '.join(self.symbols) or 'none'}"
            )
        return replace(self, inputs={n: t.bind(sizes) for n, t in self.inputs.items()})

    def replace_nodes(
        self,
        nodes: Iterable[Node],
        constants: Mapping[str, Constant] | None = None,
        outputs: Mapping[str, str] | None = None,
    ) -> "Graph":
        """Return the graph with other nodes, and without constants that nothing reads."""
        nodes, outputs = tuple(nodes), self.outputs if outputs is None else outputs
        have = self.constants if constants is None else constants
        read = {name for node in nodes for name in node.inputs} | set(outputs.values())
        return replace(
            self,
            nodes=nodes,
            outputs=outputs,
            constants={n: c for n, c in have.items() if n in read},
            patterns={n: p for n, p in self.patterns.items() if n in read},
            inferred_before=self._inference[1],
        )

    def drop_unused(self) -> "Graph":
        """Return the graph without nodes whose results nothing reads."""
        needed = set(self.outputs.values())
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if needed & set(node.outputs):
                needed |= set(node.inputs)
                kept.append(node)
        return self.replace_nodes(reversed(kept))

    def save(self, path: str | Path) -> None:
        """Write the graph to minisparse's own ``.npz``; ``ms.load`` reads it back."""
        from minisparse.graph.file import save

        save(self, path)

    def __str__(self) -> str:
        """Return the graph as text, one line a node."""
        from minisparse.graph.printer import to_text

        return to_text(self)

    def __repr__(self) -> str:
        """Return one line: name and sizes."""
        return (
            f"Graph('{self.name}', {len(self.nodes)} nodes, {len(self.constants)} constants, "
            f"{', '.join(f'{n}: {t}' for n, t in self.inputs.items())} -> "
            f"{', '.join(self.outputs)})"
        )

    def _repr_html_(self) -> str:
        """Return the graph's card for a notebook."""
        from minisparse.graph.printer import to_html

        return to_html(self)


@dataclass(frozen=True, eq=False, slots=True)
class _Inferred:
    """What was inferred: of a node or a constant, from which operands, to which results."""

    of: Node | Constant
    operands: tuple[TensorType, ...]
    results: tuple[TensorType, ...]

    def holds_for(self, of: Node | Constant, operands: tuple[TensorType, ...]) -> bool:
        """Tell whether these are the very same objects, from which the same is inferred."""
        same = len(operands) == len(self.operands) and of is self.of
        return same and all(a is b for a, b in zip(operands, self.operands, strict=True))


def constant_type(constant: Constant) -> TensorType:
    """Return a constant's type, with its elements where they are few."""
    return constant.type if isinstance(constant, Matrix) else known_type(constant)


def numbered(type: TensorType, numbers: Iterator[int]) -> TensorType:
    """Return a type in which each size that nothing tells has a number of its own."""
    if UNKNOWN not in type.shape:
        return type
    shape = tuple(f"{UNKNOWN}{next(numbers)}" if d == UNKNOWN else d for d in type.shape)
    return replace(type, shape=shape)
