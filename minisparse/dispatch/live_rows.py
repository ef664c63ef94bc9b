"""The choice that only a run can make: to skip rows of a weight that meet nothing but zeros.

Activations after ReLU, and inputs such as one-hot rows, may be sparse or not. Where one of them is
multiplied with a dense weight, each run looks at a sample of it, and compares its density with the
break-even, which is priced for the number of rows at hand. Around the break-even the choice stays
what it was, so that it does not change with every run (hysteresis): there the last bits of a result
may depend on the runs before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.cost import Candidate, Machine, Target
from minisparse.cost.model import Basis, names_of, price, price_epilogue, work_of
from minisparse.graph import Graph, Node
from minisparse.kernels import Epilogue, level_of
from minisparse.kernels.live import SAMPLED, live_work, multiply_live, sample_density
from minisparse.ops import ADD, Op

STAY = 1.25
"""By which factor a density has to be beyond the break-even before the choice is changed."""
WORTH = 20.0
"""How many times as long as a look the dense product has to take for a look to be worth it."""
LOOKS = 4.0
"""Calls' time that a look takes, besides that of the elements looked at."""
KNOWN = 64
"""Numbers of rows for which the break-even is remembered."""
_PRODUCTS = ("gemm", "dsmm")
_ZEROING = ("relu", "hard_swish", "one_hot", "trilu")
_HALVINGS = 12


@dataclass(frozen=True)
class LiveRows:
    """A product that may skip rows of its weight, and when it does.

    Attributes
    ----------
    op : Op
        Perhaps fused.
    candidate : Candidate
        How it is computed where it skips none.
    weight : ndarray, shape (K, M)
        The dense weight, rows one after another.
    types : tuple of TensorType
        Of all operands, for the sizes to expect.
    attrs : mapping
        The op's attributes.
    machine : Machine
        Whose speeds count.
    """

    op: Op
    candidate: Candidate
    weight: Array
    types: tuple[TensorType, ...]
    attrs: dict[str, Any]
    machine: Machine
    _limits: dict[int, float] = field(default_factory=dict, repr=False, compare=False)

    @property
    def nbytes(self) -> int:
        """Bytes that the weight takes besides the constant, where it had to be turned."""
        return 0 if self.weight.base is not None else self.weight.nbytes

    def limit(self, rows: int) -> float:
        """Return the density below which skipping is predicted to be faster; 0 if it never is."""
        found = self._limits.get(rows)
        if found is None:
            found = self._break_even(rows)
            if len(self._limits) < KNOWN:
                self._limits[rows] = found
        return found

    def seconds(self, rows: int, density: float) -> float:
        """Return the predicted time of a product that skips, the look included."""
        (k, m), itemsize = self.weight.shape, self.weight.itemsize
        work = live_work(rows, k, m, density, itemsize)
        reach = density * self.weight.nbytes
        basis = Basis(self.weight.dtype, ("gemm live",), reach + work.bytes, reach)
        result = TensorType((rows, m), self.weight.dtype)
        after = price_epilogue(self.op, self.types, result, self.machine, apart=True)
        return self.look + (price(work, "vectorized", basis, self.machine) + after).seconds

    def dense_seconds(self, rows: int) -> float:
        """Return the predicted time of a product that skips nothing."""
        x, *others = self.types
        types = (TensorType((rows, x.shape[1]), x.dtype), *others)
        kernel = self.candidate.kernel
        level = level_of(kernel, self.candidate.level)
        work = work_of(self.op, kernel, level, None, types, self.attrs)
        footprint = float(work.bytes)
        basis = Basis(x.dtype, names_of(kernel, work), footprint)
        result = TensorType((rows, self.weight.shape[1]), x.dtype)
        after = price_epilogue(self.op, self.types, result, self.machine)
        return (price(work, self.candidate.level, basis, self.machine) + after).seconds

    @property
    def look(self) -> float:
        """Predicted time of looking at a sample."""
        return LOOKS * self.machine.call + SAMPLED / self.machine.elementwise

    def _break_even(self, rows: int) -> float:
        dense = self.dense_seconds(rows)
        if rows < 1 or dense < WORTH * self.look or self.seconds(rows, 0.0) >= dense:
            return 0.0
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.seconds(rows, middle) < dense else (low, middle)
        return low

    def __str__(self) -> str:
        """Return a sentence for an explanation."""
        rows = max(self.types[0].dims[0], 1)
        limit = self.limit(rows)
        if not limit:
            return f"of {rows} rows at once none is worth looking at for zeros"
        return (
            f"each run looks at {self.op.operands[0]}: with less than {limit:.1%} of it other than "
            f"zero, {rows} rows at once read only the rows of the weight that they need"
        )


