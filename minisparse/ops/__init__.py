"""What each op means: one file an op or a family, each ending in the constants that declare it."""

from minisparse.core.discover import declared
from minisparse.ops.batch_normalization import BATCH_NORMALIZATION
from minisparse.ops.conv import CONV
from minisparse.ops.elementwise import ADD, ADD_BIAS, RELU
from minisparse.ops.fused import (
    CONV_ADD_RELU,
    CONV_RELU,
    GEMM_RELU,
    SPMM_BIAS,
    SPMM_BIAS_ADD,
    SPMM_BIAS_RELU,
    SPMM_RELU,
)
from minisparse.ops.gemm import GEMM
from minisparse.ops.layout import CONVERT, FLATTEN, TRANSPOSE
from minisparse.ops.max_pool import MAX_POOL
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types
from minisparse.ops.spmm import SPMM
from minisparse.ops.spmv import SPMV

_found = declared(__name__, __path__, Op)

OPS: dict[str, Op] = {op.name: op for op in _found.values()}
"""Every op by name."""

__all__ = [
    "ADD",
    "ADD_BIAS",
    "BATCH_NORMALIZATION",
    "CONV",
    "CONVERT",
    "CONV_ADD_RELU",
    "CONV_RELU",
    "FLATTEN",
    "GEMM",
    "GEMM_RELU",
    "MAX_POOL",
    "OPS",
    "RELU",
    "SPMM",
    "SPMM_BIAS",
    "SPMM_BIAS_ADD",
    "SPMM_BIAS_RELU",
    "SPMM_RELU",
    "SPMV",
    "TRANSPOSE",
    "Attrs",
    "Constraint",
    "Op",
    "Sample",
    "Types",
]
