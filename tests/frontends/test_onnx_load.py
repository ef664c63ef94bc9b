"""Reading ONNX models: names, sizes, weights, functions, what onnx itself computes."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import MissingExtraError, UnsupportedOpError, UsageError
from minisparse.frontends.onnx.load import load

onnx = pytest.importorskip("onnx", reason='ONNX: pip install "minisparse[onnx]"')

from onnx import helper, numpy_helper  # noqa: E402

from tests.frontends.onnx_models import f32, i64, parsed, sparse_tensor, with_weights  # noqa: E402

RNG = np.random.default_rng(0)


def floats(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def pruned(*shape: int) -> Any:
    return np.where(RNG.random(shape) < 0.3, floats(*shape), 0).astype(np.float32)


def test_names_are_the_models() -> None:
    model = parsed("""tiny (float[batch, 3] x) => (float[batch, 3] y) {
        [first] h = Relu(x)
        k = Relu(h)
        [first] l = Relu(k)
        y = Exp(l)
    }""")
    graph = load(model)
    assert [node.name for node in graph.nodes] == ["first", "relu_1", "first.2", "exp_1"]
    assert [node.output for node in graph.nodes] == ["h", "k", "l", "y"]
    assert graph.outputs == {"y": "y"}
    assert graph.metadata["onnx opset"] == "ai.onnx 21"


def test_nodes_out_of_order_are_sorted() -> None:
    graph = load(parsed("g (float[2] x) => (float[2] y) { y = Neg(h) h = Exp(x) }"))
    assert [node.op.name for node in graph.nodes] == ["exp", "neg"]


def test_sizes_keep_their_names() -> None:
    text = "g (float[batch, seq] x, float[seq, past + 1] z, float[N] w) => (float[n] y)"
    model = parsed(text.replace("past + 1", "past") + "{ y = Relu(w) }")
    model.graph.input[1].type.tensor_type.shape.dim[1].dim_param = "1 + past"
    model.graph.input[2].type.tensor_type.shape.dim[0].ClearField("dim_param")
    graph = load(model)
    shapes = {name: type.shape for name, type in graph.inputs.items()}
    assert shapes == {"x": ("batch", "seq"), "z": ("seq", "past + 1"), "w": ("w_0",)}
    assert load(model, sizes={"seq": 5}).inputs["x"].shape == ("batch", 5)
    with pytest.raises(UsageError, match=r"no dimension height; named dimensions: batch"):
        load(model, sizes={"height": 5})


def test_bytes_paths_and_protos_are_the_same(tmp_path: Path) -> None:
    model = with_weights(
        "g (float[2, 3] x) => (float[2, 4] y) { y = MatMul(x, w) }", w=floats(3, 4)
    )
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    texts = {str(ms.load(source)) for source in (path, str(path), path.read_bytes(), model)}
    assert len(texts) == 1


def test_weights_are_views_and_unused_ones_are_left_out() -> None:
    text = "g (float[2, 3] x) => (float[2, 4] y) { y = MatMul(x, w) }"
    graph = load(with_weights(text, w=floats(3, 4), unused=floats(5)))
    assert list(graph.constants) == ["w"]
    weight = graph.constants["w"]
    assert isinstance(weight, np.ndarray)
    assert weight.base is not None
    assert not weight.flags.writeable


def test_an_input_with_an_initializer_is_a_constant() -> None:
    model = with_weights(
        "g (float[2] x, float[2] w) => (float[2] y) { y = Add(x, w) }", w=floats(2)
    )
    assert list(load(model).inputs) == ["x"]


DTYPES = ("bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 "
          "complex64 complex128").split()  # fmt: skip


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_of_every_dtype(dtype: str, raw: bool) -> None:
    values = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    tensor = numpy_helper.from_array(values, "w")
    if not raw:
        code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        tensor = helper.make_tensor("w", code, values.shape, values.reshape(-1).tolist())
    model = parsed(
        "g (float[2] x) => (float[2] y, float[2, 3] w2) { y = Relu(x) w2 = Identity(w) }"
    )
    model.graph.output[1].type.tensor_type.elem_type = tensor.data_type
    model.graph.initializer.append(tensor)
    graph = load(model)
    assert graph.types[graph.outputs["w2"]].dtype == dtype
    np.testing.assert_array_equal(graph.constants["w"], values)


def test_external_data_are_read(tmp_path: Path) -> None:
    w = floats(40, 50)
    model = with_weights("g (float[2, 40] x) => (float[2, 50] y) { y = MatMul(x, w) }", w=w)
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    np.testing.assert_array_equal(load(path).constants["w"], w)


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("node", ["MatMul(x, w)", "Gemm<transB=1>(x, v, b)"])
def test_sparse_weights_stay_sparse(node: str, linear: bool) -> None:
    dense, b = pruned(30, 40), floats(40)
    model = with_weights(
        "g (float[batch, 30] x, float[40] b0) => (float[batch, 40] y) { y = " + node + " }", b=b
    )
    model.graph.sparse_initializer.append(sparse_tensor(dense, "w", linear))
    model.graph.sparse_initializer.append(sparse_tensor(dense.T.copy(), "v", linear))
    graph = load(model)
    weights = [c for c in graph.constants.values() if isinstance(c, ms.Matrix)]
    assert [w.nnz for w in weights] == [np.count_nonzero(dense)]
    x = floats(8, 30)
    plan = ms.compile(graph)
    got = plan.run({"x": x, "b0": b})["y"]
    np.testing.assert_allclose(got, x @ dense + (b if "Gemm" in node else 0), atol=1e-4)


def test_a_sparse_weight_is_computed_with_as_it_is_stored() -> None:
    dense = np.where(RNG.random((400, 500)) < 0.01, floats(400, 500), 0).astype(np.float32)
    model = parsed("g (float[batch, 400] x) => (float[batch, 500] y) { y = MatMul(x, w) }")
    model.graph.sparse_initializer.append(sparse_tensor(dense, "w"))
    plan = ms.compile(load(model), sizes={"batch": 64})
    step = plan.step("matmul_1")
    assert step.node.op.name == "spmm"
    assert step.chosen.layout.format != "dense"
    (pattern,) = set(plan.graph.patterns.values())
    assert pattern.nnz == np.count_nonzero(dense)


def test_a_sparse_weight_meets_sequences() -> None:
    dense = pruned(6, 5)
    model = parsed("g (float[batch, seq, 6] x) => (float[batch, seq, 5] y) { y = MatMul(x, w) }")
    model.graph.sparse_initializer.append(sparse_tensor(dense, "w"))
    graph = load(model)
    assert graph.types["y"].shape == ("batch", "seq", 5)
    x = floats(2, 3, 6)
    np.testing.assert_allclose(ms.compile(graph)(x), x @ dense, atol=1e-5)


def test_sparse_filters_and_sparse_constants() -> None:
    filters, bias = pruned(8, 3, 3, 3), pruned(8)
    model = parsed("""g (float[2, 3, 7, 7] x) => (float[2, 8, 5, 5] y) {
        b = Constant()
        c = Conv(x, w)
        r = Constant<value_ints = [1, 8, 1, 1]>()
        d = Reshape(b, r)
        y = Add(c, d)
    }""")
    model.graph.sparse_initializer.append(sparse_tensor(filters, "w"))
    attribute = helper.make_attribute("sparse_value", sparse_tensor(bias, ""))
    model.graph.node[0].attribute.append(attribute)
    graph = load(model)
    assert graph.types["w"].shape == (8, 27)
    x = floats(2, 3, 7, 7)
    dense = load(with_weights("""g (float[2, 3, 7, 7] x) => (float[2, 8, 5, 5] y) {
        y = Conv(x, w, b)
    }""", w=filters, b=bias))  # fmt: skip
    np.testing.assert_allclose(ms.compile(graph)(x), ms.compile(dense)(x), atol=1e-4)


def test_a_sparse_weight_that_no_op_takes_is_made_plain() -> None:
    dense = pruned(4, 5)
    model = parsed("g (float[4, 5] x) => (float[4, 5] y) { y = Sub(x, w) }")
    model.graph.sparse_initializer.append(sparse_tensor(dense, "w"))
    x = floats(4, 5)
    np.testing.assert_array_equal(ms.compile(load(model))(x), x - dense)


def test_functions_of_the_model_are_written_out() -> None:
    model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 21, "own" : 1]>
        g (float[N] x) => (float[N] y) { [call] y = own.scaled<by = 3.0>(x) }
        <domain: "own", opset_import: ["" : 21]>
        scaled<by>(a) => (b) {
            f = Constant<value_float: float = @by>()
            h = Mul(a, f)
            b = Relu(h)
        }""")
    graph = load(model)
    assert [node.op.name for node in graph.nodes] == ["multiply", "relu"]
    np.testing.assert_array_equal(ms.compile(graph)(f32([-1, 2])), [0, 6])


