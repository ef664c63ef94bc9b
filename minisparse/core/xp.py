"""The seam between NumPy and CuPy: one function that names the library an array belongs to."""

import sys
from types import ModuleType
from typing import Any

import numpy as np


def namespace(*arrays: Any) -> ModuleType:
    """Return ``cupy`` if any of the arrays lives on a GPU, else ``numpy``.

    CuPy is not imported for the question: an array of a library that was never imported
    cannot exist.

    Examples
    --------
    >>> namespace(np.zeros(3)).__name__
    'numpy'
    """
    cupy = sys.modules.get("cupy")
    if cupy is not None and any(isinstance(a, cupy.ndarray) for a in arrays):
        return cupy
    return np
