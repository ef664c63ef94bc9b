"""Judge a run node by node.

A node is judged on the inputs that it really had, as the runtime recorded them: an error is
blamed on the node that made it, and not on those that it was handed on to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.formats import Matrix
from minisparse.graph import Graph, Node
from minisparse.oracle.exact import Operand, exact, exact_results
from minisparse.oracle.profile import Profile, find_profile
from minisparse.oracle.verdict import UNSUPPORTED, Judgement, judge

Value = Array | Matrix
_SEED = 0


@dataclass(frozen=True)
class NodeJudgement:
    """The verdict on one node.

    Attributes
    ----------
    node, op : str
        Names of the node and of its op.
    judgement : Judgement
        What was found in its result.
    columns : tuple of int or None
        Which columns, rows or images of the result were looked at; None means all.
    """

    node: str
    op: str
    judgement: Judgement
    columns: tuple[int, ...] | None = None

    @property
    def verdict(self) -> str:
        """``"PASS"``, ``"FAIL"`` or ``"VACUOUS"``; ``"UNSUPPORTED"`` where there is no answer."""
        return self.judgement.verdict

    @property
    def error_over_bound(self) -> float:
        """The worst error over its bound."""
        return self.judgement.error_over_bound

    @property
    def position(self) -> tuple[int, ...]:
        """Where in the node's result the worst element is."""
        return self.judgement.position

    def __str__(self) -> str:
        """Return the verdict in a line."""
        text = f"{self.verdict:7} {self.node} = {self.op}: {self.error_over_bound:.3g} of the bound"
        return f"{text}; {self.judgement.message}" if self.judgement.message else text


class _Cut(NamedTuple):
    """Which operand's columns, or rows, make which columns of the result: the batch, mostly."""

    operand: int
    axis: int
    result_axis: int


_CUTS = {
    "spmm": _Cut(1, 1, 1),
    "gemm": _Cut(0, 0, 0),
    "conv": _Cut(0, 0, 0),
    "conv_transpose": _Cut(0, 0, 0),
    "batch_normalization": _Cut(0, 0, 0),
    "max_pool": _Cut(0, 0, 0),
    "average_pool": _Cut(0, 0, 0),
    "matmul": _Cut(0, 0, 0),
    "layer_normalization": _Cut(0, 0, 0),
    "rms_normalization": _Cut(0, 0, 0),
    "instance_normalization": _Cut(0, 0, 0),
    "group_normalization": _Cut(0, 0, 0),
    "softmax": _Cut(0, 0, 0),
    "log_softmax": _Cut(0, 0, 0),
}


def verify_nodes(
    graph: Graph,
    values: Mapping[str, Value],
    *,
    columns: int | None = None,
    profile: str | Profile | None = None,
) -> list[NodeJudgement]:
    """Judge every node of a run on the inputs that it had.

    Parameters
    ----------
    graph : Graph
        What was run, possibly rewritten and fused.
    values : mapping
        Every value that a node read or defined, by name; constants may be left to the graph.
    columns : int, optional
        Look at no more than so many items of the batch: the first two, the last two, and others
        drawn with a fixed seed. These are columns of b for spmm, rows of the result for gemm,
        images for convolutions, normalizations and pools, items of a stack for matmul and
        softmax. Other ops are cheap, and are judged in full.
    profile : {"default", "ieee"}, optional
        What implicit zeros mean.

    Returns
    -------
    list of NodeJudgement
        One for each node, in the graph's order.

    Raises
    ------
    UsageError
        If a value is missing, or ``columns`` is less than 1.
    """
    if columns is not None and columns < 1:
        raise UsageError(f"verify_nodes: columns is {columns}; it must be at least 1")
    meaning = find_profile(profile)
    known = {**graph.constants, **values}
    for node in graph.nodes:
        for name in (*node.inputs, *node.outputs):
            if name not in known:
                raise UsageError(
                    f"verify_nodes: node '{node.name}' has no recorded value '{name}'; "
                    f"record every value of the run"
                )
    return [_verify(node, known, columns, meaning) for node in graph.nodes]


def _verify(
    node: Node, values: Mapping[str, Value], columns: int | None, profile: Profile
) -> NodeJudgement:
    """Judge a node; say UNSUPPORTED of one that only a foreign implementation defines."""
    try:
        return _with_answer(node, values, columns, profile)
    except UnsupportedOpError as error:
        return NodeJudgement(node.name, node.op.name, Judgement(UNSUPPORTED, message=str(error)))


