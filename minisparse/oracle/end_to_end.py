"""How far the outputs of a whole run are from those of an exact one."""

from collections.abc import Mapping

import numpy as np

from minisparse.core.dtypes import Array


def distances(outputs: Mapping[str, Array], exact: Mapping[str, Array]) -> dict[str, float]:
    """Return for each output its largest difference from the exact one, over the latter's largest.

    There is no bound to hold it against: what a network makes of a rounding depends on its
    weights. A few units of roundoff for each layer are usual; the nodes one by one are judged by
    :func:`~minisparse.oracle.verify_nodes`.

    Parameters
    ----------
    outputs, exact : mapping
        From output names to arrays of the same shapes; ``exact`` as
        :func:`~minisparse.oracle.run_exact` returns them.

    Returns
    -------
    dict
        From output names to relative differences; inf where only one of two elements is finite.

    Examples
    --------
    >>> distances({"y": np.array([1.0, 2.5])}, {"y": np.array([1.0, 2.0])})
    {'y': 0.25}
    """
    return {name: _distance(outputs[name], wanted) for name, wanted in exact.items()}


def _distance(got: Array, wanted: Array) -> float:
    got, wanted = got.astype(np.complex128), wanted.astype(np.complex128)
    finite = np.isfinite(wanted)
    if not np.array_equal(finite, np.isfinite(got)):
        return float("inf")
    size = np.abs(wanted[finite]).max(initial=0.0)
    error = np.abs(got[finite] - wanted[finite]).max(initial=0.0)
    return float(error / size if size else error)
