"""How far a value is from the same value computed in another way."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError, UsageError
from minisparse.core.tensor_type import dense_type
from minisparse.debugger.history import value_name
from minisparse.debugger.moment import number_text
from minisparse.dispatch import Plan, make_plan
from minisparse.dispatch.placement import moved
from minisparse.formats import Matrix
from minisparse.graph import Constant
from minisparse.runtime import trace
from minisparse.show import card, facts, facts_text


@dataclass(frozen=True)
class Difference:
    """Two computations of one value.

    Attributes
    ----------
    name : str
        The value.
    max_abs : float
        The largest absolute difference; infinite where only one of the two is NaN or infinite.
    position : tuple of int or None
        Where it is; None if nothing differs.
    ours, other : number or None
        The two values there.
    differing, size : int
        How many elements differ, of how many.
    """

    name: str
    max_abs: float
    position: tuple[int, ...] | None
    ours: object
    other: object
    differing: int
    size: int

    def _facts(self) -> dict[str, str]:
        if self.position is None:
            return {"equal": f"all {self.size} elements, bit for bit"}
        place = f"{self.name}[{', '.join(map(str, self.position))}]"
        return {
            "largest": f"{self.max_abs:.3g} at {place}",
            "here": number_text(self.ours),
            "there": number_text(self.other),
            "differing": f"{self.differing} of {self.size} elements",
        }

    def __str__(self) -> str:
        """Return it as text."""
        return facts_text(self._facts())

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        return card(f"Difference in {self.name}", facts(self._facts()))


def difference(name: str, ours: Constant, other: Constant) -> Difference:
    """Compare two computations of a value, element by element; NaN equals NaN.

    Raises
    ------
    ShapeError
        If their shapes differ.
    """
    a, b = _dense(ours), _dense(other)
    if a.shape != b.shape:
        raise ShapeError(f"value '{name}' is {dense_type(a)} here but {dense_type(b)} there")
    same = (a == b) | ((a != a) & (b != b))
    if bool(same.all()):
        return Difference(name, 0.0, None, None, None, 0, a.size)
    wide = complex if "c" in (a.dtype.kind, b.dtype.kind) else float
    with np.errstate(invalid="ignore"):
        gaps = np.abs(a.astype(wide) - b.astype(wide))
    gaps = np.where(same, 0.0, np.where(np.isnan(gaps), np.inf, gaps))
    position = tuple(int(i) for i in np.unravel_index(int(gaps.argmax()), gaps.shape))
    differing = int((~same).sum())
    return Difference(
        name, float(gaps[position]), position, a[position], b[position], differing, a.size
    )


def elsewhere(
    name: str, plan: Plan, feeds: Mapping[str, Array], other: Plan | None = None
) -> Constant:
    """Return a value as another plan computes it, by default the plan without any pass.

    Raises
    ------
    UsageError
        If the other plan has no such value.
    """
    other = other or make_plan(plan.given, plan.given, plan.target)
    found = value_name(other, name)
    if found not in other.slots:
        shared = [n for n in other.slots if n in plan.slots]
        raise UsageError(
            f"the other plan has no value '{name}': passes rewrote it; "
            f"both have: {', '.join(shared)}"
        )
    given = {n: moved(x, other.target.device) for n, x in feeds.items()}
    return trace(other, given).values[found]


def _dense(value: Constant) -> Array:
    here = moved(value, "cpu")
    return here.to_dense() if isinstance(here, Matrix) else np.asarray(here)
