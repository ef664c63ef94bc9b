"""The methods of pruning: each finds masks of weights as matrices, an output a row."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.graph import Graph
from minisparse.pruning.heads import require_heads
from minisparse.pruning.layers import Layer, find_layers
from minisparse.pruning.masks import (
    block_means,
    magnitude_mask,
    magnitude_masks,
    nm_mask,
    spread_blocks,
)
from minisparse.pruning.ties import tied

SCOPES = ("row", "layer", "global")


@dataclass(frozen=True)
class Job:
    """What is asked for, settled: each method reads what it needs of it.

    Attributes
    ----------
    graph : Graph
        The model.
    layers : tuple of Layer
        Those to prune.
    scores : mapping
        From weight names to scores of the weight as a matrix.
    sparsity, scope, block, n, m
        As in :func:`~minisparse.pruning.prune.prune`.
    """

    graph: Graph
    layers: tuple[Layer, ...]
    scores: Mapping[str, Array]
    sparsity: float
    scope: str
    block: tuple[int, int]
    n: int
    m: int


def _magnitude(job: Job) -> dict[str, Array]:
    return _lowest(job, job.scores)


def _lowest(job: Job, scores: Mapping[str, Array]) -> dict[str, Array]:
    """Return masks of scores, the lowest going: of each row, of each layer, or of all."""
    if job.scope == "global":
        return magnitude_masks(scores, job.sparsity)
    if job.scope == "layer":
        return {name: magnitude_mask(x, job.sparsity) for name, x in scores.items()}
    return {
        name: np.array([magnitude_mask(row, job.sparsity) for row in x]).reshape(x.shape)
        for name, x in scores.items()
    }


def _lowest_units(job: Job, scores: Mapping[str, Array]) -> dict[str, Array]:
    """Return masks of channels or heads by their scores, which have no rows to choose within."""
    return _lowest(replace(job, scope="layer" if job.scope == "row" else job.scope), scores)


def _block(job: Job) -> dict[str, Array]:
    means = {name: block_means(x, job.block) for name, x in job.scores.items()}
    kept = _lowest(job, means)
    return {
        name: spread_blocks(mask, job.block, job.scores[name].shape) for name, mask in kept.items()
    }


def _nm(job: Job) -> dict[str, Array]:
    return {name: nm_mask(x, job.n, job.m) for name, x in job.scores.items()}


def _channel(job: Job) -> dict[str, Array]:
    """Drop outputs of layers whose results other layers read."""
    return _channels(job, _inner(job))


def _filter(job: Job) -> dict[str, Array]:
    return _channels(job, [x for x in _inner(job) if x.node.op.base.name == "conv"])


def _channels(job: Job, layers: Collection[Layer]) -> dict[str, Array]:
    """Drop channels of layers; those of tied layers by the sum of their scores."""
    if not layers:
        raise UsageError("prune: no layer has channels that could go: those of outputs stay")
    means = {x.weight: job.scores[x.weight].mean(axis=1, keepdims=True) for x in layers}
    groups = {group[0].weight: group for group in tied(job.graph, layers)}
    joint = {n: np.mean([means[x.weight] for x in group], axis=0) for n, group in groups.items()}
    kept = _lowest_units(job, joint)
    return {
        x.weight: np.broadcast_to(kept[name], job.scores[x.weight].shape)
        for name, group in groups.items()
        for x in group
    }


def _input_channel(job: Job) -> dict[str, Array]:
    scores = {}
    for layer in job.layers:
        columns = job.scores[layer.weight].mean(axis=0)
        scores[layer.weight] = columns.reshape(-1, layer.window).mean(axis=1)[None]
    kept = _lowest_units(job, scores)
    windows = {layer.weight: layer.window for layer in job.layers}
    return {
        name: np.broadcast_to(np.repeat(mask, windows[name], axis=1), job.scores[name].shape)
        for name, mask in kept.items()
    }


def _head(job: Job) -> dict[str, Array]:
    blocks = require_heads(job.graph, job.layers)
    scores = {
        h.layer.weight: job.scores[h.layer.weight].mean(axis=0).reshape(h.count, -1).mean(axis=1)
        for h in blocks
    }
    kept = _lowest_units(job, scores)
    return {
        h.layer.weight: np.broadcast_to(
            np.repeat(kept[h.layer.weight], h.width), job.scores[h.layer.weight].shape
        )
        for h in blocks
    }


METHODS: dict[str, Callable[[Job], dict[str, Array]]] = {
    "magnitude": _magnitude,
    "block": _block,
    "nm": _nm,
    "channel": _channel,
    "filter": _filter,
    "input_channel": _input_channel,
    "head": _head,
}
"""From the name of a method to what finds masks, of weights as matrices."""


def _inner(job: Job) -> list[Layer]:
    """Return the layers whose results other layers read."""
    names = {layer.name for layer in find_layers(job.graph)}
    return [layer for layer in job.layers if _feeds_a_layer(job.graph, layer, names)]


def _feeds_a_layer(graph: Graph, layer: Layer, names: Collection[str]) -> bool:
    """Tell whether some other layer reads, through other nodes, what a layer computes."""
    waiting, seen = [layer.node.output], {layer.name}
    while waiting:
        for reader in graph.readers(waiting.pop()):
            if reader.name in seen:
                continue
            if reader.name in names:
                return True
            seen.add(reader.name)
            waiting += reader.outputs
    return False
