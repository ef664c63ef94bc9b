"""How zeros lie in the benchmark's matrices."""

import numpy as np
import pytest

from minisparse.bench.patterns import PATTERNS, draw_csr, draw_values
from minisparse.core.dtypes import Array
from minisparse.formats import CSR

SHAPE = (256, 320)


def mask(pattern: str, density: float) -> Array:
    return PATTERNS[pattern](np.random.default_rng(0), *SHAPE, density)


@pytest.mark.parametrize("pattern", sorted(set(PATTERNS) - {"2:4"}))
@pytest.mark.parametrize("density", [0.5, 0.1, 0.02])
def test_density_is_about_what_was_asked(pattern: str, density: float) -> None:
    found = mask(pattern, density)
    assert found.shape == SHAPE
    assert found.dtype == bool
    # whole blocks of 32 x 32 are 80 in this matrix: one more or less is a lot
    assert found.mean() == pytest.approx(density, rel=0.2, abs=0.03)


def test_blocks_are_full_or_empty() -> None:
    for side in (4, 16, 32):
        found = mask(f"{side}x{side}", 0.2)
        blocks = found.reshape(SHAPE[0] // side, side, SHAPE[1] // side, side)
        counts = blocks.sum(axis=(1, 3))
        assert set(np.unique(counts)) == {0, side * side}


def test_lines_bands_and_groups() -> None:
    assert set(mask("rows", 0.1).sum(axis=1)) == {0, SHAPE[1]}
    assert set(mask("columns", 0.1).sum(axis=0)) == {0, SHAPE[0]}
    banded = mask("banded", 0.1)
    assert set(banded.sum(axis=1)) == {32}
    assert banded[0, :32].all()
    assert banded[-1, -32:].all()
    assert set(mask("2:4", 0.5).reshape(SHAPE[0], -1, 4).sum(axis=2).ravel()) == {2}


def test_skewed_rows_differ_more_than_unstructured_ones() -> None:
    skewed, plain = (mask(name, 0.1).sum(axis=1) for name in ("skewed", "unstructured"))
    assert skewed.std() > 3 * plain.std()


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_matrices_are_valid_and_repeatable(pattern: str) -> None:
    one, two = (
        draw_csr(np.random.default_rng(3), pattern, SHAPE, 0.1, "float64") for _ in range(2)
    )
    matrix = CSR(one["data"], one["indices"], one["indptr"], SHAPE)
    matrix.check()
    assert matrix.has_canonical_format
    assert one["data"].dtype == np.float64
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_values_are_between_one_and_two() -> None:
    values = draw_values(np.random.default_rng(0), (1000,), "float32")
    assert values.dtype == np.float32
    assert values.min() >= 1
    assert values.max() <= 2
