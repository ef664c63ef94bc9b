"""Damaged, contradictory and malicious models: one line each, all problems of a kind at once."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import (
    GraphError,
    MinisparseError,
    ModelFileError,
    ShapeError,
    UnsupportedOpError,
    UsageError,
)
from minisparse.frontends.onnx.load import load

onnx = pytest.importorskip("onnx", reason='ONNX: pip install "minisparse[onnx]"')

from onnx import helper, numpy_helper  # noqa: E402

from tests.frontends.onnx_models import (  # noqa: E402
    W,
    external,
    linear,
    parsed,
    raw,
    sparse,
    typed,
    with_weights,
)


def dims(model: Any, *sizes: int) -> Any:
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(sizes)
    return model


def added(text: str, *more: Any) -> Any:
    """Return a model with initializers that are given as tensors."""
    model = parsed(text)
    model.graph.initializer.extend(more)
    return model


def with_opset(model: Any, domain: str, version: int) -> Any:
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid(domain, version))
    return model


def bool_of_two() -> Any:
    model = with_weights(
        "g (bool[2] x) => (bool[2] y) { y = And(x, w) }", w=np.array([True, False])
    )
    model.graph.initializer[0].raw_data = b"\2\1"
    return model


def input_of(size: int) -> Any:
    model = linear()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    return model


def without_type() -> Any:
    model = linear()
    model.graph.input[0].ClearField("type")
    return model


def own_ops() -> Any:
    return onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 21, "far" : 1]>
        g (float[N] x) => (float[N] y) {
            [a] h = far.Foo(x)
            [b] k = far.Bar(x)
            [c] y = far.Foo(h)
        }""")


