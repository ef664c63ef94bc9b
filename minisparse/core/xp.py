"""The seam between NumPy and CuPy: which library an array belongs to, and what they differ in.

Where arrays lie is where they are computed with. Nothing goes over the bus between a machine and
its card but through :func:`to_device`, which the caller asks for, and a number that decides what
comes next, which Python's ``int`` and ``bool`` fetch.
"""

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.extras import require

DEVICES = ("cpu", "gpu")
"""Where arrays may lie: in main memory, or on CUDA's current card."""


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
    if cupy is not None:
        for array in arrays:
            if isinstance(array, cupy.ndarray):
                return cupy
    return np


def is_on_gpu(x: Any) -> bool:
    """Tell whether an array lies on a card; numbers, lists and all else do not.

    Examples
    --------
    >>> is_on_gpu(np.zeros(3)), is_on_gpu(2.5)
    (False, False)
    """
    return not isinstance(x, np.ndarray) and namespace(x) is not np


def device_of(x: Any) -> str:
    """Return ``"cpu"`` or ``"gpu"``: where an array lies.

    Examples
    --------
    >>> device_of(np.zeros(3))
    'cpu'
    """
    return DEVICES[is_on_gpu(x)]


def asarray(x: Any, dtype: Any = None) -> Array:
    """Return a number or a list as an array of NumPy, and an array where it lies.

    Calls of NumPy give a number where an array would have no dimensions, those of CuPy never do;
    and ``np.asarray`` would ask for a copy from the device.

    Parameters
    ----------
    x : ndarray or number
        Of either library.
    dtype : numpy.dtype, optional
        What it shall have.

    Examples
    --------
    >>> asarray(np.float32(2.5))
    array(2.5, dtype=float32)
    """
    if dtype is None and isinstance(x, np.ndarray):
        return x
    if not is_on_gpu(x):
        return np.asarray(x, dtype)
    found: Array = x if dtype is None else x.astype(dtype, copy=False)
    return found


def to_device(x: Any, device: str, where: str = "to_device") -> Any:
    """Return an array in main memory or on the current card; itself if it is there, else a copy.

    Parameters
    ----------
    x : ndarray
        Of either library.
    device : str
        ``"cpu"`` or ``"gpu"``.
    where : str
        Start of error messages: who asks.

    Raises
    ------
    UsageError
        If the device is unknown, or there is no card; the message says what CUDA said.
    MissingExtraError
        If CuPy is not installed.

    Examples
    --------
    >>> x = np.zeros(3)
    >>> to_device(x, "cpu") is x
    True
    """
    if device not in DEVICES:
        raise UsageError(f"{where}: device is {device!r}: it must be {' or '.join(DEVICES)}")
    if device == device_of(x):
        return x
    return x.get() if device == "cpu" else _cupy(where).asarray(x)


def _cupy(where: str) -> ModuleType:
    """Return CuPy, where it finds a card."""
    cupy = require("cupy", "gpu-cuda13", where)
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise UsageError(
            f"{where}: there is no GPU to use: CUDA says {error}; see whether nvidia-smi lists one"
        ) from error
    if not count:
        raise UsageError(f"{where}: there is no GPU to use: CUDA finds none; see nvidia-smi")
    return cupy


def check_one_place(where: str, arrays: Mapping[str, Any]) -> None:
    """Raise UsageError if some arrays lie on a card and others in main memory.

    Parameters
    ----------
    where : str
        Start of the error message: who asks.
    arrays : mapping
        Arrays by the names that the caller knows; numbers lie nowhere.

    Examples
    --------
    >>> check_one_place("A @ b", {"A": np.zeros(3), "b": np.zeros(3)})
    """
    if namespace(*arrays.values()) is np:
        return
    here = [name for name, x in arrays.items() if isinstance(x, np.ndarray)]
    if here:
        there = [name for name, x in arrays.items() if is_on_gpu(x)]
        raise UsageError(
            f"{where}: {', '.join(there)} on the GPU, but {', '.join(here)} in main memory: "
            f"nothing is copied unasked; move one: cupy.asarray(x) or A.to_device('gpu'), x.get() "
            f"or A.to_device('cpu')"
        )
