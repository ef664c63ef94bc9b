"""Coefficients: the sum that they stand for, its parts, and what another machine makes of them."""

from dataclasses import replace

import numpy as np
import pytest

from minisparse.cost import MACHINES, Machine
from minisparse.cost.coefficients import Coefficients, Fit, features, price_with
from minisparse.kernels import Work

SERVER, PI = MACHINES["server-2core"], MACHINES["raspberry-pi-4"]
WORK = Work(1e6, 4e5, gathered=3e4, calls=12, efficiency=0.5, indices=1e4, rows=64, entries=900)


def some(machine: Machine, fit: Fit | None = None) -> Coefficients:
    count = 5 + 2 * len(machine.memory)
    return Coefficients.of_vector(np.linspace(1, 2, count) * 1e-9, fit)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
@pytest.mark.parametrize("unit", ["matmul", "elementwise"])
@pytest.mark.parametrize("footprint", [1e3, 1e6, 1e12])
def test_the_parts_of_a_price_are_the_sum_that_was_fitted(
    dtype: str, unit: str, footprint: float
) -> None:
    scale = SERVER.scale(np.dtype(dtype), unit, footprint, footprint / 10)
    c = some(SERVER)
    parts = price_with(c, WORK, scale)
    assert parts.seconds == pytest.approx(float(c.vector @ features(WORK, scale)))
    assert min(parts.compute, parts.values, parts.indices, parts.gather, parts.calls) > 0


def test_a_vector_has_all_coefficients_in_their_order() -> None:
    c = some(SERVER, Fit(7, 1.1, 0.9))
    assert Coefficients.of_vector(c.vector, c.fit) == c
    assert (c.fixed, c.byte[-1]) == (1e-9, 2e-9)


def test_wider_elements_take_longer_and_so_does_what_is_far() -> None:
    machine = replace(SERVER, coefficients={})
    c = machine.usual("elementwise")
    times = [
        price_with(c, WORK, machine.scale(np.dtype(d), "elementwise", size, size)).seconds
        for d in ("float32", "float64")
        for size in (1e4, 1e12)
    ]
    assert times[0] < times[1] < times[3]
    assert times[0] < times[2] < times[3]


def test_levels_are_found_by_size() -> None:
    sizes = [level.size for level in SERVER.memory]
    assert [SERVER.level_of(size) for size in sizes] == list(range(len(sizes)))
    assert SERVER.level_of(2 * sizes[0]) == 1
    assert SERVER.level_of(1.5 * sizes[0]) == 0.5
    assert SERVER.level_of(1e15) == len(sizes) - 1


def test_what_a_level_keeps_in_part_costs_something_between() -> None:
    c = replace(SERVER.usual("elementwise"), overlap=0.0)
    f4, near = np.dtype("float32"), SERVER.memory[1].size

    def seconds(size: float) -> float:
        return price_with(c, WORK, SERVER.scale(f4, "elementwise", size, near)).seconds

    times = [seconds(part * near) for part in (1, 1.25, 1.75, 2)]
    assert times[0] < times[3]
    assert times[1] - times[0] == pytest.approx((times[3] - times[0]) / 4)
    assert times[2] - times[0] == pytest.approx((times[3] - times[0]) * 3 / 4)
    counts = features(WORK, SERVER.scale(f4, "elementwise", 1.25 * near, 1.5 * near))
    scale = SERVER.scale(f4, "elementwise", 1.25 * near, 1.5 * near)
    assert c.vector @ counts == pytest.approx(price_with(c, WORK, scale).seconds)


def test_what_was_fitted_elsewhere_is_taken_over_in_proportion() -> None:
    """A kernel that is twice as slow as its machine's figures is so on the other machine too."""
    theirs = SERVER.usual("matmul")
    twice = replace(
        theirs,
        **{n: 2 * getattr(theirs, n) for n in ("call", "row", "entry", "flop")},
        gather=tuple(2 * x for x in theirs.gather),
        byte=tuple(2 * x for x in theirs.byte),
    )
    there = replace(SERVER, coefficients={("spmm product", "vectorized"): twice})
    here = replace(PI, like=there)
    found, own = here.coefficients_of("spmm product", "vectorized", "matmul"), PI.usual("matmul")
    for name in ("call", "row", "entry", "flop"):
        assert getattr(found, name) == pytest.approx(2 * getattr(own, name))
    assert found.byte == pytest.approx([2 * x for x in own.byte])
    assert len(found.gather) == len(PI.memory)
    fitted = replace(here, coefficients={("spmm product", "vectorized"): own})
    assert fitted.coefficients_of("spmm product", "vectorized", "matmul") is own
    assert here.coefficients_of("unheard of", "vectorized", "matmul") == own
