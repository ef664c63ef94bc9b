"""Run a graph exactly: kernels and formats are not used, and each result is rounded once."""

from collections.abc import Mapping, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.graph import Graph, Node
from minisparse.oracle.exact import Operand, exact_results
from minisparse.oracle.profile import Profile, find_profile


def run_exact(
    graph: Graph, feeds: Mapping[str, Array], profile: str | Profile | None = None
) -> dict[str, Array]:
    """Run a graph with exact arithmetic: each node's exact result is rounded once to its dtype.

    Parameters
    ----------
    graph : Graph
        Any graph whose ops the oracle knows; kernels and formats are not used.
    feeds : mapping
        From input names to arrays.
    profile : {"default", "ieee"}, optional
        What implicit zeros of sparse constants mean.

    Returns
    -------
    dict
        From the graph's output names to arrays.

    Raises
    ------
    UsageError
        If an input is missing.
    """
    meaning = find_profile(profile)
    missing = sorted(set(graph.inputs) - set(feeds))
    if missing:
        raise UsageError(f"run_exact: no value for input {', '.join(missing)}")
    values: dict[str, Operand] = {**graph.constants, **feeds}
    for node in graph.nodes:
        operands = [values[name] for name in node.inputs]
        if node.op.name == "convert" and node.attrs["format"] != "dense":
            values[node.output] = _stored(operands[0])
        else:
            truths = exact_results(node.op, operands, node.attrs, meaning)
            for name, truth in zip(node.outputs, truths, strict=True):
                dense, plain = truth.rounded(), graph.types[name].format == "dense"
                values[name] = dense if plain else _at(_places(node, operands), dense)
    found = {shown: values[name] for shown, name in graph.outputs.items()}
    return {n: v if isinstance(v, np.ndarray) else v.to_dense() for n, v in found.items()}


def _stored(x: Operand) -> Triplets:
    """Return what a conversion to a sparse format stores: what is not zero, or was stored."""
    if isinstance(x, Triplets):
        return x
    if isinstance(x, Matrix):
        return x.triplets()
    matrix = x.reshape(x.shape[0], int(np.prod(x.shape[1:], dtype=int)))
    return _at(matrix != 0, matrix)


def _at(places: Array, dense: Array) -> Triplets:
    """Return the elements of a matrix ``[M, K]`` at some places, a mask of its shape."""
    row, col = np.nonzero(places)
    return Triplets(row, col, dense[row, col], (dense.shape[0], dense.shape[1]))


def _places(node: Node, operands: Sequence[Operand]) -> Array:
    """Return where a sparse result stores entries, zeros or not: a mask ``[M, K]``.

    An entry that is stored takes part in what is computed of it, and one that is not does not: a
    softmax is over the stored entries of a row.
    """
    masks = [_mask(x) for x in operands if not isinstance(x, np.ndarray)]
    if node.op.base.name == "spgemm":
        left, right = masks
        return np.asarray(left.astype(float) @ right.astype(float) > 0)
    both = node.op.base.name == "multiply"
    return np.asarray((np.logical_and if both else np.logical_or).reduce(masks))


def _mask(x: Operand) -> Array:
    entries = _stored(x)
    found = np.zeros(entries.shape, bool)
    found[entries.row, entries.col] = True
    return found