def test_functions_of_onnx_are_written_out() -> None:
    graph = load(parsed("g (float[N] x) => (float[N] y) { [act] y = Selu(x) }"))
    assert not any(node.op.name.startswith("onnx.") for node in graph.nodes)
    assert all(node.name.startswith("act") for node in graph.nodes)


FALLBACK = parsed("""g (float[N] x) => (float[M] y) {
    h = Relu(x)
    [uniq] u = Unique(h)
    y = Neg(u)
}""")


def test_what_has_no_rule_is_computed_by_onnx_and_named_so(tmp_path: Path) -> None:
    graph = load(FALLBACK)
    assert [node.op.name for node in graph.nodes] == ["relu", "onnx.Unique", "neg"]
    assert "onnx.Unique(h)" in str(graph)
    plan = ms.compile(graph)
    x = f32([3, -1, 3, 2])
    np.testing.assert_array_equal(plan(x), [0, -2, -3])
    assert "onnx.Unique" in str(plan.explain())
    assert "onnx.Unique" in str(plan.trace({"x": x}))
    verdicts = {judged.op: judged.verdict for judged in plan.verify({"x": x})}
    assert verdicts == {"relu": "PASS", "onnx.Unique": "UNSUPPORTED", "neg": "PASS"}
    with pytest.raises(UnsupportedOpError, match=r"another library computes 'uniq' = onnx.Unique"):
        graph.save(tmp_path / "g.npz")


