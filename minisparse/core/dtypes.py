"""Element types: which exist, what mixing them gives, and in what they accumulate."""

from functools import cache
from typing import Any

import numpy as np

from minisparse.core.errors import DTypeError
from minisparse.core.extras import is_installed, require

DType = np.dtype[Any]
Array = np.ndarray[Any, Any]
"""An array of NumPy or CuPy; the two are told apart at run time by :mod:`minisparse.core.xp`."""

SUPPORTED = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
"""Names of the element types that NumPy itself has; bfloat16 comes with ``ml_dtypes``."""

PLAIN_ONLY = "uint16 uint32 uint64".split()
"""More of NumPy's that plain arrays in a graph may have: no matrix format stores them."""


def bfloat16() -> DType | None:
    """Return the bfloat16 dtype, or None where ``ml_dtypes`` is not installed."""
    if not is_installed("ml_dtypes"):
        return None
    import ml_dtypes

    found: DType = np.dtype(ml_dtypes.bfloat16)
    return found


def is_supported(dtype: Any) -> bool:
    """Tell whether matrices of ``dtype`` can be stored and computed with."""
    return _is_supported(np.dtype(dtype))


@cache  # to make a dtype's name takes longer than many a product
def _is_supported(dtype: DType) -> bool:
    return dtype.name in SUPPORTED or (dtype.name == "bfloat16" and bfloat16() is not None)


@cache
def is_plain(dtype: DType) -> bool:
    """Tell whether plain arrays in a graph may have a dtype."""
    return is_supported(dtype) or dtype.name in PLAIN_ONLY


def as_dtype(dtype: Any, where: str, plain: bool = False) -> DType:
    """Return ``dtype`` as a supported dtype in native byte order.

    Parameters
    ----------
    dtype : dtype-like
        What the caller gave.
    where : str
        Start of the error message: who asks.
    plain : bool
        Whether it is that of a plain array in a graph, which may be one of :data:`PLAIN_ONLY`.

    Raises
    ------
    DTypeError
        If minisparse has no arithmetic for it: objects, strings, dates, structures.
    MissingExtraError
        If it is bfloat16 and ``ml_dtypes`` is not installed.
    """
    if isinstance(dtype, str) and dtype == "bfloat16":
        dtype = require("ml_dtypes", "io", f"{where}: bfloat16").bfloat16
    try:
        found: DType = np.dtype(dtype)
    except TypeError as error:
        raise DTypeError(f"{where}: {dtype!r} is not a dtype") from error
    if not found.isnative:
        # Not of every dtype: that gives a copy of the dtype, and NumPy has fast ways for its own.
        found = found.newbyteorder("=")
    if not (is_plain(found) if plain else is_supported(found)):
        names = [*SUPPORTED, *PLAIN_ONLY] if plain else SUPPORTED
        raise DTypeError(f"{where}: dtype {found} is not supported; use one of {', '.join(names)}")
    return found


def accumulator(dtype: Any) -> DType:
    """Return the dtype in which sums of products of ``dtype`` are accumulated.

    float16 and bfloat16 accumulate in float32, 8- and 16-bit integers and bool in int32, and
    everything else in itself.

    Examples
    --------
    >>> accumulator("float16"), accumulator("int8"), accumulator("float64")
    (dtype('float32'), dtype('int32'), dtype('float64'))
    """
    return _accumulator(np.dtype(dtype))


@cache
def _accumulator(dtype: DType) -> DType:
    if dtype.name in ("float16", "bfloat16"):
        return np.dtype(np.float32)
    if dtype.kind in "biu" and dtype.itemsize < 4:
        return np.dtype(np.int32)
    return dtype
