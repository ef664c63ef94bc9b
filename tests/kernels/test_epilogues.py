"""Epilogues: any chain of them, after any product, bit for bit the same as one after another."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError, UnsupportedOpError
from minisparse.cost import Target
from minisparse.formats import Matrix, from_dense
from minisparse.graph import Graph, GraphBuilder
from minisparse.kernels import EPILOGUE_OPS, Epilogue, call, execute, find_level, pack
from minisparse.ops import (
    ADD,
    ADD_BIAS,
    CLIP,
    CONV,
    GELU,
    GEMM,
    RELU,
    SDDMM,
    SILU,
    SPGEMM,
    SPMM,
    SPMV,
    Op,
)
from minisparse.oracle import exact, judge, run_exact
from minisparse.passes import PASSES, run_passes

ATTRS: dict[str, Any] = {"min": -0.75, "max": 1.5, "approximate": "tanh"}
CHAINS = (
    (ADD_BIAS, GELU),
    (ADD_BIAS, SILU),
    (ADD_BIAS, CLIP),
    (ADD, RELU),
    (GELU, ADD_BIAS, CLIP),
    (ADD_BIAS, ADD, SILU, RELU, GELU),
)


def random(seed: int, shape: tuple[int, ...], dtype: str = "float32") -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def pruned(dtype: str = "float32") -> Array:
    return np.where(random(1, (24, 36)) > 0.6, random(2, (24, 36)), 0).astype(dtype)


def bases(dtype: str) -> dict[str, tuple[Op, list[Any], dict[str, Any]]]:
    a, b = pruned(dtype), random(3, (36, 200), dtype)
    image, kernel = random(4, (2, 4, 6, 5), dtype), {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}
    bsr = from_dense(a, "bsr", block=(4, 4))
    return {
        "spmm csr": (SPMM, [from_dense(a, "csr"), b], {}),
        "spmm bsr": (SPMM, [bsr, b], {}),
        "spmm coo": (SPMM, [from_dense(a, "coo"), b[:, :3]], {}),
        "spmm dense": (SPMM, [a, b], {}),
        "spmv csr": (SPMV, [from_dense(a, "csr"), b[:, 0]], {}),
        "gemm": (GEMM, [a, b, b[:24, :1].copy()], {}),
        "conv csr": (CONV, [image, from_dense(a, "csr")], kernel),
        "conv dense": (CONV, [image, a.reshape(24, 4, 3, 3)], kernel),
    }


def attrs_of(op: Op, own: dict[str, Any]) -> dict[str, Any]:
    return {**own, **{name: value for name, value in ATTRS.items() if name in op.attrs}}


def chained(base: Op, chain: tuple[Op, ...]) -> Op:
    for part in chain:
        base = base.then(part)
    return base


def beside(part: Op, result: Array) -> list[Array]:
    if part is ADD_BIAS:
        return [random(5, result.shape[:1], result.dtype.name)]
    return [random(6, result.shape, result.dtype.name)] if part is ADD else []


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", bases("float32"))
@pytest.mark.parametrize("chain", CHAINS, ids=lambda c: "_".join(part.name for part in c))
def test_a_chain_is_its_parts_one_after_another(
    name: str, chain: tuple[Op, ...], dtype: str
) -> None:
    base, operands, own = bases(dtype)[name]
    if base is CONV:  # images have their bias in conv itself
        chain = tuple(part for part in chain if part is not ADD_BIAS)
    op = chained(base, chain)
    result = call(base, operands, "vectorized", attrs=own)
    more = [x for part in chain for x in beside(part, result)]
    attrs = attrs_of(op, own)
    fused = call(op, [*operands, *more], "vectorized", attrs=attrs)
    out = np.empty((result.shape[0] * 2, *result.shape[1:]), result.dtype)[::2]
    call(op, [*operands, *more], "vectorized", out, attrs)
    for part in chain:
        needed = [more.pop(0) for _ in part.operands[1:]]
        result = call(part, [result, *needed], "vectorized", attrs=attrs_of(part, {}))
    np.testing.assert_array_equal(fused, result)
    np.testing.assert_allclose(out.astype(float), result.astype(float), 1e-3, 1e-4)


@pytest.mark.parametrize("level", ["loops", "vectorized"])
@pytest.mark.parametrize("chain", CHAINS, ids=lambda c: "_".join(part.name for part in c))
def test_a_chain_is_within_the_oracles_bound(chain: tuple[Op, ...], level: str) -> None:
    op = chained(SPMM, chain)
    a, b = from_dense(pruned()[:8], "csr"), random(3, (36, 4))
    more = [x for part in chain for x in beside(part, np.zeros((8, 4), "float32"))]
    attrs = attrs_of(op, {})
    truth = exact(op, (a, b, *more), attrs)
    assert judge(call(op, (a, b, *more), level, attrs=attrs), truth).passed
    wrong = call(op, (a, b, *more), level, attrs=attrs) * np.float32(1 + 1e-4)
    assert not judge(wrong, truth).passed


@pytest.mark.parametrize("part", EPILOGUE_OPS, ids=lambda op: op.name)
def test_a_tile_is_finished_in_place_with_little_scratch(part: Op) -> None:
    c = random(7, (512, 600), "float32")
    index = (slice(0, 512), slice(64, 512))
    tile = c[index]
    more = beside(part, c)
    kept, before = c.copy(), tile.copy()
    finish = Epilogue((part,), (more,), part.complete(attrs_of(part, {})))
    tracemalloc.start()
    finish(tile, index)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 600_000  # the tile has 917 504 bytes
    near = [x if part is ADD_BIAS else x[index] for x in more]
    wanted = call(part, [before, *near], "vectorized", attrs=attrs_of(part, {}))
    np.testing.assert_array_equal(tile, wanted)
    np.testing.assert_array_equal(c[:, :64], kept[:, :64])
    np.testing.assert_array_equal(c[:, 512:], kept[:, 512:])


def test_a_packed_matrix_has_epilogues_with_attributes() -> None:
    a, b, bias = from_dense(pruned(), "csr"), random(3, (36, 5)), random(5, (24,))
    total = ms.spmm(a, b) + bias[:, None]
    clipped = ms.prepare("spmm_bias_clip", a, attrs={"min": 0, "max": 1.5})(b, bias)
    np.testing.assert_array_equal(clipped, ms.clip(total, 0, 1.5))
    np.testing.assert_array_equal(ms.prepare("spmm_bias_gelu", a)(b, bias), ms.gelu(total))
    with pytest.raises(ShapeError, match="unknown attribute low"):
        ms.prepare("spmm_bias_clip", a, attrs={"low": 0})


def test_a_bias_of_a_vector_has_one_value_a_row() -> None:
    a, x, bias = pruned(), random(3, (36,)), random(5, (24,))
    found = call(SPMV.then(ADD_BIAS).then(RELU), (from_dense(a, "csr"), x, bias), "vectorized")
    np.testing.assert_allclose(found, np.maximum(a @ x + bias, 0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("level", ["loops", "vectorized"])
@pytest.mark.parametrize("format", ["csr", "csc", "coo", "bsr"])
def test_sparse_results_are_finished_where_they_are_stored(format: str, level: str) -> None:
    square = pruned("float64")[:, :24]
    a = from_dense(square, format, **({"block": (2, 2)} if format == "bsr" else {}))
    product = ms.spgemm(a, a, level=level)
    for chain in ((RELU,), (CLIP,), (GELU,), (ADD, SILU), (ADD, CLIP, RELU)):
        op = chained(SPGEMM, chain)
        attrs = attrs_of(op, {})
        found = call(op, (a, a, *([a] if ADD in chain else [])), level, attrs=attrs)
        result: Matrix = product
        for part in chain:
            more = [a] if part is ADD else []
            result = call(part, (result, *more), "vectorized", attrs=attrs_of(part, {}))
        assert type(found) is type(a)
        for one, other in zip(found.arrays.values(), result.arrays.values(), strict=True):
            np.testing.assert_array_equal(one, other)
    sampled = call(SDDMM.then(RELU), (a, square, square), level)
    assert sampled.nnz == a.nnz
    assert (sampled.data >= 0).all()


def test_what_would_fill_a_sparse_result_is_refused() -> None:
    square = pruned()[:, :24]
    a = from_dense(square, "csr")
    for op, operands, attrs in (
        (SPGEMM.then(CLIP), (a, a), {"min": 0.5}),
        (SPGEMM.then(ADD), (a, a, square), {}),
        (SPMM.then(ADD), (a, square, a), {}),
        (SPGEMM.then(ADD_BIAS), (a, a, square[0]), {}),
        (GEMM.then(ADD), (square, square, a), {}),
    ):
        with pytest.raises(UnsupportedOpError, match=r"to_dense\(\)"):
            call(op, operands, "vectorized", attrs=attrs)


def layer(*parts: tuple[str, dict[str, Any]]) -> Graph:
    """Return a pruned product and what follows it."""
    g = GraphBuilder("layer")
    x = g.input("x", (36, "batch"), "float32")
    h = g.op("spmm", g.constant("w", pruned()), x, name="product")
    h = g.op("add_bias", h, g.constant("b", random(5, (24,))), name="bias")
    for name, attrs in parts:
        h = g.op(name, h, name=name, **attrs)
    return g.build({"y": h})


@pytest.mark.parametrize(
    ("parts", "fused"),
    [
        ((("gelu", {}),), "spmm_bias_gelu"),
        ((("silu", {}),), "spmm_bias_silu"),
        ((("clip", {"min": 0.0, "max": 6.0}),), "spmm_bias_clip"),
        ((("gelu", {"approximate": "tanh"}), ("relu", {})), "spmm_bias_gelu_relu"),
    ],
)
def test_the_pass_fuses_every_activation(parts: Any, fused: str) -> None:
    graph = layer(*parts)
    skip = [name for name in PASSES if name != "fuse_epilogue"]
    after, _ = run_passes(graph, Target(), PASSES, skip=skip)
    assert [node.op.name for node in after.nodes] == [fused]
    x = {"x": random(3, (36, 5))}
    with_fusion, without = (ms.compile(graph, skip=names) for names in ([], ["fuse_epilogue"]))
    np.testing.assert_array_equal(with_fusion.run(x)["y"], without.run(x)["y"])


def test_what_is_no_product_is_not_fused_into() -> None:
    g = GraphBuilder("no product")
    x = g.input("x", (4, 6), "float32")
    y = g.op("relu", g.op("gelu", g.op("multiply", x, x, name="m"), name="g"), name="r")
    after, _ = run_passes(g.build({"y": y}), Target(), PASSES)
    assert [node.op.name for node in after.nodes] == ["multiply", "gelu", "relu"]


def test_a_constant_is_not_stored_sparse_where_the_result_would_be() -> None:
    g = GraphBuilder("of constants")
    w = g.constant("w", pruned())
    x = g.input("x", (36, 3), "float32")
    g.op("relu", w, name="r")
    graph = g.build({"y": g.op("gemm", "r", x, name="p"), "sum": g.op("reduce_sum", w, name="s")})
    plan = ms.compile(graph, skip=["fold_constants"])
    found = plan.run({"x": random(3, (36, 3))})
    wanted = np.maximum(pruned(), 0) @ random(3, (36, 3))
    np.testing.assert_allclose(found["y"], wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["sum"], pruned().sum(keepdims=True), rtol=1e-5)


def test_a_graph_may_hold_numbers_without_dimensions() -> None:
    g = GraphBuilder("scalars")
    x = g.input("x", (), "float32")
    g.op("add", x, x, name="twice")
    plan = ms.compile(g.build({"y": g.op("relu", "twice", name="r")}))
    assert plan.run({"x": np.float32(1.5)})["y"] == 3


def test_levels_of_an_epilogue_are_vectorized() -> None:
    op = SPMM.then(GELU)
    a, b = from_dense(pruned(), "csr"), random(3, (36, 2))
    _, loops = find_level(SPMM, "csr", "loops")
    with np.errstate(all="ignore"):
        fused = execute(op, loops, (pack(loops, a), b), op.complete({}))
    np.testing.assert_array_equal(fused, ms.gelu(ms.spmm(a, b, level="loops")))


@pytest.mark.parametrize("ending", ["relu", "silu", "gelu"])
@pytest.mark.parametrize("format", ["csr", "coo", "bsr"])
def test_sampled_products_are_finished_in_plans(format: str, ending: str) -> None:
    rng = np.random.default_rng(0)
    mask = (rng.random((16, 16)) < 0.4).astype("float32")
    layout = {"block": (4, 4)} if format == "bsr" else {}
    g = GraphBuilder("sampled")
    x, y, z = g.input("x", (16, 4)), g.input("y", (4, 16)), g.input("z", (16, 3))
    scores = g.op("sddmm", g.constant("m", from_dense(mask, format, **layout)), x, y)
    graph = g.build({"o": g.op("spmm", g.op(ending, scores), z)})
    feeds = {
        name: rng.standard_normal(type.dims).astype("float32")
        for name, type in graph.inputs.items()
    }
    plan = ms.compile(graph)
    assert any(step.node.op.epilogue for step in plan.steps)
    np.testing.assert_allclose(plan.run(feeds)["o"], run_exact(graph, feeds)["o"], 1e-5, 1e-5)
