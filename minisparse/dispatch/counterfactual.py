"""What would change a choice: at which density of which pattern another layout would be chosen.

A node's weight is thought away and others are thought in its place, of the same shape but with
zeros of a known pattern, and all candidates are priced for each. Nothing is drawn or run.
"""

import math
from dataclasses import dataclass, replace

from minisparse.core.tensor_type import DENSE
from minisparse.cost import Candidate, Target, apart, candidates
from minisparse.cost.choice import WORTH
from minisparse.formats import expected_pattern
from minisparse.graph import Graph, Node

LEAST = 1e-4
"""Density below which nothing is looked for."""
_HALVINGS = 9
"""After which a density is known to within 2 %."""


@dataclass(frozen=True)
class Counterfactual:
    """Where sparse and dense change places for one kind of zeros.

    Attributes
    ----------
    pattern : str
        Which zeros: ``"scattered"``, ``"16x16 blocks"``.
    density : float or None
        The largest density at which a sparse layout is predicted to be faster than the dense one;
        None where there is none above :data:`LEAST`.
    winner : str
        The candidate that is faster there; ``""`` where there is none.
    """

    pattern: str
    density: float | None
    winner: str

    def __str__(self) -> str:
        """Return a phrase: ``scattered: csr vectorized above 92 % zeros``."""
        if self.density is None:
            return f"{self.pattern}: dense at any density"
        if self.density >= 1:
            return f"{self.pattern}: {self.winner} even without a zero"
        return f"{self.pattern}: {self.winner} above {_zeros(self.density)} zeros"


def counterfactuals(graph: Graph, node: Node, target: Target) -> tuple[Counterfactual, ...]:
    """Return for scattered zeros and for blocks where sparse begins to be faster.

    Parameters
    ----------
    graph : Graph
        With sizes known: see :meth:`Target.bind`.
    node : Node
        A node of it.
    target : Target
        The machine, and the levels that may be chosen.

    Returns
    -------
    tuple of Counterfactual
        Empty where the node has no constant weight that could be sparse.
    """
    alone = apart(graph, node)
    if alone is None or 0 in _shape(alone):
        return ()
    kinds = {"scattered": 1, **{f"{s}x{s} blocks": s for s in (4, 16) if s <= min(_shape(alone))}}
    return tuple(_crossing(name, block, alone, target) for name, block in kinds.items())


def _shape(alone: Graph) -> tuple[int, int]:
    (weight,) = alone.constants.values()
    return weight.shape[0], math.prod(weight.shape[1:])


def _crossing(name: str, block: int, alone: Graph, target: Target) -> Counterfactual:
    """Return the largest density at which a sparse candidate is cheaper than every dense one.

    Halved again and again in its logarithm: the sparser, the sooner sparse wins.
    """
    winner, low, high = _best_sparse(alone, target, block, LEAST), math.log(LEAST), 0.0
    if winner is None:
        return Counterfactual(name, None, "")
    full = _best_sparse(alone, target, block, 1.0)
    if full is not None:
        return Counterfactual(name, 1.0, full.name)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = _best_sparse(alone, target, block, math.exp(middle))
        if found is None:
            high = middle
        else:
            low, winner = middle, found
    return Counterfactual(name, math.exp(low), winner.name)


def _best_sparse(alone: Graph, target: Target, block: int, density: float) -> Candidate | None:
    """Return the cheapest candidate if it is worth a conversion, None if dense is as good."""
    (weight,) = alone.constants
    pattern = expected_pattern(_shape(alone), density, block)
    found = candidates(replace(alone, patterns={weight: pattern}), alone.nodes[0], target)
    dense = min((c.seconds for c in found if c.layout == DENSE), default=math.inf)
    return found[0] if found[0].seconds * WORTH < dense else None


def _zeros(density: float) -> str:
    """Return the share of zeros in percent, with as many digits as tell it from 100 %."""
    zeros = 100 * (1 - density)
    return (
        f"{zeros:.0f} %" if zeros < 99 else f"{zeros:.1f} %" if zeros < 99.9 else f"{zeros:.2f} %"
    )
