"""What each weight of a plan takes: values, indices and pointers as stored, and what is packed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from minisparse.formats import Matrix

if TYPE_CHECKING:
    from minisparse.dispatch.plan import Plan, Step

ROLES = ("values", "indices", "pointers")


class WeightBytes(NamedTuple):
    """Bytes of one weight.

    Attributes
    ----------
    name : str
        The constant's.
    layout : str
        How it is stored: ``"csr"``, ``"dense"`` …
    values, indices, pointers : int
        What its arrays take; of a plain array all are values.
    packed : int
        What kernels made of it besides, once, and keep.
    """

    name: str
    layout: str
    values: int
    indices: int
    pointers: int
    packed: int

    @property
    def stored(self) -> int:
        """Bytes of all its arrays."""
        return self.values + self.indices + self.pointers


def weights_of(
    plan: "Plan", others: "Iterable[Step]" = (), known: set[int] | None = None
) -> tuple[WeightBytes, ...]:
    """Return what each constant of a plan takes, bodies' own ones included; the largest first.

    Parameters
    ----------
    plan : Plan
        Whose weights.
    others : iterable of Step
        Steps with weights that were packed besides, for other sizes.
    known : set of int, optional
        Ids of constants whose stored bytes are counted already; these of the plan are added.
    """
    packed: dict[str, int] = {}
    seen: set[int] = set()
    for step in (*plan.steps, *others):
        if step.live is not None:
            name = step.node.inputs[1]
            packed[name] = packed.get(name, 0) + step.live.nbytes
        at = step.node.op.base.weight
        if at is not None and step.packed is not None and id(step.packed) not in seen:
            seen.add(id(step.packed))
            name = step.node.inputs[at]
            held = plan.graph.constants.get(name)
            if step.packed is not held:
                packed[name] = packed.get(name, 0) + _packed_bytes(step.packed)
    known = set() if known is None else known
    found = []
    for name, constant in plan.graph.constants.items():
        more = packed.get(name, 0)
        if id(constant) not in known:
            found.append(_weight(name, constant, more))
        elif more:  # a body captures it, by whatever name, and packs it for itself
            found.append(_weight(name, constant, more)._replace(values=0, indices=0, pointers=0))
    known |= {id(constant) for constant in plan.graph.constants.values()}
    for step in plan.steps:
        for body in step.bodies.values():
            found += weights_of(body, known=known)
    return tuple(sorted(found, key=lambda w: -(w.stored + w.packed)))


def packed_of(step: "Step", weight: Any) -> int | None:
    """Return what a step keeps of its weight besides; None where a library does not say.

    Parameters
    ----------
    step : Step
        Of a plan.
    weight : Matrix or ndarray
        Its weight as stored: where nothing is packed, that is what runs.
    """
    own = 0 if step.packed is None or step.packed is weight else _said_bytes(step.packed)
    live = 0 if step.live is None else step.live.nbytes
    return None if own is None else own + live


def packed_bytes(plan: "Plan") -> int:
    """Return what kernels made of all weights of a plan besides, and keep."""
    return sum(weight.packed for weight in weights_of(plan))


def _weight(name: str, constant: Any, packed: int) -> WeightBytes:
    if not isinstance(constant, Matrix):
        return WeightBytes(name, "dense", constant.nbytes, 0, 0, packed)
    of = dict.fromkeys(ROLES, 0)
    for array, x in constant.arrays.items():
        of[constant.roles[array]] += x.nbytes
    layout = str(constant.type.layout)
    return WeightBytes(name, layout, of["values"], of["indices"], of["pointers"], packed)


def _packed_bytes(packed: Any) -> int:
    """Return what a packed weight takes; 0 where it does not say, as other libraries' handles."""
    return _said_bytes(packed) or 0


def _said_bytes(packed: Any) -> int | None:
    return int(packed.nbytes) if hasattr(packed, "nbytes") else None
