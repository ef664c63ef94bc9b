"""PNG files that decode to the pixels they were made of, and spy pictures that lose no entry."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError
from minisparse.show import encode_png, spy_png, spy_text
from minisparse.show.spy import bin_counts


def decode(png: bytes) -> Array:
    """Decode an 8-bit PNG without filters, after the specification and not after the encoder."""
    assert png[:8] == bytes([137, 80, 78, 71, 13, 10, 26, 10])
    chunks: dict[bytes, bytes] = {}
    place = 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        (crc,) = struct.unpack_from(">I", png, place + 8 + length)
        assert crc == zlib.crc32(kind + data)
        assert kind not in chunks
        chunks[kind] = data
        place += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, color, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color]
    assert (depth, *rest) == (8, 0, 0, 0)
    raw = zlib.decompress(chunks[b"IDAT"])
    assert len(raw) == height * (1 + width * channels)
    lines = np.frombuffer(raw, np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, channels)


def opacity(png: bytes) -> Array:
    """Return the alpha of a spy picture, which is where its entries are."""
    return decode(png)[:, :, 3]


pixel_arrays = st.one_of(
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
).flatmap(lambda shape: hnp.arrays(np.uint8, shape))


@given(pixel_arrays)
def test_png_decodes_to_its_pixels(pixels: Array) -> None:
    decoded = decode(encode_png(pixels))
    np.testing.assert_array_equal(decoded, pixels.reshape(decoded.shape))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_is_read_by_pillow(channels: int) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow comes with minisparse[viz]")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    read = np.asarray(image.open(io.BytesIO(encode_png(pixels))))
    np.testing.assert_array_equal(read.reshape(pixels.shape), pixels)


def test_png_of_a_view_is_of_the_view() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    np.testing.assert_array_equal(decode(encode_png(pixels.T[::-1]))[:, :, 0], pixels.T[::-1])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), (2, 2, 5), (2, 2, 2, 2)])
def test_png_refuses_what_it_cannot_hold(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="shape"):
        encode_png(np.zeros(shape, np.uint8))
    with pytest.raises(DTypeError, match="float64"):
        encode_png(np.zeros((2, 2)))


def test_small_matrix_shows_each_element_as_a_square() -> None:
    dense = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    row, col = np.nonzero(dense)
    picture = opacity(spy_png(row, col, (3, 3), size=30))
    np.testing.assert_array_equal(picture, np.kron(255 * dense, np.ones((10, 10), int)))


@pytest.mark.parametrize(("m", "k"), [(0, 0), (17, 4000), (4095, 4095), (4095, 0)])
def test_a_single_entry_of_a_large_matrix_is_seen(m: int, k: int) -> None:
    picture = opacity(spy_png(np.array([m]), np.array([k]), (4096, 4096)))
    assert picture.shape == (256, 256)
    down, across = np.nonzero(picture)
    assert picture.max() == 255
    assert len(down) == 4
    assert down.min() == m // 32 * 2
    assert across.min() == k // 32 * 2


def test_fuller_bins_are_darker_and_none_is_lost() -> None:
    # A full block, and one entry alone.
    row, col = (x.ravel() for x in np.indices((32, 32)))
    picture = opacity(spy_png(np.append(row, 999), np.append(col, 999), (1000, 1000), 250))
    assert picture[0, 0] == 255
    assert 64 < picture[249, 249] < 128
    assert picture[100, 100] == 0


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (0, 10**6)])
def test_empty_shapes_have_an_empty_picture(shape: tuple[int, int]) -> None:
    nothing = np.zeros(0, np.int32)
    assert not opacity(spy_png(nothing, nothing, shape)).any()
    assert f"{shape[0]} x {shape[1]}" in spy_text(nothing, nothing, shape)


def test_thin_matrices_keep_their_few_rows() -> None:
    picture = opacity(spy_png(np.array([0, 3]), np.array([0, 0]), (4, 100_000)))
    assert picture.shape[0] == 16
    np.testing.assert_array_equal(picture[:, 0] > 0, np.repeat([True, False, False, True], 4))


matrices = st.tuples(st.integers(1, 700), st.integers(1, 700)).flatmap(
    lambda shape: st.tuples(
        st.just(shape),
        st.lists(st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1)), max_size=9),
    )
)


@given(matrices, st.integers(1, 300))
def test_pictures_keep_to_their_size_and_show_every_entry(
    matrix: tuple[tuple[int, int], list[tuple[int, int]]], size: int
) -> None:
    shape, entries = matrix
    row, col = np.array(entries, np.int32).reshape(-1, 2).T
    picture = opacity(spy_png(row, col, shape, size))
    assert max(picture.shape) <= max(size, 32)
    for m, k in entries:
        # Bins are equal, but for the last, which may be smaller.
        down, across = (
            slice(max(0, int(i / s * n) - 16), int(i / s * n) + 16)
            for i, s, n in zip((m, k), shape, picture.shape, strict=True)
        )
        assert picture[down, across].any()
    assert picture.any() == bool(entries)


@given(matrices, st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_bins_count_what_a_dense_matrix_holds(
    matrix: tuple[tuple[int, int], list[tuple[int, int]]], bins: tuple[int, int]
) -> None:
    shape, entries = matrix
    row, col = np.array(entries, np.int32).reshape(-1, 2).T
    counts = bin_counts(row, col, shape, bins)
    steps = [-(-s // b) for s, b in zip(shape, bins, strict=True)]
    dense = np.zeros([-(-s // t) * t for s, t in zip(shape, steps, strict=True)], int)
    np.add.at(dense, (row, col), 1)
    blocks = dense.reshape(dense.shape[0] // steps[0], steps[0], -1, steps[1])
    np.testing.assert_array_equal(counts, blocks.sum(axis=(1, 3)))


def test_shapes_beyond_int32_are_binned() -> None:
    row, col = np.array([0, 2**31 - 1], np.int32), np.array([0, 5], np.int32)
    counts = bin_counts(row, col, (2**40, 2**33), (256, 256))
    assert counts.sum() == 2
    assert counts[0, 0] == 2


@pytest.mark.parametrize(
    ("row", "col"), [([0, 4], [0, 0]), ([-1], [0]), ([0], [4]), ([0, 1], [0]), ([[0]], [[0]])]
)
def test_entries_outside_of_the_shape_are_named(row: list[int], col: list[int]) -> None:
    for draw in (spy_png, spy_text):
        with pytest.raises(ShapeError, match=r"spy: (row|col)"):
            draw(np.array(row), np.array(col), (4, 4))


def test_text_shows_each_element_of_a_small_matrix() -> None:
    text = spy_text(np.array([0, 2]), np.array([1, 2]), (3, 3))
    assert text.split("\n") == ["+-----+", "|. # .|", "|. . .|", "|. . #|", "+-----+"]
    tight = spy_text(np.array([0, 2]), np.array([1, 2]), (3, 3), width=6)
    assert tight.split("\n") == ["+---+", "|.#.|", "|...|", "|..#|", "+---+"]


def test_text_ramps_from_few_to_most() -> None:
    row = np.array([0] * 1 + [100] * 50 + [200] * 100)
    lines = spy_text(row, np.zeros_like(row), (300, 300), width=5, height=5).split("\n")
    assert lines == ["+---+", "|.  |", "|+  |", "|@  |", "+---+"]


def test_text_of_a_single_entry_of_a_large_matrix() -> None:
    text = spy_text(np.array([4095]), np.array([0]), (4096, 4096))
    assert text.count("@") == 1
    assert text.split("\n")[-2].startswith("|@")


def test_braille_dots_are_where_the_entries_are() -> None:
    # One dot a row and column: the eight dots of the first letter, in the order of their bits.
    dots = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]
    for bit, (m, k) in enumerate(dots):
        lines = spy_text(np.array([m]), np.array([k]), (8, 40), 22, 4, unicode=True).split("\n")
        assert lines[1] == "|" + chr(0x2800 + (1 << bit)) + chr(0x2800) * 19 + "|"


@given(matrices, st.integers(3, 90), st.integers(3, 40), st.booleans())
def test_text_keeps_to_its_width_and_height(
    matrix: tuple[tuple[int, int], list[tuple[int, int]]], width: int, height: int, unicode: bool
) -> None:
    shape, entries = matrix
    row, col = np.array(entries, np.int32).reshape(-1, 2).T
    text = spy_text(row, col, shape, width, height, unicode)
    lines = text.split("\n")
    assert len(lines) <= height
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= width
    assert unicode or text.isascii()
    inside = "".join(line[1:-1] for line in lines[1:-1])
    assert bool(set(inside) - {".", " ", chr(0x2800)}) == bool(entries)
