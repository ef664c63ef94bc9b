"""Elementwise ops: against onnx's own examples, at the ends of dtypes, and on names of sizes."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array, is_plain
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import Known, TensorType, known_type
from minisparse.ops import OPS
from minisparse.ops.elementwise import FLOATING

INT64 = np.dtype("int64")

# -- onnx ----------------------------------------------------------------------------------------

NAMES = {
    "Sub": "sub",
    "Div": "div",
    "Add": "add",
    "Mul": "multiply",
    "PRelu": "prelu",
    "IsNaN": "is_nan",
    "IsInf": "is_inf",
    "LessOrEqual": "less_or_equal",
    "GreaterOrEqual": "greater_or_equal",
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_swish",
    "LeakyRelu": "leaky_relu",
    **{
        name: name.lower()
        for name in (
            "Neg Abs Sqrt Exp Log Erf Sigmoid Tanh Reciprocal Floor Ceil Round Sign Sin Cos "
            "Softplus Not Elu Pow Mod Max Min Equal Less Greater And Or Xor Where Cast Relu Gelu"
        ).split()
    },
}
"""Names in ONNX of the ops whose operands and attributes are ONNX's."""


def onnx_cases() -> Iterator[tuple[str, str, dict[str, Any], list[Array], Any]]:
    """Yield onnx's examples of these ops, but for dtypes that minisparse has not."""
    onnx = pytest.importorskip("onnx")
    loader = pytest.importorskip("onnx.backend.test.loader")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = loader.load_model_tests(kind="node")
    for case in cases:
        nodes: list[Any] = [] if case.model is None else list(case.model.graph.node)
        if len(nodes) != 1 or nodes[0].op_type not in NAMES or case.data_sets is None:
            continue
        attrs = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[0].attribute}
        attrs = {n: v.decode() if isinstance(v, bytes) else v for n, v in attrs.items()}
        attrs.pop("saturate", None)
        if "to" in attrs:
            attrs["to"] = onnx.helper.tensor_dtype_to_np_dtype(attrs["to"]).name
        for inputs, outputs in case.data_sets:
            arrays = [_array(onnx, x) for x in (*inputs, *outputs)]
            yield case.name, NAMES[nodes[0].op_type], attrs, arrays, case


def _array(onnx: Any, x: Any) -> Array:
    found: Array = onnx.numpy_helper.to_array(x) if isinstance(x, onnx.TensorProto) else x
    return found


def _is_foreign(x: Array) -> bool:
    """Tell whether minisparse has no such dtype: texts, and numbers of 8 bits and fewer."""
    return not is_plain(x.dtype)


def test_onnx_agrees() -> None:
    met = set()
    for label, name, attrs, arrays, case in onnx_cases():
        op, (*operands, wanted) = OPS[name], arrays
        if "castlike" in label or any(_is_foreign(x) for x in arrays):
            continue
        (told,) = op.infer([known_type(x) for x in operands], attrs)
        with np.errstate(all="ignore"):
            result = op.dense(operands, op.complete(attrs))
        assert result.dtype == wanted.dtype == told.dtype, label
        assert result.shape == wanted.shape == told.shape, label
        if wanted.dtype.kind in "biu":
            np.testing.assert_array_equal(result, wanted, label)
        else:
            np.testing.assert_allclose(
                result.astype(np.float64),
                wanted.astype(np.float64),
                rtol=case.rtol,
                atol=case.atol,
                err_msg=label,
            )
        met.add(name)
    assert met == set(NAMES.values())


# -- numbers that are easily got wrong -----------------------------------------------------------


def of(name: str, *operands: Any, **attrs: Any) -> Array:
    """Return what an op means; lists are float32."""
    arrays = [x if isinstance(x, np.ndarray) else np.array(x, np.float32) for x in operands]
    op = OPS[name]
    op.infer([known_type(x) for x in arrays], attrs)
    with np.errstate(all="ignore"):
        found: Array = op.dense(arrays, op.complete(attrs))
    return found


