"""What structure the weights of a model have, layer by layer: not the ratio of zeros alone.

Dead outputs and inputs, dead heads, blocks of each size, n:m as it is and after a permutation of
inputs, and what stands in the way where a structure is narrowly missed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import (
    NearBlocks,
    NearGroups,
    find_near_blocks,
    find_near_groups,
    find_pattern,
)
from minisparse.graph import Graph
from minisparse.pruning.heads import Heads, find_heads
from minisparse.pruning.layers import Layer, find_layers, plain
from minisparse.show import card, paragraph, table, wrap

BLOCK_SIZES = (2, 4, 8, 16, 32)
"""Square blocks that are looked at."""
GROUPS = ((1, 2), (1, 4), (2, 4), (4, 8))
"""The n:m that are looked at."""
_NEARLY = 0.8  # with fewer groups that comply, n:m is not what was meant


@dataclass(frozen=True)
class WeightStructure:
    """The structure of one weight, as a matrix with an output a row.

    Attributes
    ----------
    layer, weight : str
        Names of the node and of the constant.
    shape : tuple of int
        The matrix's.
    density : float
        Share of nonzeros.
    kind : str
        In a few words: the first structure that holds.
    inputs : int
        How many inputs it reads; of a grouped convolution, in each group.
    dead_outputs : tuple of int
        Outputs (channels, filters) of which every weight is zero.
    dead_inputs : tuple of int
        Inputs that every weight ignores; of a convolution, with its whole window; of a grouped
        one, those at the same place in every group.
    heads : int
        How many attention heads lie side by side in the inputs; 0 where it is no projection.
    dead_heads : tuple of int
        Heads that every weight ignores.
    blocks : tuple of NearBlocks
        For each of :data:`BLOCK_SIZES` that fits.
    groups : tuple of NearGroups
        For each of :data:`GROUPS`.
    """

    layer: str
    weight: str
    shape: tuple[int, int]
    density: float
    kind: str
    inputs: int
    dead_outputs: tuple[int, ...]
    dead_inputs: tuple[int, ...]
    heads: int
    dead_heads: tuple[int, ...]
    blocks: tuple[NearBlocks, ...]
    groups: tuple[NearGroups, ...]

    def findings(self) -> list[str]:
        """Return all that is worth saying, a sentence each."""
        found = [
            f"{len(dead)} of {count} {name} are dead"
            for name, dead, count in (
                ("outputs", self.dead_outputs, self.shape[0]),
                ("inputs", self.dead_inputs, self.inputs),
                ("heads", self.dead_heads, self.heads),
            )
            if dead
        ]
        found += [str(b) for b in self.blocks if b.is_near]
        if not self.density or self.density > _NEARLY:
            return found
        told = [g for g in self.groups if g.violations and self._is_meant(g)]
        return found + [str(g) for g in told]

    def _is_meant(self, group: NearGroups) -> bool:
        """Tell whether n:m is narrowly missed: few groups break it, or none after a permutation."""
        return group.compliance >= _NEARLY and (
            group.compliance >= 0.98 or not group.excess_permuted
        )

    def __str__(self) -> str:
        """Return a line, and one for each finding."""
        m, k = self.shape
        head = (
            f"{self.layer}: {self.weight}, {m}x{k}, {100 * self.density:.3g} % nonzero, {self.kind}"
        )
        return "\n".join([head, *(wrap(text, 80, indent=2) for text in self.findings())])


@dataclass(frozen=True)
class Structure:
    """The structure of each weight of a model."""

    weights: tuple[WeightStructure, ...]

    def __getitem__(self, name: str) -> WeightStructure:
        """Return the structure of the weight, or of the layer, of that name."""
        for weight in self.weights:
            if name in (weight.weight, weight.layer):
                return weight
        raise KeyError(name)

    def __str__(self) -> str:
        """Return one weight after the other."""
        return "\n".join(map(str, self.weights))

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        headers = ("layer", "weight", "nonzero", "kind", *(f"{s}x{s} empty" for s in BLOCK_SIZES))
        rows = [
            (
                w.layer,
                f"{w.shape[0]}x{w.shape[1]}",
                f"{100 * w.density:.3g} %",
                w.kind,
                *_empty_shares(w.blocks),
            )
            for w in self.weights
        ]
        told = [paragraph(text, lead=w.layer) for w in self.weights for text in w.findings()]
        return card("Structure of weights", table(headers, rows), *told)


def _empty_shares(blocks: Iterable[NearBlocks]) -> list[str]:
    by_size = {b.size: f"{b.empty:.0%}" for b in blocks}
    return [by_size.get(size, "") for size in BLOCK_SIZES]


def recognize(graph: Graph, permute: bool = True) -> Structure:
    """Return the structure of each weight of a graph.

    Parameters
    ----------
    graph : Graph
        The model, as it was given or pruned.
    permute : bool
        Whether to look for orders of inputs in which n:m fits better: about a second for a
        large layer.

    Examples
    --------
    >>> from minisparse.graph import GraphBuilder
    >>> b = GraphBuilder("tiny")
    >>> w = np.kron(np.eye(4), np.ones((8, 8)))
    >>> w[3] = 0
    >>> h = b.op("gemm", b.input("x", (1, 32), "float64"), b.constant("w", w), name="fc")
    >>> print(recognize(b.build([h])))
    fc: w, 32x32, 24.2 % nonzero, 8x8 blocks, 75 % empty
      1 of 32 inputs are dead
    """
    layers = find_layers(graph)
    heads = {h.layer.weight: h for h in find_heads(graph, layers)}
    return Structure(
        tuple(_structure(graph, layer, heads.get(layer.weight), permute) for layer in layers)
    )


def _structure(graph: Graph, layer: Layer, heads: Heads | None, permute: bool) -> WeightStructure:
    matrix = layer.as_matrix(plain(graph, layer.weight))
    mask = matrix != 0
    inputs = mask.any(axis=0).reshape(-1, layer.window).any(axis=1)
    dead_heads: tuple[int, ...] = ()
    if heads is not None:
        dead_heads = _dead(mask.any(axis=0).reshape(heads.count, -1).any(axis=1))
    density = float(mask.mean()) if mask.size else 0.0
    return WeightStructure(
        layer.name,
        layer.weight,
        (matrix.shape[0], matrix.shape[1]),
        density,
        find_pattern(matrix).describe(),
        len(inputs),
        _dead(mask.any(axis=1)),
        _dead(inputs),
        0 if heads is None else heads.count,
        dead_heads,
        tuple(find_near_blocks(mask, s) for s in BLOCK_SIZES if s <= min(mask.shape)),
        tuple(find_near_groups(mask, n, m, permute and density <= n / m) for n, m in GROUPS),
    )


def _dead(alive: Array) -> tuple[int, ...]:
    return tuple(map(int, np.flatnonzero(~alive)))
