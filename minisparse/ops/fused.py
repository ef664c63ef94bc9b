"""Fused ops: no stop in memory between the parts, and the meaning of one after the other."""

from minisparse.ops.activations import CLIP, GELU, RELU, SILU
from minisparse.ops.arithmetic import ADD, ADD_BIAS
from minisparse.ops.conv import CONV
from minisparse.ops.gemm import GEMM
from minisparse.ops.spmm import SPMM
from minisparse.ops.spmv import SPMV

SPMM_BIAS = SPMM.then(ADD_BIAS)
SPMM_RELU = SPMM.then(RELU)
SPMM_BIAS_RELU = SPMM_BIAS.then(RELU)
SPMM_BIAS_GELU = SPMM_BIAS.then(GELU)
SPMM_BIAS_SILU = SPMM_BIAS.then(SILU)
SPMM_BIAS_CLIP = SPMM_BIAS.then(CLIP)
SPMV_BIAS_RELU = SPMV.then(ADD_BIAS).then(RELU)
GEMM_RELU = GEMM.then(RELU)
CONV_RELU = CONV.then(RELU)
SPMM_BIAS_ADD = SPMM_BIAS.then(ADD)
CONV_ADD_RELU = CONV.then(ADD).then(RELU)
