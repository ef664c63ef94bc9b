"""Build a graph by hand, one call a node."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import as_dtype
from minisparse.core.errors import GraphError, UnsupportedOpError
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType, known_type
from minisparse.formats import Matrix
from minisparse.graph.graph import Constant, Graph
from minisparse.ops import OPS
from minisparse.ops.node import Node


class GraphBuilder:
    """Collects inputs, constants and nodes; :meth:`build` returns the immutable graph.

    Every method returns the name of the value it defines, to be passed on to the next. Types are
    inferred at once, so a mistake is reported in the line that makes it.

    Examples
    --------
    >>> b = GraphBuilder("tiny")
    >>> x = b.input("x", ("batch", 3))
    >>> w = b.constant("w", np.eye(2, 3, dtype="float32"))
    >>> h = b.op("gemm", x, w, transB=1, name="layer1")
    >>> print(b.build({"y": b.op("relu", h)}))
    graph tiny(x: float32[batch, 3]) -> y
      const w       float32[2, 3]
      layer1        = gemm(x, w, transB=1)      float32[batch, 2]
      relu_1        = relu(layer1)              float32[batch, 2]
      return y = relu_1
    """

    def __init__(self, name: str = "graph") -> None:
        self._name = name
        self._inputs: dict[str, TensorType] = {}
        self._constants: dict[str, Constant] = {}
        self._nodes: list[Node] = []
        self._types: dict[str, TensorType] = {}

    def input(self, name: str, shape: Sequence[Dim], dtype: Any = "float32") -> str:
        """Declare an input; a string in ``shape`` names a dimension known only at run time."""
        self._define(name, TensorType(tuple(shape), as_dtype(dtype, f"input '{name}'", plain=True)))
        self._inputs[name] = self._types[name]
        return name

    def constant(self, name: str, value: Any) -> str:
        """Add a weight: a plain array (anything ``np.asarray`` takes) or a sparse matrix."""
        if not isinstance(value, Matrix):
            value = np.asarray(value)
            dtype = as_dtype(value.dtype, f"constant '{name}'", plain=True)
            value = value.astype(dtype, copy=False)
        self._define(name, value.type if isinstance(value, Matrix) else known_type(value))
        self._constants[name] = value
        return name

    def op(self, op: str, *operands: str, name: str | None = None, **attrs: Any) -> str:
        """Add a node and return the name of its (first) result.

        Parameters
        ----------
        op : str
            The op's name: ``"gemm"``, ``"conv"``, ``"relu"`` … (see docs/language.md).
        *operands : str
            Names that earlier calls returned.
        name : str, optional
            The node's name; by default the op's name and a number.
        **attrs
            The op's attributes; those left out take their defaults.

        Raises
        ------
        UnsupportedOpError
            If there is no op of that name.
        ShapeError, DTypeError
            If an operand breaks one of the op's constraints.
        """
        if op not in OPS:
            raise UnsupportedOpError(f"there is no op '{op}'; known ops: {', '.join(sorted(OPS))}")
        missing = [o for o in operands if o not in self._types]
        if missing:
            raise GraphError(f"op '{op}' reads '{missing[0]}', which nothing defines yet")
        meaning = OPS[op]
        name = name or f"{op}_{sum(node.op is meaning for node in self._nodes) + 1}"
        attrs = meaning.complete(attrs)
        results = meaning.infer([self._types[o] for o in operands], attrs)
        outputs = (name, *(f"{name}.{i}" for i in range(1, len(results))))
        for output, result in zip(outputs, results, strict=True):
            self._define(output, result)
        self._nodes.append(Node(name, meaning, operands, outputs, attrs))
        return name

    def build(
        self, outputs: Mapping[str, str] | Sequence[str], metadata: Mapping[str, str] | None = None
    ) -> Graph:
        """Return the graph.

        Parameters
        ----------
        outputs : mapping or sequence of str
            From the names of the results to values, or just the values.
        metadata : mapping, optional
            Text that travels with the model.
        """
        named = outputs if isinstance(outputs, Mapping) else {o: o for o in outputs}
        return Graph(
            self._name,
            dict(self._inputs),
            dict(self._constants),
            tuple(self._nodes),
            dict(named),
            metadata=dict(metadata or {}),
        )

    def type_of(self, value: str) -> TensorType:
        """Return the type of a value defined so far."""
        return self._types[value]

    def _define(self, name: str, type: TensorType) -> None:
        if name in self._types:
            raise GraphError(f"graph '{self._name}' (G1): '{name}' is defined twice")
        self._types[name] = type
