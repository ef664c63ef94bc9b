"""For every constraint of every op: types and attributes that break it, and no earlier one."""

from typing import Any, NamedTuple

import numpy as np

from minisparse.core.tensor_type import Dim, TensorType


class Breach(NamedTuple):
    op: str
    constraint: str
    types: tuple[TensorType, ...]
    attrs: dict[str, Any] = {}


def of(*shape: Dim, dtype: str = "float32") -> TensorType:
    return TensorType(shape, np.dtype(dtype))


_CHANNEL = (of(3), of(3), of(3), of(3))
_IMAGE = of(1, 4, 8, 8)
_FILTER = of(6, 4, 3, 3)

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
    Breach("gemm", "C1", (of(2, 3), of(3))),
    Breach("gemm", "C2", (of(2, 3), of(4, 5))),
    Breach("gemm", "C2", (of(2, 3), of(3, 5)), {"transB": 1}),
    Breach("gemm", "C3", (of(2, 3), of(3, 5), of(4))),
    Breach("gemm", "C3", (of(2, 3), of(3, 5), of(2, 2, 5))),
    Breach("gemm", "C4", (of(2, 3), of(3, 5, dtype="U3"))),
    Breach("gemm", "C5", (of(2, 3, dtype="int8"), of(3, 5, dtype="int8")), {"alpha": 0.5}),
    Breach("conv", "C1", (of(1, 4, 8), of(6, 4, 3))),
    Breach("conv", "C1", (_IMAGE, of(6, 4, 3))),
    Breach("conv", "C1", (_IMAGE, _FILTER, of(6, 1))),
    Breach("conv", "C2", (_IMAGE, _FILTER), {"pads": (1, 1)}),
    Breach("conv", "C2", (_IMAGE, _FILTER), {"strides": (0, 1)}),
    Breach("conv", "C2", (_IMAGE, _FILTER), {"group": 0}),
    Breach("conv", "C2", (_IMAGE, _FILTER), {"kernel_shape": (2, 2)}),
    Breach("conv", "C3", (_IMAGE, of(6, 36))),
    Breach("conv", "C3", (_IMAGE, of(6, 36)), {"kernel_shape": (3, 3), "group": 2}),
    Breach("conv", "C4", (_IMAGE, of(6, 5, 3, 3))),
    Breach("conv", "C4", (_IMAGE, of(6, 35)), {"kernel_shape": (3, 3)}),
    Breach("conv", "C4", (_IMAGE, of(6, 1, 3, 3)), {"group": 4}),
    Breach("conv", "C4", (of(1, "channels", 8, 8), _FILTER)),
    Breach("conv", "C5", (of(1, 4, "height", 8), _FILTER)),
    Breach("conv", "C6", (of(1, 4, 2, 2), _FILTER)),
    Breach("conv", "C6", (_IMAGE, _FILTER), {"dilations": (4, 1)}),
    Breach("conv", "C7", (_IMAGE, _FILTER, of(4))),
    Breach("conv", "C8", (_IMAGE, of(6, 4, 3, 3, dtype="O"))),
    Breach("max_pool", "C1", (of(3, 8, 8),), {"kernel_shape": (2, 2)}),
    Breach("max_pool", "C2", (_IMAGE,)),
    Breach("max_pool", "C2", (_IMAGE,), {"kernel_shape": (2, 2), "strides": (2,)}),
    Breach("max_pool", "C3", (_IMAGE,), {"kernel_shape": (2, 2), "pads": (0, 2, 0, 0)}),
    Breach("max_pool", "C4", (of(1, 4, 8, "width"),), {"kernel_shape": (2, 2)}),
    Breach("max_pool", "C5", (_IMAGE,), {"kernel_shape": (9, 2)}),
    Breach("max_pool", "C6", (of(1, 4, 8, 8, dtype="complex64"),), {"kernel_shape": (2, 2)}),
    Breach("batch_normalization", "C1", (of(3), *_CHANNEL)),
    Breach("batch_normalization", "C1", (of(2, 3), of(3, 1), *_CHANNEL[1:])),
    Breach("batch_normalization", "C2", (of(2, 4), *_CHANNEL)),
    Breach("batch_normalization", "C3", (of(2, 3, dtype="int32"), *_CHANNEL)),
    Breach("batch_normalization", "C4", (of(2, 3), *_CHANNEL), {"epsilon": -1.0}),
    Breach("relu", "C1", (of(2, dtype="complex64"),)),
    Breach("add", "C1", (of(2, 3), of(2))),
    Breach("add", "C1", (of("batch", 3), of(4, 3))),
    Breach("add", "C2", (of(2), of(2, dtype="m8[s]"))),
    Breach("add_bias", "C1", (of(2, 3), of(2, 1))),
    Breach("add_bias", "C2", (of(2, 3), of(3))),
    Breach("add_bias", "C3", (of(2, 3), of(2, dtype="O"))),
    Breach("transpose", "C1", (of(2, 3),), {"perm": (0, 0)}),
    Breach("transpose", "C1", (of(2, 3),), {"perm": (0, 1, 2)}),
    Breach("transpose", "C2", (of(2, 3, dtype="O"),)),
    Breach("flatten", "C1", (of(2, 3),), {"axis": 3}),
    Breach("flatten", "C1", (of(2, 3),), {"axis": -3}),
    Breach("flatten", "C2", (of(2, 3, dtype="O"),)),
    Breach("convert", "C1", (of(3),)),
    Breach("convert", "C2", (of(2, 3),), {"format": "crs"}),
    Breach("convert", "C3", (of(2, 3),), {"format": "bsr"}),
    Breach("convert", "C3", (of(2, 3),), {"format": "csr", "block": (2, 2)}),
    Breach("convert", "C4", (of(2, 3, dtype="O"),)),
)
