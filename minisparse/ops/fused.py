"""Fused ops: no stop in memory between the parts, and the meaning of one after the other."""

from minisparse.ops.conv import CONV
from minisparse.ops.elementwise import ADD, ADD_BIAS, RELU
from minisparse.ops.gemm import GEMM
from minisparse.ops.spmm import SPMM

SPMM_BIAS = SPMM.then(ADD_BIAS)
SPMM_RELU = SPMM.then(RELU)
SPMM_BIAS_RELU = SPMM_BIAS.then(RELU)
GEMM_RELU = GEMM.then(RELU)
CONV_RELU = CONV.then(RELU)
SPMM_BIAS_ADD = SPMM_BIAS.then(ADD)
CONV_ADD_RELU = CONV.then(ADD).then(RELU)
