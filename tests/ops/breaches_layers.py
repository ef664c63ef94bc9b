"""Breaches of the constraints of layers: matrix products, normalizations, norms, quantization."""

from tests.ops.breaches import Breach, of

_X = of(2, 4, 6)
_FOUR = of(4)
_BYTES = of(2, 4, dtype="uint8")

BREACHES = (
    Breach("matmul", "C1", (of(2, 3), of())),
    Breach("matmul", "C1", (of(), of(3))),
    Breach("matmul", "C2", (of(2, 3), of(4, 5))),
    Breach("matmul", "C2", (of(2, 3), of("k", 5))),
    Breach("matmul", "C2", (of(3), of(5, 4, 2))),
    Breach("matmul", "C3", (of(2, 4, 3), of(3, 3, 5))),
    Breach("matmul", "C3", (of("batch", 4, 3), of(2, 3, 5))),
    Breach("matmul", "C4", (of(2, 3), of(3, 4, dtype="O"))),
    Breach("einsum", "C1", (of(2, 3),), {"equation": "ij,jk->ik"}),
    Breach("einsum", "C1", (of(2, 3),), {"equation": "ij->ik"}),
    Breach("einsum", "C1", (of(2, 3),), {"equation": "ij->ii"}),
    Breach("einsum", "C1", (of(2, 3),), {"equation": "i1->i"}),
    Breach("einsum", "C1", (of(2, 3),), {"equation": "......->"}),
    Breach("einsum", "C1", (of(2, 3),), {"equation": "ij->..."}),
    Breach("einsum", "C1", ()),
    Breach("einsum", "C2", (of(2, 3),), {"equation": "ijk->i"}),
    Breach("einsum", "C2", (of(2, 3),), {"equation": "...ijk->i"}),
    Breach("einsum", "C3", (of(2, 3), of(4, 5)), {"equation": "ij,jk->ik"}),
    Breach("einsum", "C3", (of(2, 3),), {"equation": "ii->i"}),
    Breach("einsum", "C3", (of(2, 3, 4), of(2, 4)), {"equation": "...i,...j->...ij"}),
    Breach("einsum", "C4", (of(2, 3, dtype="O"),), {"equation": "ij->i"}),
    *(
        breach
        for name in ("layer_normalization", "rms_normalization")
        for breach in (
            Breach(name, "C1", (_X, of(6)), {"axis": 3}),
            Breach(name, "C1", (of(), of())),
            Breach(name, "C2", (_X, of(5))),
            Breach(name, "C2", (_X, of(3, 2, 4, 6))),
            Breach(name, "C2", (of(2, 4, 1), of(6))),
            Breach(name, "C3", (_X, of(6, dtype="int32"))),
            Breach(name, "C4", (_X, of(6)), {"epsilon": -1e-5}),
            Breach(name, "C4", (_X, of(6)), {"epsilon": float("nan")}),
        )
    ),
    *(
        breach
        for name in ("instance_normalization", "group_normalization")
        for breach in (
            Breach(name, "C1", (_FOUR, _FOUR, _FOUR)),
            Breach(name, "C1", (_X, of(4, 1), _FOUR)),
            Breach(name, "C2", (_X, _FOUR, of(6))),
            Breach(name, "C3", (of(2, 4, 6, dtype="int32"), _FOUR, _FOUR)),
            Breach(name, "C4", (_X, _FOUR, _FOUR), {"epsilon": float("inf")}),
        )
    ),
    Breach("group_normalization", "C5", (_X, _FOUR, _FOUR), {"num_groups": 3}),
    Breach("group_normalization", "C5", (_X, _FOUR, _FOUR), {"num_groups": 0}),
    Breach("group_normalization", "C5", (of(2, "c"), of("c"), of("c")), {"num_groups": 2}),
    Breach("log_softmax", "C1", (_X,), {"axis": -4}),
    Breach("log_softmax", "C2", (of(2, dtype="int32"),)),
    *(
        Breach(f"reduce_{name}", number, (of(2, 3, dtype=dtype),), attrs)
        for name, wrong in (
            ("l1", "bool"),
            ("l2", "int32"),
            ("prod", "complex64"),
            ("sum_square", "O"),
            ("log_sum_exp", "int64"),
        )
        for number, dtype, attrs in (
            ("C1", "float32", {"axes": (2,)}),
            ("C1", "float32", {"axes": (1, -1)}),
            ("C2", "float32", {"keepdims": 2}),
            ("C3", wrong, {}),
        )
    ),
    *(
        breach
        for name, x in (("quantize_linear", _X), ("dequantize_linear", _BYTES))
        for breach in (
            Breach(name, "C1", (x, _FOUR), {"axis": 3}),
            Breach(name, "C2", (x, of()), {"block_size": -1}),
            Breach(name, "C3", (x, of(5))),
            Breach(name, "C3", (x, of(2, 4)), {"axis": 0}),
            Breach(name, "C3", (x, _FOUR), {"block_size": 2}),
            Breach(name, "C3", (x, of(*x.shape[:1], 3, *x.shape[2:])), {"block_size": 2}),
            Breach(name, "C4", (x, _FOUR, of(5, dtype="uint8"))),
            Breach(name, "C4", (x, _FOUR, of(dtype="uint8"))),
        )
    ),
    Breach("quantize_linear", "C5", (of(2, dtype="int8"), of())),
    Breach("quantize_linear", "C5", (of(2), of(dtype="int32"))),
    Breach("quantize_linear", "C6", (of(2), of(), of(dtype="int32"))),
    Breach("quantize_linear", "C6", (of(2), of()), {"dtype": "float32"}),
    Breach("dequantize_linear", "C5", (of(2), of())),
    Breach("dequantize_linear", "C5", (_BYTES, of(), of(dtype="int8"))),
    Breach("dequantize_linear", "C5", (_BYTES, of(dtype="int32"))),
)
