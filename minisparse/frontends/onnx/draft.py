"""A graph while it is written: names, constants, nodes, and the type of every value so far.

Unlike :class:`minisparse.graph.GraphBuilder` it lets a value be renamed, so that results keep the
names that the model gave them, and knows which matrices were tensors of another rank.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from minisparse.core.errors import MinisparseError, ModelFileError
from minisparse.core.symbolic import UNKNOWN
from minisparse.core.tensor_type import TensorType, known_type
from minisparse.formats import Matrix
from minisparse.graph import Constant, Graph, Node
from minisparse.ops import Op


class Draft:
    """What was written so far of one graph.

    Attributes
    ----------
    largest : int
        Bytes that a plain array in place of a matrix may take.
    inputs : dict
        From input names to their types.
    constants : dict
        Everything that might be read; :meth:`finish` keeps what is.
    nodes : list of Node
        In an order in which they can run.
    types : dict
        The type of every value, by name.
    dims : dict
        Of constants that are stored as matrices: the shape of the tensor that they are.
    protos : dict
        Of values that are no tensors (sequences, optionals): their ONNX type.
    read : int
        How many nodes of the model were read, each as often as a function that holds it is called.
    plain : dict
        From matrices to the constant that holds the same as a plain array.
    """

    def __init__(self, name: str, taken: Collection[str] = (), largest: int = 2**63) -> None:
        self.name = name
        self.largest = largest
        self.inputs: dict[str, TensorType] = {}
        self.constants: dict[str, Constant] = {}
        self.nodes: list[Node] = []
        self.types: dict[str, TensorType] = {}
        self.dims: dict[str, tuple[int, ...]] = {}
        self.protos: dict[str, Any] = {}
        self.plain: dict[str, str] = {}
        self._taken = set(taken)
        self._node_names: set[str] = set()
        self._unknown = 0
        self._counts: dict[str, int] = {}
        self.read = 0
        self._of_op: dict[str, int] = {}

    def fresh(self, wanted: str) -> str:
        """Return a name for a value that nothing else has."""
        name = wanted
        while name in self._taken or name in self.types:
            name = self._numbered_name(wanted)
        self._taken.add(name)
        return name

    def own(self, name: str) -> str:
        """Return a name that the model has, which nothing else has got so far."""
        return name if name not in self.types else self.fresh(name)

    def node_name(self, wanted: str, op: str) -> str:
        """Return a name for a node: the model's, made unique, or the op's and a number."""
        if not wanted:
            self._of_op[op] = self._of_op.get(op, 0) + 1
            wanted = f"{op}_{self._of_op[op]}"
        name = wanted
        while name in self._node_names:
            name = self._numbered_name(wanted)
        self._node_names.add(name)
        return name

    def _numbered_name(self, wanted: str) -> str:
        """Return a name with the next number that it has not had."""
        self._counts[wanted] = self._counts.get(wanted, 1) + 1
        return f"{wanted}.{self._counts[wanted]}"

    def input(self, name: str, type: TensorType) -> None:
        """Declare an input."""
        self.inputs[name] = self.types[name] = type

    def constant(self, name: str, value: Constant) -> str:
        """Add a constant; return its name, made unique."""
        return self.define(self.fresh(name), value)

    def define(self, name: str, value: Constant) -> str:
        """Add a constant under this very name."""
        self.constants[name] = value
        self.types[name] = value.type if isinstance(value, Matrix) else known_type(value)
        return name

    def as_plain(self, value: str) -> str:
        """Return a value itself, or the plain array beside a matrix.

        Raises
        ------
        ModelFileError
            If that would be absurdly larger than the model.
        """
        matrix = self.constants.get(value)
        if not isinstance(matrix, Matrix):
            return value
        if value not in self.plain:
            shape = self.dims.get(value, matrix.shape)
            needed = math.prod(shape) * matrix.dtype.itemsize
            if needed > self.largest:
                raise ModelFileError(
                    f"'{value}' {list(shape)} would take {needed} bytes as a plain array, which is "
                    "too much for the size of the model"
                )
            self.plain[value] = self.constant(f"{value}:dense", matrix.to_dense().reshape(shape))
        return self.plain[value]

    def add(
        self, op: Op, operands: Sequence[str], attrs: Mapping[str, Any], name: str
    ) -> tuple[str, ...]:
        """Add a node; return the names of its results.

        An operand that is stored sparse stays so where the op takes it, else the node reads it as
        a plain array.
        """
        complete = op.complete(attrs)
        kept = [v if i in op.sparse else self.as_plain(v) for i, v in enumerate(operands)]
        try:
            results = op.infer([self.types[v] for v in kept], complete)
        except MinisparseError:
            plain = [self.as_plain(v) for v in kept]
            if plain == kept:
                raise
            kept, results = plain, op.infer([self.types[v] for v in plain], complete)
        name = self.node_name(name, op.name)
        outputs = tuple(self.fresh(name if i == 0 else f"{name}.{i}") for i in range(len(results)))
        self.types.update(zip(outputs, map(self._numbered, results), strict=True))
        self.nodes.append(Node(name, op, tuple(kept), outputs, complete))
        return outputs

    def claim(self, since: int, results: Sequence[str], wanted: Sequence[str]) -> list[str]:
        """Give results of the nodes made since a place the names that the model has for them.

        Parameters
        ----------
        since : int
            How many nodes there were before.
        results : sequence of str
            Values, some of which may be operands handed through; those keep their names.
        wanted : sequence of str
            Their names in the model; ``""`` for none.

        Returns
        -------
        list of str
            The results' names now.
        """
        made = {output for node in self.nodes[since:] for output in node.outputs}
        renamed: dict[str, str] = {}
        for value, name in zip(results, wanted, strict=False):
            if name and value in made and value not in renamed and name not in self.types:
                renamed[value] = name
                self.types[name] = self.types.pop(value)
                if value in self.protos:
                    self.protos[name] = self.protos.pop(value)
        for i in range(since, len(self.nodes)):
            self.nodes[i] = _renamed(self.nodes[i], renamed)
        return [renamed.get(value, value) for value in results]

    def name_nodes(self, since: int, name: str, result: str) -> None:
        """Give a node the name that it has in the model.

        Of several that were made for it, that is the one product, else what computes the result.
        """
        made = range(since, len(self.nodes))
        products = [i for i in made if self.nodes[i].op.sums_products]
        last = [i for i in made if result in self.nodes[i].outputs]
        for i in products if len(products) == 1 else last[-1:]:
            self.nodes[i] = replace(self.nodes[i], name=name)

    def drop_since(self, count: int) -> None:
        """Forget the nodes added after the first ``count``."""
        del self.nodes[count:]

    def finish(self, outputs: Mapping[str, str], metadata: Mapping[str, str]) -> Graph:
        """Return the graph, with those constants that something reads."""
        read = {v for node in self.nodes for v in node.inputs} | set(outputs.values())
        constants = {n: c for n, c in self.constants.items() if n in read}
        return Graph(
            self.name, self.inputs, constants, tuple(self.nodes), outputs, metadata=metadata
        )

    def _numbered(self, type: TensorType) -> TensorType:
        """Give numbers to the sizes that only the run tells, as :attr:`Graph.types` does."""
        if UNKNOWN not in type.shape:
            return type
        shape = []
        for dim in type.shape:
            self._unknown += dim == UNKNOWN
            shape.append(f"{UNKNOWN}{self._unknown}" if dim == UNKNOWN else dim)
        return replace(type, shape=tuple(shape))


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    if not names:
        return node
    return replace(
        node,
        inputs=tuple(names.get(v, v) for v in node.inputs),
        outputs=tuple(names.get(v, v) for v in node.outputs),
    )