def ints(*values: int, dtype: str = "int32") -> Array:
    return np.array(values, dtype)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (lambda: of("div", ints(7, -7, 7, -7), ints(2, 2, -2, -2)), [3, -3, -3, 3]),
        (lambda: of("div", ints(5, -5, 0), ints(0)), [0, 0, 0]),
        (lambda: of("div", ints(-128, dtype="int8"), ints(-1, dtype="int8")), [-128]),
        (lambda: of("mod", ints(7, -7, 7, -7), ints(3, 3, -3, -3)), [1, 2, -2, -1]),
        (lambda: of("mod", ints(7, -7, 7, -7), ints(3, 3, -3, -3), fmod=1), [1, -1, 1, -1]),
        (lambda: of("mod", ints(7), ints(0)), [0]),
        (lambda: of("mod", [-1.0], [np.inf]), [np.inf]),
        (lambda: of("mod", [-1.0], [np.inf], fmod=1), [-1]),
        (lambda: of("pow", ints(2, -3, 0, 1, -1), ints(-1)), [0, 0, 0, 1, -1]),
        (lambda: of("pow", ints(3), ints(21)), [10460353203 - 2 * 2**32 - 2**31 - 2**31 + 2**32]),
        (lambda: of("pow", ints(7, dtype="uint8"), ints(300)), [pow(7, 300, 256)]),
        (lambda: of("pow", ints(10), [0.5]), [3]),
        (lambda: of("pow", [-np.inf, -8.0], [0.5]), [np.inf, np.nan]),
        (lambda: of("round", [0.5, 1.5, 2.5, -0.5, np.nan]), [0, 2, 2, 0, np.nan]),
        (lambda: of("sign", [-2.0, 0.0, np.nan, np.inf]), [-1, 0, np.nan, 1]),
        (lambda: of("max", [np.nan, 1.0], [0.0, np.nan]), [np.nan, np.nan]),
        (lambda: of("min", [1.0], [np.nan], [-1.0]), [np.nan]),
        (lambda: of("abs", ints(-128, dtype="int8")), [-128]),
        (lambda: of("neg", ints(1, dtype="uint8")), [255]),
        (lambda: of("equal", [np.nan, 1.0], [np.nan, 1.0]), [False, True]),
        (lambda: of("less_or_equal", [np.nan], [1.0]), [False]),
        (lambda: of("is_inf", [np.inf, -np.inf], detect_negative=0), [True, False]),
        (lambda: of("cast", [2.9, -2.9], to="int8"), [2, -2]),
        (lambda: of("cast", [np.nan, 0.0, -0.0], to="bool"), [True, False, False]),
        (lambda: of("where", np.array([True, False]), [1.0, 2.0], [np.nan, 4.0]), [1, 4]),
        (lambda: of("sigmoid", [-1e4, 1e4, 0.0]), [0, 1, 0.5]),
        (lambda: of("softplus", [-1e4, 1e4]), [0, 1e4]),
        (lambda: of("elu", [-np.inf, 2.0], alpha=3.0), [-3, 2]),
        (lambda: of("hard_swish", [-4.0, 4.0, -np.inf]), [0, 4, np.nan]),
        (lambda: of("leaky_relu", [-np.inf, np.inf], alpha=0.0), [np.nan, np.inf]),
        (lambda: of("prelu", [[-1.0], [2.0]], [[3.0], [3.0]]), [[-3], [2]]),
    ],
)
def test_numbers_that_are_easily_got_wrong(found: Any, wanted: Any) -> None:
    np.testing.assert_array_equal(found(), wanted)


def test_narrow_floats_are_rounded_once() -> None:
    x = np.array([0.1, 1.0, 3.0, 20.0], np.float16)
    for name in ("exp", "sigmoid", "tanh", "sqrt", "hard_swish"):
        with np.errstate(over="ignore"):
            wanted = of(name, x.astype(np.float64)).astype(np.float16)
        np.testing.assert_array_equal(of(name, x), wanted, name)


def test_every_function_of_floats_takes_all_of_them_and_keeps_them() -> None:
    for op in OPS.values():
        if op.constraints and op.constraints[0] is FLOATING:
            for sample in op.samples(np.random.default_rng(0)):
                (x,) = sample.operands
                assert isinstance(x, np.ndarray)
                (told,) = op.infer([known_type(x)], sample.attrs)
                assert told.dtype in (x.dtype, np.dtype(bool))
                assert op.elementwise


# -- names of sizes ------------------------------------------------------------------------------


def dims(*elements: Dim) -> TensorType:
    return TensorType((len(elements),), INT64, known=elements)


def one(element: Dim) -> TensorType:
    return TensorType((), INT64, known=(element,))


@pytest.mark.parametrize(
    ("name", "types", "attrs", "known"),
    [
        ("add", (dims("batch", 3), one(2)), {}, ("batch + 2", 5)),
        ("sub", (dims("batch", 3), one("batch")), {}, (0, "-1*batch + 3")),
        ("multiply", (dims("batch", "seq"), dims(2, "batch")), {}, ("2*batch", "batch*seq")),
        ("div", (dims("12*batch", 7, "batch"), one(2)), {}, ("6*batch", 3, "?")),
        ("neg", (dims("batch", -1),), {}, ("-1*batch", 1)),
        ("cast", (dims("batch", 3),), {"to": "int32"}, ("batch", 3)),
        ("cast", (dims("batch", 3),), {"to": "float32"}, None),
        ("cast", (dims(2, 3),), {"to": "float32"}, (2.0, 3.0)),
        ("equal", (dims("batch", 3, "seq"), dims("batch", -1, -1)), {}, (True, False, False)),
        ("equal", (dims("batch", 3), one("seq")), {}, None),
        ("less", (dims("batch", -1), dims("batch + 1", "batch")), {}, (True, True)),
        ("max", (dims("batch", 2), one(-1)), {}, ("batch", 2)),
        ("max", (dims("batch"), one(1)), {}, None),
        ("min", (dims("batch + 1", "?"), one(-3)), {}, None),
        ("min", (dims("batch + 1"), one("batch")), {}, ("batch",)),
        ("mod", (dims(7, 8), one(3)), {}, (1, 2)),
        ("pow", (dims(7, 8), one(2)), {}, (49, 64)),
    ],
)
def test_what_is_known_of_shapes_is_passed_on(
    name: str, types: tuple[TensorType, ...], attrs: dict[str, Any], known: Known | None
) -> None:
    (result,) = OPS[name].infer(types, attrs)
    assert result.known == known


def test_where_chooses_among_names() -> None:
    condition = TensorType((2,), np.dtype(bool), known=(True, False))
    (result,) = OPS["where"].infer((condition, dims("batch", 4), dims(1, "seq")))
    assert result.known == ("batch", "seq")


def test_nothing_is_known_where_an_operand_is_not() -> None:
    (result,) = OPS["add"].infer((dims("batch", 3), replace(one(2), known=None)))
    assert result.known is None
    (result,) = OPS["add"].infer((dims(4, 3), TensorType((5, 2), INT64)))
    assert result.known is None
