"""Check what a caller feeds to a plan against the types of its inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError, UsageError
from minisparse.core.symbolic import names_in, replace_names
from minisparse.core.tensor_type import TensorType
from minisparse.graph.graph import Graph


def check_feeds(graph: Graph, feeds: Mapping[str, Any]) -> dict[str, Array]:
    """Return the arrays to run with, in the order of the graph's inputs.

    Parameters
    ----------
    graph : Graph
        Whose inputs are fed.
    feeds : mapping
        From every input's name to an array of its dtype and shape. A named dimension takes any
        size, the same wherever the name stands.

    Raises
    ------
    UsageError
        If an input is missing, a name is unknown, or ``feeds`` is no mapping.
    DTypeError, ShapeError
        If an array does not fit its input; the message says how to mend it.
    """
    wanted = ", ".join(f"{name}: {type}" for name, type in graph.inputs.items())
    if not isinstance(feeds, Mapping):
        raise UsageError(
            f"graph '{graph.name}' takes {wanted}; given: a {type(feeds).__name__}: give a dict "
            f"from names to arrays"
        )
    missing = [name for name in graph.inputs if name not in feeds]
    unknown = [name for name in feeds if name not in graph.inputs]
    if missing or unknown:
        problem = f"missing: {', '.join(missing)}" if missing else f"unknown: {', '.join(unknown)}"
        given = ", ".join(feeds) or "nothing"
        raise UsageError(f"graph '{graph.name}' takes {wanted}; {problem}; given: {given}")
    sizes: dict[str, int] = {}
    fitting = {n: _fitting(n, feeds[n], type, sizes) for n, type in graph.inputs.items()}
    for name, array in fitting.items():  # now that every name has its size
        _check_sizes(name, array, graph.inputs[name], sizes)
    return fitting


def named_feeds(graph: Graph, inputs: Any) -> dict[str, Array]:
    """Return the arrays to run with; a single array is that of the only input.

    Parameters
    ----------
    graph : Graph
        Whose inputs are fed.
    inputs : mapping or array_like
        From every input's name to an array, or the array for a graph with one input.

    Raises
    ------
    UsageError
        If a single array is given for several inputs; otherwise as :func:`check_feeds`.
    """
    if isinstance(inputs, Mapping):
        return check_feeds(graph, inputs)
    names = list(graph.inputs)
    if len(names) != 1:
        raise UsageError(
            f"graph '{graph.name}' takes {len(names)} inputs ({', '.join(names)}): give a dict "
            f"from names to arrays"
        )
    return check_feeds(graph, {names[0]: inputs})


def _fitting(name: str, given: Any, type: TensorType, sizes: dict[str, int]) -> Array:
    """Return one fed array, its dtype and axes compared with its input's; note sizes of names."""
    array: Array = given if hasattr(given, "dtype") else np.asarray(given)
    if array.dtype != type.dtype:
        raise DTypeError(
            f"input '{name}' is {array.dtype}, but the model wants {type}: "
            f"convert it with .astype('{type.dtype}')"
        )
    if array.ndim != type.ndim:
        raise ShapeError(
            f"input '{name}' has shape {array.shape}, but the model wants {type}: "
            f"it needs {type.ndim} dimensions, not {array.ndim}"
        )
    for size, wanted in zip(array.shape, type.shape, strict=True):
        if names_in(wanted) == (wanted,):
            sizes.setdefault(str(wanted), size)
    return array


def _check_sizes(name: str, array: Array, type: TensorType, sizes: dict[str, int]) -> None:
    """Raise ShapeError where a size is not the one that its number, or its name, tells."""
    for axis, (size, wanted) in enumerate(zip(array.shape, type.shape, strict=True)):
        expected = replace_names(wanted, sizes)
        if isinstance(expected, int) and size != expected:
            raise ShapeError(
                f"input '{name}' has shape {array.shape}, but the model wants {type}: "
                f"axis {axis} is {size}, not {expected}"
            )
