"""The model of the lanes: tables against PTX's, instructions against plain products."""

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.gpu.tensor_cores import (
    PIECE,
    A,
    B,
    C,
    Fragment,
    SparseB,
    bank_conflicts,
    ldmatrix_trans,
    mma,
    mma_sp,
    pack_metadata,
    swizzled,
    unpack_metadata,
)

LANES = np.arange(32)
every_fragment = pytest.mark.parametrize("fragment", [A, B, SparseB, C], ids=lambda f: f.name)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@every_fragment
def test_lanes_hold_each_place_once(fragment: Fragment) -> None:
    places = fragment.rows * fragment.shape[1] + fragment.cols
    assert sorted(places.ravel()) == list(range(np.prod(fragment.shape)))
    tile = np.arange(places.size).reshape(fragment.shape)
    held = fragment.pack(tile)
    np.testing.assert_array_equal(held, places)
    np.testing.assert_array_equal(fragment.unpack(held), tile)
    m, n = 5, 3
    assert held[fragment.lanes[m, n], fragment.elements[m, n]] == tile[m, n]


# As the figures of the PTX ISA have them: lane 0, the last, and one in the middle.
FIGURES = [
    (A, 0, "0,0 0,1 8,0 8,1 0,8 0,9 8,8 8,9"),
    (A, 6, "1,4 1,5 9,4 9,5 1,12 1,13 9,12 9,13"),
    (A, 31, "7,6 7,7 15,6 15,7 7,14 7,15 15,14 15,15"),
    (B, 0, "0,0 1,0 8,0 9,0"),
    (B, 6, "4,1 5,1 12,1 13,1"),
    (B, 31, "6,7 7,7 14,7 15,7"),
    (SparseB, 6, "4,1 5,1 12,1 13,1 20,1 21,1 28,1 29,1"),
    (C, 0, "0,0 0,1 8,0 8,1"),
    (C, 6, "1,4 1,5 9,4 9,5"),
    (C, 31, "7,6 7,7 15,6 15,7"),
]


@pytest.mark.parametrize(("fragment", "lane", "places"), FIGURES)
def test_places_are_those_of_the_figures(fragment: Fragment, lane: int, places: str) -> None:
    pairs = zip(fragment.rows[lane], fragment.cols[lane], strict=True)
    assert " ".join(f"{row},{col}" for row, col in pairs) == places


def whole(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(-8, 9, shape).astype(np.float16)


def test_mma_multiplies_from_fragments(rng: np.random.Generator) -> None:
    a, b, c = whole(rng, 3, 16, 16), whole(rng, 3, 16, 8), whole(rng, 3, 16, 8).astype(np.float32)
    found = C.unpack(mma(C.pack(c), A.pack(a), B.pack(b)))
    np.testing.assert_array_equal(found, c + a.astype(float) @ b.astype(float))
    assert found.dtype == np.float32


def two_of_four(rng: np.random.Generator, rows: int, columns: int) -> tuple[Array, Array, Array]:
    """Return a 2:4 matrix: dense, its kept values, and their positions."""
    order = np.argsort(rng.random((rows, columns // 4, 4)), axis=-1)[..., :2]
    positions = np.sort(order, axis=-1).astype(np.uint8)
    values = whole(rng, *positions.shape)
    dense = np.zeros((rows, columns // 4, 4), np.float16)
    np.put_along_axis(dense, positions.astype(int), values, axis=-1)
    return dense.reshape(rows, -1), values.reshape(rows, -1), positions.reshape(rows, -1)


def test_mma_sp_multiplies_from_fragments_and_metadata(rng: np.random.Generator) -> None:
    dense, values, positions = two_of_four(rng, 32, 32)
    b, c = whole(rng, 32, 8), whole(rng, 32, 8).astype(np.float32)
    words = pack_metadata(positions)
    for selector in range(2):
        rows = slice(16 * selector, 16 * selector + 16)
        held = mma_sp(C.pack(c[rows]), A.pack(values[rows]), SparseB.pack(b), words, selector)
        exact = c[rows] + dense[rows].astype(float) @ b.astype(float)
        np.testing.assert_array_equal(C.unpack(held), exact)


def test_mma_sp_wants_increasing_positions(rng: np.random.Generator) -> None:
    _, values, positions = two_of_four(rng, 32, 32)
    positions[3, 4:6] = 2, 2
    nothing = np.zeros((32, 4), np.float32)
    a, b, words = A.pack(values[:16]), SparseB.pack(whole(rng, 32, 8)), pack_metadata(positions)
    with pytest.raises(UsageError, match="positions must increase within a group"):
        mma_sp(nothing, a, b, words, 0)


def test_metadata_comes_back(rng: np.random.Generator) -> None:
    positions = two_of_four(rng, 5 * 32, 32)[2].reshape(5, 32, 16)
    np.testing.assert_array_equal(unpack_metadata(pack_metadata(positions)), positions)


def place_by_cutlass(row: int, half: int) -> int:
    """Return where 16 bits for 16 columns of a row lie, of 32 rows and 32 columns, as CUTLASS
    stores them: rows 8 apart become neighbors, then each 2 x 2 of them is transposed."""
    near = row % 8 * 4 + row // 8
    return 2 * (near - near % 2 + half) + near % 2


def test_metadata_is_ordered_as_cutlass_has_it(rng: np.random.Generator) -> None:
    positions = two_of_four(rng, 32, 32)[2]
    halves = pack_metadata(positions).view("<u2")
    for row in range(32):
        for half in range(2):
            eight = positions[row, 8 * half : 8 * half + 8]
            bits = sum(int(p) << 2 * i for i, p in enumerate(eight))
            assert halves[place_by_cutlass(row, half)] == bits, (row, half)


def stored(tile: Array, pieces: int) -> Array:
    """Return a tile as shared memory has it, swizzled."""
    k, piece = np.indices((len(tile), pieces))
    memory = np.empty((tile.size // PIECE, PIECE), tile.dtype)
    memory[swizzled(k, piece, pieces)] = tile.reshape(len(tile), pieces, PIECE)
    return memory


def test_ldmatrix_brings_the_fragments_of_b(rng: np.random.Generator) -> None:
    tile = whole(rng, 32, 64)
    memory = stored(tile, 8)
    held = ldmatrix_trans(memory, swizzled(16 + LANES % 16, 4 + LANES // 16, 8))
    np.testing.assert_array_equal(held[:, :4], B.pack(tile[16:, 32:40]))
    np.testing.assert_array_equal(held[:, 4:], B.pack(tile[16:, 40:48]))
    held = ldmatrix_trans(memory, swizzled(LANES, np.full(32, 5), 8))
    np.testing.assert_array_equal(held, SparseB.pack(tile[:, 40:48]))


@pytest.mark.parametrize("pieces", [8, 16, 32])
def test_a_swizzled_tile_has_no_bank_conflicts(pieces: int) -> None:
    k, piece = np.indices((32, pieces))
    places = swizzled(k, piece, pieces)
    assert sorted(places.ravel()) == list(range(32 * pieces))
    for column in range(pieces):
        assert bank_conflicts(swizzled(LANES, np.full(32, column), pieces)) == 0
        assert bank_conflicts(LANES * pieces + column) == 28  # as it would be without
    for first in range(0, 32 * pieces, 32):  # a warp writes pieces that lie side by side in B
        assert bank_conflicts(places.ravel()[first : first + 32]) == 0
