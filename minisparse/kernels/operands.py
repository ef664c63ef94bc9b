"""Take in what a caller gives to an op: matrices, arrays, and where the result goes."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.core.xp import is_on_gpu
from minisparse.formats import Matrix
from minisparse.formats.intake import as_array
from minisparse.ops import Op

_TAKEN = ("coo", "csr", "csc", "bsr")


def as_operand(x: Any, op: Op, at: int) -> Any:
    """Return an operand as a matrix or an array; a matrix only where the op takes one.

    Raises
    ------
    UnsupportedOpError
        If it is sparse where it must not be, or another library's.
    FormatError, DTypeError
        If it is ragged or masked, or holds no numbers at all.
    """
    if type(x) is np.ndarray:
        return x
    if not isinstance(x, Matrix):
        if is_on_gpu(x):  # an array where it lies
            return x
        name = op.operands[at].rstrip("?") if at < len(op.operands) else "operand"
        if len(name) == 1 and getattr(x, "ndim", 2) > 1:
            name = name.upper()
        return as_plain(x, op.name, name, at in op.sparse)
    if at not in op.sparse:
        named = " and ".join(op.operands[i].upper() for i in op.sparse)
        may = f"only {named}" if named else "no operand"
        raise UnsupportedOpError(
            f"{op.name}: {may} can be sparse, but {x!r} was given beside it; write .to_dense()"
        )
    return x


def as_plain(x: Any, op: str, name: str, may_be_sparse: bool) -> Array:
    """Return what is no matrix of ours as an array.

    Parameters
    ----------
    x : array_like
        What was given.
    op, name : str
        For the message: who asks for which operand.
    may_be_sparse : bool
        Whether a matrix of ours would do.
    """
    _refuse_foreign(x, op, name, may_be_sparse)
    if is_on_gpu(x):  # an array where it lies
        return cast("Array", x)
    found = as_array(x, f"{op}: {name}")
    if found.ndim == 0 and found.dtype.kind in "OSU":
        wanted = "a Matrix or an array" if may_be_sparse else "an array"
        raise DTypeError(f"{op}: {name} is {x!r}: it must be {wanted} of numbers")
    return found


def _refuse_foreign(x: Any, op: str, name: str, may_be_sparse: bool) -> None:
    """Refuse sparse matrices of other libraries, none of which is imported to know them."""
    if hasattr(x, "tocoo"):
        root = type(x).__module__.partition(".")[0]
        title, plain = {"scipy": "SciPy", "cupyx": "CuPy"}.get(root, root), f"{name}.toarray()"
        stored = name if getattr(x, "format", "") in _TAKEN else f"{name}.tocsr()"
        ours = f"ms.{'formats.from_cupy' if root == 'cupyx' else 'from_scipy'}({stored})"
    elif str(getattr(x, "layout", "")).startswith("torch.sparse_"):
        title, plain = "PyTorch", f"{name}.to_dense()"
        ours = f"ms.formats.from_torch({name})"
    else:
        return
    what = f"{op}: {name} is a sparse matrix of {title} ({type(x).__name__})"
    if may_be_sparse:
        raise UnsupportedOpError(f"{what}: write {ours}")
    raise UnsupportedOpError(f"{what}, but must be a plain array: write {plain}")


def checked_out(
    out: Any, result: TensorType, op: Op, given: Sequence[Matrix | Array]
) -> Array | None:
    """Return where a kernel may write: to ``out``, or nowhere if that holds what it reads.

    An op that reads each element before it writes it may write over it.

    Raises
    ------
    UnsupportedOpError
        If the result is sparse.
    ShapeError
        If ``out`` is no array of the result's shape and dtype, or is read-only.
    """
    if result.format != "dense":
        raise UnsupportedOpError(
            f"{op.name}: the result is a {result.layout} matrix, which takes no out: leave it away"
        )
    if not isinstance(out, np.ndarray) and not is_on_gpu(out):
        raise ShapeError(
            f"{op.name}: out is of type {type(out).__name__}: it must be a writeable array {result}"
        )
    writeable = getattr(out.flags, "writeable", True)  # on a device all are
    if out.shape != result.shape or out.dtype != result.dtype or not writeable:
        raise ShapeError(
            f"{op.name}: out is {dense_type(out)}{'' if writeable else ' (read-only)'}: "
            f"it must be a writeable {result}"
        )
    read = [y for x in given for y in (x.arrays.values() if isinstance(x, Matrix) else (x,))]
    read = [x for x in read if not (op.elementwise and _is_same(x, out))]
    return None if any(np.may_share_memory(out, x) for x in read) else out


def _is_same(x: Array, y: Array) -> bool:
    """Tell whether two arrays of one dtype are the same memory, element by element."""
    return x is y or (
        _address(x) == _address(y)
        and (x.shape, x.strides, x.dtype) == (y.shape, y.strides, y.dtype)
    )


def _address(x: Array) -> int:
    """Return where an array begins, on whichever side of the bus."""
    found: Any = x
    return int(found.data.ptr if is_on_gpu(x) else found.__array_interface__["data"][0])
