"""Run a kernel's loops on operands that keep a record; see what they touch, and count it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisparse.core.dtypes import DType
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.formats import Matrix
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel
from minisparse.kernels.recording.arrays import RecordedArray, RecordedMatrix, bare
from minisparse.kernels.recording.rebound import rebind
from minisparse.kernels.recording.stream import Stream
from minisparse.kernels.recording.tally import Tally


@dataclass(frozen=True)
class Recording:
    """What running a kernel's loops left behind.

    Attributes
    ----------
    result : ndarray, or whatever the op gives
        The same to the last bit as without a record.
    counts : Counts
        What was done.
    stream : Stream
        Which elements were touched, in order.
    """

    result: Any
    counts: Counts
    stream: Stream


def measure_counts(
    kernel: Kernel, operands: Sequence[Any], attrs: Mapping[str, Any] | None = None
) -> Counts:
    """Run a kernel's loops and count what they do; see :func:`record_run`.

    What the kernel states is the same, without running anything.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> from minisparse.kernels import KERNELS
    >>> A = CSR(np.ones(3, "float32"), [0, 2, 1], [0, 2, 3], (2, 3))
    >>> operands = A, np.ones((3, 4), "float32")
    >>> measure_counts(KERNELS["spmm_csr"], operands) == KERNELS["spmm_csr"].counts(*operands)
    True
    """
    return record_run(kernel, operands, attrs).counts


def record(
    kernel: Kernel, operands: Sequence[Any], attrs: Mapping[str, Any] | None = None
) -> Stream:
    """Run a kernel's loops and return every element that they touch, in order.

    Parameters and errors are those of :func:`record_run`.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> from minisparse.kernels import KERNELS
    >>> A = CSR(np.ones(2, "float32"), [1, 0], [0, 1, 2], (2, 2))
    >>> stream = record(KERNELS["spmv_csr"], (A, np.ones(2, "float32")))
    >>> [f"{stream.names[i]}[{e}]" for i, e in zip(stream.array[:7], stream.element, strict=False)]
    ['a.indptr[0]', 'a.indptr[1]', 'a.indices[0]', 'result[0]', 'a.data[0]', 'x[1]', 'result[0]']
    """
    return record_run(kernel, operands, attrs).stream


def record_run(
    kernel: Kernel, operands: Sequence[Any], attrs: Mapping[str, Any] | None = None
) -> Recording:
    """Run a kernel's loops, the very function, and write down every element that they touch.

    Widened copies stand for what they copy, so that the stream is the one of the textbook: it has
    the operands and the result where they are, in their own dtypes. That arrays are zeroed when
    they are made is not in it.

    Parameters
    ----------
    kernel : Kernel
        One with loops.
    operands : sequence of Matrix or ndarray
        Those of its op, the sparse one in the kernel's format.
    attrs : mapping, optional
        Of the op; those left out take their defaults.

    Raises
    ------
    UsageError
        If the operands are not those of the kernel's op, together in a tuple.
    UnsupportedOpError
        If the kernel has no loops.

    Notes
    -----
    A million accesses take two or three seconds and 100 MB.
    """
    _check_arguments(kernel, operands)
    if "loops" not in kernel.levels:
        raise UnsupportedOpError(f"{kernel.name}: there are no loops to record")
    tally = Tally()
    recorded = [
        _recorded(tally, x, name.rstrip("?"))
        for x, name in zip(operands, kernel.op.operands, strict=False)
    ]
    run = rebind(kernel.levels["loops"].run, tally)
    with np.errstate(all="ignore"):
        result = run(*recorded, **kernel.op.complete(attrs or {}))
    returned = _name_result(result)
    return Recording(bare(result), tally.counts(returned), tally.stream())


def _check_arguments(kernel: Any, operands: Any) -> None:
    """Refuse what is easily given instead of a kernel and a tuple of operands."""
    if not isinstance(kernel, Kernel):
        raise UsageError(
            f"recording: {kernel!r} is no kernel: take one from minisparse.kernels.KERNELS"
        )
    names = ", ".join(kernel.op.operands)
    if not isinstance(operands, list | tuple):
        raise UsageError(
            f"recording {kernel.name}: operands is a {type(operands).__name__}: all operands go "
            f"into one tuple: record(kernel, ({names}))"
        )
    least = sum(not name.endswith("?") for name in kernel.op.operands)
    if not least <= len(operands) <= len(kernel.op.operands):
        raise UsageError(f"recording {kernel.name}: {len(operands)} operands given, not {names}")


def _name_result(result: Any) -> int:
    """Name the arrays of the result, in the dtypes it has; return the bytes of those made."""
    found: list[tuple[str, RecordedArray, DType]] = []
    if isinstance(result, RecordedArray):
        found = [("result", result, result.dtype)]
    if isinstance(result, RecordedMatrix):
        stored = result.matrix.arrays
        found = [(f"result.{name}", x, stored[name].dtype) for name, x in result.arrays.items()]
    returned = 0
    for name, array, dtype in found:
        if array.root.made:
            array.root.name, array.root.itemsize = name, dtype.itemsize
            returned += array.values.nbytes
    return returned


def _recorded(tally: Tally, x: Any, name: str) -> Any:
    if isinstance(x, Matrix):
        return RecordedMatrix.of(tally, x, name)
    values = np.asarray(x)
    return RecordedArray(tally, tally.add(name, values), values)