def live_rows(graph: Graph, node: Node, chosen: Candidate, target: Target) -> LiveRows | None:
    """Return how a node may skip rows of its weight, None where it cannot or need not.

    Parameters
    ----------
    graph : Graph
        With sizes known.
    node : Node
        A node of it.
    chosen : Candidate
        How it is computed otherwise.
    target : Target
        The machine.
    """
    op, attrs = node.op, node.attrs
    if op.base.name not in _PRODUCTS or chosen.level != "vectorized" or len(node.inputs) < 2:
        return None
    plain = (attrs.get("alpha", 1), attrs.get("beta", 1), attrs.get("transA", 0)) == (1, 1, 0)
    weight = graph.constants.get(node.inputs[1])
    if not plain or not isinstance(weight, np.ndarray) or not _may_be_sparse(graph, node.inputs[0]):
        return None
    types = tuple(map(target.size, graph.operand_types(node)))
    same = {t.dtype for t in types}
    if len(same) > 1 or weight.dtype.name not in ("float32", "float64") or weight.ndim != 2:
        return None
    turned = weight.T if attrs.get("transB", 0) else weight
    found = LiveRows(op, chosen, turned, types, dict(attrs), target.machine)
    if not found.limit(types[0].dims[0]) and not found.limit(1):
        return None
    if not np.isfinite(weight).all():  # 0 * inf is NaN, and would be skipped
        return None
    rows = turned if turned.flags.c_contiguous else np.ascontiguousarray(turned)
    return LiveRows(op, chosen, rows, types, dict(attrs), target.machine)


def _may_be_sparse(graph: Graph, value: str) -> bool:
    """Tell whether a value may be mostly zeros for all that the graph says."""
    node = graph.producers.get(value)
    while node is not None and (node.op.moves or node.op.name == "identity"):
        value = node.inputs[0]
        node = graph.producers.get(value)
    if node is None:
        return value in graph.inputs
    last = node.op.parts[-1].name if node.op.parts else node.op.name
    return last in _ZEROING or (last == "clip" and node.attrs["min"] == 0)


class Choosing:
    """A step's call that looks at its operand first; it remembers what it chose.

    Attributes
    ----------
    skipped, dense : int
        How many runs went each way.
    """

    def __init__(self, call: Callable[..., Any], rows: LiveRows) -> None:
        self._call, self._rows = call, rows
        self._skips = False
        self.skipped = self.dense = 0

    def __call__(self, *operands: Any, out: Array | None = None) -> Any:
        """Compute the step from its operands, the weight among them."""
        x = operands[0]
        limit = self._rows.limit(len(x))
        if limit:
            density = sample_density(x)
            self._skips = density < (limit * STAY if self._skips else limit / STAY)
            if self._skips:
                self.skipped += 1
                return self._multiply(operands, out)
        self.dense += 1
        return self._call(*operands) if out is None else self._call(*operands, out=out)

    def _multiply(self, operands: Sequence[Any], out: Array | None) -> Array:
        """Return the product of what is not zero, finished by the rest of the op."""
        rows = self._rows
        base, *more = rows.op.split(operands)
        parts, beside = list(rows.op.epilogue), list(more)
        if len(base) > 2:  # gemm's C is added as the first part of an epilogue
            parts.insert(0, ADD)
            beside.insert(0, (base[2],))
        result = multiply_live(base[0], rows.weight, out)
        if parts:
            finish = Epilogue(parts, beside, rows.attrs)
            finish(result, tuple(slice(0, length) for length in result.shape))
        return result
