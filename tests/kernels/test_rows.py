"""Layers in pieces of a few elements, on two threads, and in odd places of memory."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.kernels import KERNELS, execute, rows
from minisparse.kernels.matmul import dense as products
from minisparse.kernels.quantize_linear import dense as quantizing
from minisparse.kernels.softmax.dense import MOST
from minisparse.ops import OPS
from minisparse.oracle import exact, judge

RNG = np.random.default_rng(8)
SIX, TWO_ROWS = RNG.standard_normal((2, 6)).astype("f4")
CASES: list[tuple[str, tuple[int, ...], tuple[Array, ...], dict[str, Any]]] = [
    ("softmax", (3, 5, 4, 6), (), {"axis": -1}),
    ("softmax", (3, 5, 70), (), {"axis": 1}),
    ("softmax", (40, 3), (), {"axis": 0}),
    ("log_softmax", (3, 5, 4, 6), (), {"axis": 3}),
    ("log_softmax", (3, 5, 70), (), {"axis": 1}),
    ("layer_normalization", (7, 9, 6), (SIX, TWO_ROWS), {}),
    ("layer_normalization", (7, 9, 6), (SIX[:, None, None][:1], TWO_ROWS), {"axis": 1}),
    ("layer_normalization", (6, 9, 2), (SIX[:, None, None], TWO_ROWS[:2]), {}),
    ("rms_normalization", (7, 9, 6), (SIX,), {}),
    ("instance_normalization", (3, 6, 5, 7), (SIX, TWO_ROWS), {}),
    ("group_normalization", (3, 6, 5, 7), (SIX, TWO_ROWS), {"num_groups": 2}),
]


def run(name: str, operands: tuple[Array, ...], attrs: Any, out: Array | None = None) -> Array:
    """Return the vectorized level's result."""
    op, level = OPS[name], KERNELS[f"{name}_dense"].levels["vectorized"]
    with np.errstate(all="ignore"):
        result: Array = execute(op, level, operands, op.complete(attrs), out)
    return result


