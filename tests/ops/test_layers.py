"""Layers that sum: against ONNX's own node tests, against torch, and with sizes not known yet."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.frontends.onnx.backend.node_tests import NodeTest, load_tests
from minisparse.ops import OPS
from minisparse.ops.dims import may_equal
from minisparse.ops.einsum import terms_of
from minisparse.oracle import exact, judge
from tests.ops.breaches import of

# -- ONNX's node tests ---------------------------------------------------------------------------

ONNX_NAMES = {
    "MatMul": "matmul",
    "Einsum": "einsum",
    "LayerNormalization": "layer_normalization",
    "RMSNormalization": "rms_normalization",
    "InstanceNormalization": "instance_normalization",
    "GroupNormalization": "group_normalization",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "ReduceL1": "reduce_l1",
    "ReduceL2": "reduce_l2",
    "ReduceProd": "reduce_prod",
    "ReduceSumSquare": "reduce_sum_square",
    "ReduceLogSumExp": "reduce_log_sum_exp",
    "ReduceSum": "reduce_sum",
    "ReduceMean": "reduce_mean",
    "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min",
    "QuantizeLinear": "quantize_linear",
    "DequantizeLinear": "dequantize_linear",
}
NOT_OURS = ("float8", "float4", "int4", "uint4", "int2", "uint2", "e4m3", "e5m2", "e8m0", "e2m1")
"""In names of tests and dtypes: numbers that minisparse has no arithmetic for."""
LEAST = {"MatMul": 3, "Einsum": 5, "LayerNormalization": 17, "Softmax": 7, "QuantizeLinear": 5}
"""At least so many node tests there are of an op; of the others one."""


@cache
def node_tests() -> dict[str, list[NodeTest]]:
    """Return the node tests of a single node, by the name of its op."""
    found: dict[str, list[NodeTest]] = {name: [] for name in ONNX_NAMES}
    for case in load_tests(ONNX_NAMES):
        found[case.op].append(case)
    return found


def call_of(case: NodeTest, inputs: list[Array]) -> tuple[list[Array], dict[str, Any]] | None:
    """Return operands and attributes of the op for a node; None where a frontend would decline."""
    import onnx

    node = case.model.graph.node[0]
    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    attrs: dict[str, Any] = {n: v.decode() if isinstance(v, bytes) else v for n, v in given.items()}
    name = ONNX_NAMES[node.op_type]
    if name.startswith("reduce_"):
        axes = tuple(inputs[1].tolist()) if len(inputs) > 1 else attrs.get("axes")
        if attrs.pop("noop_with_empty_axes", 0) and not axes:
            return None
        return inputs[:1], {"keepdims": attrs.get("keepdims", 1), "axes": axes}
    if name in ("softmax", "log_softmax"):
        attrs.setdefault("axis", -1)
    kept = {n: v for n, v in attrs.items() if n in OPS[name].attrs}
    if name == "quantize_linear" and len(inputs) < 3 and attrs.get("output_dtype"):
        dtype = onnx.helper.tensor_dtype_to_np_dtype(attrs["output_dtype"])
        kept["dtype"] = dtype.name
    return inputs, kept


@pytest.mark.parametrize("name", ONNX_NAMES)
def test_onnx_node_tests(name: str) -> None:
    from_onnx = pytest.importorskip("onnx.numpy_helper", reason="onnx is not installed")
    op, count = OPS[ONNX_NAMES[name]], 0
    for case in node_tests()[name]:
        if any(word in case.name for word in NOT_OURS):
            continue
        for inputs, outputs in case.data_sets():
            arrays = [from_onnx.to_array(x) if hasattr(x, "dims") else x for x in inputs]
            wanted = from_onnx.to_array(outputs[0]) if hasattr(outputs[0], "dims") else outputs[0]
            call = call_of(case, arrays)
            if call is None or any(x.dtype.name.startswith(NOT_OURS) for x in (*arrays, wanted)):
                continue
            operands, attrs = call
            (told,) = op.infer([dense_type(x) for x in operands], attrs)
            with np.errstate(all="ignore"):
                result = op.dense(operands, op.complete(attrs))
            assert (told.shape, told.dtype) == (wanted.shape, wanted.dtype), case.name
            assert (result.shape, result.dtype) == (wanted.shape, wanted.dtype), case.name
            np.testing.assert_allclose(
                result.astype(np.float64), wanted.astype(np.float64), case.rtol, case.atol, True
            )
            count += 1
    assert count >= LEAST.get(name, 1)


# -- torch ---------------------------------------------------------------------------------------


def test_normalizations_agree_with_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    functional = torch.nn.functional
    rng = np.random.default_rng(1)
    x, scale, bias = (rng.standard_normal(s) for s in ((3, 6, 4, 5), (6,), (6,)))
    last = rng.standard_normal((4, 5)), rng.standard_normal((4, 5))
    t = {n: torch.from_numpy(v) for n, v in (("x", x), ("s", scale), ("b", bias))}
    tail = [torch.from_numpy(v) for v in last]
    for name, operands, attrs, wanted in (
        ("layer_normalization", (x, *last), {"axis": 2},
         functional.layer_norm(t["x"], (4, 5), *tail)),
        ("rms_normalization", (x, last[0]), {"axis": -2},
         functional.rms_norm(t["x"], (4, 5), tail[0], 1e-5)),
        ("instance_normalization", (x, scale, bias), {},
         functional.instance_norm(t["x"], weight=t["s"], bias=t["b"])),
        ("group_normalization", (x, scale, bias), {"num_groups": 3},
         functional.group_norm(t["x"], 3, t["s"], t["b"])),
        ("log_softmax", (x,), {"axis": 1}, functional.log_softmax(t["x"], 1)),
        ("reduce_log_sum_exp", (x,), {"axes": (1, 3), "keepdims": 0},
         torch.logsumexp(t["x"], (1, 3))),
    ):  # fmt: skip
        op = OPS[name]
        np.testing.assert_allclose(op.dense(operands, op.complete(attrs)), wanted, 1e-9, 1e-12)


# -- sizes that are not known yet ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "types", "attrs", "shape"),
    [
        ("matmul", [of("batch", "seq", 64), of(64, 32)], {}, ("batch", "seq", 32)),
        ("matmul", [of("b", 4, "s", 8), of("b", 4, 8, "s")], {}, ("b", 4, "s", "s")),
        ("matmul", [of("b", 1, 8), of("?1", 8, 2)], {}, ("?", 1, 2)),
        ("matmul", [of("?", 3, "?2"), of(3, 5, 4)], {}, (3, 3, 4)),
        ("matmul", [of(8), of("b", 8, 3)], {}, ("b", 3)),
        ("matmul", [of("b", 3, 8), of(8)], {}, ("b", 3)),
        ("matmul", [of(8), of(8)], {}, ()),
        ("einsum", [of("b", "s", 64), of(64, 4, 16)], {"equation": "bsh,hnd->bnsd"},
         ("b", 4, "s", 16)),
        ("einsum", [of("b", 2, 3), of(3, "n")], {"equation": "...i,ij"}, ("b", 2, "n")),
        ("einsum", [of("?", 3), of(5, 3)], {"equation": "bi,bi->b"}, (5,)),
        ("layer_normalization", [of("b", "s", 8), of(8), of(8)], {}, ("b", "s", 8)),
        ("layer_normalization", [of("b", "s", "?"), of(8)], {}, ("b", "s", "?")),
        ("group_normalization", [of("b", "4*c"), of("4*c"), of("4*c")], {"num_groups": 2},
         ("b", "4*c")),
        ("softmax", [of("b", 4, "s", "s")], {"axis": 1}, ("b", 4, "s", "s")),
        ("reduce_l2", [of("b", "s", 8)], {"axes": (1,), "keepdims": 0}, ("b", 8)),
        ("quantize_linear", [of("b", "c", 3), of("c")], {}, ("b", "c", 3)),
        ("quantize_linear", [of("b", "k"), of("b", "?")], {"block_size": 2}, ("b", "k")),
    ],
)  # fmt: skip
def test_named_dimensions(
    op: str, types: list[TensorType], attrs: dict[str, Any], shape: tuple[Dim, ...]
) -> None:
    (result,) = OPS[op].infer(types, attrs)
    assert len(result.shape) == len(shape)
    assert all(map(may_equal, result.shape, shape))
    named = [(a, b) for a, b in zip(result.shape, shape, strict=True) if "?" not in str(b)]
    assert all(a == b for a, b in named)


def test_flops() -> None:
    for name, types, attrs, flops in (
        ("matmul", [of(2, 3, 4), of(4, 5)], {}, 2 * 2 * 3 * 4 * 5),
        ("matmul", [of(4), of(4)], {}, 8),
        ("einsum", [of(2, 3), of(3, 4), of(4)], {"equation": "ij,jk,k->i"}, 3 * 24),
        ("layer_normalization", [of(2, 3), of(3)], {}, 42),
        ("reduce_prod", [of(2, 3)], {}, 6),
        ("quantize_linear", [of(2, 3), of()], {}, 24),
    ):
        op = OPS[name]
        assert op.flops(types, op.complete(attrs)) == flops, name


@pytest.mark.parametrize("equation", ["ij,->", "i j , j k", "...i,...", "->", "i->i"])
def test_equations_that_are_some(equation: str) -> None:
    assert terms_of(equation) is not None


@pytest.mark.parametrize("equation", ["i>j", "i-j", "i.j", "....", "i,j->k", "i->j->k", "é->é"])
def test_equations_that_are_none(equation: str) -> None:
    assert terms_of(equation) is None
    with pytest.raises(ShapeError, match=r"einsum \(C1\)"):
        OPS["einsum"].infer([of(2)] * len(equation.split(",")), {"equation": equation})


# -- and the oracle would notice -----------------------------------------------------------------


def _layer(x: Array, scale: Array, bias: Array, ddof: int, epsilon: float) -> Array:
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, ddof=ddof, keepdims=True) + epsilon)
    return np.asarray(y * scale + bias)


def _quantized(rounding: Callable[[Array], Array], x: Array, scale: Array) -> Array:
    return np.asarray(np.clip(rounding(x / scale), 0, 255).astype("u1"))


def test_wrong_results_are_noticed() -> None:
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((4, 64)) * 3).astype("f4")
    scale, bias = rng.standard_normal((2, 64)).astype("f4")
    layer = OPS["layer_normalization"]
    truth = exact(layer, (x, scale, bias))
    assert truth.judge(_layer(x, scale, bias, 0, 1e-5)).verdict == "PASS"
    for wrong in (
        _layer(x, scale, bias, 1, 1e-5),
        _layer(x, scale, bias, 0, 1e-3),
        _layer(x, scale, -bias, 0, 1e-5),
        _layer(x, scale, bias, 0, 1e-5) * np.float32(1 + 2e-4),
    ):
        assert not truth.judge(wrong).passed
    log_softmax = exact(OPS["log_softmax"], (x,))
    with np.errstate(divide="ignore"):
        naive = np.log(OPS["softmax"].dense((x * 20,), {"axis": -1}))
    assert not exact(OPS["log_softmax"], (x * 20,)).judge(naive).passed
    assert not log_softmax.judge(np.log(OPS["softmax"].dense((x,), {"axis": 0}))).passed
    halves = np.arange(0, 9, dtype="f4") / 2
    quantized = exact(OPS["quantize_linear"], (halves, np.array(1, "f4")))
    assert judge(_quantized(np.rint, halves, np.array(1, "f4")), quantized).passed
    assert not judge(
        _quantized(lambda q: np.floor(q + 0.5), halves, np.array(1, "f4")), quantized
    ).passed
    product = exact(OPS["matmul"], (x[None], x.T))
    assert not product.judge((x[None] @ x.T).astype("f2").astype("f4")).passed
