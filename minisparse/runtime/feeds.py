"""Check what a caller feeds to a plan against the types of its inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError, UsageError
from minisparse.core.tensor_type import TensorType
from minisparse.graph import Graph


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
    return {n: _fitting(n, feeds[n], type, sizes) for n, type in graph.inputs.items()}


def _fitting(name: str, given: Any, type: TensorType, sizes: dict[str, int]) -> Array:
    """Return one fed array after comparing it with its input's type."""
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
    for axis, (size, wanted) in enumerate(zip(array.shape, type.shape, strict=True)):
        expected = sizes.setdefault(wanted, size) if isinstance(wanted, str) else wanted
        if size != expected:
            raise ShapeError(
                f"input '{name}' has shape {array.shape}, but the model wants {type}: "
                f"axis {axis} is {size}, not {expected}"
            )
    return array
