"""Epilogues in registers: bit for bit what one launch after another gives, without that launch."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.formats import Matrix, from_dense
from minisparse.gpu import simulator
from minisparse.gpu.simulator import checking
from minisparse.kernels import KERNELS, Epilogue, Finish, execute, pack
from minisparse.kernels.registers import DTYPES, in_registers
from minisparse.ops import ADD, ADD_BIAS, CLIP, GELU, RELU, SILU, Op
from minisparse.oracle import exact, judge
from tests.kernels.gpu.products import Launches, operands_of, pruned, stored

SMOOTH = (
    (ADD_BIAS, GELU),
    (ADD_BIAS, SILU),
    (ADD_BIAS, ADD, SILU, RELU, GELU),
    (GELU, ADD_BIAS, CLIP),
)
EXACT = ((RELU,), (ADD_BIAS,), (ADD_BIAS, CLIP), (ADD, RELU), (ADD_BIAS, ADD, RELU), (ADD, ADD))
ATTRS: dict[str, Any] = {"min": -1, "max": 3, "approximate": "none"}
PLACES = (("spmv", "csr"), ("spmm", "bsr"), ("spmm", "nm"),
          ("spmm_t", "csc"), ("dsmm", "csc"), ("dsmm", "bsr"))  # fmt: skip
COLUMNS = 6


def chained(base: Op, chain: tuple[Op, ...]) -> Op:
    for part in chain:
        base = base.then(part)
    return base


def beside(chain: tuple[Op, ...], c: Array) -> list[Array]:
    rng = np.random.default_rng(9)
    shapes = {ADD_BIAS.name: c.shape[:1], ADD.name: c.shape}
    names = [part.name for part in chain if part.name in shapes]
    return [rng.integers(-3, 4, shapes[name]).astype(c.dtype) for name in names]


def product(op: str, format: str, dtype: str) -> tuple[Matrix, list[Any]]:
    rng = np.random.default_rng(10)
    a = stored(pruned(rng, dtype), format)
    assert a is not None
    operands = operands_of(op, a, rng, COLUMNS)
    if dtype.startswith("f"):
        operands = [x if x is a else (x / 3 - 0.4).astype(dtype) for x in operands]
    return a, operands


def computed(op: Op, kernel: str, operands: list[Any], attrs: dict[str, Any]) -> Array:
    level = KERNELS[kernel].levels["gpu"]
    given = [pack(level, x) if isinstance(x, Matrix) else x for x in operands]
    with np.errstate(all="ignore"):
        result: Array = execute(op, level, given, {n: attrs[n] for n in op.attrs})
    return result


@pytest.mark.parametrize(
    ("name", "format", "dtype"),
    [*(("spmm", "csr", dtype) for dtype in DTYPES), *((*place, "float16") for place in PLACES)],
)
def test_a_chain_in_registers_is_its_parts_one_after_another(
    name: str, format: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, operands = product(name, format, dtype)
    kernel = KERNELS[f"{name}_{format}"]
    plain = computed(kernel.op, kernel.name, operands, {})
    attrs = {**ATTRS, "approximate": "tanh" if dtype == "float64" else "none"}
    wanted = []
    chains = EXACT + (SMOOTH if dtype.startswith("f") else ())
    if dtype == "uint8":
        attrs["min"] = 1
    for chain in chains:
        result, more = plain, beside(chain, plain)
        for part in chain:
            level = KERNELS[f"{part.name}_dense"].levels["vectorized"]
            added = [more.pop(0) for _ in part.operands[1:]]
            with np.errstate(all="ignore"):
                result = level.run(result, *added, **{n: attrs[n] for n in part.attrs})
        wanted.append(result)
    monkeypatch.setattr(Epilogue, "__call__", in_vain)
    for chain, result in zip(chains, wanted, strict=True):
        op = chained(kernel.op, chain)
        found = computed(op, kernel.name, [*operands, *beside(chain, plain)], attrs)
        assert found.dtype == a.dtype
        np.testing.assert_array_equal(found, result, op.name)


def in_vain(*given: Any) -> None:
    raise AssertionError("the whole result was gone through once more")


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_chain_is_within_the_oracles_bound(dtype: str, approximate: str) -> None:
    a, operands = product("spmm", "csr", dtype)
    kernel = KERNELS["spmm_csr"]
    for chain in SMOOTH:
        op = chained(kernel.op, chain)
        attrs = {n: {**ATTRS, "approximate": approximate}[n] for n in op.attrs}
        given = [*operands, *beside(chain, np.zeros((a.shape[0], COLUMNS), dtype))]
        found = computed(op, kernel.name, given, attrs)
        truth = exact(op, given, attrs)
        assert judge(found, truth).passed, op.name
        assert not judge(found * np.asarray(1 + 2e-2, dtype), truth).passed


def test_nan_and_infinity_go_through() -> None:
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 2.0, -2.0], np.float32)
    eye = from_dense(np.eye(1, dtype="float32"), "csr")
    kernel = KERNELS["spmm_csr"]
    for chain, attrs, wanted in (
        ((RELU,), {}, [np.nan, np.inf, 0, 0, 2, 0]),
        ((CLIP,), {"min": -1, "max": 1}, [np.nan, 1, -1, 0, 1, -1]),
        ((CLIP,), {"min": None, "max": 1}, [np.nan, 1, -np.inf, 0, 1, -2]),
        ((CLIP,), {"min": 3, "max": 1}, [np.nan, 1, 1, 1, 1, 1]),
    ):
        found = computed(chained(kernel.op, chain), kernel.name, [eye, x[None]], attrs)
        np.testing.assert_array_equal(found[0], wanted)


def test_a_residual_broadcasts_without_a_copy() -> None:
    c = np.zeros((3, 4), np.float32)
    for shape in ((), (4,), (3, 1), (1, 4), (3, 4)):
        x = np.arange(np.prod(shape, dtype=int), dtype="float32").reshape(shape)
        own = in_registers(Epilogue((ADD,), ((x,),), {}), c)
        assert own.left is None
        assert np.shares_memory(own.first, x)
        assert own.second is c
        np.testing.assert_array_equal(own.first, np.broadcast_to(x, c.shape))
        assert own.turned.first.shape == (4, 3)


def anything(tile: Array, index: tuple[slice, ...]) -> None:
    tile *= 2


def test_what_threads_cannot_is_done_to_the_result() -> None:
    c = np.full((2, 3), -2.0)
    one = np.ones((2, 3))
    exact_gelu = Epilogue((GELU,), ((),), {"approximate": "none"})
    three = Epilogue((ADD, ADD, ADD), ((one,), (one,), (one,)), {})
    wider = Epilogue((ADD,), ((one.astype("uint16"),),), {})
    from_infinity = Epilogue((CLIP,), ((),), {"min": np.inf, "max": None})
    finish: Finish
    for finish in (exact_gelu, three, wider, from_infinity, anything):
        assert in_registers(finish, c).left is finish
    own = in_registers(three, c)
    own.afterwards(c)
    np.testing.assert_array_equal(c, 1.0)
    everywhere = Epilogue((CLIP,), ((),), {"min": -np.inf, "max": np.inf})
    plain = in_registers(None, c)
    assert in_registers(everywhere, c).put is plain.put


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_chains_that_threads_cannot_finish_are_finished(dtype: str) -> None:
    a, operands = product("spmm", "csr", dtype)
    for chain in ((GELU, ADD), (ADD, ADD, ADD_BIAS)):
        op = chained(KERNELS["spmm_csr"].op, chain)
        attrs = {n: ATTRS[n] for n in op.attrs}
        given = [*operands, *beside(chain, np.zeros((a.shape[0], COLUMNS), dtype))]
        assert judge(computed(op, "spmm_csr", given, attrs), exact(op, given, attrs)).passed


def test_threads_finish_elements_of_their_own_alone() -> None:
    a, operands = product("spmm", "csr", "float16")
    op = chained(KERNELS["spmm_csr"].op, (ADD_BIAS, ADD, RELU))
    given = [*operands, *beside(op.epilogue, np.zeros((a.shape[0], COLUMNS), "float16"))]
    wanted = computed(op, "spmm_csr", given, {})
    with checking(seed=1):
        np.testing.assert_array_equal(computed(op, "spmm_csr", given, {}), wanted)


def test_a_chain_is_bound_once(monkeypatch: pytest.MonkeyPatch) -> None:
    a, operands = product("spmm", "csr", "float32")
    launches = Launches()
    monkeypatch.setattr(simulator, "simulate", launches)
    op = chained(KERNELS["spmm_csr"].op, (ADD_BIAS, CLIP))
    for high in (3, 3.0, 4):
        given = [*operands, np.ones(a.shape[0], np.float32)]
        computed(op, "spmm_csr", given, {"min": None, "max": high})
    first, again, other = (program for program, *_ in launches)
    assert first is again
    assert first is not other
    assert len(launches) == 3  # one launch for each call, with its epilogue


def test_steps_round_where_sums_are_wider() -> None:
    """In half precision 2048 + 1 is 2048, and so is that plus 1 again."""
    a = from_dense(np.array([[2048.0]], "float16"), "csr")
    b, one = np.ones((1, 2), "float16"), np.ones((1, 2), "float16")
    run = partial(computed, chained(KERNELS["spmm_csr"].op, (ADD, ADD)), "spmm_csr")
    np.testing.assert_array_equal(run([a, b, one, one], {}), [[2048, 2048]])
