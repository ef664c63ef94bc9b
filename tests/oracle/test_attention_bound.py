"""The bound of attention: right ways to compute it are within it, and wrong ones are not.

Each of the ways is written here, in float32; none is a kernel of ours.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.formats import CSR, from_dense
from minisparse.ops import ATTENTION
from minisparse.oracle import bounds, exact, judge
from tests.kernels.test_attention import assert_right, vectors


def float32_rows(
    mask: CSR, q: Array, k: Array, v: Array, weigh: Callable[[Array, Array, Array], Array]
) -> Array:
    """Return attention in float32, row by row: ``weigh(q[m], keys, values)``."""
    return np.array(
        [
            weigh(q[m], k[mask.indices[a:b]], v[mask.indices[a:b]])
            for m, (a, b) in enumerate(pairwise(mask.indptr))
        ]
    )


def _plain(q: Array, k: Array, v: Array) -> Array:
    s = (k @ q) * np.float32(1 / np.sqrt(len(q)))
    e = np.exp(s - s.max())
    return np.asarray((e / e.sum()) @ v)


def _scaled_before(q: Array, k: Array, v: Array) -> Array:
    s = k @ (q / np.sqrt(np.float32(len(q))))
    e = np.exp(s - s.max())
    return np.asarray((e / e.sum()) @ v)


def _divided_last(q: Array, k: Array, v: Array) -> Array:
    s = k @ (q * np.float32(1 / np.sqrt(len(q))))
    e = np.exp(s - s.max())
    return np.asarray((e @ v) / e.sum())


def _by_logarithm(q: Array, k: Array, v: Array) -> Array:
    s = (k @ q) / np.sqrt(np.float32(len(q)))
    s = s - s.max()
    return np.asarray(np.exp(s - np.log(np.exp(s).sum())) @ v)


def _one_at_a_time(q: Array, k: Array, v: Array) -> Array:
    s = np.zeros(len(k), np.float32)
    for d in range(len(q))[::-1]:
        s += k[:, d] * q[d]
    s *= np.float32(1 / np.sqrt(len(q)))
    e = np.exp(s - s.max())
    total, found = np.float32(0), np.zeros(v.shape[1], np.float32)
    for weight, value in zip(e, v, strict=True):
        total += weight
        found += weight * value
    return found / total


RIGHT = [_plain, _scaled_before, _divided_last, _by_logarithm, _one_at_a_time]


def hard_operands(seed: int) -> tuple[CSR, Array, Array, Array]:
    """Return a mask without empty rows, and vectors that are sharp, large, or cancel."""
    rng = np.random.default_rng(seed)
    m, n, d, e = 4, int(rng.choice([5, 40])), int(rng.choice([1, 8, 64])), 2
    cells = rng.random((m, n)) < 0.6
    cells[:, 0] = True
    q, k, v = vectors(seed, (m, n), (d, e))
    q *= np.float32(rng.choice([1e-3, 1, 10, 100]))
    if rng.random() < 0.3:
        k += np.float32(30)  # scores are large, and their differences are small
    if rng.random() < 0.3:
        v += np.float32(1000)
    if rng.random() < 0.3:
        k[1:, 1:] = -k[:-1, :-1]
    return _csr(cells), q, k, v


def _csr(cells: Array) -> CSR:
    found = from_dense(cells.astype(np.float32), "csr")
    assert isinstance(found, CSR)
    return found


def test_right_implementations_are_within_the_bound() -> None:
    """Sound: none of five ways to compute it goes beyond; and not idle: some come near."""
    ratios = []
    for seed in range(60):
        operands = hard_operands(seed)
        truth = exact(ATTENTION, operands)
        for weigh in RIGHT:
            found = judge(float32_rows(*operands, weigh), truth)
            assert found.passed, f"{seed}, {weigh.__name__}: {found.message}"
            ratios.append(found.error_over_bound)
    assert max(ratios) > 0.05
    assert np.median(ratios) > 0.004


def _without_scale(q: Array, k: Array, v: Array) -> Array:
    return _plain(q * np.sqrt(np.float32(len(q))), k, v)


def _halved(q: Array, k: Array, v: Array) -> Array:
    half = (x.astype(np.float16).astype(np.float32) for x in (q, k, v))
    return _plain(*half)


def _last_forgotten(q: Array, k: Array, v: Array) -> Array:
    return _plain(q, k[:-1], v[:-1]) if len(k) > 1 else _plain(q, k, v)


def _weights_rounded(q: Array, k: Array, v: Array) -> Array:
    s = (k @ q) * np.float32(1 / np.sqrt(len(q)))
    e = np.exp(s - s.max())
    return np.asarray((e / e.sum()).astype(np.float16).astype(np.float32) @ v)


@pytest.mark.parametrize("weigh", [_without_scale, _halved, _last_forgotten, _weights_rounded])
def test_wrong_implementations_are_found(weigh: Callable[[Array, Array, Array], Array]) -> None:
    mask, (q, k, v) = _csr(np.ones((4, 20))), vectors(5, (4, 20), (16, 3))
    found = judge(float32_rows(mask, q, k, v, weigh), exact(ATTENTION, (mask, q, k, v)))
    assert not found.passed
    assert found.error_over_bound > 5


def test_the_roundings_of_softmax_are_allowed_for() -> None:
    mask, q, k = _csr(np.ones((1, 4))), np.zeros((1, 2), np.float32), np.zeros((4, 2), np.float32)
    v = np.arange(4, dtype=np.float32)[:, None]
    own = bounds.softmax(np.full(4, 0.25), np.zeros(4), v.dtype)
    products = bounds.sum_of_products(np.array(4), np.array(1.5), v.dtype)
    assert exact(ATTENTION, (mask, q, k, v)).bound[0, 0] >= own @ v[:, 0] + products


def test_a_score_that_matters_not_at_all_may_be_as_wrong_as_it_likes() -> None:
    """A score of -1e30 is uncertain by 1e23, and has no weight all the same."""
    mask = CSR(np.ones(3, np.float32), [0, 1, 2], [0, 3], (1, 3))
    q, k = np.ones((1, 1), np.float32), np.array([[-1e30], [1.0], [2.0]], np.float32)
    v = np.array([[1e6], [1.0], [2.0]], np.float32)
    truth = exact(ATTENTION, (mask, q, k, v))
    assert truth.bound.max() < 1e-5
    assert_right(ms.attention(mask, q, k, v), (mask, q, k, v))


def test_scores_that_may_overflow_are_not_judged() -> None:
    mask = CSR(np.full(2, 1e30, np.float32), [0, 1], [0, 2], (1, 2))
    q, k = np.full((1, 1), 1e5, np.float32), np.array([[1e5], [-1e5]], np.float32)
    v = np.array([[1.0], [2.0]], np.float32)
    truth = exact(ATTENTION, (mask, q, k, v))
    assert truth.may_overflow.all()
    assert np.isnan(ms.attention(mask, q, k, v)).all()  # inf - inf
    assert_right(ms.attention(mask, q, k, v), (mask, q, k, v))
