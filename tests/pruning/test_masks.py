"""Masks as plain arrays: what stays, how much, and in which order among equals."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minisparse.core.errors import MinisparseError, UsageError
from minisparse.pruning import (
    GradualSchedule,
    block_mask,
    magnitude_mask,
    magnitude_masks,
    nm_mask,
    row_mask,
)

matrices = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12),
    elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 3.0]),
)
shares = st.floats(0, 1)


@given(matrices, shares)
def test_what_goes_is_no_larger_than_what_stays(scores: Any, sparsity: float) -> None:
    mask = magnitude_mask(scores, sparsity)
    assert (~mask).sum() == round(sparsity * scores.size)
    if mask.any() and not mask.all():
        assert scores[~mask].max() <= scores[mask].min()


def test_of_equals_the_earlier_goes() -> None:
    assert magnitude_mask(np.ones(4), 0.5).tolist() == [False, False, True, True]


@given(matrices, matrices, shares)
def test_several_weights_share_one_threshold(a: Any, b: Any, sparsity: float) -> None:
    masks = magnitude_masks({"a": a, "b": b}, sparsity)
    one = magnitude_mask(np.concatenate([a.reshape(-1), b.reshape(-1)]), sparsity)
    both = np.concatenate([masks["a"].reshape(-1), masks["b"].reshape(-1)])
    np.testing.assert_array_equal(both, one)
    assert masks["a"].shape == a.shape


@given(matrices, st.integers(0, 4), st.integers(1, 8))
def test_every_group_keeps_its_n_highest(scores: Any, n: int, m: int) -> None:
    n = min(n, m)
    mask = nm_mask(scores, n, m)
    assert mask.shape == scores.shape
    for row, kept in zip(scores, mask, strict=True):
        for start in range(0, len(row), m):
            group, here = row[start : start + m], kept[start : start + m]
            assert here.sum() == min(n, len(group))
            if here.any() and not here.all():
                assert group[~here].max() <= group[here].min()


@given(matrices, shares, st.integers(1, 5), st.integers(1, 5))
def test_blocks_go_as_wholes(scores: Any, sparsity: float, r: int, c: int) -> None:
    mask = block_mask(scores, sparsity, (r, c))
    blocks = -(-scores.shape[0] // r) * -(-scores.shape[1] // c)
    gone, means = 0, {False: [0.0], True: [np.inf]}
    for i in range(0, scores.shape[0], r):
        for j in range(0, scores.shape[1], c):
            here = mask[i : i + r, j : j + c]
            assert here.all() or not here.any()
            gone += not here.any()
            means[bool(here.all())].append(scores[i : i + r, j : j + c].mean())
    assert gone == round(sparsity * blocks)
    assert max(means[False]) <= min(means[True]) + 1e-12


def test_rows_go_as_wholes_in_any_number_of_axes() -> None:
    scores = np.arange(24.0).reshape(4, 3, 2)[::-1]
    mask = row_mask(scores, 0.5)
    assert mask.shape == (4, 3, 2)
    assert mask.reshape(4, -1).all(axis=1).tolist() == [True, True, False, False]
    assert mask.reshape(4, -1).any(axis=1).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: magnitude_mask([1.0], 1.5), "must lie between 0"),
        (lambda: magnitude_mask([np.nan], 0.5), "NaN"),
        (lambda: nm_mask([1.0], 5, 4), "between 0 and m"),
        (lambda: nm_mask(1.0, 1, 2), "at least one axis"),
        (lambda: block_mask([1.0], 0.5, (1, 1)), r"need scores \[M, K\]"),
        (lambda: block_mask([[1.0]], 0.5, (0, 1)), "both sides must be at least 1"),
        (lambda: row_mask(1.0, 0.5), "at least one axis"),
        (lambda: GradualSchedule(1.5, 0, 10), "between 0 and 1"),
        (lambda: GradualSchedule(0.5, 10, 0), "end must not come before"),
    ],
)
def test_what_is_no_mask_is_said(call: Any, words: str) -> None:
    with pytest.raises(MinisparseError, match=words):
        call()


def test_torch_tensors_are_taken() -> None:
    torch = pytest.importorskip("torch", reason='needs pip install "minisparse[torch]"')
    w = torch.tensor([[1.0, -3.0], [0.5, 2.0]], requires_grad=True)
    mask = magnitude_mask(w.abs(), 0.5)
    assert mask.tolist() == [[False, True], [False, True]]
    with torch.no_grad():
        w.mul_(torch.from_numpy(mask))
    assert w.detach().numpy().tolist() == [[0.0, -3.0], [0.0, 2.0]]


def test_a_schedule_rises_from_its_first_value_to_its_last() -> None:
    schedule = GradualSchedule(final=0.9, begin=100, end=1100, initial=0.1, every=100)
    steps = [schedule.sparsity(step) for step in range(0, 1300, 50)]
    assert steps == sorted(steps)
    assert schedule.sparsity(0) == schedule.sparsity(100) == pytest.approx(0.1)
    assert schedule.sparsity(1100) == schedule.sparsity(5000) == 0.9
    assert schedule.sparsity(600) == pytest.approx(0.9 - 0.8 * 0.5**3)
    due = [step for step in range(2000) if schedule.is_due(step)]
    assert due == list(range(100, 1101, 100))


def test_a_schedule_of_one_step_prunes_at_once() -> None:
    schedule = GradualSchedule(final=0.5, begin=3, end=3, every=7)
    assert [schedule.sparsity(step) for step in (2, 3)] == [0.0, 0.5]
    assert [step for step in range(9) if schedule.is_due(step)] == [3]
    with pytest.raises(UsageError):
        GradualSchedule(0.5, 0, 10, every=0)
