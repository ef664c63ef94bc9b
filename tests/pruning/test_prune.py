"""``ms.prune`` on graphs: each method's zeros, what is left alone, scores, and reports."""

from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError, UsageError
from minisparse.graph import Graph
from minisparse.pruning import METHODS, find_layers, find_masks
from minisparse.pruning.activations import input_norms, run_outputs

RNG = np.random.default_rng


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def network(seed: int = 0) -> Graph:
    """Two convolutions with batch norm, the second grouped, then two linear layers."""
    rng = RNG(seed)
    b = ms.GraphBuilder("network")
    x = b.input("x", ("batch", 4, 6, 6))
    h = b.op("conv", x, b.constant("w1", normal(rng, 8, 4, 3, 3)), b.constant("b1", normal(rng, 8)),
             pads=(1, 1, 1, 1), name="conv1")  # fmt: skip
    scale = [b.constant(f"bn.{i}", np.abs(normal(rng, 8)) + 0.5) for i in range(4)]
    h = b.op("relu", b.op("batch_normalization", h, *scale, name="bn"))
    h = b.op("conv", h, b.constant("w2", normal(rng, 6, 4, 2, 2)), group=2, name="conv2")
    h = b.op("flatten", b.op("relu", h))
    h = b.op("gemm", h, b.constant("w3", normal(rng, 10, 150)), b.constant("b3", normal(rng, 10)),
             transB=1, name="fc1")  # fmt: skip
    h = b.op("gemm", b.op("relu", h), b.constant("w4", normal(rng, 10, 5)), name="fc2")
    return b.build({"y": h})


def matrices(graph: Graph) -> dict[str, Array]:
    return {
        x.weight: x.as_matrix(np.asarray(graph.constants[x.weight])) for x in find_layers(graph)
    }


def test_layers_are_found_with_their_axes() -> None:
    found = {x.name: (x.weight, x.outputs, x.window) for x in find_layers(network())}
    assert found == {
        "conv1": ("w1", 8, 9),
        "conv2": ("w2", 6, 4),
        "fc1": ("w3", 10, 1),
        "fc2": ("w4", 5, 1),
    }


@pytest.mark.parametrize("layer", find_layers(network()), ids=lambda x: x.name)
def test_a_weight_as_a_matrix_and_back(layer: Any) -> None:
    weight = np.asarray(network().constants[layer.weight])
    np.testing.assert_array_equal(layer.from_matrix(layer.as_matrix(weight)), weight)


@pytest.mark.parametrize("op", ["gemm", "matmul", "spmm", "spmm_t", "dsmm", "conv_transpose"])
def test_rows_of_the_matrix_are_outputs(op: str) -> None:
    """A zero row silences exactly one output, whichever way the op takes its weight."""
    rng = RNG(1)
    cases: dict[str, list[tuple[Any, ...]]] = {
        "gemm": [((2, 3), (3, 4), 1, {}, 1), ((2, 3), (4, 3), 1, {"transB": 1}, 1),
                 ((3, 2), (4, 3), 0, {}, 0), ((3, 2), (3, 4), 0, {"transA": 1}, 0)],
        "matmul": [((2, 5, 3), (3, 4), 1, {}, 2), ((3, 2), (4, 3), 0, {}, 0)],
        "spmm": [((3, 2), (4, 3), 0, {}, 0)],
        "spmm_t": [((3, 2), (3, 4), 0, {}, 0)],
        "dsmm": [((2, 3), (3, 4), 1, {}, 1)],
        "conv_transpose": [((2, 3, 5, 5), (3, 4, 2, 2), 1, {}, 1)],
    }  # fmt: skip
    for x_shape, w_shape, at, attrs, axis in cases[op]:
        b = ms.GraphBuilder("one")
        x, w = b.input("x", x_shape), b.constant("w", normal(rng, *w_shape))
        graph = b.build({"y": b.op(op, *((w, x) if at == 0 else (x, w)), **attrs)})
        (layer,) = find_layers(graph)
        matrix = layer.as_matrix(np.asarray(graph.constants["w"])).copy()
        matrix[1] = 0
        constants = {"w": layer.from_matrix(matrix)}
        graph = graph.replace_nodes(graph.nodes, constants)
        (y,) = run_outputs(graph, {"x": normal(rng, *x_shape)}).values()
        silent = [not y.take(i, axis).any() for i in range(y.shape[axis])]
        assert silent == [i == 1 for i in range(layer.outputs)]