def endless() -> Any:
    return onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 21, "own" : 1]>
        g (float[N] x) => (float[N] y) { y = own.f(x) }
        <domain: "own", opset_import: ["" : 21, "own" : 1]>
        f(a) => (b) { b = own.f(a) }""")


Case = tuple[Callable[[], Any], type[MinisparseError], str]

CASES: dict[str, Case] = {
    "nothing": (lambda: b"", ModelFileError, "it is empty"),
    "no protobuf": (lambda: b"not a model at all", ModelFileError, "not an ONNX model"),
    "another protobuf": (
        lambda: helper.make_tensor("w", 1, (2,), [1.0, 2.0]).SerializeToString(),
        ModelFileError,
        "not an ONNX model",
    ),
    "truncated": (lambda: linear().SerializeToString()[:-30], ModelFileError, "truncated"),
    "no opset": (
        lambda: (m := linear(), m.ClearField("opset_import"), m)[-1],
        ModelFileError,
        "no opset_import",
    ),
    "no path": (lambda: 5, UsageError, "path, bytes or an onnx.ModelProto, not int"),
    "no file": (lambda: "no/such.onnx", ModelFileError, "such.onnx: it is missing"),
    "a folder": (lambda: os.curdir, ModelFileError, "it is a folder"),
    "cycle": (
        lambda: parsed("""g (float[2] x) => (float[2] y) {
            [a] h = Add(x, k) [b] k = Neg(h) [c] y = Neg(k)
        }"""),
        GraphError,
        "a cycle: node 'a' = Add; node 'b' = Neg$",
    ),
    "defined twice": (
        lambda: added(
            "g (float[2] x, float[2] x) => (float[2] y) { h = Neg(x) h = Exp(x) y = Neg(h) }",
            numpy_helper.from_array(W, "w"),
            numpy_helper.from_array(W, "w"),
        ),
        GraphError,
        "defined twice: 'h'; 'w'; 'x'",
    ),
    "undefined": (
        lambda: parsed("g (float[2] x) => (float[2] y, float[2] z) { [a] y = Add(p, q) }"),
        GraphError,
        "nothing defines: node 'a' = Add reads 'p'; node 'a' = Add reads 'q'; output 'z'",
    ),
    "undefined in a body": (
        lambda: parsed("""g (bool c) => (float[2] y) { y = If(c) <
            then_branch = t () => (float[2] a) { a = Neg(nowhere) },
            else_branch = e () => (float[2] b) { b = Neg(nowhere) }
        > }"""),
        GraphError,
        "Neg that defines 'a' reads 'nowhere'; Neg that defines 'b' reads 'nowhere'",
    ),
    "no output": (lambda: parsed("g (float[2] x) => () { y = Neg(x) }"), GraphError, "no output"),
    "short": (lambda: raw(linear(), 20), ModelFileError, r"needs 24 bytes, but it has 20"),
    "long": (lambda: raw(linear(), 25), ModelFileError, r"needs 24 bytes, but it has 25"),
    "short and long": (
        lambda: added(
            "g (float[2] x) => (float[2] y) { y = Neg(x) }",
            onnx.TensorProto(name="a", data_type=1, dims=[2], raw_data=b"1234"),
            onnx.TensorProto(name="b", data_type=99, dims=[2], raw_data=b"1234"),
            onnx.TensorProto(name="c", data_type=1, dims=[-2], raw_data=b"1234"),
        ),
        ModelFileError,
        "tensor 'a': .* 4; tensor 'b': there is no ONNX element type 99; tensor 'c': .* negative",
    ),
    "absurd": (lambda: dims(linear(), 2**30, 2**30), ModelFileError, "but it has 24"),
    "absurd and empty": (
        lambda: dims(typed(linear()), 2**60),
        ModelFileError,
        r"needs 1152921504606846976 elements in float_data, but it has 0",
    ),
    "no data": (lambda: typed(linear()), ModelFileError, "6 elements in float_data, but it has 0"),
    "other field": (
        lambda: typed(linear(), int32_data=range(6)),
        ModelFileError,
        "6 elements in float_data, but it has 0",
    ),
    "bools": (bool_of_two, ModelFileError, "neither 0 nor 1"),
    "no folder": (lambda: external(linear(), location="w"), ModelFileError, "the model's path"),
    "old": (
        lambda: parsed("g (float[2] x) => (float[2] y) { h = Neg(x) y = Add(x, h) }", 6),
        UnsupportedOpError,
        r"in opset 6 \(Add have changed since\)",
    ),
    "too few inputs": (
        lambda: parsed("g (float[2] x) => (float[2] y) { [a] h = Add(x) [b] y = Split(h) }", 13),
        GraphError,
        "node 'a' = Add: it has 1 inputs, but Add takes 2",
    ),
    "an input left out": (
        lambda: parsed("g (float[2] x) => (float[2] y) { [a] y = Add(, x) }"),
        GraphError,
        "node 'a' = Add: it needs its input A",
    ),
    "attributes": (
        lambda: parsed("""g (float[1, 1, 3, 3] x) => (float[N, C, H, W] y) {
            [a] h = MaxPool(x)
            [b] k = Transpose<perm = "no">(x)
            [c] y = Flatten<axes = 2>(x)
        }"""),
        GraphError,
        "'a' = MaxPool: it needs its attribute kernel_shape; "
        "node 'b' = Transpose: its attribute perm is no list of integers; "
        "node 'c' = Flatten: ONNX's Flatten has no attribute axes",
    ),
    "strides": (
        lambda: parsed("""g (float[1, 1, 3, 3] x) => (float[N, C, H, W] y) {
            y = MaxPool<kernel_shape = [2, 2], strides = [1, 1, 1], auto_pad = "SAME_UPPER">(x)
        }"""),
        ShapeError,
        r"strides are \[1, 1, 1\] for 2 axes",
    ),
    "no text": (
        lambda: linear().SerializeToString().replace(b"MatMul", b"Mat\xfful"),
        ModelFileError,
        "no text",
    ),
    "future": (lambda: with_opset(linear(), "", 999), UnsupportedOpError, "written in opset 999"),
    "own ops": (own_ops, UnsupportedOpError, r"far:Foo \(2: a, c\); far:Bar \(1: b\)"),
    "endless": (endless, GraphError, "function 'f' calls itself"),
    "negative size": (lambda: input_of(-3), ModelFileError, "sizes must be from 0"),
    "huge size": (lambda: input_of(2**60), ModelFileError, "sizes must be from 0"),
    "no type": (without_type, ModelFileError, "'x' has no element type or rank"),
    "shapes": (
        lambda: parsed("""g (float[2] x, float[3] z) => (float[2] y) {
            [p] h = Add(x, z) [q] k = Sub(x, z) [r] y = Add(h, k)
        }"""),
        ShapeError,
        "node 'p' = Add: add .*; node 'q' = Sub: sub .*",
    ),
    "sparse outside": (lambda: sparse([1], [[2, 0]], 2, 3), ModelFileError, "leave its shape"),
    "sparse linear outside": (lambda: sparse([1], [6], 2, 3), ModelFileError, "number of cells"),
    "sparse unsorted": (lambda: sparse([1, 2], [3, 1], 2, 3), ModelFileError, "must ascend"),
    "sparse rank": (lambda: sparse([1], [[0, 0, 0]], 2, 3), ModelFileError, "for 2 dimensions"),
    "sparse absurd": (lambda: sparse([1], [0], 2**40, 2**40), ModelFileError, "its dimensions"),
    "sparse negative": (lambda: sparse([1], [0], 2, -3), ModelFileError, "its dimensions"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bad_input_is_one_line(case: Case) -> None:
    make, error, message = case
    with pytest.raises(error, match=message) as caught:
        load(make())
    assert "\n" not in str(caught.value)
