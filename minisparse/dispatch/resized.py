"""Other kernels for other sizes: what is cheapest for 256 rows at once may not be for one.

Where a dimension has only a name, prices are for the size to expect. The first run with a size of
another magnitude prices the candidates of each weight again. Where one of them is predicted to be
faster by more than a prediction errs, the weight is converted and packed for it as well, and runs
of that magnitude use it from then on: they find it by looking it up.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from minisparse.core.tensor_type import DENSE, Layout
from minisparse.cost import Candidate, apart, candidates, stored_attrs
from minisparse.formats import Matrix
from minisparse.graph import Constant, Graph
from minisparse.kernels import bind, level_of, pack
from minisparse.kernels.convert.dense import vectorized as convert

if TYPE_CHECKING:
    from minisparse.dispatch.plan import Plan, Step

GAIN = 1.5
"""How many times as fast another candidate has to be predicted: it costs memory besides."""
KEPT = 8
"""Magnitudes for which steps are kept."""
_MAGNITUDE = 4.0  # sizes within this factor of each other are of one magnitude
_PADDING = ("bsr", "nm")  # formats that store zeros beside what is there


class Resized(NamedTuple):
    """A step as runs of another magnitude compute it.

    Attributes
    ----------
    step : Step
        With its candidate and the reason.
    call : callable
        From the plan's operands to the result; its own packed weight takes the weight's place.
    """

    step: "Step"
    call: Callable[..., Any]


class Resizes:
    """The steps of a plan that are computed otherwise at other sizes; found when first needed."""

    def __init__(self, plan: "Plan") -> None:
        self._plan = plan
        self._found: dict[tuple[int, ...], Mapping[int, Resized]] = {}
        self._names = [n for n in plan.graph.symbols if n.isidentifier()]
        expected = plan.target.bind(plan.graph)
        self._usual = self._magnitudes(_sizes(plan.graph, expected))

    def steps_for(self, sizes: Mapping[str, int]) -> Mapping[int, Resized]:
        """Return the steps that runs with some sizes compute otherwise, by their number.

        Parameters
        ----------
        sizes : mapping
            From named dimensions to sizes.
        """
        target = self._plan.target
        if not self._names or not target.dynamic or target.device == "gpu" or 0 in sizes.values():
            return {}
        at = self._magnitudes(sizes)
        if at == self._usual:
            return {}
        found = self._found.get(at)
        if found is None:
            found = self._decide(sizes)
            while len(self._found) >= KEPT:
                self._found.pop(next(iter(self._found)), None)
            self._found[at] = found
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of what was packed for other sizes."""
        packed = [r.step.packed for kept in self._found.values() for r in kept.values()]
        return sum({id(p): int(getattr(p, "nbytes", 0)) for p in packed}.values())

    def _magnitudes(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        logarithms = (math.log(max(sizes.get(n, 1), 1), _MAGNITUDE) for n in self._names)
        return tuple(map(round, logarithms))

    def _decide(self, sizes: Mapping[str, int]) -> dict[int, Resized]:
        plan = self._plan
        sized = plan.graph.bind(**{n: s for n, s in sizes.items() if n in self._names})
        found = {}
        for i, step in enumerate(plan.steps):
            better = self._better(sized, step)
            if better is not None:
                told = ", ".join(f"{n} {sizes[n]}" for n in self._names if n in sizes)
                found[i] = self._resized(sized, step, *better, told)
        return found

    def _better(self, sized: Graph, step: "Step") -> tuple[Graph, Candidate, float] | None:
        """Return the node by itself, a faster candidate and how much faster, if there is one."""
        target = self._plan.target
        if step.bodies or step.unsettled or step.live or step.node.name in target.choose:
            return None
        if len(step.candidates) < 2:
            return None
        alone = apart(sized, step.node)
        if alone is None:
            return None
        priced = candidates(alone, alone.nodes[0], target)
        # Where results lie was planned for a level that is told, or is not told, where to write.
        told = step.level.takes_out
        like = [c for c in priced if level_of(c.kernel, c.level).takes_out == told]
        now = [c.seconds for c in like if c.name == step.chosen.name]
        if not now or now[0] < GAIN * like[0].seconds:
            return None
        best = like[0]
        return alone, best, now[0] / best.seconds

    def _resized(
        self, sized: Graph, step: "Step", alone: Graph, best: Candidate, ratio: float, told: str
    ) -> Resized:
        node, at = step.node, step.node.op.base.weight or 0
        plain = alone.types[node.inputs[at]]
        level = level_of(best.kernel, best.level)
        weight = in_layout(self._plan.graph.constants[node.inputs[at]], best.layout, plain.dims)
        result = sized.types[node.output]
        packed = pack(level, weight, self._plan.target.size(result).size // max(plain.dims[0], 1))
        attrs = stored_attrs(node, plain, best.layout)
        why = f"for {told}: predicted {ratio:.2f} times as fast as {step.chosen.name}"
        call = partial(_with_packed, bind(node.op, level, attrs), packed, at)
        return Resized(replace(step, chosen=best, why=why, packed=packed), call)


def in_layout(weight: Constant, layout: Layout, shape: tuple[int, ...]) -> Constant:
    """Return a weight in a layout; as a plain array in a shape.

    Parameters
    ----------
    weight : Matrix or ndarray
        As it is stored.
    layout : Layout
        As it is wanted.
    shape : tuple of int
        Of the plain array: a filter has more axes than the matrix that stores it.
    """
    if isinstance(weight, Matrix):
        if weight.type.layout == layout:
            return weight
        if layout == DENSE:
            return weight.to_dense().reshape(shape)
        if weight.format in _PADDING:  # whose padding another format would keep
            weight = weight.to_dense()
    elif layout == DENSE:
        return weight
    found: Constant = convert(weight, layout.format, layout.block)
    return found


def _sizes(graph: Graph, sized: Graph) -> dict[str, int]:
    """Return which size each named dimension has in the graph whose sizes are known."""
    return {
        name: size
        for given, type in graph.inputs.items()
        for name, size in zip(type.shape, sized.inputs[given].shape, strict=True)
        if isinstance(name, str) and isinstance(size, int)
    }


def _with_packed(call: Callable[..., Any], packed: Any, at: int, *operands: Any, **out: Any) -> Any:
    """Compute with another form of the weight in place of the plan's."""
    return call(*operands[:at], packed, *operands[at + 1 :], **out)