def test_fallback_can_be_refused() -> None:
    with pytest.raises(UnsupportedOpError, match=r"Unique \(1: uniq\)"):
        load(FALLBACK, fallback=False)


def test_sequences_and_texts_go_from_fallback_to_fallback() -> None:
    model = parsed("""g (float[2, 3] x) => (float[2, 3] y) {
        s = SplitToSequence<axis = 0>(x)
        y = ConcatFromSequence<axis = 0>(s)
    }""")
    x = floats(2, 3)
    np.testing.assert_array_equal(ms.compile(load(model))(x), x)


def test_a_body_reads_what_is_around_it() -> None:
    model = with_weights("""g (bool c, float[3] x) => (float[3] y) {
        h = Exp(x)
        y = If(c) <
            then_branch = t () => (float[3] a) { a = Add(h, w) },
            else_branch = e () => (float[3] b) { b = Sub(h, w) }
        >
    }""", w=f32([1, 2, 3]))  # fmt: skip
    plan, x = ms.compile(load(model)), floats(3)
    for condition, sign in ((True, 1), (False, -1)):
        got = plan.run({"c": np.array(condition), "x": x})["y"]
        np.testing.assert_allclose(got, np.exp(x) + sign * np.arange(1, 4), rtol=1e-6)


def test_a_body_knows_the_constants_around_it() -> None:
    model = with_weights("""g (bool c, float[3, 4] x) => (float[3, 1] y) {
        y = If(c) <
            then_branch = t () => (float[3, 1] a) { a = ReduceSum(x, axes) },
            else_branch = e () => (float[3, 1] b) { b = ReduceMax(x, axes) }
        >
    }""", opset=18, axes=i64([1]))  # fmt: skip
    (node,) = load(model).nodes
    assert node.op.name == "if_else"
    assert [n.op.name for n in node.attrs["else_branch"].nodes] == ["reduce_max"]


def test_what_onnx_computes_has_the_type_that_constants_give_it() -> None:
    model = with_weights(
        "g (float[1, 2, 3, 4] x) => (float[A, B, C, D] y) { y = Upsample(x, scales) }",
        opset=9,
        scales=f32([1, 1, 2, 3]),
    )
    assert load(model).types["y"].shape == (1, 2, 6, 12)


@pytest.mark.parametrize(("keepdims", "ndim"), [(1, 3), (0, 1)])
def test_axes_that_are_computed_are_onnxs_and_leave_a_rank(keepdims: int, ndim: int) -> None:
    model = parsed(
        """g (float[2, 3, 4] x, int64[2] axes) => (float y) {
        k = ReduceSum<keepdims = KEEP>(x, axes)
        y = Neg(k)
    }""".replace("KEEP", str(keepdims))
    )
    model.graph.output[0].type.tensor_type.ClearField("shape")
    graph = load(model)
    assert [node.op.name for node in graph.nodes] == ["onnx.ReduceSum", "neg"]
    assert graph.types["y"].ndim == ndim
    x = floats(2, 3, 4)
    got = ms.compile(graph).run({"x": x, "axes": i64([0, 2])})["y"]
    np.testing.assert_allclose(got, -x.sum(axis=(0, 2), keepdims=bool(keepdims)), rtol=1e-5)


def test_random_numbers_are_drawn_at_every_run() -> None:
    model = parsed(
        "g (float[9] x) => (float[9] y) { r = RandomNormal<shape = [9]>() y = Add(x, r) }"
    )
    plan, x = ms.compile(load(model)), floats(9)
    assert not np.array_equal(plan(x), plan(x))


def test_dropout_in_training_is_onnxs() -> None:
    model = with_weights("g (float[9] x) => (float[9] y) { y = Dropout(x, r, t) }",
                         r=f32(0.5), t=np.array(True))  # fmt: skip
    assert [node.op.name for node in load(model).nodes] == ["onnx.Dropout"]


def test_without_onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r'pip install "minisparse\[onnx\]"'):
        ms.load("model.onnx")
