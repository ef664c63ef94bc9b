"""Whether two graphs compute the same, rounding aside.

Two ways to write the same sums round differently, and how much a network makes of a rounding
depends on its weights. But what comes from rounding shrinks with the unit roundoff, and a mistake
does not. So both graphs are run once more in float64. There they may differ by
``FACTOR * (2**-53 / 2**-24)`` of what rounding to float32 changes in the outputs of the first one:
its float32 outputs against its float64 outputs, element by element, and at least half a unit in the
last place of the largest. The same rule, with float32's own unit, bounds the difference of the
graphs as they are. (An estimate from runs at two precisions: Higham, Accuracy and Stability of
Numerical Algorithms, 2nd ed., section 1.14. It is no proof: the errors of one float32 run stand
for the network's condition.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.cost import Target
from minisparse.dispatch import make_plan
from minisparse.formats import Matrix
from minisparse.graph import Constant, Graph
from minisparse.graph.feeds import check_feeds
from minisparse.runtime.interpreter import run

FACTOR = 64.0
"""How many times the error of the one float32 run another order of sums may make."""

UNIT = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}


@dataclass(frozen=True)
class Agreement:
    """How far an output of two graphs is apart, relative to its largest element.

    Attributes
    ----------
    inputs : str
        What they were run on: ``"random"`` or ``"given"``.
    output : str
        The output's name.
    difference, bound : float
        Of the graphs as they are, and what rounding may do.
    difference64, bound64 : float
        Of the graphs in float64, and what rounding may do there.
    """

    inputs: str
    output: str
    difference: float
    bound: float
    difference64: float
    bound64: float

    @property
    def holds(self) -> bool:
        """Whether both differences are within their bounds."""
        return self.difference <= self.bound and self.difference64 <= self.bound64

    def __str__(self) -> str:
        """Return one line."""
        return (
            f"{self.output} on {self.inputs} inputs: {'the same' if self.holds else 'DIFFERENT'}, "
            f"apart by {self.difference:.1e} (bound {self.bound:.1e}), "
            f"in float64 by {self.difference64:.1e} (bound {self.bound64:.1e})"
        )


def compare(
    graphs: tuple[Graph, Graph],
    wide: tuple[Graph, Graph],
    feeds: Mapping[str, Array],
    inputs: str = "given",
) -> tuple[Agreement, ...]:
    """Run two graphs on the same inputs and compare each output.

    Parameters
    ----------
    graphs : tuple of Graph
        The one that is right by definition, and the other.
    wide : tuple of Graph
        The same two in float64; the second made from the first as the other was, not recast.
    feeds : mapping
        Inputs, as the first graph takes them.
    inputs : str
        How to call them in the result.
    """
    given = check_feeds(graphs[0], feeds)
    with np.errstate(all="ignore"):  # inf - inf, and numbers beyond float32
        before, after = (_run(graph, given) for graph in graphs)
        exact, exact_after = (_run(graph, _recast_arrays(given, np.float64)) for graph in wide)
        single = _run(recast(graphs[0], "float32"), _recast_arrays(given, np.float32))
        return tuple(
            _judged(inputs, name, (before[name], after[name]), (single[name], exact[name], again))
            for name, again in exact_after.items()
        )


def _judged(
    inputs: str, name: str, given: tuple[Array, Array], precise: tuple[Array, Array, Array]
) -> Agreement:
    """Compare one output: as given, and the first graph's in float32, then both in float64."""
    before, after = given
    single, exact, exact_after = precise
    size = float(np.abs(_finite(_wide(exact))).max(initial=0))
    error = _finite(_wide(single) - _wide(exact))
    rounding = max(float(np.abs(error).max(initial=0)), size * UNIT["float32"])
    relative = FACTOR * rounding / UNIT["float32"] / size if size else 0.0
    unit = UNIT.get(before.dtype.name, 0.0)
    return Agreement(
        inputs,
        name,
        distance(before, after, size),
        relative * unit,
        distance(exact, exact_after, size),
        relative * UNIT["float64"] if unit else 0.0,
    )


def distance(a: Array, b: Array, size: float) -> float:
    """Return the largest difference over ``size``; inf where only one of two is finite.

    Examples
    --------
    >>> distance(np.array([1.0, np.nan]), np.array([1.5, np.nan]), 2.0)
    0.25
    """
    x, y = _wide(a), _wide(b)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    if not np.isfinite(x[~same]).all() or not np.isfinite(y[~same]).all():
        return float("inf")
    largest = float(np.abs(x[~same] - y[~same]).max(initial=0))
    return largest / size if size else largest


def _wide(array: Array) -> Array:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _finite(array: Array) -> Array:
    return np.asarray(array[np.isfinite(array)])


def _run(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Run a graph as it is, without any pass."""
    found: dict[str, Constant] = dict(run(make_plan(graph, graph, Target(), ()), feeds))
    return {name: x.to_dense() if isinstance(x, Matrix) else x for name, x in found.items()}


def _recast_arrays(feeds: Mapping[str, Array], dtype: type) -> dict[str, Array]:
    return {name: x.astype(dtype) if _is_real(x) else x for name, x in feeds.items()}


def _is_real(value: Constant) -> bool:
    return value.dtype.name in UNIT


def recast(graph: Graph, dtype: str) -> Graph:
    """Return a graph whose floating-point inputs, constants and casts have another precision.

    Raises
    ------
    MinisparseError
        If ops do not take it so, such as those with bodies of their own precision.
    """
    to = np.dtype(dtype)
    inputs = {
        n: replace(t, dtype=to) if t.dtype.name in UNIT else t for n, t in graph.inputs.items()
    }
    constants: dict[str, Constant] = {
        name: value.astype(to) if _is_real(value) else value
        for name, value in graph.constants.items()
    }
    nodes = tuple(
        replace(node, attrs={**node.attrs, key: dtype})
        if (key := {"cast": "to", "constant_of_shape": "dtype"}.get(node.op.name))
        and node.attrs[key] in UNIT
        else node
        for node in graph.nodes
    )
    return replace(graph, inputs=inputs, constants=constants, nodes=nodes, patterns={})


def random_feeds(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """Return inputs for a graph: normal numbers, and 0 or 1 where it takes whole ones.

    Named dimensions are 2, 3, 4 … in the order of their names.
    """
    rng = np.random.default_rng(seed)
    sizes = {name: n for n, name in enumerate(graph.symbols, start=2)}
    feeds: dict[str, Array] = {}
    for name, type in graph.inputs.items():
        shape = type.bind(sizes).dims
        real = type.dtype.name in UNIT or type.dtype.kind == "c"
        numbers = rng.standard_normal(shape) if real else rng.integers(0, 2, shape)
        feeds[name] = numbers.astype(type.dtype)
    return feeds
