"""What prices depend on besides sparsity: structure, balance, columns, caches, epilogues."""

from dataclasses import replace

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import Layout
from minisparse.cost import MACHINES, Candidate, Machine, Target, candidates
from minisparse.cost.stored import as_stored
from minisparse.formats import find_pattern
from minisparse.graph import Graph, GraphBuilder
from minisparse.kernels.product import pieces, product_work
from minisparse.kernels.spmm.work import block_lines, expected_widths, nm_columns

SERVER = MACHINES["server-2core"]


def graph_of(w: Array, columns: int, op: str = "spmm") -> Graph:
    b = GraphBuilder("one")
    names = [b.constant("w", w), b.input("x", (w.shape[1], columns))]
    if "bias" in op:
        names.append(b.constant("bias", np.zeros(len(w), "float32")))
    return replace(b.build({"y": b.op(op, *names, name="p")}), patterns={"w": find_pattern(w)})


def priced(
    w: Array, columns: int = 128, op: str = "spmm", machine: Machine = SERVER
) -> dict[str, Candidate]:
    graph = graph_of(w.astype("float32"), columns, op)
    found = candidates(graph, graph.node("p"), Target(machine))
    return {str(c.layout): c for c in found}


def masked(mask: Array) -> Array:
    return np.where(mask, 1.0, 0.0).astype("float32")


RNG = np.random.default_rng(0)
SCATTERED = masked(RNG.random((512, 512)) < 0.05)
BLOCKS = masked(np.kron(RNG.random((32, 32)) < 0.05, np.ones((16, 16), bool)))
EVEN = masked(np.argsort(RNG.random((512, 512)), axis=1) < 25)
UNEVEN = EVEN.copy()
UNEVEN[:64] = masked(RNG.random((64, 512)) < 0.4)
UNEVEN[64:] = masked(RNG.random((448, 512)) < 0.0)


def test_the_same_density_costs_differently_where_it_lies_in_blocks() -> None:
    scattered, blocks = priced(SCATTERED), priced(BLOCKS)
    assert blocks["bsr 16x16"].seconds < scattered["bsr 16x16"].seconds / 4
    assert blocks["csr"].seconds < scattered["csr"].seconds  # panels of rows that are alike
    assert blocks["dense"].seconds == scattered["dense"].seconds


def test_rows_that_differ_in_length_cost_differently() -> None:
    even, uneven = priced(EVEN)["csr"], priced(UNEVEN)["csr"]
    assert even.work.flops != uneven.work.flops
    assert even.seconds != uneven.seconds


def test_a_few_columns_do_not_make_a_product_as_much_cheaper() -> None:
    narrow, wide = priced(SCATTERED, 4)["dense"], priced(SCATTERED, 256)["dense"]
    assert wide.seconds / 64 < narrow.seconds < wide.seconds / 8


def test_what_no_longer_fits_a_cache_costs_more_for_each_byte() -> None:
    def per_element(side: int) -> float:
        w = np.ones((side, side), "float32")
        graph = graph_of(w, 1)
        (dense,) = (
            c
            for c in candidates(graph, graph.node("p"), Target(SERVER))
            if str(c.layout) == "dense"
        )
        return dense.price.values / side**2

    machine_levels = [level.size for level in SERVER.memory]
    assert machine_levels[1] < 4 * 2048**2
    assert per_element(2048) > 1.3 * per_element(256)


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_an_epilogue_is_not_for_nothing(layout: str) -> None:
    found = [priced(SCATTERED, 128, op)[layout].seconds for op in
             ("spmm", "spmm_bias", "spmm_bias_relu", "spmm_bias_gelu")]  # fmt: skip
    assert found == sorted(found)
    assert len(set(found)) == 4
    assert found[3] - found[1] > 2 * (found[2] - found[1])  # gelu takes longer than relu


def test_parts_add_up_and_say_where_time_goes() -> None:
    for c in priced(SCATTERED).values():
        assert sum(c.price.parts.values()) == pytest.approx(c.seconds)
        assert c.price.overlap <= 0
    csr, dense = priced(SCATTERED)["csr"], priced(SCATTERED)["dense"]
    assert dense.price.gather == dense.price.indices == 0
    assert csr.work.way != "panels" or csr.price.gather > 0


def test_conversion_is_paid_once_and_none_for_what_is_there() -> None:
    found = priced(SCATTERED)
    assert found["dense"].once_seconds == 0
    for layout, c in found.items():
        if layout != "dense":
            assert 1e-6 < c.convert_seconds < 1
            assert 1e-6 < c.prepare_seconds < 1
            assert c.total_seconds(1) > c.total_seconds(100) > c.seconds
    stored = as_stored(graph_of(SCATTERED, 8).types["w"], find_pattern(SCATTERED), Layout("csr"))
    assert stored.nnz == np.count_nonzero(SCATTERED)


def test_a_blas_goes_through_a_factor_for_each_piece() -> None:
    assert [pieces(n) for n in (0, 1, 3, 15, 16, 17, 48)] == [0, 1, 2, 4, 1, 2, 1]
    assert product_work(64, 64, 64, 4).entries == 0  # too small to be packed
    assert product_work(1024, 1024, 1, 4).entries == 0  # a vector is not packed either
    few, seven = (product_work(1024, 1024, n, 4).entries for n in (8, 7))
    assert seven > 2 * few
    assert product_work(64, 1, 64, 4).efficiency < 0.1


def test_panels_of_rows_that_are_alike_are_as_wide_as_one_of_them() -> None:
    alike = np.kron(RNG.random((16, 64)) < 0.1, np.ones((8, 8), bool))
    p = find_pattern(alike)
    lonely, known = (expected_widths(p.row_counts, p.nonzero_cols, b) for b in (None, p.blocks))
    per_row = p.nnz / len(alike)
    assert known[8] == pytest.approx(per_row, rel=0.05)
    assert lonely[8] > 3 * per_row


def test_how_many_lines_padding_fills() -> None:
    w = masked(np.arange(64) % 8 == 0) * np.ones((32, 1), "float32")  # each eighth column
    p, type = find_pattern(w), graph_of(w, 4).types["w"]
    assert nm_columns(p, as_stored(type, p, Layout("nm", (1, 8)))) == 8
    assert nm_columns(p, as_stored(type, p, Layout("nm", (2, 4)))) == 40
    assert block_lines(p, as_stored(type, p, Layout("bsr", (4, 4)))) == (32, 26)
    whole = find_pattern(np.ones((32, 64), "float32"))
    assert block_lines(whole, as_stored(type, whole, Layout("bsr", (8, 8)))) == (32, 64)