def _with_answer(
    node: Node, values: Mapping[str, Value], columns: int | None, profile: Profile
) -> NodeJudgement:
    operands: Sequence[Operand] = [values[name] for name in node.inputs]
    if len(node.outputs) > 1:
        return _all_judged(node, operands, [values[name] for name in node.outputs], profile)
    got: Any = values[node.output]
    got = got.to_dense() if isinstance(got, Matrix) else got
    cut = _CUTS.get(node.op.base.name)
    if columns is None or cut is None or np.ndim(got) <= cut.result_axis:
        return _judged(node, operands, got, profile)
    if not _goes_item_by_item(node, operands, np.ndim(got)):
        return _judged(node, operands, got, profile)
    if cut.operand == 0 and node.attrs.get("transA"):
        cut = cut._replace(axis=1)
    length = got.shape[cut.result_axis]
    if length <= columns or np.shape(operands[cut.operand])[cut.axis] != length:
        return _judged(node, operands, got, profile)  # a wrong shape is judged as it is
    chosen = _choose(length, columns)
    fewer = list(operands)
    fewer[cut.operand] = np.asarray(operands[cut.operand]).take(chosen, axis=cut.axis)
    if node.op.base.name == "gemm" and len(node.op.base.operands) > 2 and len(fewer) > 2:
        fewer[2] = _cut_summand(fewer[2], (length, -1), 0, chosen)
    if len(got.shape) >= _BROADCASTING.get(node.op.base.name, np.inf):
        fewer[1:] = [_cut_summand(x, np.shape(got), 0, chosen) for x in fewer[1:]]
    base, *rest = node.op.split(fewer)
    for part, more in zip(node.op.epilogue, rest, strict=True):
        along = [_cut_summand(x, np.shape(got), cut.result_axis, chosen) for x in more]
        base = (*base, *(along if part.name == "add" else more))
    fewer = list(base)
    some = got.take(chosen, axis=cut.result_axis)
    return _judged(node, fewer, some, profile, (cut.result_axis, tuple(map(int, chosen))))


_BROADCASTING = {"matmul": 3, "layer_normalization": 1, "rms_normalization": 1}
"""Ops whose other operands may have the batch too, where the result has so many dimensions."""


def _goes_item_by_item(node: Node, operands: Sequence[Operand], ndim: int) -> bool:
    """Tell whether each item of the batch, the first axis, is computed by itself."""
    name, given = node.op.base.name, operands[0]
    if name in ("softmax", "log_softmax", "layer_normalization", "rms_normalization"):
        return isinstance(given, np.ndarray) and node.attrs.get("axis", -1) % ndim > 0
    return name != "matmul" or len(given.shape) == ndim  # else the batch is B's alone


def _cut_summand(x: Operand, shape: tuple[int, ...], axis: int, chosen: Array) -> Operand:
    """Return what of an operand that broadcasts with the result meets the chosen items."""
    own = axis - (len(shape) - len(x.shape))
    if isinstance(x, np.ndarray) and own >= 0 and x.shape[own] == shape[axis]:
        return x.take(chosen, axis=own)
    return x


def _judged(
    node: Node,
    operands: Sequence[Operand],
    got: Any,
    profile: Profile,
    part: tuple[int, tuple[int, ...]] | None = None,
) -> NodeJudgement:
    truth = exact(node.op, operands, node.attrs, profile)
    found = judge(got, truth, part)
    return NodeJudgement(node.name, node.op.name, found, part and part[1])


def _all_judged(
    node: Node, operands: Sequence[Operand], results: Sequence[Any], profile: Profile
) -> NodeJudgement:
    """Judge each of several results; the worst one speaks for the node."""
    truths = exact_results(node.op, operands, node.attrs, profile)
    found = [judge(got, truth) for got, truth in zip(results, truths, strict=True)]
    worst = max(found, key=lambda j: (not j.passed, j.error_over_bound))
    return NodeJudgement(node.name, node.op.name, worst)


def _choose(length: int, count: int) -> Array:
    """Return the first two, the last two, and others at random, in ascending order."""
    ends = list(dict.fromkeys([0, length - 1, 1, length - 2]))[:count]
    others = np.setdiff1d(np.arange(length), ends)
    rng = np.random.default_rng(_SEED)
    return np.sort(np.concatenate([ends, rng.permutation(others)[: count - len(ends)]]))
