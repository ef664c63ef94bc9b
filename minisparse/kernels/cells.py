"""What functions of cells need: that none is stored twice, as f(a) + f(b) is not f(a + b)."""

from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import is_on_gpu
from minisparse.formats import Matrix


def bytes_moved(x: TensorType) -> int:
    """Count the stored values twice, read and written; the positions are shared."""
    return 2 * x.nnz * x.itemsize


def each_cell_once(a: Matrix, op: str) -> None:
    """Refuse a matrix that stores a cell twice (docs/language.md, rule S24).

    It is found by looking: at once where entries are sorted, by sorting a copy where they are not.

    Raises
    ------
    UnsupportedOpError
        If there is such a cell.
    """
    if not a.has_canonical_format and a.canonical().nnz != a.nnz:
        raise UnsupportedOpError(
            f"{op}: {a!r} stores a cell twice, and {op} is of what its entries add up to, which "
            f"no kernel does unasked: write A.canonical()"
        )


def with_values(a: Matrix, data: Array) -> Matrix:
    """Return a matrix with the same positions; values made on a device are not looked at again.

    Parameters
    ----------
    a : Matrix
        Whose positions.
    data : ndarray
        As :attr:`Matrix.data`; 0 where that is padding.
    """
    if not is_on_gpu(data):
        return a.with_data(data)
    return a._trusted(a.shape, **{**a.arrays, **a._extras, "data": data})