@pytest.mark.parametrize("scope", ["row", "layer", "global"])
def test_magnitude_takes_the_asked_share(scope: str) -> None:
    graph = network()
    pruned = ms.prune(graph, "magnitude", sparsity=0.75, scope=scope)
    after = matrices(pruned)
    sizes = {name: x.size for name, x in after.items()}
    zeros = {name: int((x == 0).sum()) for name, x in after.items()}
    if scope == "global":
        assert sum(zeros.values()) == round(0.75 * sum(sizes.values()))
        largest_gone = max(
            np.abs(was[after[name] == 0]).max(initial=0) for name, was in matrices(graph).items()
        )
        smallest_kept = min(np.abs(x[x != 0]).min(initial=np.inf) for x in after.values())
        assert largest_gone <= smallest_kept
    elif scope == "layer":
        assert zeros == {name: round(0.75 * size) for name, size in sizes.items()}
    else:
        for x in after.values():
            assert set((x == 0).sum(axis=1)) == {round(0.75 * x.shape[1])}


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"head"}))
def test_what_stays_is_unchanged_and_the_graph_given_too(method: str) -> None:
    graph = network()
    before = {name: np.array(x) for name, x in graph.constants.items()}
    pruned = ms.prune(graph, method, sparsity=0.5)
    assert pruned.nodes == graph.nodes
    for name, was in before.items():
        np.testing.assert_array_equal(np.asarray(graph.constants[name]), was)
        now = np.asarray(pruned.constants[name])
        assert now.dtype == was.dtype
        np.testing.assert_array_equal(now[now != 0], was[now != 0])
    masks = find_masks(graph, method, sparsity=0.5)
    for name, mask in masks.items():
        np.testing.assert_array_equal(np.asarray(pruned.constants[name]) != 0, mask)


