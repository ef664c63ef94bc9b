"""Constants that are a single number."""

import numpy as np

from minisparse.graph import Constant


def number_of(constant: Constant | None) -> float | None:
    """Return the one element of a real constant, None if it has more, or if there is none.

    Examples
    --------
    >>> number_of(np.array([[2.0]])), number_of(np.ones(3))
    (2.0, None)
    """
    if not isinstance(constant, np.ndarray) or constant.size != 1:
        return None
    return float(constant.reshape(-1)[0]) if constant.dtype.kind in "iuf" else None
