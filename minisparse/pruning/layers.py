"""The layers of a graph that have weights to prune, and which axis of a weight means what."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import Matrix
from minisparse.graph import Graph, Node


@dataclass(frozen=True)
class Layer:
    """A node with a constant weight.

    Attributes
    ----------
    node : Node
        The node.
    weight : str
        Name of the constant.
    operand : int
        Which of the node's operands it is.
    out_axis : int
        The weight's axis along which the layer's outputs (channels, filters) lie.
    in_axis : int
        The axis along which its inputs lie; of a grouped convolution, those of one group.
    shape : tuple of int
        The weight's.
    """

    node: Node
    weight: str
    operand: int
    out_axis: int
    in_axis: int
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.shape[self.out_axis]

    @property
    def window(self) -> int:
        """Columns of the matrix for each input: a convolution has as many as its window."""
        given = self.node.attrs.get("kernel_shape")
        if len(self.shape) == 2 and self.node.op.base.name == "conv" and given is not None:
            return math.prod(given)
        return self._columns // self.shape[self.in_axis] if self.shape[self.in_axis] else 1

    def as_matrix(self, weight: Array) -> Array:
        """Return a weight as ``[outputs, inputs * window]``, a filter a row."""
        return self._turned(weight).reshape(self.outputs, self._columns)

    def from_matrix(self, matrix: Array) -> Array:
        """Return what is laid out as :meth:`as_matrix` lays out a weight, in the weight's shape."""
        turned = self._turned(np.empty(self.shape, bool)).shape
        back = np.argsort(self._order)
        return np.ascontiguousarray(matrix.reshape(turned).transpose(back))

    @property
    def _columns(self) -> int:
        return math.prod(self.shape) // self.outputs if self.outputs else 0

    @property
    def _order(self) -> tuple[int, ...]:
        rest = [i for i in range(len(self.shape)) if i not in (self.out_axis, self.in_axis)]
        return (self.out_axis, self.in_axis, *rest)

    def _turned(self, weight: Array) -> Array:
        return weight.transpose(self._order)


Axes = Callable[[Node, int, int], tuple[int, int] | None]


def _gemm(node: Node, at: int, ndim: int) -> tuple[int, int] | None:
    """C = A' B': of A the rows are outputs, of B the columns; each transposed where it says so."""
    if at > 1:
        return None
    turned = bool(node.attrs["transA" if at == 0 else "transB"])
    return (0, 1) if turned == (at == 1) else (1, 0)


def _matmul(node: Node, at: int, ndim: int) -> tuple[int, int] | None:
    if ndim != 2:
        return None
    return (0, 1) if at == 0 else (1, 0)


def _conv(node: Node, at: int, ndim: int) -> tuple[int, int] | None:
    return (0, 1) if at == 1 and ndim >= 2 else None


def _conv_transpose(node: Node, at: int, ndim: int) -> tuple[int, int] | None:
    """Weights are ``[C, M / group, ...]``."""
    return (1, 0) if at == 1 else None


def _rows_are_outputs(node: Node, at: int, ndim: int) -> tuple[int, int] | None:
    return (0, 1) if at == 0 else None


def _columns_are_outputs(node: Node, at: int, ndim: int) -> tuple[int, int] | None:
    return (1, 0) if (at == 0) == (node.op.base.name == "spmm_t") else None


AXES: dict[str, Axes] = {
    "gemm": _gemm,
    "matmul": _matmul,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "spmm": _rows_are_outputs,
    "spmv": _rows_are_outputs,
    "spmm_t": _columns_are_outputs,
    "dsmm": _columns_are_outputs,
}
"""From the name of an op with weights to the axes of outputs and inputs of operand ``at``."""


def find_layers(graph: Graph) -> tuple[Layer, ...]:
    """Return the layers of a graph, in order; a weight that several nodes read, once.

    Examples
    --------
    >>> from minisparse.graph import GraphBuilder
    >>> b = GraphBuilder("tiny")
    >>> w = b.constant("w", np.eye(2, 3))
    >>> h = b.op("gemm", b.input("x", (4, 3), "float64"), w, transB=1, name="layer1")
    >>> [(layer.name, layer.weight, layer.outputs) for layer in find_layers(b.build([h]))]
    [('layer1', 'w', 2)]
    """
    found: dict[str, Layer] = {}
    for node in graph.nodes:
        axes_of = AXES.get(node.op.base.name)
        if axes_of is None:
            continue
        for at, name in enumerate(node.inputs):
            shape = graph.constants[name].shape if name in graph.constants else ()
            axes = axes_of(node, at, len(shape)) if len(shape) >= 2 else None
            if axes is not None and name not in found:
                found[name] = Layer(node, name, at, *axes, tuple(shape))
    return tuple(found.values())


def plain(graph: Graph, name: str) -> Array:
    """Return a constant as a plain array."""
    constant = graph.constants[name]
    return constant.to_dense() if isinstance(constant, Matrix) else constant
