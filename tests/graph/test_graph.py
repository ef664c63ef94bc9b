"""Building, verifying, printing, saving graphs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minisparse.core.errors import (
    DTypeError,
    GraphError,
    MinisparseError,
    ModelFileError,
    ShapeError,
    UnsupportedOpError,
)
from minisparse.core.npz import read_npz, write_npz
from minisparse.formats import BSR, CSR, NM, Matrix, from_dense
from minisparse.graph import Graph, GraphBuilder, Node, load
from minisparse.ops import OPS


def two_layers() -> Graph:
    """Return gemm, relu, gemm with biases."""
    rng = np.random.default_rng(0)
    b = GraphBuilder("two")
    h = b.input("x", ("batch", 6))
    for i, (m, k) in enumerate(((8, 6), (3, 8)), 1):
        w = b.constant(f"w{i}", rng.standard_normal((m, k)).astype("float32"))
        c = b.constant(f"b{i}", rng.standard_normal(m).astype("float32"))
        h = b.op("gemm", h, w, c, transB=1, name=f"layer{i}")
        if i == 1:
            h = b.op("relu", h, name="act")
    return b.build({"y": h}, metadata={"from": "a test"})


def test_types_carry_named_dimensions_to_the_end() -> None:
    graph = two_layers()
    assert graph.types["layer2"].shape == ("batch", 3)
    assert graph.symbols == ("batch",)
    assert graph.bind(batch=5).types["layer2"].dims == (5, 3)
    with pytest.raises(GraphError, match="no dimension size"):
        graph.bind(size=5)


def test_the_builder_reports_a_mistake_where_it_is_made() -> None:
    b = GraphBuilder("g")
    x = b.input("x", (2, 3))
    w = b.constant("w", np.ones((4, 5), "float32"))
    with pytest.raises(ShapeError, match="gemm"):
        b.op("gemm", x, w)
    with pytest.raises(UnsupportedOpError, match=r"there is no op 'gem'; known ops: .*gemm"):
        b.op("gem", x, w)
    with pytest.raises(GraphError, match="reads 'h', which nothing defines"):
        b.op("relu", "h")
    with pytest.raises(GraphError, match=r"\(G1\): 'x' is defined twice"):
        b.constant("x", np.ones(1))
    with pytest.raises(ShapeError, match="unknown attribute transC"):
        b.op("gemm", x, w, transC=1)
    with pytest.raises(DTypeError, match="constant 'o'"):
        b.constant("o", np.array([None]))
    with pytest.raises(DTypeError, match="input 'z'"):
        b.input("z", (1,), "no dtype")


def test_g1_a_name_defined_twice() -> None:
    graph = two_layers()
    clash = replace(graph.nodes[1], outputs=("w1",))
    with pytest.raises(GraphError, match=r"\(G1\): 'w1' is defined twice"):
        replace(graph, nodes=(graph.nodes[0], clash, graph.nodes[2]))


def test_g2_cycles_and_dangling_inputs() -> None:
    graph = two_layers()
    first, act, last = graph.nodes
    with pytest.raises(GraphError, match=r"\(G2\): node 'layer1' reads 'layer2', which.*cycle"):
        replace(graph, nodes=(replace(first, inputs=("layer2", "w1", "b1")), act, last))
    with pytest.raises(GraphError, match=r"\(G2\): node 'act' reads 'ghost', which nothing"):
        replace(graph, nodes=(first, replace(act, inputs=("ghost",)), last))


def test_g3_two_nodes_of_one_name() -> None:
    graph = two_layers()
    first, act, last = graph.nodes
    with pytest.raises(GraphError, match=r"\(G3\): two nodes are named 'act'"):
        replace(graph, nodes=(first, act, replace(last, name="act")))


def test_g4_an_output_that_does_not_exist() -> None:
    with pytest.raises(GraphError, match=r"\(G4\): output 'y' is 'ghost'"):
        replace(two_layers(), outputs={"y": "ghost"})


def test_g5_operands_that_an_op_refuses() -> None:
    graph = two_layers()
    with pytest.raises(ShapeError, match="gemm"):
        replace(graph, constants={**graph.constants, "w1": np.ones((8, 7), "float32")})
    first = replace(graph.nodes[0], outputs=("layer1", "more"))
    with pytest.raises(GraphError, match="gives 1 results, but 2 names"):
        replace(graph, nodes=(first, *graph.nodes[1:]))


def test_text_and_card_name_every_node() -> None:
    graph = two_layers()
    text, html = str(graph), graph._repr_html_()
    for node in graph.nodes:
        assert node.name in text
        assert node.name in html
    assert "transB=1" in text
    assert "alpha" not in text  # attributes at their default are left out
    assert "<script" not in replace(graph, name="<script>")._repr_html_()


def test_drop_unused_keeps_what_the_outputs_need() -> None:
    graph = two_layers()
    idle = Node("idle", OPS["relu"], ("layer1",), ("idle",), {})
    grown = replace(graph, nodes=(*graph.nodes, idle))
    assert [n.name for n in grown.drop_unused().nodes] == [n.name for n in graph.nodes]


def constants_of_every_format() -> dict[str, object]:
    x = np.zeros((4, 8), "float32")
    x[0, 1], x[1, 4], x[3, 7] = 1, 2, 3
    return {
        "dense": x,
        "csr": from_dense(x, "csr"),
        "csc": from_dense(x, "csc"),
        "coo": from_dense(x, "coo"),
        "bsr": from_dense(x, "bsr", block=(2, 4)),
        "nm": from_dense(x, "nm", n=1, m=4),
    }


def test_a_graph_is_saved_and_loaded_whole(tmp_path: Path) -> None:
    b = GraphBuilder("formats")
    x = b.input("x", (8, "n"))
    outputs = {}
    for name, value in constants_of_every_format().items():
        outputs[name] = b.op("spmm", b.constant(f"w {name}", value), x, name=f"p {name}")
    graph = b.build(outputs, metadata={"accuracy": "0.97"})
    graph.save(tmp_path / "g.npz")
    back = load(tmp_path / "g.npz")
    assert str(back) == str(graph)
    assert back.metadata == graph.metadata
    for name, constant in graph.constants.items():
        found = back.constants[name]
        assert type(found) is type(constant)
        if isinstance(constant, Matrix) and isinstance(found, Matrix):
            assert found.block == constant.block
            for array, expected in zip(
                found.arrays.values(), constant.arrays.values(), strict=True
            ):
                np.testing.assert_array_equal(array, expected)
                assert array.dtype == expected.dtype
        else:
            np.testing.assert_array_equal(found, constant)
    assert {type(c) for c in back.constants.values()} >= {CSR, BSR, NM}


def test_bfloat16_weights_survive(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason='bfloat16: pip install "minisparse[io]"')
    b = GraphBuilder("bf16")
    x = b.input("x", ("n", 2), "bfloat16")
    w = b.constant("w", np.array([[1.5, -2], [0, 3]], ml_dtypes.bfloat16))
    graph = b.build([b.op("gemm", x, w, transB=1)])
    graph.save(tmp_path / "g.npz")
    back = load(tmp_path / "g.npz").constants["w"]
    assert back.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(np.asarray(back), np.asarray(graph.constants["w"]))


def damage(path: Path, text: dict[str, object]) -> None:
    """Write the description of a saved graph anew, with some entries replaced."""
    arrays = dict(read_npz(path))
    old = json.loads(arrays["graph.json"].tobytes())
    arrays["graph.json"] = np.frombuffer(json.dumps({**old, **text}).encode(), np.uint8)
    write_npz(path, arrays)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ({"minisparse_graph": 99}, ModelFileError, "file version 99"),
        ({"nodes": [{"op": "magic"}, {"op": "wand"}]}, UnsupportedOpError, "magic, wand"),
        ({"nodes": 3}, ModelFileError, "damaged"),
        ({"inputs": {"x": {"shape": ["batch", 6], "dtype": "object"}}}, DTypeError, "input 'x'"),
        ({"outputs": {"y": "ghost"}}, GraphError, "G4"),
        ({"constants": []}, GraphError, "G2"),
        ({"constants": [{"name": "w1", "format": "zip", "dtype": "float32"}]}, ModelFileError,
         "unknown format 'zip'"),
        ({"constants": [{"name": "w1", "format": "csr", "dtype": "float32", "shape": [8, 6],
                         "block": None}]}, ModelFileError, "member 'c0.data' is missing"),
    ],
)  # fmt: skip
def test_a_damaged_description_is_one_clear_line(
    tmp_path: Path, text: dict[str, object], error: type[MinisparseError], message: str
) -> None:
    two_layers().save(tmp_path / "g.npz")
    damage(tmp_path / "g.npz", text)
    with pytest.raises(error, match=message) as caught:
        load(tmp_path / "g.npz")
    assert str(tmp_path / "g.npz") in str(caught.value)


def test_an_archive_that_is_no_model(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones(3))
    with pytest.raises(ModelFileError, match="not a minisparse model"):
        load(tmp_path / "a.npz")


def test_truncated_models_never_load_and_never_crash(tmp_path: Path) -> None:
    two_layers().save(tmp_path / "g.npz")
    whole = (tmp_path / "g.npz").read_bytes()
    for size in range(0, len(whole), 97):
        (tmp_path / "cut.npz").write_bytes(whole[:size])
        with pytest.raises(MinisparseError):
            load(tmp_path / "cut.npz")
