"""What each op means: one file an op or a family, each ending in the constants that declare it."""

from minisparse.core.discover import declared
from minisparse.ops.activations import CLIP, GELU, RELU, SILU
from minisparse.ops.arithmetic import ADD, ADD_BIAS, MULTIPLY
from minisparse.ops.attention import ATTENTION
from minisparse.ops.batch_normalization import BATCH_NORMALIZATION
from minisparse.ops.conv import CONV
from minisparse.ops.dsmm import DSMM
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
from minisparse.ops.reductions import REDUCE_MAX, REDUCE_MEAN, REDUCE_MIN, REDUCE_SUM
from minisparse.ops.sddmm import SDDMM
from minisparse.ops.softmax import SOFTMAX
from minisparse.ops.spgemm import SPGEMM
from minisparse.ops.spmm import SPMM
from minisparse.ops.spmm_t import SPMM_T
from minisparse.ops.spmv import SPMV

_found = declared(__name__, __path__, Op)

OPS: dict[str, Op] = {op.name: op for op in _found.values()}
"""Every op by name."""

__all__ = [
    "ADD",
    "ADD_BIAS",
    "ATTENTION",
    "BATCH_NORMALIZATION",
    "CLIP",
    "CONV",
    "CONVERT",
    "CONV_ADD_RELU",
    "CONV_RELU",
    "DSMM",
    "FLATTEN",
    "GELU",
    "GEMM",
    "GEMM_RELU",
    "MAX_POOL",
    "MULTIPLY",
    "OPS",
    "REDUCE_MAX",
    "REDUCE_MEAN",
    "REDUCE_MIN",
    "REDUCE_SUM",
    "RELU",
    "SDDMM",
    "SILU",
    "SOFTMAX",
    "SPGEMM",
    "SPMM",
    "SPMM_BIAS",
    "SPMM_BIAS_ADD",
    "SPMM_BIAS_RELU",
    "SPMM_RELU",
    "SPMM_T",
    "SPMV",
    "TRANSPOSE",
    "Attrs",
    "Constraint",
    "Op",
    "Sample",
    "Types",
]
