"""Select for each weight the instruction that would multiply it on the target.

Before    y = spmm(w, x), w being 2:4         After    the same; the graph's ``metadata`` say
                                                       ``instruction.y: mma_sp_f16: ...``

Why       What a pattern of zeros is worth depends on whether the machine has an instruction for it:
          2:4 doubles the peak of a sparse tensor core and does nothing for a CPU. Where a pattern
          narrowly misses, the reader wants to know by how much.
When      The weight is a constant of a product or a convolution, and it is known which instruction
          sets the target has.
Keeps     Everything: only notes are added. No kernel is chosen by them, and minisparse's own run
          whatever instructions NumPy was built with.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from minisparse.cost import Target
from minisparse.formats import NM, Matrix
from minisparse.graph import Constant, Graph, Node
from minisparse.passes.rewrite import Pass

if TYPE_CHECKING:
    from minisparse.cost.instruction_selection import Selection

NOTE = "instruction."
"""How the names of the notes begin; the node's name follows."""


def run(graph: Graph, target: Target) -> Graph:
    """Note at each weight the instruction that suits its pattern."""
    kept = {key: text for key, text in graph.metadata.items() if not key.startswith(NOTE)}
    for node in graph.nodes:
        # Which order of columns would help is looked for where someone asks for the reasons.
        selection = instruction_for(graph, node, target, search=0)
        if selection is not None:
            kept[f"{NOTE}{node.name}"] = selection.summary()
    return graph if kept == graph.metadata else replace(graph, metadata=kept)


def instruction_for(
    graph: Graph, node: Node, target: Target, *, tf32: bool = False, search: int | None = None
) -> "Selection | None":
    """Return the instruction for a node's weight with all others, or None where it has no weight.

    Parameters
    ----------
    graph : Graph
        In any state: as given, or rewritten.
    node : Node
        A node of it.
    target : Target
        Whose machine is asked for its instruction sets.
    tf32, search
        As for :func:`minisparse.cost.instructions.choose_instruction`; None for what it does by
        itself.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.graph import GraphBuilder
    >>> b = GraphBuilder("tiny")
    >>> w = b.constant("w", np.eye(16, 30, dtype="float32"))
    >>> graph = b.build([b.op("gemm", b.input("x", ("batch", 30)), w, transB=1, name="layer1")])
    >>> print(instruction_for(graph, graph.nodes[0], Target())["scalar_fma_f32"].why)
    16 multiply-adds a column at 1 a step: 16 steps
    """
    found = _weight(graph, node)
    if found is None or not target.machine.instructions:
        return None
    from minisparse.cost.instruction_misses import SEARCHED
    from minisparse.cost.instructions import choose_instruction  # which importing does without

    return choose_instruction(
        found.matrix,
        target.machine.instructions,
        other=graph.types[found.other].dtype,
        tf32=tf32,
        search=SEARCHED if search is None else search,
        pattern=graph.patterns.get(found.name),
        groups=found.groups,
        name=found.name,
    )


class _Weight(NamedTuple):
    """A weight as the left factor ``[M, K]`` of a product."""

    name: str
    matrix: Constant
    other: str
    groups: int = 1


_LEFT = {"spmm": False, "spmv": False, "spmm_t": True}
"""Ops whose first operand is multiplied from the left, and whether transposed."""


def _weight(graph: Graph, node: Node) -> _Weight | None:
    """Return a node's constant factor, turned so that its columns are what is summed."""
    op, inputs = node.op.base.name, node.inputs
    constants = [i for i, name in enumerate(inputs[:2]) if name in graph.constants]
    if len(inputs) < 2 or len(constants) != 1:
        return None
    at = constants[0]
    name, other, constant = inputs[at], inputs[1 - at], graph.constants[inputs[at]]
    if op in ("conv", "conv_transpose"):
        return _of_convolution(node, _Weight(name, constant, other)) if at == 1 else None
    if constant.ndim != 2:
        return None
    if op in _LEFT and at == 0:
        turned = _LEFT[op]
    elif op == "dsmm" and at == 1:
        turned = True
    elif op == "matmul":
        turned = at == 1
    elif op == "gemm":
        turned = bool(node.attrs["transA" if at == 0 else "transB"]) == (at == 0)
    else:
        return None
    if turned and isinstance(constant, NM):  # whose groups run along rows alone
        constant = constant.to("csr")
    return _Weight(name, constant.T if turned else constant, other)


def _of_convolution(node: Node, found: _Weight) -> _Weight | None:
    """Return filters as rows; of a transposed convolution ``[C, M / group, ...]`` turned."""
    groups = int(node.attrs["group"])
    if isinstance(found.matrix, Matrix):  # a filter a row already
        return found._replace(groups=groups) if node.op.base.name == "conv" else None
    first, *rest = found.matrix.shape
    if node.op.base.name == "conv":
        return found._replace(matrix=found.matrix.reshape(first, math.prod(rest)), groups=groups)
    grouped = found.matrix.reshape(groups, first // groups, math.prod(rest))
    turned = grouped.transpose(0, 2, 1).reshape(groups * math.prod(rest), first // groups)
    return found._replace(matrix=turned, groups=groups)


SELECT_INSTRUCTION = Pass(
    "select_instruction",
    run,
    after=("recognize_sparsity", "select_format", "insert_conversions", "fuse_epilogue"),
)
