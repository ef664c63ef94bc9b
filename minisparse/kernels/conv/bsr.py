"""Convolution with weights in BSR: filters in groups of r that look at the same c weights.

The windows become columns, and each block row one dense product, as in SpMM. There is no loops
level: CSR's shows the sum, and that of SpMM the blocks.
"""

from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, Pattern
from minisparse.kernels.conv import panels
from minisparse.kernels.conv.columns import bytes_moved, columns_type, with_columns
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spmm.bsr import prepare
from minisparse.kernels.spmm.work import block_work
from minisparse.ops import CONV, Attrs


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of the product, and of laying out its columns."""
    product = block_work(columns_type(types, attrs))
    return with_columns(product, types, attrs)


CONV_BSR = Kernel(CONV, BSR, bytes_moved, vectorized=Level(panels.run, prepare, work, fuses=True))