def test_nm_and_blocks_show_in_the_pattern() -> None:
    graph = network()
    for x in matrices(ms.prune(graph, "nm", n=2, m=4)).values():
        assert ms.find_pattern(x).fits_nm(2, 4)
    for name, x in matrices(ms.prune(graph, "block", sparsity=0.5, block=(4, 4))).items():
        blocks = -(-x.shape[0] // 4) * -(-x.shape[1] // 4)
        assert ms.find_pattern(x).count_blocks(4, 4) == blocks - round(0.5 * blocks), name


def test_channels_fall_silent_and_the_last_layer_stays() -> None:
    graph = network()
    pruned = ms.prune(graph, "channel", sparsity=0.5)
    after = matrices(pruned)
    dead = {name: ~x.any(axis=1) for name, x in after.items()}
    assert {name: int(d.sum()) for name, d in dead.items()} == {"w1": 4, "w2": 3, "w3": 5, "w4": 0}
    for name in ("b1", "bn.0", "bn.1"):
        np.testing.assert_array_equal(np.asarray(pruned.constants[name]) == 0, dead["w1"])
    np.testing.assert_array_equal(np.asarray(pruned.constants["b3"]) == 0, dead["w3"])
    assert np.asarray(pruned.constants["bn.2"]).all()
    plan = ms.compile(pruned, skip=("fuse_epilogue",))
    values = plan.trace({"x": normal(RNG(2), 3, 4, 6, 6)}).values
    assert not values["bn"][:, dead["w1"]].any()
    assert values["bn"][:, ~dead["w1"]].any()


def test_layers_that_are_summed_lose_the_same_channels() -> None:
    rng = RNG(10)
    b = ms.GraphBuilder("residual")
    x = b.input("x", (2, 3, 8, 8))

    def conv(h: str, name: str, m: int, c: int, **attrs: Any) -> str:
        return b.op("conv", h, b.constant(f"w{name}", normal(rng, m, c, 3, 3)), name=name,
                    pads=(1, 1, 1, 1), **attrs)  # fmt: skip

    first = b.op("relu", conv(x, "first", 6, 3))
    inner = b.op("relu", conv(first, "inner", 6, 6))
    depthwise = conv(inner, "depthwise", 6, 1, group=6)
    total = b.op("relu", b.op("add", conv(depthwise, "second", 6, 6), first))
    graph = b.build([conv(total, "last", 4, 6)])
    masks = find_masks(graph, "channel", sparsity=0.5)
    rows = {name: mask.any(axis=(1, 2, 3)) for name, mask in masks.items()}
    assert set(rows) == {"wfirst", "winner", "wdepthwise", "wsecond"}
    assert {name: int(kept.sum()) for name, kept in rows.items()} == dict.fromkeys(rows, 3)
    np.testing.assert_array_equal(rows["wfirst"], rows["wsecond"])
    np.testing.assert_array_equal(rows["winner"], rows["wdepthwise"])
    energy = {n: np.abs(np.asarray(graph.constants[n])).mean(axis=(1, 2, 3)) for n in rows}
    best = np.argsort(energy["wfirst"] + energy["wsecond"])[3:]
    assert set(best) == set(np.flatnonzero(rows["wfirst"]))


def test_filters_are_those_of_convolutions() -> None:
    after = matrices(ms.prune(network(), "filter", sparsity=0.5))
    dead = {name: int((~x.any(axis=1)).sum()) for name, x in after.items()}
    assert dead == {"w1": 4, "w2": 3, "w3": 0, "w4": 0}


def test_input_channels_go_with_their_whole_window() -> None:
    after = matrices(ms.prune(network(), "input_channel", sparsity=0.5))
    w1 = after["w1"].reshape(8, 4, 9)
    assert int(w1.any(axis=(0, 2)).sum()) == 2
    assert int((w1 != 0).all(axis=(0, 2)).sum()) == 2
    assert int((~after["w3"].any(axis=0)).sum()) == 75


def test_biases_that_others_read_are_left_alone() -> None:
    rng = RNG(3)
    b = ms.GraphBuilder("shared")
    x = b.input("x", (2, 4))
    bias = b.constant("bias", normal(rng, 4))
    h = b.op("gemm", x, b.constant("w1", normal(rng, 4, 4)), bias, name="a")
    h = b.op("gemm", h, b.constant("w2", normal(rng, 4, 4)), bias, name="b")
    pruned = ms.prune(b.build([h]), "channel", sparsity=0.5)
    assert np.asarray(pruned.constants["bias"]).all()
    assert (~np.asarray(pruned.constants["w1"]).any(axis=0)).sum() == 2


def attention(seed: int = 0, heads: int = 4, width: int = 3) -> Graph:
    """One block of self-attention on ``[2, 5, heads * width]``, as frontends lay it out."""
    rng = RNG(seed)
    size = heads * width
    b = ms.GraphBuilder("attention")
    x = b.input("x", (2, 5, size))
    split = b.constant("split", np.array([2, 5, heads, width]))
    joined = b.constant("joined", np.array([2, 5, size]))
    parts = []
    for name in "qkv":
        h = b.op("matmul", x, b.constant(f"w{name}", normal(rng, size, size)), name=name)
        h = b.op("reshape", h, split)
        parts.append(b.op("transpose", h, perm=(0, 2, 3, 1) if name == "k" else (0, 2, 1, 3)))
    q, k, v = parts
    weights = b.op("softmax", b.op("matmul", q, k, name="scores"), axis=-1)
    mixed = b.op("transpose", b.op("matmul", weights, v, name="mixed"), perm=(0, 2, 1, 3))
    flat = b.op("reshape", mixed, joined)
    return b.build({"y": b.op("matmul", flat, b.constant("wo", normal(rng, size, size)), name="o")})


def test_heads_go_from_the_output_projection() -> None:
    graph = attention()
    pruned = ms.prune(graph, "head", sparsity=0.5)
    rows = np.asarray(pruned.constants["wo"]).any(axis=1).reshape(4, 3)
    assert (rows.all(axis=1) == rows.any(axis=1)).all()
    assert rows.all(axis=1).sum() == 2
    energy = np.abs(np.asarray(graph.constants["wo"])).reshape(4, -1).sum(axis=1)
    assert set(np.argsort(energy)[2:]) == set(np.flatnonzero(rows.all(axis=1)))
    for name in ("wq", "wk", "wv"):
        assert np.asarray(pruned.constants[name]).all()
    with pytest.raises(UsageError, match="no attention heads"):
        ms.prune(network(), "head")


def test_a_layer_of_another_width_mixes_no_heads() -> None:
    rng = RNG(9)
    b = ms.GraphBuilder("no projection")
    scores, v = b.input("scores", (2, 4, 5, 5)), b.input("v", (2, 4, 5, 3))
    mixed = b.op("matmul", b.op("softmax", scores), v)
    flat = b.op("reshape", mixed, b.constant("shape", np.array([2, 60])))
    graph = b.build([b.op("gemm", flat, b.constant("w", normal(rng, 60, 7)))])
    with pytest.raises(UsageError, match="no attention heads"):
        ms.prune(graph, "head")


def test_masks_that_are_given_are_taken() -> None:
    graph = network()
    mask = RNG(5).random((10, 150)) < 0.3
    pruned = ms.prune(graph, "masks", masks={"w3": mask})
    np.testing.assert_array_equal(np.asarray(pruned.constants["w3"]) != 0, mask)
    assert np.asarray(pruned.constants["w1"]).all()


def test_layers_are_named_or_excluded() -> None:
    pruned = ms.prune(network(), sparsity=0.5, skip=("conv*", "w4"))
    dense = [name for name, x in matrices(pruned).items() if x.all()]
    assert dense == ["w1", "w2", "w4"]
    only = ms.prune(network(), sparsity=0.5, only=("fc2",))
    assert [name for name, x in matrices(only).items() if x.all()] == ["w1", "w2", "w3"]


def test_stored_weights_are_pruned_too() -> None:
    b = ms.GraphBuilder("stored")
    A = ms.from_dense(np.array([[1.0, -2.0, 0.0], [0.0, 3.0, -4.0]]), "csr")
    graph = b.build([b.op("spmm", b.constant("A", A), b.input("x", (3, 2), "float64"))])
    pruned = ms.prune(graph, sparsity=2 / 3)
    np.testing.assert_array_equal(np.asarray(pruned.constants["A"]), [[0, 0, 0], [0, 3, -4]])


def test_scores_by_activations_as_wanda_has_them() -> None:
    rng = RNG(0)
    b = ms.GraphBuilder("wanda")
    w = normal(rng, 6, 8)
    x = normal(rng, 20, 8) * np.geomspace(0.01, 10, 8).astype(np.float32)
    y = b.op("gemm", b.input("x", ("n", 8)), b.constant("w", w), transB=1)
    masks = find_masks(b.build([y]), sparsity=0.5, calibration={"x": x})
    scores = np.abs(w) * np.linalg.norm(x.astype(np.float64), axis=0)
    kept = np.argsort(scores, axis=1)[:, 4:]
    for row, mask in zip(kept, masks["w"], strict=True):
        assert set(row) == set(np.flatnonzero(mask))
    plain = find_masks(b.build([y]), sparsity=0.5, scope="row")
    assert (plain["w"] != masks["w"]).any()


def test_channels_of_a_convolution_have_their_own_norms() -> None:
    x = np.ones((2, 4, 6, 6), np.float32) * np.array([1, 10, 100, 1000])[:, None, None]
    graph = network()
    masks = find_masks(graph, sparsity=0.5, scope="row", only=("conv1",),
                       calibration={"x": x.astype(np.float32)})  # fmt: skip
    kept = masks["w1"].sum(axis=(0, 2, 3))
    assert kept[0] < kept[1] < kept[2] < kept[3]


def test_groups_of_a_convolution_see_their_own_channels() -> None:
    rng = RNG(8)
    b = ms.GraphBuilder("grouped")
    w = normal(rng, 6, 2, 1, 1)
    x = normal(rng, 3, 4, 5, 5) * np.array([1, 9, 9, 1], np.float32)[:, None, None]
    y = b.op("conv", b.input("x", x.shape), b.constant("w", w), group=2)
    (mask,) = find_masks(b.build([y]), sparsity=0.5, calibration={"x": x}).values()
    norms = np.sqrt((x.astype(np.float64) ** 2).sum(axis=(0, 2, 3)))
    for m in range(6):
        scores = np.abs(w[m, :, 0, 0]) * norms[2 * (m // 3) :][:2]
        assert mask[m, :, 0, 0].tolist() == [bool(s == scores.max()) for s in scores]


@pytest.mark.parametrize("method", ["channel", "input_channel"])
def test_whole_channels_have_no_rows_to_compare_in(method: str) -> None:
    by_row = find_masks(network(), method, sparsity=0.5, scope="row")
    for name, mask in find_masks(network(), method, sparsity=0.5).items():
        np.testing.assert_array_equal(by_row[name], mask)
        assert not mask.all()


def test_calibration_lowers_the_error_of_what_it_was_made_for() -> None:
    rng = RNG(4)
    x = normal(rng, 64, 4, 6, 6) * np.array([0.1, 5, 0.1, 5], np.float32)[:, None, None]
    graph = network()
    plain = ms.prune(graph, sparsity=0.6, scope="row", only=("conv1",))
    aware = ms.prune(graph, sparsity=0.6, only=("conv1",), calibration={"x": x})
    effects = [ms.pruning_report(graph, g, {"x": x}).layers[0].effect for g in (plain, aware)]
    assert effects[0] is not None
    assert effects[1] is not None
    assert effects[1] < 0.8 * effects[0]


def test_the_report_holds_what_can_be_computed_by_hand() -> None:
    graph = network()
    pruned = ms.prune(graph, sparsity=0.5, only=("fc2",))
    x = normal(RNG(6), 5, 4, 6, 6)
    report = ms.pruning_report(graph, pruned, {"x": x})
    told = {r.weight: r for r in report.layers}
    was, now = (np.asarray(g.constants["w4"], np.float64) for g in (graph, pruned))
    assert told["w4"].sparsity == 0.5
    assert told["w4"].energy == pytest.approx((now**2).sum() / (was**2).sum())
    assert told["w1"].effect == 0.0
    y0, y = run_outputs(graph, {"x": x})["y"], run_outputs(pruned, {"x": x})["y"]
    effect = np.linalg.norm(y - y0) / np.linalg.norm(y0)
    assert told["w4"].effect == pytest.approx(effect, rel=1e-5)
    assert report.effects["y"] == pytest.approx(effect, rel=1e-5)
    assert report.sparsity == pytest.approx(25 / (8 * 36 + 6 * 16 + 1500 + 50))
    assert "fc2" in str(report)
    assert "<table" in report._repr_html_()
    without = ms.pruning_report(graph, pruned)
    assert without.effects == {}
    assert without.layers[0].effect is None


def test_energy_is_that_of_what_is_left_in_each_layer() -> None:
    graph = network()
    halves = ms.pruning_report(graph, ms.prune(graph, sparsity=0.5)).layers
    most = ms.pruning_report(graph, ms.prune(graph, sparsity=0.9)).layers
    for half, little in zip(halves, most, strict=True):
        assert 0.7 < half.energy < 1
        assert 0 < little.energy < half.energy


def test_a_pruned_graph_compiles_to_fewer_bytes() -> None:
    rng = RNG(7)
    b = ms.GraphBuilder("large")
    x = b.input("x", ("batch", 1024))
    graph = b.build([b.op("gemm", x, b.constant("w", normal(rng, 1024, 1024)), transB=1)])
    plan = ms.compile(ms.prune(graph, "block", sparsity=0.9, block=(16, 16)), sizes={"batch": 64})
    assert sum(c.nbytes for c in plan.graph.constants.values()) < 0.15 * 4 * 1024**2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"sparsity": 1.5}, "between 0 and 1"),
        ({"scope": "model"}, "no scope 'model'"),
        ({"skip": ("fc3",)}, r"named 'fc3'; layers of graph 'network': conv1 \(w1\)"),
        ({"skip": ("*",)}, "no layer to prune"),
        ({"method": "masks"}, "needs masks"),
        ({"method": "masks", "masks": {"b1": np.ones(8)}}, "no weight is named 'b1'"),
        ({"method": "masks", "masks": {"w4": np.ones(8)}}, r"mask of 'w4' is \(8,\)"),
        ({"calibration": {"z": np.ones(3)}}, "graph 'network' takes x: .* missing: x; given: z"),
        ({"calibration": np.ones((0, 4, 6, 6), "float32")}, "calibration inputs are empty"),
        ({"sparsity": "0.5"}, "sparsity is '0.5'"),
        ({"block": 8}, "block is 8"),
        ({"only": "fc3"}, "named 'fc3'"),
        ({"method": "channel", "only": ("fc2",)}, "those of outputs stay"),
    ],
)
def test_mistakes_are_said(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ms.prune(network(), **arguments)


def test_calibration_inputs_are_checked_as_others_are() -> None:
    x = normal(RNG(0), 2, 4, 6, 6)
    by_name = find_masks(network(), calibration={"x": x})["w1"]
    np.testing.assert_array_equal(find_masks(network(), calibration=x)["w1"], by_name)
    with pytest.raises(DTypeError, match="astype"):
        ms.prune(network(), calibration={"x": x.astype("float64")})
    with pytest.raises(ShapeError, match="axis 1 is 3, not 4"):
        ms.pruning_report(network(), network(), {"x": x[:, :3]})


def test_how_often_a_layer_is_applied_makes_no_weight_larger() -> None:
    x = normal(RNG(1), 2, 3, 6, 6)
    found = []
    for times in (1, 3):
        b = ms.GraphBuilder("conv")
        h = b.input("x", ("batch", 3, 6 * times, 6 * times))
        graph = b.build([b.op("conv", h, b.constant("w", normal(RNG(2), 4, 3, 2, 2)))])
        tiled = np.tile(x, (times, 1, times, times))
        found.append(input_norms(graph, find_layers(graph), {"x": tiled})["w"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_what_is_no_graph_is_said() -> None:
    with pytest.raises(UsageError, match=r"prune takes a Graph"):
        ms.prune("model.onnx")  # type: ignore[arg-type]


def test_reports_compare_like_with_like() -> None:
    with pytest.raises(UsageError, match="different layers"):
        ms.pruning_report(network(), attention())
