"""``ms.prune``: from a graph to the same graph with zeros."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.graph import Graph
from minisparse.pruning.activations import input_norms
from minisparse.pruning.channels import silenced
from minisparse.pruning.layers import Layer, find_layers, plain
from minisparse.pruning.methods import METHODS, SCOPES, Job


def prune(
    graph: Graph,
    method: str = "magnitude",
    *,
    sparsity: float = 0.5,
    scope: str | None = None,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    block: tuple[int, int] = (8, 8),
    n: int = 2,
    m: int = 4,
    masks: Mapping[str, Any] | None = None,
    calibration: Any = None,
) -> Graph:
    """Return the graph with some weights set to zero.

    Nothing is trained: what the zeros cost is to be measured (``ms.evaluate``,
    :func:`~minisparse.pruning.report.pruning_report`), and mostly to be trained back.

    Parameters
    ----------
    graph : Graph
        The model. Weights of gemm, matmul, conv, conv_transpose, spmm and its kin are pruned;
        biases and embeddings are not. Stored matrices become plain arrays.
    method : str
        ``"magnitude"``: single weights of lowest score. ``"block"``: blocks of the weight as a
        matrix, a filter a row, of lowest mean score. ``"nm"``: all but n of every m neighbors along
        a row. ``"channel"``: whole outputs of a layer (of a convolution: filters) with their bias,
        and what batch normalization makes of them; those of the last layer stay, and layers whose
        results are summed lose the same ones. ``"filter"``: the
        same, of convolutions alone. ``"input_channel"``: all weights that read an input.
        ``"head"``: all weights of an attention's output projection that read a head.
        ``"masks"``: by the masks that are given.
    sparsity : float
        Share that goes of weights, blocks, channels or heads, from 0 to 1; not for ``"nm"``.
    scope : {"row", "layer", "global"}, optional
        Among what scores are compared: each row (output) by itself, each layer, or all layers. By
        default the layer; with ``calibration`` the row for single weights, as Wanda does.
    only, skip : collection of str
        Names of nodes or weights, or patterns such as ``"encoder.*"``: which layers are pruned, and
        which are not.
    block : tuple of int
        Height and width for ``"block"``.
    n, m : int
        For ``"nm"``.
    masks : mapping, optional
        For ``"masks"``: from weight names to bool arrays of the weight's shape, True where a
        weight stays.
    calibration : mapping or ndarray, optional
        Inputs of the model by name, or the only one. Scores are then ``abs(w) * norm(x)``, x the
        input that a weight meets (of a convolution, its channel).
        Source: Sun et al., A simple and effective pruning approach for large language models
        (Wanda), arXiv:2306.11695.

    Returns
    -------
    Graph

    Raises
    ------
    UsageError
        If method, scope or a name is unknown, a share is none, or there is nothing to prune.

    Examples
    --------
    >>> from minisparse.graph import GraphBuilder
    >>> b = GraphBuilder("tiny")
    >>> w = b.constant("w", np.array([[0.1, -3.0, 0.2, 1.0]]))
    >>> graph = b.build([b.op("gemm", b.input("x", (1, 4), "float64"), w, transB=1)])
    >>> prune(graph, "nm", n=1, m=2).constants["w"]
    array([[ 0., -3.,  0.,  1.]])
    """
    found = find_masks(
        graph, method, sparsity=sparsity, scope=scope, only=only, skip=skip, block=block, n=n, m=m,
        masks=masks, calibration=calibration,
    )  # fmt: skip
    constants = dict(graph.constants)
    for name, mask in found.items():
        weight = plain(graph, name)
        constants[name] = np.where(mask, weight, weight.dtype.type(0))
    pruned = replace(graph, constants=constants, patterns={})
    if method in ("channel", "filter"):
        return silenced(pruned, found)
    return pruned


def find_masks(
    graph: Graph,
    method: str = "magnitude",
    *,
    sparsity: float = 0.5,
    scope: str | None = None,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    block: tuple[int, int] = (8, 8),
    n: int = 2,
    m: int = 4,
    masks: Mapping[str, Any] | None = None,
    calibration: Any = None,
) -> dict[str, Array]:
    """Return the masks by which :func:`prune` would prune: from weight names to bool arrays.

    Parameters and errors are those of :func:`prune`. True stands where a weight stays, so that a
    training loop can multiply by it after each of its steps.
    """
    if not isinstance(graph, Graph):
        raise UsageError(f"prune takes a Graph, such as ms.load returns, not {graph!r:.60}")
    if method not in METHODS and method != "masks":
        known = ", ".join((*METHODS, "masks"))
        raise UsageError(f"prune: there is no method '{method}'; methods: {known}")
    if scope not in (None, *SCOPES):
        raise UsageError(f"prune: there is no scope '{scope}'; scopes: {', '.join(SCOPES)}")
    _check_numbers(sparsity, block)
    only, skip = ((given,) if isinstance(given, str) else given for given in (only, skip))
    layers = _chosen(graph, only, skip)
    if method == "masks":
        return _given(layers, masks)
    scores = _scores(graph, layers, calibration)
    by_default = "row" if calibration is not None and method == "magnitude" else "layer"
    job = Job(graph, layers, scores, sparsity, scope or by_default, block, n, m)
    kept = METHODS[method](job)
    of_weight = {layer.weight: layer for layer in layers}
    return {name: of_weight[name].from_matrix(mask) for name, mask in kept.items()}


def _check_numbers(sparsity: Any, block: Any) -> None:
    """Raise UsageError if a share is no share, or a block has not two sides."""
    if not isinstance(sparsity, int | float | np.floating) or not 0 <= sparsity <= 1:
        raise UsageError(f"prune: sparsity is {sparsity!r}; it must lie between 0 and 1")
    if not isinstance(block, tuple | list) or len(block) != 2:
        raise UsageError(f"prune: block is {block!r}; it must be height and width, such as (8, 8)")


def _chosen(graph: Graph, only: Collection[str], skip: Collection[str]) -> tuple[Layer, ...]:
    """Return the layers that are meant; a name that means none is a mistake."""
    layers = find_layers(graph)
    for pattern in (*only, *skip):
        if not any(_is_meant(layer, pattern) for layer in layers):
            known = ", ".join(f"{layer.name} ({layer.weight})" for layer in layers) or "none"
            raise UsageError(
                f"prune: no layer or weight is named '{pattern}'; layers of graph "
                f"'{graph.name}': {known}"
            )
    kept = [
        layer
        for layer in layers
        if (not only or any(_is_meant(layer, p) for p in only))
        and not any(_is_meant(layer, p) for p in skip)
    ]
    if not kept:
        raise UsageError(f"prune: graph '{graph.name}' has no layer to prune")
    return tuple(kept)


def _is_meant(layer: Layer, pattern: str) -> bool:
    return fnmatchcase(layer.name, pattern) or fnmatchcase(layer.weight, pattern)


def _scores(graph: Graph, layers: tuple[Layer, ...], calibration: Any) -> dict[str, Array]:
    """Return a score for each weight, as matrices with an output a row."""
    scores = {}
    norms = {} if calibration is None else input_norms(graph, layers, calibration)
    for layer in layers:
        size = np.abs(layer.as_matrix(plain(graph, layer.weight))).astype(np.float64)
        scores[layer.weight] = size * norms.get(layer.weight, 1.0)
    return scores


def _given(layers: tuple[Layer, ...], masks: Mapping[str, Any] | None) -> dict[str, Array]:
    shapes = {layer.weight: layer.shape for layer in layers}
    if not masks:
        raise UsageError('prune: method "masks" needs masks: from weight names to bool arrays')
    for name, mask in masks.items():
        if name not in shapes:
            raise UsageError(f"prune: no weight is named '{name}'; weights: {', '.join(shapes)}")
        if np.shape(mask) != shapes[name]:
            raise UsageError(
                f"prune: the mask of '{name}' is {np.shape(mask)}, the weight {shapes[name]}"
            )
    return {name: np.asarray(mask, bool) for name, mask in masks.items()}
