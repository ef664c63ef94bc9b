from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from minisparse.core.errors import InternalError, MinisparseError, ShapeError, UnsupportedOpError
from minisparse.core.tensor_type import TensorType
from minisparse.ops import ADD_BIAS, CONV, GEMM, OPS, RELU, SPMM, SPMM_BIAS_RELU, TRANSPOSE, Op
from tests.ops.breaches import BREACHES, Breach, of

FAMILIES = [path.stem for path in sorted(Path(__file__).parent.glob("breaches_*.py"))]
ALL: list[Breach] = [
    *BREACHES,
    *(breach for name in FAMILIES for breach in import_module(f"tests.ops.{name}").BREACHES),
]


def test_every_constraint_has_a_breach() -> None:
    declared = {(op.name, c.id) for op in OPS.values() if not op.parts for c in op.constraints}
    assert {(b.op, b.constraint) for b in ALL} == declared


@pytest.mark.parametrize("op", [op for op in OPS.values() if not op.parts], ids=str)
def test_constraints_are_numbered_in_order(op: Op) -> None:
    ids = [c.id for c in op.constraints]
    assert ids == [f"C{i}" for i in range(1, len(ids) + 1)]


@pytest.mark.parametrize("breach", ALL, ids=lambda b: f"{b.op} {b.constraint}")
def test_a_breach_is_reported(breach: Breach) -> None:
    op = OPS[breach.op]
    constraint = next(c for c in op.constraints if c.id == breach.constraint)
    with pytest.raises(MinisparseError) as caught:
        op.infer(breach.types, breach.attrs)
    assert type(caught.value) is constraint.error
    message = str(caught.value)
    assert message.startswith(f"{breach.op} ({breach.constraint}): ")
    assert message.endswith(constraint.text)


def test_a_message_names_shapes_and_remedy() -> None:
    with pytest.raises(ShapeError) as caught:
        SPMM.infer([of(2, 3), of(4, 5)])
    assert str(caught.value) == (
        "spmm (C2): A is 2x3 but B is 4x5: A's columns must equal B's rows"
    )


def test_a_message_names_dtypes_attributes_and_names() -> None:
    with pytest.raises(
        MinisparseError, match=r"A is float32 but B is object \(supported are bool,.*\): dtypes"
    ):
        SPMM.infer([of(2, 3), of(3, 5, dtype="O")])
    with pytest.raises(ShapeError, match=r"x is \[4\], with perm=\(1,\): perm must"):
        TRANSPOSE.infer([of(4)], {"perm": [1]})
    with pytest.raises(ShapeError, match=r"B is \[batch, 5\] \(batch named, not known\)"):
        SPMM.infer([of(2, 3), of("batch", 5)])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_number_of_operands_is_checked(count: int) -> None:
    with pytest.raises(ShapeError, match=r"spmm \(C0\).*takes a, b"):
        SPMM.infer([of(3, 3)] * count)


def test_optional_operands_may_be_left_out() -> None:
    GEMM.infer([of(2, 3), of(3, 4)])
    GEMM.infer([of(2, 3), of(3, 4), of(4)])
    with pytest.raises(ShapeError, match=r"C0"):
        GEMM.infer([of(2, 3), of(3, 4), of(4), of(4)])


def test_only_the_named_operand_may_be_sparse() -> None:
    sparse = TensorType((3, 3), np.dtype("float32"), "csr", 4, np.dtype("int32"))
    SPMM.infer([sparse, of(3, 2)])
    with pytest.raises(UnsupportedOpError, match=r"spmm \(C0\): B is stored as csr, but only A"):
        SPMM.infer([of(3, 3), sparse])
    with pytest.raises(UnsupportedOpError, match=r"no operand can be sparse"):
        ADD_BIAS.infer([sparse, of(3)])


def test_unknown_attributes_are_refused() -> None:
    with pytest.raises(ShapeError, match="unknown attribute stride; it has: kernel_shape"):
        CONV.infer([of(1, 1, 4, 4), of(1, 1, 2, 2)], {"stride": (1, 1)})


def test_a_fused_op_keeps_the_constraints_of_its_parts() -> None:
    with pytest.raises(ShapeError, match=r"spmm_bias_relu \(C2\)"):
        SPMM_BIAS_RELU.infer([of(2, 3), of(4, 5), of(2)])
    with pytest.raises(ShapeError, match=r"spmm_bias_relu \(add_bias C2\).*bias is \[3\]"):
        SPMM_BIAS_RELU.infer([of(2, 3), of(3, 5), of(3)])
    with pytest.raises(MinisparseError, match=r"relu C1"):
        SPMM_BIAS_RELU.infer([of(2, 3, dtype="complex64"), of(3, 5), of(2)])


def test_lists_among_attributes_become_tuples() -> None:
    assert CONV.complete({"pads": [1, 1, 1, 1]})["pads"] == (1, 1, 1, 1)


def test_fused_samples_satisfy_every_constraint() -> None:
    rng = np.random.default_rng(0)
    dtypes = {s.operands[1].dtype.name for s in SPMM_BIAS_RELU.samples(rng)}  # type: ignore[union-attr]
    assert "float16" in dtypes
    assert "complex64" not in dtypes


def test_names_of_fused_ops_and_their_attributes() -> None:
    turned = SPMM.then(TRANSPOSE)
    with pytest.raises(InternalError, match="both have attribute perm"):
        turned.then(TRANSPOSE)
    with pytest.raises(ShapeError, match=r"transpose C0.*must have the shape of spmm's"):
        turned.infer([of(2, 3), of(3, 4)])
    with pytest.raises(InternalError, match="gemm has optional operands"):
        SPMM.then(GEMM)
    assert SPMM.then(replace(RELU, name="clip")).name == "spmm_clip"
    assert SPMM.then(ADD_BIAS).operands == ("a", "b", "bias")
