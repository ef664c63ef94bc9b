"""An ONNX graph while it is being written: names, nodes, weights.

Names of values and nodes stay as they are; what is added beside them gets names that are free.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NoReturn

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.extras import require
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix
from minisparse.formats.onnx_interop import to_onnx as to_sparse_proto
from minisparse.graph import Constant, Node
from minisparse.ops import Op

PURPOSE = "writing ONNX models"


class Refused(Exception):
    """A node cannot be expressed in ONNX; the message says why."""


class Writer:
    """Collects nodes and weights of one model.

    Parameters
    ----------
    constants : mapping
        The graph's constants; each is written when something reads it first.
    taken : iterable of str
        Names that the graph gives.
    sparse : {"initializer", "constant", "dense"}
        How sparse matrices are written.
    opset : int
        The version of ONNX's operator set.

    Attributes
    ----------
    nodes, initializers, sparse_initializers, constant_nodes : list
        What was written so far, as protos.
    dtypes : dict
        Dtypes of values, as far as rules told them.
    """

    def __init__(
        self, constants: Mapping[str, Constant], taken: Iterable[str], sparse: str, opset: int
    ) -> None:
        self.onnx = require("onnx", "onnx", PURPOSE)
        self.opset = opset
        self.dtypes: dict[str, DType] = {}
        self.initializers: list[Any] = []
        self.sparse_initializers: list[Any] = []
        self.constant_nodes: list[Any] = []
        self.nodes: list[Any] = []
        self._constants, self._sparse = constants, sparse
        self._taken = {"", *taken}
        self._node_names: set[str] = {""}
        self._written: dict[tuple[str, tuple[int, ...]], str] = {}

    def free(self, name: str) -> str:
        """Return a name that nothing has, ``name`` itself if it is free, and take it."""
        found = next(n for n in _numbered(name) if n not in self._taken)
        self._taken.add(found)
        return found

    def emit(
        self,
        op_type: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        name: str,
        attrs: Mapping[str, Any],
    ) -> None:
        """Add a node to the graph, or the body, that is being written."""
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        said = {key: value for key, value in attrs.items() if value is not None and value != ()}
        self.add(self.onnx.helper.make_node(op_type, given, list(outputs), **said), name)

    def add(self, node: Any, name: str) -> None:
        """Add a node that is written already, under a name that no other node has."""
        node.name = next(n for n in _numbered(name) if n not in self._node_names)
        self._node_names.add(node.name)
        self.nodes.append(node)

    def array(self, value: Array, name: str) -> str:
        """Add a plain array as an initializer, its elements as raw bytes; return its name."""
        name = self.free(name)
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        self.initializers.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def takes(self, op_type: str, i: int, dtype: DType) -> bool:
        """Tell whether operand i of an op of ONNX may have a dtype."""
        schema = self.onnx.defs.get_schema(op_type, self.opset)
        formal = schema.inputs[min(i, len(schema.inputs) - 1)]
        allowed = {t for c in schema.type_constraints if c.type_param_str == formal.type_str
                   for t in c.allowed_type_strs}  # fmt: skip
        name = _ONNX_NAMES.get(dtype.name, dtype.name)
        return f"tensor({name})" in (allowed or {formal.type_str})

    def weight(self, name: str, shape: tuple[int, ...] | None = None) -> str:
        """Write a constant of the graph when it is read first, and return what it is called.

        Parameters
        ----------
        name : str
            Its name in the graph.
        shape : tuple of int, optional
            The shape in which it is read, where that is another: filters that are stored as a
            matrix.
        """
        constant = self._constants[name]
        shape = tuple(constant.shape) if shape is None else shape
        if (name, shape) not in self._written:
            first = not any(written == name for written, _ in self._written)
            called = name if first else self.free(f"{name}_{'x'.join(map(str, shape))}")
            self._written[name, shape] = called
            self._write(constant, shape, called)
        return self._written[name, shape]

    def is_constant(self, name: str) -> bool:
        """Tell whether a value of the graph is one of its constants."""
        return name in self._constants

    def constant(self, name: str) -> Constant:
        """Return a constant of the graph."""
        return self._constants[name]

    @contextmanager
    def body(self) -> Iterator[list[Any]]:
        """Collect nodes for a body instead of the graph while the block runs."""
        outside, self.nodes = self.nodes, []
        try:
            yield self.nodes
        finally:
            self.nodes = outside

    def _write(self, constant: Constant, shape: tuple[int, ...], name: str) -> None:
        if not isinstance(constant, Matrix) or self._sparse == "dense" or 0 in shape:
            dense = constant.to_dense() if isinstance(constant, Matrix) else constant
            plain = np.ascontiguousarray(dense).reshape(shape)
            self.initializers.append(self.onnx.numpy_helper.from_array(plain, name))
            return
        proto = to_sparse_proto(constant, name, linear=math.prod(constant.shape) < 2**63)
        if len(shape) != 2:
            proto.dims[:] = shape  # counted through all cells, indices are the same
        if self._sparse == "initializer":
            self.sparse_initializers.append(proto)
        else:
            node = self.onnx.helper.make_node("Constant", [], [name], name, sparse_value=proto)
            self.constant_nodes.append(node)


_ONNX_NAMES = {"float32": "float", "float64": "double"}


def _numbered(name: str) -> Iterator[str]:
    """Yield a name, and then the same with numbers."""
    yield name
    for i in count(1):
        yield f"{name}_{i}"


@dataclass(frozen=True)
class Export:
    """One node while it is written; a rule is a function of it.

    Attributes
    ----------
    node : Node
        The node, or the part of a fused one.
    op : Op
        Its op.
    inputs : tuple of str
        ONNX's names of its operands.
    outputs : tuple of str
        ONNX's names of its results.
    types, results : tuple of TensorType
        Types of operands and of results.
    attrs : mapping
        Attributes, complete.
    writer : Writer
        What is written to.
    names : dict
        From names of ours to ONNX's.
    sources : tuple of str
        Our names of the operands; empty texts for those between the parts of a fused op.
    is_output : bool
        Whether the result is one of the graph's, so that its name has to be there.
    """

    node: Node
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    types: tuple[TensorType, ...]
    results: tuple[TensorType, ...]
    attrs: Mapping[str, Any]
    writer: Writer
    names: dict[str, str] = field(repr=False)
    sources: tuple[str, ...] = ()
    is_output: bool = False

    @property
    def dtype(self) -> DType:
        """The dtype of the first result."""
        return self.results[0].dtype

    def emit(self, op_type: str, *inputs: str, **attrs: Any) -> None:
        """Write the ONNX node that defines the results; attributes of None are left out."""
        known = dict(zip(self.inputs, (t.dtype for t in self.types), strict=True))
        for i, name in enumerate(inputs):
            dtype = self.writer.dtypes.get(name, known.get(name))
            if dtype is not None and not self.writer.takes(op_type, i, dtype):
                self.refuse(f"{op_type} of ONNX takes no {dtype}")
        self.writer.emit(op_type, inputs, self.outputs, self.node.name, attrs)

    def value(self, op_type: str, *inputs: str, **attrs: Any) -> str:
        """Write a node beside it, and return the name of its result."""
        label = f"{self.node.name}/{op_type}"
        output = self.writer.free(label)
        self.writer.emit(op_type, inputs, (output,), label, attrs)
        return output

    def number(self, value: Any, dtype: Any, label: str = "constant") -> str:
        """Write a small array beside it and return its name."""
        return self.writer.array(np.asarray(value, dtype), f"{self.node.name}/{label}")

    def cast(self, i: int, dtype: Any = None) -> str:
        """Return operand i in a dtype, by default the result's: ONNX's ops do not mix them."""
        wanted = self.dtype if dtype is None else np.dtype(dtype)
        if self.types[i].dtype == wanted:
            return self.inputs[i]
        code = self.writer.onnx.helper.np_dtype_to_tensor_dtype(wanted)
        found = self.value("Cast", self.inputs[i], to=code)
        self.writer.dtypes[found] = wanted
        return found

    def finish(self, op_type: str, dtype: DType, *inputs: str) -> None:
        """Write the node that defines the result, computed in another dtype than the result's."""
        if dtype == self.dtype:
            self.emit(op_type, *inputs)
        else:
            code = self.writer.onnx.helper.np_dtype_to_tensor_dtype(self.dtype)
            self.emit("Cast", self.value(op_type, *inputs), to=code)

    def alike(self, dtype: Any = None) -> list[str]:
        """Return all operands in one dtype, by default the result's."""
        return [self.cast(i, dtype) for i in range(len(self.inputs))]

    def common(self) -> DType:
        """Return the dtype that the operands have together."""
        return np.result_type(*(t.dtype for t in self.types))

    def same_as(self, value: str) -> None:
        """Say that the result is what another value is: no node, unless its name is needed."""
        if self.is_output:
            self.emit("Identity", value)
        else:
            self.names[self.node.output] = value

    def refuse(self, why: str) -> NoReturn:
        """Say that ONNX cannot express the node."""
        raise Refused(why)


ExportRule = Callable[[Export], None]
"""From a node to nodes of ONNX that define its results."""


@dataclass(frozen=True)
class ExportRules:
    """A family's rules by the name of our op."""

    of: Mapping[str, ExportRule]
