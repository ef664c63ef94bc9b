"""Recognize where the zeros of each weight lie.

Before    w is an array; that most of it is zero is nobody's business.
After     the graph's ``patterns`` say of w: density, empty rows and columns, occupied blocks at
          several sizes, compliance with n:m.

Why       No format or kernel can be chosen without it, and it is the first thing that a reader
          of a pruned model wants to know.
When      The weight is a constant of two or more dimensions; dimensions beyond the first are seen
          as one: a filter of a convolution is a row.
Keeps     Everything: only notes are added.
"""

import math
from dataclasses import replace

from minisparse.cost import Target
from minisparse.formats import Matrix, Pattern, find_pattern
from minisparse.graph import Constant, Graph
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Note the pattern of every weight that an op could use sparse."""
    found = {
        name: _pattern(graph.constants[name])
        for node in graph.nodes
        for name in node.inputs
        if name in graph.constants and len(graph.types[name].shape) >= 2
    }
    return replace(graph, patterns={**graph.patterns, **found})


def _pattern(constant: Constant) -> Pattern:
    if isinstance(constant, Matrix):
        return find_pattern(constant)
    return find_pattern(constant.reshape(constant.shape[0], math.prod(constant.shape[1:])))


RECOGNIZE_SPARSITY = Pass("recognize_sparsity", run, after=("fold_batchnorm", "lower_matmul"))