@pytest.fixture
def in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pieces be of some elements, and two threads share even these."""
    monkeypatch.setattr(rows, "AT_ONCE", 32)
    monkeypatch.setattr(quantizing, "AT_ONCE", 32)
    for module in (rows, products):
        monkeypatch.setattr(module, "_SHARED", 1)
    for module in (rows, products, quantizing):
        monkeypatch.setattr(module, "usable_threads", lambda: 2)


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize(("name", "shape", "others", "attrs"), CASES)
def test_pieces_on_two_threads(
    name: str, shape: tuple[int, ...], others: tuple[Array, ...], attrs: Any, dtype: str
) -> None:
    x = np.random.default_rng(3).standard_normal(shape) * 3
    x[0, 0] += 200  # where softmax must take a maximum off
    given = tuple(np.asarray(o).astype(dtype) for o in (x, *others))
    truth = exact(OPS[name], given, attrs)
    result = run(name, given, attrs)
    found = judge(result, truth)
    assert found.passed, found.message
    turned = np.asfortranarray(given[0])
    np.testing.assert_array_equal(run(name, (turned, *given[1:]), attrs), result)
    out = np.full(shape, 7, dtype)
    assert run(name, given, attrs, out) is out
    np.testing.assert_array_equal(out, result)
    apart = np.full((2 * shape[0], *shape[1:]), 7, dtype)[::2]
    assert run(name, given, attrs, apart) is apart
    np.testing.assert_array_equal(apart, result)


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "rms_normalization", "matmul"])
def test_a_result_may_go_where_an_operand_is(name: str) -> None:
    shape = (40, 4, 4) if name == "matmul" else (40, 6)
    x, y = np.random.default_rng(3).standard_normal((2, *shape)).astype("f4")
    others = {"matmul": (y,), "rms_normalization": (SIX,)}.get(name, ())
    wanted = run(name, (x, *others), {})
    memory = np.concatenate([x, x[:1]])
    run(name, (memory[:-1], *others), {}, out=memory[1:])
    np.testing.assert_array_equal(memory[1:], wanted)
    run(name, (x, *others), {}, out=x)
    np.testing.assert_array_equal(x, wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shift", [-1e4, -200.0, -60.0, 0.0, 0.99, 1.01, 1e4])
def test_softmax_near_and_far_from_where_maxima_are_needed(dtype: str, shift: float) -> None:
    x = np.random.default_rng(5).standard_normal((4, 50))
    most = MOST[np.dtype(dtype).itemsize]
    x = (x - x.max() + (shift if abs(shift) > 2 else shift * most)).astype(dtype)
    x[2, ::2], x[3, 0] = -np.inf, -(10.0**30)
    truth = exact(OPS["softmax"], (x,))
    assert judge(run("softmax", (x,), {}), truth).passed
    mixed = np.concatenate([x, np.zeros_like(x), x - x.max() - 1000])
    assert judge(run("softmax", (mixed,), {}), exact(OPS["softmax"], (mixed,))).passed


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((5, 3, 4), (5, 4, 6)),
        ((1, 5, 3, 4), (2, 1, 4, 6)),
        ((7, 3, 4), (4, 6)),
        ((3, 4), (7, 4, 6)),
        ((2, 1, 3, 4), (9, 4, 6)),
        ((9, 3, 0), (9, 0, 6)),
    ],
)
def test_stacks_on_two_threads(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal(left).astype("f4"), rng.standard_normal(right).astype("f4")
    truth = exact(OPS["matmul"], (a, b))
    result = run("matmul", (a, b), {})
    assert judge(result, truth).passed
    for x, y in ((np.asfortranarray(a), b), (a, np.asfortranarray(b))):
        assert judge(run("matmul", (x, y), {}), truth).passed
    for out in (np.full(result.shape, 7, "f4"), np.full(result.shape, 7, "f4", order="F")):
        assert run("matmul", (a, b), {}, out) is out
        assert judge(out, truth).passed
    wide = run("matmul", (a.astype("f2"), b.astype("f2")), {})
    assert judge(wide, exact(OPS["matmul"], (a.astype("f2"), b.astype("f2")))).passed


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.parametrize("shape", [(4,), (6, 4), (3, 6, 4), (2, 3, 6, 4), (0, 6, 4)])
def test_a_product_is_finished_in_parts(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "FINISHED", 16)
    op = OPS["matmul"].then(OPS["add"]).then(OPS["relu"])
    level = KERNELS["matmul_dense"].levels["vectorized"]
    rng = np.random.default_rng(5)
    a, b, bias = (rng.standard_normal(s).astype("f4") for s in (shape, (4, 5), (5,)))
    for more in (bias, rng.standard_normal((*shape[:-1], 5)).astype("f4"), bias[:1]):
        result = execute(op, level, (a, b, more))
        wanted = np.maximum(run("matmul", (a, b), {}) + more, 0)
        np.testing.assert_array_equal(result, wanted)
        assert judge(result, exact(op, (a, b, more))).passed
        out = np.full(result.shape, 7, "f4")
        assert execute(op, level, (a, b, more), {}, out) is out
        np.testing.assert_array_equal(out, wanted)


def test_heads_are_multiplied_as_they_lie() -> None:
    x = np.random.default_rng(6).standard_normal((2, 5, 3, 4)).astype("f4")  # batch, seq, head, dim
    heads = x.transpose(0, 2, 1, 3)
    operands = heads, heads.transpose(0, 1, 3, 2)
    assert judge(run("matmul", operands, {}), exact(OPS["matmul"], operands)).passed
    attrs = {"equation": "bqhd,bkhd->bhqk"}
    result = run("einsum", (x, x), attrs)
    assert judge(result, exact(OPS["einsum"], (x, x), attrs)).passed


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk,kl,lm->im", [(2, 3), (3, 4), (4, 2), (2, 5)]),
        ("i,i,i->", [(4,), (4,), (4,)]),
        ("ij,j,k->ik", [(2, 3), (3,), (4,)]),
        ("bij,bjk,b->bik", [(2, 3, 4), (2, 4, 3), (2,)]),
        ("...a,...b,c->...abc", [(2, 3), (2, 4), (2,)]),
        ("ij,ij,jk->", [(2, 1), (2, 3), (3, 4)]),
        ("aab,bcc->ac", [(2, 2, 3), (3, 4, 4)]),
        ("ab,cd->", [(2, 3), (4, 2)]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_equations(equation: str, shapes: list[tuple[int, ...]], dtype: str) -> None:
    rng = np.random.default_rng(7)
    inputs = tuple((rng.standard_normal(shape) * 4).astype(dtype) for shape in shapes)
    attrs = {"equation": equation}
    assert judge(run("einsum", inputs, attrs), exact(OPS["einsum"], inputs, attrs)).passed


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.parametrize(
    ("scales", "attrs"),
    [
        ((), {}),
        ((9,), {"axis": 0}),
        ((8,), {"axis": 1}),
        ((9, 4, 6), {"axis": 1, "block_size": 2}),
        ((5, 8, 6), {"axis": 0, "block_size": 2}),
    ],
)
def test_quantized_in_parts(scales: tuple[int, ...], attrs: dict[str, int]) -> None:
    rng = np.random.default_rng(9)
    x = (rng.standard_normal((9, 8, 6)) * 40).astype("f4")
    x[4, 2], x[5, 3], x[8, 0, 0] = np.nan, np.inf, 1e30
    scale = np.asarray(rng.uniform(0.1, 1, scales)).astype("f4")
    zero = np.asarray(rng.integers(0, 99, scales)).astype("u1")
    for more in ((scale,), (scale, zero)):
        whole = run("quantize_linear", (x, *more), attrs)
        assert judge(whole, exact(OPS["quantize_linear"], (x, *more), attrs)).passed
        back = run("dequantize_linear", (whole, *more), attrs)
        assert judge(back, exact(OPS["dequantize_linear"], (whole, *more), attrs)).passed
