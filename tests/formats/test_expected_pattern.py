"""What is expected of zeros at random is what one finds on drawing them."""

import numpy as np
import pytest

from minisparse.formats import expected_pattern, find_pattern


@pytest.mark.parametrize("density", [0.0, 0.01, 0.2, 0.7, 1.0])
@pytest.mark.parametrize("block", [1, 4, 16])
def test_the_counts_are_those_of_a_drawn_matrix(density: float, block: int) -> None:
    rng = np.random.default_rng(3)
    shape = (512, 768)
    grid = rng.random((shape[0] // block, shape[1] // block)) < density
    x = np.kron(grid, np.ones((block, block), "float32"))
    drawn, expected = find_pattern(x), expected_pattern(shape, density, block)
    share = 5 * np.sqrt(0.25 / grid.size)  # five standard deviations of a mean of as many
    assert abs(drawn.density - expected.density) <= share
    for s in drawn.blocks:
        assert abs(drawn.block_occupancy(s) - expected.block_occupancy(s)) <= share * max(
            s // block, 1
        )
    for m, counts in drawn.groups.items():
        found = np.array(counts) / sum(counts)
        wanted = np.array(expected.groups[m]) / max(sum(expected.groups[m]), 1)
        np.testing.assert_allclose(found, wanted, atol=share * 4)
    assert drawn.nonzero_rows <= expected.nonzero_rows or density < 0.02


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (33, 7)])
def test_odd_shapes_have_a_pattern_too(shape: tuple[int, int]) -> None:
    for density in (0.0, 0.3, 1.0):
        found = expected_pattern(shape, density)
        assert found.shape == shape
        assert found.nnz == round(density * shape[0] * shape[1])
        full = find_pattern(np.full(shape, density, "float32"))
        if density in (0.0, 1.0):
            assert (found.row_counts == full.row_counts).all()
            assert found.blocks == full.blocks
            assert found.bandwidth == full.bandwidth
