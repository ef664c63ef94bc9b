"""What pruning did to each layer: zeros, pattern, energy kept, and what became of the outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.formats import find_pattern
from minisparse.graph import Graph
from minisparse.pruning.activations import run_node, run_nodes, run_outputs
from minisparse.pruning.layers import Layer, find_layers, plain
from minisparse.show import card, folded_text, human_count, paragraph, table


@dataclass(frozen=True)
class LayerReport:
    """One layer after pruning.

    Attributes
    ----------
    layer, weight : str
        Names of the node and of its weight.
    size : int
        Number of weights.
    sparsity : float
        Share of them that are zero.
    pattern : str
        Where the zeros lie, in words, the weight seen as a matrix with an output a row.
    energy : float
        Sum of squares over that of the weights before; 1 where all were zero.
    effect : float or None
        ``norm(y - y0) / norm(y0)`` of the layer's result, both computed from the inputs that the
        layer had before pruning; None without calibration inputs.
    """

    layer: str
    weight: str
    size: int
    sparsity: float
    pattern: str
    energy: float
    effect: float | None


@dataclass(frozen=True)
class PruningReport:
    """What pruning did.

    Attributes
    ----------
    layers : tuple of LayerReport
        In the graph's order.
    effects : mapping
        From output names to ``norm(y - y0) / norm(y0)``; empty without calibration inputs.
    """

    layers: tuple[LayerReport, ...]
    effects: Mapping[str, float]

    @property
    def sparsity(self) -> float:
        """Share of all layers' weights that are zero."""
        size = sum(layer.size for layer in self.layers)
        return sum(layer.size * layer.sparsity for layer in self.layers) / size if size else 0.0

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row of texts for each layer."""
        return [
            (
                r.layer,
                human_count(r.size),
                f"{r.sparsity:.1%}",
                f"{r.energy:.1%}",
                "" if r.effect is None else f"{r.effect:.3g}",
                r.pattern,
            )
            for r in self.layers
        ]

    def __str__(self) -> str:
        """Return a table and a line for all."""
        return f"{folded_text(_HEADERS, self.rows())}\n{self._all()}"

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        return card("Pruning", table(_HEADERS, self.rows()), paragraph(self._all()))

    def _all(self) -> str:
        told = [f"{name} changed by {effect:.3g}" for name, effect in self.effects.items()]
        return "; ".join([f"{self.sparsity:.1%} of all weights are zero", *told])


_HEADERS = ("layer", "weights", "zero", "energy", "effect", "pattern")


def pruning_report(before: Graph, after: Graph, calibration: Any = None) -> PruningReport:
    """Compare a graph with what pruning made of it.

    Parameters
    ----------
    before, after : Graph
        The same nodes; only constants differ.
    calibration : mapping or ndarray, optional
        Inputs by name, or the only one, on which to measure what became of the layers' results and
        of the outputs.

    Raises
    ------
    UsageError
        If the two graphs do not have the same layers.
    """
    layers = find_layers(before)
    here = {layer.weight: layer.shape for layer in find_layers(after)}
    if {layer.weight: layer.shape for layer in layers} != here:
        raise UsageError(
            f"pruning_report: graphs '{before.name}' and '{after.name}' have different layers"
        )
    effects = {} if calibration is None else _layer_effects(before, after, layers, calibration)
    overall: dict[str, float] = {}
    if calibration is not None:
        was, now = run_outputs(before, calibration), run_outputs(after, calibration)
        overall = {name: _relative(now[name], was[name]) for name in was}
    return PruningReport(
        tuple(_report(before, after, layer, effects.get(layer.name)) for layer in layers), overall
    )


def _report(before: Graph, after: Graph, layer: Layer, effect: float | None) -> LayerReport:
    was, now = plain(before, layer.weight), plain(after, layer.weight)
    zeros = now.size - np.count_nonzero(now)
    energy = _energy(now) / _energy(was) if _energy(was) else 1.0
    pattern = find_pattern(layer.as_matrix(now)).describe()
    share = zeros / now.size if now.size else 0.0
    return LayerReport(layer.name, layer.weight, now.size, share, pattern, energy, effect)


def _energy(weight: Array) -> float:
    return float(np.sum(np.square(np.abs(weight.astype(np.complex128 if weight.dtype.kind == "c"
                                                       else np.float64)))))  # fmt: skip


def _layer_effects(
    before: Graph, after: Graph, layers: tuple[Layer, ...], calibration: Any
) -> dict[str, float]:
    names = {layer.name for layer in layers}
    changed = {n: c for n, c in after.constants.items() if c is not before.constants.get(n)}
    found = {}
    for node, values in run_nodes(before, calibration):
        if node.name in names:
            operands = [changed.get(name, values[name]) for name in node.inputs]
            found[node.name] = _relative(
                _dense(run_node(node, operands)[0]), _dense(values[node.output])
            )
    return found


def _dense(x: Any) -> Array:
    found: Array = x if isinstance(x, np.ndarray) else x.to_dense()
    return found


def _relative(now: Array, was: Array) -> float:
    wide = np.complex128 if was.dtype.kind == "c" else np.float64
    size = float(np.linalg.norm(was.astype(wide).reshape(-1)))
    off = float(np.linalg.norm((now.astype(wide) - was.astype(wide)).reshape(-1)))
    return off / size if size else off
