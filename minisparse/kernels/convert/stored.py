"""From one format to another, or to a plain array: :meth:`minisparse.Matrix.to` by another name."""

from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, COO, CSC, CSR, NM
from minisparse.kernels.convert.dense import vectorized
from minisparse.kernels.convert.threads import GPU
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import CONVERT


def bytes_moved(x: TensorType) -> int:
    """Count each stored entry with its indices read once; the result is not known before."""
    return x.nnz * (x.itemsize + x.index_itemsize)


CONVERT_COO = Kernel(CONVERT, COO, bytes_moved, vectorized=Level(vectorized), gpu=GPU)
CONVERT_CSR = Kernel(CONVERT, CSR, bytes_moved, vectorized=Level(vectorized), gpu=GPU)
CONVERT_CSC = Kernel(CONVERT, CSC, bytes_moved, vectorized=Level(vectorized), gpu=GPU)
CONVERT_BSR = Kernel(CONVERT, BSR, bytes_moved, vectorized=Level(vectorized))
CONVERT_NM = Kernel(CONVERT, NM, bytes_moved, vectorized=Level(vectorized))
