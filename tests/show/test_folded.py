"""Tables of which nothing is cut, however narrow."""

from hypothesis import given
from hypothesis import strategies as st

from minisparse.show import clean, folded_text, table_text
from minisparse.show.words import columns

CELLS = st.text(max_size=60) | st.sampled_from(["12.0 us", "-", "", "a" * 90, "bsr 4x4 generated"])
TABLES = st.integers(1, 7).flatmap(
    lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=5)
)


@given(TABLES, st.integers(24, 120))
def test_every_letter_is_there_and_no_line_is_too_long(table: list[list[str]], width: int) -> None:
    headers, *rows = table
    text = folded_text(headers, rows, width, highlight=[0])
    assert all(columns(line) <= width for line in text.split("\n"))
    for letter in {c for row in table for cell in row for c in clean(cell)} - {" ", "-", ">"}:
        wanted = sum(clean(cell).count(letter) for row in table for cell in row)
        assert text.count(letter) >= wanted


def test_what_fits_is_a_table_as_any_other() -> None:
    rows = [("csr", "1.0 us", "fast"), ("dense", "12.0 us", "-")]
    headers = ("kernel", "time", "why")
    assert folded_text(headers, rows, highlight=[1]) == table_text(headers, rows, highlight=[1])


def test_columns_without_room_follow_beside_the_first() -> None:
    headers = ("name", *(f"column{i}" for i in range(12)))
    text = folded_text(headers, [("bsr 32x32 vectorized", *["123456"] * 12)])
    blocks = text.split("\n\n")
    assert len(blocks) == 2
    assert all(block.split("\n")[2].startswith("bsr 32x32 vectorized  ") for block in blocks)
    assert text.count("123456") == 12
