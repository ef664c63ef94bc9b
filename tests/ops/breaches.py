"""For every constraint of every op: types and attributes that break it, and no earlier one."""

from typing import Any, NamedTuple

import numpy as np

from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType


class Breach(NamedTuple):
    op: str
    constraint: str
    types: tuple[TensorType, ...]
    attrs: dict[str, Any] = {}


def of(*shape: Dim, dtype: str = "float32") -> TensorType:
    return TensorType(shape, np.dtype(dtype))


def stored(*shape: Dim) -> TensorType:
    return TensorType(shape, np.dtype("float32"), "csr", 1, np.dtype("int32"))


_CHANNEL = (of(3), of(3), of(3), of(3))

BREACHES = (
    Breach("spmm", "C1", (of(2, 3), of(3))),
    Breach("spmm", "C1", (of(2, 3, 4), of(3, 4))),
    Breach("spmm", "C2", (of(2, 3), of(4, 5))),
    Breach("spmm", "C2", (of(2, 3), of("batch", 5))),
    Breach("spmm", "C3", (of(2, 3), of(3, 4, dtype="O"))),
    Breach("spmm", "C3", (of(2, 3), of(3, 4, dtype="uint64"))),
    Breach("spmv", "C1", (of(2, 3), of(3, 1))),
    Breach("spmv", "C2", (of(2, 3), of(2))),
    Breach("spmv", "C3", (of(2, 3), of(3, dtype="M8[s]"))),
    Breach("spmm_t", "C1", (of(3, 2), of(3))),
    Breach("spmm_t", "C2", (of(2, 3), of(3, 4))),
    Breach("spmm_t", "C3", (of(3, 2), of(3, 4, dtype="O"))),
    Breach("dsmm", "C1", (of(3), of(3, 4))),
    Breach("dsmm", "C2", (of(2, 3), of(4, 5))),
    Breach("dsmm", "C3", (of(2, 3), of(3, 4, dtype="O"))),
    Breach("spgemm", "C1", (of(2, 3), of(3))),
    Breach("spgemm", "C2", (of(2, 3), of(4, 5))),
    Breach("spgemm", "C3", (stored(2, 3), of(3, 4))),
    Breach("spgemm", "C3", (of(2, 3), stored(3, 4))),
    Breach("spgemm", "C4", (of(2, 3), of(3, 4, dtype="O"))),
    Breach("gemm", "C1", (of(2, 3), of(3))),
    Breach("gemm", "C2", (of(2, 3), of(4, 5))),
    Breach("gemm", "C2", (of(2, 3), of(3, 5)), {"transB": 1}),
    Breach("gemm", "C3", (of(2, 3), of(3, 5), of(4))),
    Breach("gemm", "C3", (of(2, 3), of(3, 5), of(2, 2, 5))),
    Breach("gemm", "C4", (of(2, 3), of(3, 5, dtype="U3"))),
    Breach("gemm", "C5", (of(2, 3, dtype="int8"), of(3, 5, dtype="int8")), {"alpha": 0.5}),
    Breach("batch_normalization", "C1", (of(3), *_CHANNEL)),
    Breach("batch_normalization", "C1", (of(2, 3), of(3, 1), *_CHANNEL[1:])),
    Breach("batch_normalization", "C2", (of(2, 4), *_CHANNEL)),
    Breach("batch_normalization", "C3", (of(2, 3, dtype="int32"), *_CHANNEL)),
    Breach("batch_normalization", "C4", (of(2, 3), *_CHANNEL), {"epsilon": -1.0}),
    Breach("relu", "C1", (of(2, dtype="complex64"),)),
    Breach("gelu", "C1", (of(2, dtype="int32"),)),
    Breach("gelu", "C2", (of(2),), {"approximate": "erf"}),
    Breach("silu", "C1", (of(2, dtype="complex64"),)),
    Breach("clip", "C1", (of(2, dtype="bool"),)),
    Breach("clip", "C2", (of(2),), {"min": float("nan")}),
    Breach("clip", "C2", (of(2, dtype="int8"),), {"max": 300}),
    Breach("clip", "C2", (of(2, dtype="int8"),), {"max": 0.5}),
    Breach("clip", "C2", (of(2, dtype="float16"),), {"min": -1e6}),
    Breach("clip", "C2", (of(2),), {"min": "0"}),
    Breach("clip", "C2", (of(2),), {"min": 10**400}),
    Breach("clip", "C3", (stored(2, 3),), {"min": 1}),
    Breach("clip", "C3", (stored(2, 3),), {"max": -1}),
    Breach("add", "C1", (of(2, 3), of(2))),
    Breach("add", "C1", (of("batch", 3), of(4, 3))),
    Breach("add", "C2", (of(2), of(2, dtype="m8[s]"))),
    Breach("add", "C3", (stored(2, 3), of(2, 3))),
    Breach("add", "C3", (of(2, 3), stored(2, 3))),
    Breach("add", "C4", (stored(2, 3), stored(1, 3))),
    Breach("multiply", "C1", (of(2, 3), of(2))),
    Breach("multiply", "C2", (of(2), of(2, dtype="m8[s]"))),
    Breach("multiply", "C3", (stored(2, 3), of(2, 3))),
    Breach("multiply", "C4", (stored(2, 3), stored(2, 1))),
    *(
        Breach(f"reduce_{name}", number, (of(2, 3, dtype=dtype),), attrs)
        for name, wrong in (("sum", "O"), ("mean", "int8"), ("max", "complex64"), ("min", "O"))
        for number, dtype, attrs in (
            ("C1", "float32", {"axes": (2,)}),
            ("C1", "float32", {"axes": (1, -1)}),
            ("C1", "float32", {"axes": 1}),
            ("C2", "float32", {"keepdims": 2}),
            ("C3", wrong, {}),
        )
    ),
    Breach("add_bias", "C1", (of(2, 3), of(2, 1))),
    Breach("add_bias", "C1", (of(2, 3, 4), of(2))),
    Breach("add_bias", "C2", (of(2, 3), of(3))),
    Breach("add_bias", "C3", (of(2, 3), of(2, dtype="O"))),
    Breach("transpose", "C1", (of(2, 3),), {"perm": (0, 0)}),
    Breach("transpose", "C1", (of(2, 3),), {"perm": (0, 1, 2)}),
    Breach("transpose", "C2", (of(2, 3, dtype="O"),)),
    Breach("flatten", "C1", (of(2, 3),), {"axis": 3}),
    Breach("flatten", "C1", (of(2, 3),), {"axis": -3}),
    Breach("flatten", "C2", (of(2, 3, dtype="O"),)),
    Breach("sddmm", "C1", (of(2, 3), of(2), of(4, 3))),
    Breach("sddmm", "C2", (of(2, 3), of(3, 4), of(4, 3))),
    Breach("sddmm", "C2", (of(2, "columns"), of(2, 4), of(4, 3))),
    Breach("sddmm", "C3", (of(2, 3), of(2, 4), of(5, 3))),
    Breach("sddmm", "C4", (of(2, 3, dtype="O"), of(2, 4), of(4, 3))),
    Breach("softmax", "C1", (of(2, 3, 4),), {"axis": 3}),
    Breach("softmax", "C1", (of(),)),
    Breach("softmax", "C2", (of(2, 3, dtype="int32"),)),
    Breach("softmax", "C2", (of(2, 3, dtype="complex64"),)),
    Breach("softmax", "C3", (stored(2, 3),), {"axis": 0}),
    Breach("attention", "C1", (of(2, 3), of(2, 4), of(3, 4), of(3))),
    Breach("attention", "C2", (of(2, 3), of(2, 4), of(4, 4), of(3, 5))),
    Breach("attention", "C2", (of(2, 3), of(2, 4), of(3, 4), of(5, 5))),
    Breach("attention", "C3", (of(2, 3), of(2, 4), of(3, 5), of(3, 5))),
    Breach("attention", "C4", (of(2, 3, dtype="O"), of(2, 4), of(3, 4), of(3, 5))),
    Breach("attention", "C5", (of(2, 3, dtype="complex64"), of(2, 4), of(3, 4), of(3, 5))),
    Breach("attention", "C5", (of(2, 3), of(2, 4), of(3, 4), of(3, 5, dtype="int8"))),
    Breach("attention", "C6", (of(2, 3), of(2, 4), of(3, 4), of(3, 5)), {"scale": float("nan")}),
    Breach("attention", "C6", (of(2, 3), of(2, 4), of(3, 4), of(3, 5)), {"scale": "1"}),
    Breach("convert", "C1", (of(3),)),
    Breach("convert", "C2", (of(2, 3),), {"format": "crs"}),
    Breach("convert", "C3", (of(2, 3),), {"format": "bsr"}),
    Breach("convert", "C3", (of(2, 3),), {"format": "csr", "block": (2, 2)}),
    Breach("convert", "C4", (of(2, 3, dtype="O"),)),
)
