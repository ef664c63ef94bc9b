"""Fitting: the least squares themselves, and what they make of noise, outliers and too little."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.dtypes import Array
from minisparse.cost.fitting import cross_validate, factors, fit, nonnegative


@given(seed=st.integers(0, 2**32 - 1), unknowns=st.integers(1, 9), problems=st.integers(1, 30))
def test_no_allowed_step_makes_the_squares_smaller(seed: int, unknowns: int, problems: int) -> None:
    """Karush, Kuhn, Tucker: slopes vanish where x is free, and point out of bounds elsewhere."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((problems, unknowns)), rng.standard_normal(problems)
    x = nonnegative(a, b)
    assert (x >= 0).all()
    slope = a.T @ (a @ x - b)
    size = 1e-7 * (np.abs(a).max() * np.abs(b).max() * problems + 1)
    assert (slope >= -size).all()
    assert np.abs(slope[x > 0]).max(initial=0) <= size


def test_it_is_what_scipy_finds() -> None:
    optimize = pytest.importorskip(
        "scipy.optimize", reason='comparing needs pip install "minisparse[peers]"'
    )
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = np.abs(rng.standard_normal((40, 12))), rng.standard_normal(40)
        np.testing.assert_allclose(nonnegative(a, b), optimize.nnls(a, b)[0], atol=1e-9)


def test_columns_that_are_alike_or_empty_do_no_harm() -> None:
    a = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0]])
    found = nonnegative(a, np.array([3.0, 6.0]))
    np.testing.assert_allclose(a @ found, [3, 6])
    assert found[2] == 0
    assert nonnegative(np.zeros((2, 0)), np.ones(2)).shape == (0,)


TRUE = np.array([2e-6, 1e-9, 0.0, 3e-10])
USUAL = np.array([1e-6, 2e-9, 1e-9, 1e-10])


def measured(rng: np.random.Generator, count: int, noise: float) -> tuple[Array, Array]:
    counts = np.exp(rng.uniform(0, np.log(1e6), (count, 4)))
    counts[:, 0] = 1
    return counts, counts @ TRUE * np.exp(noise * rng.standard_normal(count))


def test_coefficients_are_found_again() -> None:
    counts, seconds = measured(np.random.default_rng(0), 200, 0.05)
    found = fit(counts, seconds, USUAL)
    np.testing.assert_allclose(found[[0, 1, 3]], TRUE[[0, 1, 3]], rtol=0.1)
    assert found[2] < 2e-11
    assert np.median(factors(counts @ found, seconds)) < 1.06


def test_times_that_were_disturbed_hardly_count() -> None:
    rng = np.random.default_rng(1)
    counts, seconds = measured(rng, 200, 0.05)
    disturbed = seconds * np.where(rng.random(200) < 0.1, 20, 1)
    found = fit(counts, disturbed, USUAL)
    assert np.median(factors(counts @ found, seconds)) < 1.1


def test_what_nothing_tells_about_stays_as_usual() -> None:
    counts, _ = measured(np.random.default_rng(2), 50, 0.02)
    counts[:, 3] = 0
    found = fit(counts, counts @ TRUE, USUAL)
    assert found[3] == pytest.approx(USUAL[3], rel=1e-6)


def test_cross_validation_predicts_what_was_left_out() -> None:
    rng = np.random.default_rng(3)
    counts, seconds = measured(rng, 100, 0.05)
    groups = np.arange(100) // 4
    honest = cross_validate(counts, seconds, USUAL, groups)
    assert np.median(factors(honest, seconds)) < 1.1
    # Times that have nothing to do with what is counted are not predicted.
    wild = np.exp(rng.uniform(-14, -4, 100))
    assert np.median(factors(cross_validate(counts, wild, USUAL, groups), wild)) > 2
    # A single group has nothing to be fitted to: the machine's figures remain.
    alone = cross_validate(counts, seconds, USUAL, np.zeros(100))
    np.testing.assert_allclose(alone, counts @ USUAL)


def test_a_group_is_left_out_as_a_whole() -> None:
    """The same matrix in another format would give the answer away."""
    counts = np.ones((20, 1))
    seconds = np.repeat(np.arange(1.0, 11.0), 2)  # two of each problem
    together = cross_validate(counts, seconds, np.array([1.0]), np.arange(20) // 2, folds=10)
    for i in range(0, 20, 2):
        others = np.delete(seconds, [i, i + 1])
        expected = float(fit(np.ones((18, 1)), others, np.array([1.0]))[0])
        assert together[i] == together[i + 1] == pytest.approx(expected)
