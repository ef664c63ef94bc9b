"""Libraries in a plan: candidates like any other, and what they cost."""

from dataclasses import replace

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import MissingExtraError, UsageError
from minisparse.core.tensor_type import dense_type
from minisparse.cost import MACHINES, Machine, Target, candidates, find_machine
from minisparse.cost.library_speeds import LibrarySpeed, find_speed
from minisparse.cost.model import price_epilogue, price_library
from minisparse.kernels import KERNELS, PROVIDERS
from minisparse.kernels.lookup import usable_levels
from minisparse.ops import SPMM, SPMM_RELU
from tests.kernels.lent import EVERY, ON_CPU, needed, pretend, second, some_triplets, stored
from tests.networks import perceptron

# -- in a plan -----------------------------------------------------------------------------------


def test_levels_to_choose_among(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, mkl=True, scipy=True)
    assert usable_levels("vectorized") == ("vectorized", "generated")
    assert usable_levels("generated") == ("generated",)
    assert usable_levels("vectorized", "auto") == ("vectorized", "generated", "mkl", "scipy")
    assert usable_levels("loops", "scipy") == ("loops", "scipy")
    assert usable_levels("library") == ("mkl", "scipy")
    assert usable_levels("scipy", ("mkl",)) == ("scipy", "mkl")
    with pytest.raises(UsageError, match="no level 'fast'; levels: loops"):
        usable_levels("fast")
    with pytest.raises(UsageError, match="no library 'eigen'; libraries: mkl, torch, scipy"):
        usable_levels("vectorized", "eigen")
    with pytest.raises(MissingExtraError, match="PyTorch is not installed"):
        usable_levels("vectorized", ("torch",))
    pretend(monkeypatch)
    assert usable_levels("vectorized", "auto") == ("vectorized", "generated")
    with pytest.raises(MissingExtraError, match="none is here"):
        usable_levels("library")


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every library look installed: for prices, which need none."""
    pretend(monkeypatch, mkl=True, torch=True, scipy=True)


def names_of(levels: tuple[str, ...], dtype: str = "float32") -> list[str]:
    a = stored(some_triplets(dtype), "csr")
    b = ms.GraphBuilder("one")
    x = b.input("x", (84, 16), dtype)
    graph = b.build({"y": b.op("spmm", b.constant("w", a), x, name="p")})
    return [c.name for c in candidates(graph, graph.node("p"), Target(levels=levels))]


@pytest.mark.usefixtures("lent")
def test_libraries_are_candidates_like_any_other() -> None:
    assert names_of(("vectorized",)) == ["csr vectorized"]
    wanted = {"csr vectorized", "csr mkl", "csr torch", "csr scipy"}
    assert set(names_of(("vectorized", *PROVIDERS))) == wanted
    assert names_of(("scipy",)) == ["csr scipy"]
    assert set(names_of(("vectorized", *PROVIDERS), "int32")) == {"csr vectorized", "csr scipy"}
    # MKL refuses, so ours remain
    assert set(names_of(("mkl",), "float16")) == {"csr loops", "csr vectorized"}


def test_a_plan_is_the_same_wherever_it_is_made() -> None:
    for step in ms.compile(perceptron("none")).steps:
        assert not {c.level for c in step.candidates} & set(PROVIDERS)


@pytest.mark.parametrize("name", ON_CPU)
def test_plans_with_a_library_compute_the_same(name: str) -> None:
    needed(name)
    graph = perceptron("random")
    ours, plan = ms.compile(graph), ms.compile(graph, level=name)
    assert any(step.chosen.level == name for step in plan.steps)
    assert f" {name}" in str(plan.explain())
    feeds = {
        n: np.random.default_rng(0).standard_normal([d if isinstance(d, int) else 5 for d in t.shape]).astype(t.dtype)  # noqa: E501
        for n, t in graph.inputs.items()
    }  # fmt: skip
    for output, wanted in ours.run(feeds).items():
        np.testing.assert_allclose(plan.run(feeds)[output], wanted, 1e-3, 1e-4)
    with_ours = ms.compile(graph, libraries=name)
    levels = {c.level for step in with_ours.steps for c in step.candidates}
    assert {"vectorized", name} <= levels


def test_an_epilogue_follows_after_the_library() -> None:
    for name in ON_CPU:
        if not PROVIDERS[name].is_installed:
            continue
        a, b = stored(some_triplets(), "csr"), second("spmm", 84, 9)
        bias = np.linspace(-1, 1, 60, dtype="float32")
        product = ms.spmm(a, b, level=name)
        found = ms.spmm_bias_relu(a, b, bias, level=name)
        np.testing.assert_array_equal(found, np.maximum(product + bias[:, None], 0))
        wide = ms.spmm_bias_relu(a, b, bias.astype("float64"), level=name)
        assert wide.dtype == np.float64


# -- what they cost ------------------------------------------------------------------------------


def test_a_speed_is_that_of_the_op_the_format_and_the_block() -> None:
    one, other, vector = (LibrarySpeed(call, 0, 0, 0, 0) for call in (1, 2, 3))
    speeds = {("x", "spmm", "bsr 2x2"): one, ("x", "spmm", "bsr"): other, ("x", "spmv", "bsr"): vector}  # fmt: skip  # noqa: E501
    for block, columns, wanted in ((2, 8, one), (3, 8, other), (2, 1, vector)):
        a = stored(some_triplets(), "bsr", block)
        types = [a.type, dense_type(second("spmm", 84, columns))]
        assert find_speed(speeds, "x", "spmm", types) is wanted
        assert find_speed(speeds, "y", "spmm", types) is None
        assert find_speed(speeds, "x", "spgemm", types) is None


def test_the_formula_of_a_speed() -> None:
    speed = LibrarySpeed(call=3, row=2, entry=5, product=7, element=11, double=4)
    a = stored(some_triplets(), "csr")
    dense = [a.type, dense_type(second("spmm", 84, 10))]
    f32, f64 = np.dtype("float32"), np.dtype("float64")
    each = 2 * 60 + (5 + 7 * 10) * 900 + 11 * (84 + 60) * 10
    assert speed.seconds(dense, f32) == pytest.approx(3e-6 + each * 1e-9)
    assert speed.seconds(dense, f64) == pytest.approx(3e-6 + each * 4e-9)
    assert speed.seconds(dense, np.dtype("int8")) == speed.seconds(dense, f32)
    sparse = [a.type, replace(a.type, shape=(84, 50), stored=840)]  # ten entries a row
    assert speed.seconds(sparse, f32) == speed.seconds(dense, f32)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda m: m.name)
def test_everything_that_is_offered_has_a_price(machine: Machine) -> None:
    for name, op, format in EVERY:
        assert (name, op, format) in machine.speeds


def test_an_epilogue_costs_another_pass() -> None:
    a = stored(some_triplets(), "csr")
    types = (a.type, dense_type(second("spmm", 84, 10)))
    kernel, machine = KERNELS["spmm_csr"], find_machine("cpu")
    work, alone = price_library(SPMM, kernel, "scipy", types, {}, machine)
    assert work.flops == 2 * 900 * 10
    fused = price_library(SPMM_RELU, kernel, "scipy", types, {}, machine)[1]
    result = SPMM.infer(types, {})[0]
    assert fused == alone + price_epilogue(SPMM_RELU, types, result, machine, apart=True)
    assert fused.seconds > alone.seconds + machine.call
    unknown = replace(machine, libraries={})
    found = price_library(SPMM, kernel, "scipy", types, {}, unknown)[1]
    assert found.seconds > alone.seconds / 100


def test_a_machine_like_another_has_its_libraries_slowed() -> None:
    server, laptop = MACHINES["server-2core"], MACHINES["laptop"]
    name = ("scipy", "spmm", "csr")
    theirs, ours = server.speeds[name], laptop.speeds[name]
    assert ours.call == pytest.approx(theirs.call * laptop.call / server.call)
    assert ours.product == pytest.approx(theirs.product * server.elementwise / laptop.elementwise)
    own = replace(laptop, libraries={name: theirs})
    assert own.speeds[name] is theirs
