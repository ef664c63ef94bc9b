"""Models that are made to do harm: paths, sizes, depths, and bytes at random."""

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.cli import main
from minisparse.core.errors import (
    DTypeError,
    GraphError,
    MinisparseError,
    ModelFileError,
)
from minisparse.frontends.onnx import importer
from minisparse.frontends.onnx.load import load

onnx = pytest.importorskip("onnx", reason='ONNX: pip install "minisparse[onnx]"')

from onnx import helper  # noqa: E402

from tests.frontends.onnx_models import (  # noqa: E402
    W,
    external,
    linear,
    parsed,
    raw,
    sparse,
    sparse_tensor,
    with_weights,
)


def test_many_problems_are_told_in_time() -> None:
    """Orders and names that make careless ways take quadratic time."""
    count = 3000
    node = [helper.make_node("Neg", [f"h{i}"], [f"h{i + 1}"], "same") for i in range(count)]
    values = [helper.make_tensor_value_info(n, 1, [2]) for n in ("h0", f"h{count}")]
    backwards = helper.make_graph(node[::-1], "g", values[:1], values[1:])
    opsets = [helper.make_opsetid("", 21)]
    graph = load(helper.make_model(backwards, opset_imports=opsets))
    assert [n.name for n in graph.nodes[:2]] == ["same", "same.2"]
    assert len(graph.nodes) == count
    dangling = helper.make_graph(node[::2], "g", values[:1], values[1:])
    with pytest.raises(GraphError, match=r"; and 1400 more$"):
        load(helper.make_model(dangling, opset_imports=opsets))
    waiting = helper.make_graph(
        [helper.make_node("Neg", [f"h{count}"], ["h0"], "first"), *node,
         helper.make_node("Neg", ["h5"], ["tail"], "tail")],
        "g", [], values[1:],
    )  # fmt: skip
    with pytest.raises(GraphError, match=r"a cycle: node 'first' = Neg; node 'same' = Neg$"):
        load(helper.make_model(waiting, opset_imports=opsets))


def nested(depth: int) -> Any:
    """Return the text of an If in an If in an If."""
    inner = f"a{depth} = Neg(x)" if depth == 0 else nested(depth - 1)
    result = f"a{depth}" if depth == 0 else f"r{depth - 1}"
    branches = [
        f"{name} = g () => (float[2] {result}) {{ {inner} }}"
        for name in ("then_branch", "else_branch")
    ]
    return f"r{depth} = If(c) <{branches[0]}, {branches[1]}>"


def test_bodies_cannot_be_nested_without_end() -> None:
    text = "g (bool c, float[2] x) => (float[2] r{0}) {{ {1} }}"
    assert len(load(parsed(text.format(3, nested(3)))).nodes) == 1
    with pytest.raises(GraphError, match="bodies are nested more than 8 deep"):
        load(parsed(text.format(8, nested(8))))


def test_functions_cannot_double_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "MOST_READ", 1000)
    doubling = "\n".join(
        f"""<domain: "own", opset_import: ["" : 21, "own" : 1]>
        f{i + 1}(a) => (c) {{ b = own.f{i}(a) c = own.f{i}(b) }}"""
        for i in range(40)
    )
    model = onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["" : 21, "own" : 1]>
        g (float[N] x) => (float[N] y) {{ y = own.f40(x) }}
        {doubling}
        <domain: "own", opset_import: ["" : 21]>
        f0(a) => (b) {{ b = Identity(a) }}""")
    with pytest.raises(GraphError, match="functions write out more than 1000 nodes"):
        load(model)


def test_a_sparse_weight_is_not_unpacked_beyond_measure() -> None:
    model = parsed("g (float[1048576, 1048576] x) => (float[N, M] y) { y = Sub(x, w) }")
    tensor = sparse([1.0], [5], 2**20, 2**20).graph.sparse_initializer[0]
    model.graph.sparse_initializer.append(tensor)
    with pytest.raises(ModelFileError, match="4398046511104 bytes as a plain array"):
        load(model)


def saved(model: Any, folder: Path) -> Path:
    path = folder / "model" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "none.bin"}, "there is no such file"),
        ({"location": ""}, "not a file beside the model"),
        ({"location": "../w.bin"}, "not a file beside the model"),
        ({"location": "a/../../w.bin"}, "not a file beside the model"),
        ({"location": "..\\w.bin"}, "not a file beside the model"),
        ({"location": "/etc/passwd"}, "not a file beside the model"),
        ({"location": "C:\\w.bin"}, "not a file beside the model"),
        ({"location": "w\0.bin"}, "not a file beside the model"),
        ({"location": "link.bin"}, "a link that leaves the model's folder"),
        ({"location": "linked/w.bin"}, "a link that leaves the model's folder"),
        ({"location": "."}, "there is no such file"),
        ({"location": "w.bin", "offset": "4", "length": "24"}, "bytes 4 to 28 .* only 24"),
        ({"location": "w.bin", "offset": "1" * 18}, "only 24"),
        ({"location": "w.bin", "length": "1" * 19}, "is no number"),
        ({"location": "w.bin", "offset": "-4"}, "is no number"),
        ({"location": "w.bin", "offset": "0", "length": "20"}, "needs 24 bytes, but it has 20"),
    ],
)
def test_external_data_stay_in_the_models_folder(
    entries: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = saved(external(linear(), **entries), tmp_path)
    (tmp_path / "w.bin").write_bytes(W.tobytes())
    (path.parent / "w.bin").write_bytes(W.tobytes())
    (path.parent / "link.bin").symlink_to(tmp_path / "w.bin")
    (path.parent / "linked").symlink_to(tmp_path)
    with pytest.raises(ModelFileError, match=message):
        load(path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_external_data_may_be_linked_inside_of_the_folder(tmp_path: Path) -> None:
    path = saved(external(linear(), location="link.bin", offset="0"), tmp_path)
    (path.parent / "w.bin").write_bytes(W.tobytes())
    (path.parent / "link.bin").symlink_to(path.parent / "w.bin")
    np.testing.assert_array_equal(load(path).constants["w"], W)


def test_no_truncation_and_no_damage_is_a_crash() -> None:
    """Every error is one of ours, wherever the bytes are cut or changed."""
    model = with_weights("""g (float[batch, 2] x, bool c) => (float[batch, 3] y) {
        h = MatMul(x, w)
        s = Shape(h)
        k = Reshape(h, s)
        y = If(c) < then_branch = t () => (float[batch, 3] a) { a = Relu(k) },
                    else_branch = e () => (float[batch, 3] b) { b = Unique(k) } >
    }""", w=W)  # fmt: skip
    model.graph.sparse_initializer.append(sparse_tensor(W, "v"))
    text = model.SerializeToString()
    rng = random.Random(0)
    broken = [text[:i] for i in range(0, len(text), 3)]
    for _ in range(250):
        damaged = bytearray(text)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(text))] = rng.randrange(256)
        broken.append(bytes(damaged))
    for damaged_text in broken:
        try:
            load(damaged_text)
        except (MinisparseError, DTypeError) as error:
            assert "\n" not in str(error)  # noqa: PT017 - some of them are still right


def test_the_command_line_says_one_line_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(raw(linear(), 20), tmp_path)
    assert main(["run", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "tensor 'w': its shape [2, 3] of float32 needs 24 bytes, but it has 20" in error
