"""The cost model: what it counts, and how prices follow machine, shape and pattern."""

import math
from dataclasses import replace

import numpy as np
import pytest

from minisparse.api import compile
from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import DENSE, Layout
from minisparse.cost import (
    MACHINES,
    MemoryLevel,
    Price,
    Target,
    candidates,
    find_machine,
    price,
)
from minisparse.cost.model import Basis
from minisparse.cost.stored import as_stored
from minisparse.formats import find_pattern, from_dense
from minisparse.graph import Graph, GraphBuilder
from minisparse.kernels import Work
from minisparse.passes import PASSES, run_passes
from tests.networks import PATTERNS, perceptron, pruned

MACHINE = find_machine("cpu")


def one_product(w: Array, columns: int) -> Graph:
    b = GraphBuilder("one")
    x = b.input("x", (w.shape[1], columns))
    graph = b.build({"y": b.op("spmm", b.constant("w", w), x, name="p")})
    recognized, _ = run_passes(graph, Target(), {"r": PASSES["recognize_sparsity"]})
    return recognized


def test_targets_by_name() -> None:
    for name in ("cpu", *MACHINES):
        assert find_machine(name).source
    with pytest.raises(UsageError, match="no target 'abacus'; targets: cpu"):
        find_machine("abacus")


def test_the_formula() -> None:
    levels = MemoryLevel("cache", 100, 20.0, 5.0), MemoryLevel("memory", math.inf, 10.0, 2.0)
    m = replace(
        MACHINE,
        matmul={"float32": 100.0},
        other_matmul=1.0,
        memory=levels,
        call=1.0,
        coefficients={},
    )
    f32 = Basis(np.dtype("float32"), (), footprint=1000, reach=50)
    work = Work(flops=1000, bytes=20, gathered=50, calls=3, efficiency=0.5, indices=5)
    found = price(work, "vectorized", f32, m)
    assert found == Price(20, 1.5, 0.5, 10, 3, -2)  # traffic is hidden behind arithmetic
    assert found.seconds == 3 + 1000 / 50 + 10
    slow_memory = replace(m, memory=(levels[0], replace(levels[1], bandwidth=0.5)))
    assert price(work, "vectorized", f32, slow_memory).seconds == 3 + 40 + 10
    near = price(work, "vectorized", f32._replace(footprint=100, reach=100), slow_memory)
    assert near.seconds == 3 + 20 + 10  # what fits into the cache comes from there
    far = price(work, "vectorized", f32._replace(reach=200), m)
    assert far.gather == 25
    half = price(work, "vectorized", f32._replace(reach=150), m)
    assert half.gather == 17.5  # half of it is in the cache
    passes = replace(work, unit="elementwise")
    assert price(passes, "vectorized", f32, replace(m, elementwise=25.0)).seconds == 3 + 80 + 10
    assert price(work, "loops", f32, m).seconds == pytest.approx(1 + 500 * m.step)
    integers = price(work, "vectorized", Basis(np.dtype("int64")), m)
    assert integers.seconds > price(work, "vectorized", f32, m).seconds


@pytest.mark.parametrize("pattern", PATTERNS)
def test_predicted_storage_is_what_conversion_stores(pattern: str) -> None:
    w = pruned(np.random.default_rng(0), 24, 16, pattern)
    graph = one_product(w, 8)
    for candidate in candidates(graph, graph.node("p"), Target()):
        layout = candidate.layout
        if layout == DENSE:
            assert candidate.weight_bytes == w.nbytes
            continue
        a = from_dense(w, layout)
        assert candidate.weight_bytes == a.nbytes, layout
        predicted = as_stored(graph.types["w"], find_pattern(w), layout)
        assert (predicted.nnz, predicted.index_dtype) == (a.nnz, a.type.index_dtype), layout


def test_every_format_is_offered_where_the_pattern_allows_it() -> None:
    graph = one_product(pruned(np.random.default_rng(0), 32, 32, "2:4"), 16)
    names = {str(c.layout) for c in candidates(graph, graph.node("p"), Target())}
    assert {"dense", "csr", "csc", "coo", "bsr 4x4", "bsr 32x32", "nm 2:4"} <= names
    graph = one_product(pruned(np.random.default_rng(0), 32, 32, "random"), 16)
    names = {str(c.layout) for c in candidates(graph, graph.node("p"), Target())}
    assert "nm 2:4" not in names


def test_an_unknown_pattern_offers_only_what_is_there() -> None:
    b = GraphBuilder("one")
    x = b.input("x", (8, 4))
    a = from_dense(np.eye(8, dtype="float32"), "csc")
    graph = b.build({"y": b.op("spmm", b.constant("w", a), x, name="p")})
    assert {c.layout for c in candidates(graph, graph.node("p"), Target())} == {Layout("csc")}


def best(w: Array, columns: int = 256) -> Layout:
    graph = one_product(w, columns)
    return candidates(graph, graph.node("p"), Target())[0].layout


def test_prices_rank_patterns_as_they_were_measured() -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((1024, 1024)).astype("float32")
    assert best(w) == DENSE
    assert best(np.where(rng.random(w.shape) < 0.5, w, 0).astype("float32")) == DENSE
    assert best(np.where(rng.random(w.shape) < 0.01, w, 0).astype("float32")).format == "csr"
    assert best(np.where(rng.random((1024, 1)) < 0.5, w, 0).astype("float32")).format != "dense"
    coarse = np.kron(rng.random((64, 64)) < 0.1, np.ones((16, 16), bool))
    assert best(np.where(coarse, w, 0).astype("float32")).format == "bsr"


def test_gemm_is_priced_as_the_product_that_it_is() -> None:
    b = GraphBuilder("gemm")
    w = np.ones((512, 512), "float32")
    h = b.op("gemm", b.input("x", (256, 512)), b.constant("w", w), transB=1, name="layer")
    graph = b.build([h])
    (best, *_) = candidates(graph, graph.node("layer"), Target())
    at_peak = 2 * 256 * 512 * 512 / MACHINE.matmul["float32"]
    assert at_peak < best.seconds < 2 * at_peak


def test_levels_that_no_kernel_has_fall_back_to_those_it_has() -> None:
    graph = perceptron("none")
    sized = Target(levels=("loops",)).bind(graph)
    for node in sized.nodes:
        assert candidates(sized, node, Target(levels=("loops",)))


@pytest.mark.parametrize("block", [(2, 3), (4, 3), (3, 5), (64, 64)])
def test_a_constant_keeps_blocks_of_any_size_among_the_candidates(block: tuple[int, int]) -> None:
    w = pruned(np.random.default_rng(0), 24, 18, "random")
    stored = from_dense(w, "bsr", block=block)
    b = GraphBuilder("one")
    x, image = b.input("x", (18, 7)), b.input("image", (1, 2, 8, 8))
    product = b.op("spmm", b.constant("w", stored), x, name="p")
    conv = b.op("conv", image, b.constant("filters", stored), name="c", kernel_shape=(3, 3))
    graph = b.build({"y": product, "z": conv})
    recognized, _ = run_passes(graph, Target(), {"r": PASSES["recognize_sparsity"]})
    for name in ("p", "c"):
        found = candidates(recognized, recognized.node(name), Target())
        (own,) = (c for c in found if c.layout == Layout("bsr", block))
        assert own.weight_bytes == stored.nbytes
    p = recognized.patterns["w"]
    assert as_stored(from_dense(w, "csr").type, p, stored.type.layout) == stored.type
    compile(graph)
