"""Take in what a caller gives as shape, values and indices: converted where safe, else refused."""

import operator
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, as_dtype
from minisparse.core.errors import FormatError, UsageError
from minisparse.core.xp import device_of, is_on_gpu, namespace, to_device

_LARGEST = 2**63 - 1


def as_shape(shape: Any, where: str) -> tuple[int, int]:
    """Return ``shape`` as two Python integers.

    Parameters
    ----------
    shape : sequence of int
        What the caller gave.
    where : str
        Start of the error message, with the rule: ``"CSR (F1)"``.

    Raises
    ------
    FormatError
        If it is not two integers from 0 to ``2**63 - 1``.
    """
    try:
        found = tuple(operator.index(d) for d in shape)
    except TypeError:
        found = ()
    if len(found) != 2 or not all(0 <= d <= _LARGEST for d in found):
        raise FormatError(
            f"{where}: shape is {shape!r}: it must be two integers from 0 to 2**63 - 1"
        )
    return found[0], found[1]


def as_array(array: Any, where: str) -> Array:
    """Return ``array`` as NumPy sees it, or as it is on a card.

    Masked and ragged ones are refused with FormatError.
    """
    if is_on_gpu(array):
        found: Array = array
        return found
    if isinstance(array, np.ma.MaskedArray):
        raise FormatError(f"{where} is a masked array: fill it first, as in x.filled(0)")
    try:
        return np.asarray(array)
    except ValueError as error:
        raise FormatError(f"{where} is not a rectangular array: {error}") from error


def as_values(array: Any, ndim: int, where: str) -> Array:
    """Return ``array`` as contiguous values of a supported dtype in native byte order.

    Raises
    ------
    FormatError
        If it has another number of dimensions, is ragged or masked.
    DTypeError
        If minisparse has no arithmetic for its dtype.
    """
    found = as_array(array, where)
    dtype = as_dtype(found.dtype, where)
    _check_ndim(found, ndim, where)
    return _required(found, dtype)


def as_integers(array: Any, ndim: int, where: str) -> Array:
    """Return ``array`` as an array of integers of whatever width; see :func:`as_values`.

    The width is settled only after the range was checked: narrowing first would wrap an index
    that is too large into one that looks valid.
    """
    found = as_array(array, where)
    if found.size == 0 and not isinstance(array, np.ndarray) and not is_on_gpu(array):
        found = found.astype(np.int64)  # an empty list says nothing about its dtype
    if found.dtype.kind not in "iu":
        raise FormatError(f"{where} has dtype {found.dtype}: it must hold integers")
    _check_ndim(found, ndim, where)
    dtype = found.dtype if found.dtype.isnative else found.dtype.newbyteorder("=")
    return _required(found, dtype)


def _required(array: Array, dtype: Any) -> Array:
    """Return an array of a dtype, contiguous: itself if it is so."""
    if is_on_gpu(array):
        whole: Array = namespace(array).ascontiguousarray(array, dtype)
        return whole
    return np.require(array, dtype, ["C", "A"])


def frozen(array: Array) -> Array:
    """Return a view of ``array`` that cannot be written through; CuPy has no such views."""
    view = array.view()
    if type(view) is np.ndarray:
        view.flags.writeable = False
    return view


def beside(A: Any, array: Any, where: str) -> Array:
    """Return what a caller gives as an array that lies where a matrix does.

    Parameters
    ----------
    A : Matrix
        Beside which it is needed.
    array : array_like
        An array; or a list, a range or a number, which is brought there.
    where : str
        Start of the error message.

    Raises
    ------
    UsageError
        If it is an array that lies elsewhere: nothing is copied unasked.
    """
    found = as_array(array, where)
    if device_of(found) == A.device:
        return found
    if isinstance(array, np.ndarray) or is_on_gpu(array):
        raise UsageError(
            f"{where} lies on the {device_of(found)}, but the matrix on the {A.device}: nothing is "
            f"copied unasked; write cupy.asarray(x), x.get() or A.to_device({device_of(found)!r})"
        )
    brought: Array = to_device(found, A.device, where)
    return brought


def on_cpu(A: Any, where: str) -> None:
    """Raise UsageError if a matrix lies on a card, for what needs it in main memory."""
    if A.device != "cpu":
        raise UsageError(
            f"{where}: A is on the GPU, and nothing is copied unasked: write A.to_device('cpu') "
            f"first"
        )


def check_range(array: Array, bound: int, where: str, unit: str) -> None:
    """Raise FormatError with position and value of the first element outside ``0 … bound - 1``.

    Parameters
    ----------
    array : ndarray of int
        Indices, 1-D or 2-D.
    bound : int
        How many of ``unit`` there are.
    where : str
        Start of the message, with the array's name last: ``"CSR (F9): indices"``.
    unit : str
        What is counted: ``"columns"``.
    """
    if array.size and (array.min() < 0 or array.max() >= bound):
        at = first_true((array < 0) | (array >= bound))
        raise FormatError(
            f"{where}{list(at)} is {array[at]}: it must be at least 0 and less than {bound}, "
            f"the number of {unit}"
        )


def first_true(mask: Array) -> tuple[int, ...]:
    """Return the position of the first true element in row-major order."""
    return tuple(int(i) for i in np.unravel_index(int(mask.argmax()), mask.shape))


def _check_ndim(array: Array, ndim: int, where: str) -> None:
    if array.ndim != ndim:
        raise FormatError(f"{where} has shape {array.shape}: it must have {ndim} dimension(s)")
