"""Text that keeps to its width, aligns, and is plain ASCII unless asked otherwise."""

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.show import (
    PLAIN,
    Palette,
    arrays_text,
    bar,
    bars_text,
    card_text,
    clean,
    facts_text,
    graph_text,
    looks_numeric,
    palette_for,
    shorten,
    table_text,
    timeline_text,
    unicode_for,
    wrap,
)
from minisparse.show.text import numeric_columns
from minisparse.show.words import columns

cells = st.text(max_size=40) | st.sampled_from(["12.0 us", "1.8x", "-", "", "a" * 200, "nan"])
tables = st.integers(1, 7).flatmap(
    lambda n: st.tuples(
        st.lists(cells, min_size=n, max_size=n),
        st.lists(st.lists(cells, min_size=n, max_size=n), max_size=5),
    )
)
widths = st.integers(1, 120)


@given(tables, widths, st.booleans())
def test_tables_never_exceed_their_width(
    given_table: tuple[list[str], list[list[str]]], width: int, unicode: bool
) -> None:
    headers, rows = given_table
    text = table_text(headers, rows, width, highlight=[0], unicode=unicode)
    lines = text.split("\n")
    assert len(lines) == 2 + len(rows)
    assert all(columns(line) <= width for line in lines)
    assert unicode or text.isascii()
    assert all(line.isprintable() for line in lines)


@given(st.text(), st.integers(2, 120), st.integers(0, 20), st.booleans())
def test_wrapped_text_loses_no_word_and_keeps_to_its_width(
    text: str, width: int, indent: int, unicode: bool
) -> None:
    wrapped = wrap(text, width, indent, unicode)
    assert all(columns(line) <= width for line in wrapped.split("\n"))
    lines = text.split("\n")
    assert "".join(wrapped.split()) == "".join("".join(clean(t, unicode).split()) for t in lines)


@given(st.text(), widths)
def test_shortened_text_fits_and_starts_as_before(text: str, width: int) -> None:
    shown = clean(text, unicode=True)
    short = shorten(shown, width)
    assert columns(short) <= width
    assert shown == short or shown.startswith(short.removesuffix("..."))


@given(st.text())
def test_clean_text_is_one_printable_line(text: str) -> None:
    assert clean(text).isascii()
    for shown in (clean(text), clean(text, unicode=True)):
        assert shown.isprintable()
        assert clean(shown) == clean(text)


@given(
    st.lists(st.tuples(st.text(max_size=40), st.floats(), st.floats()), max_size=5),
    st.integers(1, 120),
)
def test_bars_and_timelines_keep_to_their_width(
    rows: list[tuple[str, float, float]], width: int
) -> None:
    labels, starts, values = [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]
    spans = list(zip(labels, starts, values, strict=True))
    for text in (timeline_text(spans, width), bars_text(labels, values, "s", width)):
        assert text.isascii()
        assert all(len(line) <= width for line in text.split("\n"))
        assert text.count("\n") == max(len(rows) - 1, 0)


def test_numbers_stand_right() -> None:
    text = table_text(("kernel", "time"), [("csr", "12.0 us"), ("dense", "101 us"), ("bsr", "-")])
    assert text.split("\n")[2:] == ["csr     12.0 us", "dense    101 us", "bsr           -"]


def test_align_overrides_the_looks() -> None:
    text = table_text(("a", "bcd"), [("x", "1"), ("long", "2")], align="rl")
    assert text.split("\n") == ["   a  bcd", "----  ---", "   x  1", "long  2"]


def test_words_are_shortened_before_numbers() -> None:
    text = table_text(("why", "time"), [("because it moves fewer bytes", "12.0 us")], 24)
    assert text.split("\n")[2] == "because it m...  12.0 us"


def test_highlighted_rows_are_marked_and_painted() -> None:
    rows = [("csr", "1"), ("dense", "2")]
    assert table_text(("k", "t"), rows, highlight={0}).split("\n")[2:] == [
        "> csr    1",
        "  dense  2",
    ]
    painted = table_text(("k", "t"), rows, highlight={0}, palette=Palette(True)).split("\n")
    assert painted[2] == "\x1b[36m> csr    1\x1b[0m"
    assert "\x1b" not in painted[3]


def test_a_name_cannot_move_the_cursor() -> None:
    name = "\x1b[2J\r\x07\u202etxt\nnext"
    for text in (
        table_text((name,), [(name,)], unicode=True),
        facts_text({name: name}, unicode=True),
        graph_text([(name, name, ())], unicode=True),
        timeline_text([(name, 0, 1)], unicode=True),
        arrays_text({name: np.zeros(2)}),
    ):
        assert all(line.isprintable() for line in text.split("\n"))


NUMBERS = "0|-1|+1.5|.5|1e-9|3,277|12.0 us|1.8x|nan|-inf|nan x|10 %|10%|1.2 GB/s|~3|1.00e-03 ns"
WORDS = "|-|csr|512x64|4x4|2:4|1.2.3|e5|info|nano|float32[batch, 64]|0x1f|1 2"


@pytest.mark.parametrize("text", NUMBERS.split("|"))
def test_looks_numeric(text: str) -> None:
    assert looks_numeric(text)


@pytest.mark.parametrize("text", WORDS.split("|"))
def test_looks_like_words(text: str) -> None:
    assert not looks_numeric(text)


def test_columns_of_blanks_are_no_numbers() -> None:
    assert numeric_columns(("a", "b", "c"), [("", "1"), ("-", "", "x")]) == [False, True, False]
    assert numeric_columns(("a",), []) == [False]


def test_facts_wrap_under_their_value() -> None:
    assert facts_text({"why": "fewer bytes moved", "n": "1"}, 16).split("\n") == [
        "why  fewer bytes",
        "     moved",
        "n    1",
    ]


def test_card_text_leaves_out_what_is_empty() -> None:
    assert card_text("T", "", "a", "", "b") == "T\n\na\n\nb"


@given(st.floats(), st.integers(0, 50))
def test_bar_is_as_wide_as_asked_and_shows_what_is_not_nothing(fraction: float, width: int) -> None:
    drawn = bar(fraction, width)
    assert len(drawn) == width
    assert set(drawn) <= {"#", " "}
    assert bool(drawn.strip()) == (fraction > 0 and width > 0)
    if fraction >= 1:
        assert drawn == "#" * width


def test_bars_are_as_long_as_their_values() -> None:
    lines = bars_text(("a", "b", "c", "d"), (1, 2, -1, math.nan), "x", width=20).split("\n")
    assert [line.count("#") for line in lines] == [5, 10, 0, 0]
    assert lines[0] == "a    1 x  #####"
    assert not any("#" in line for line in bars_text(("a", "b"), (0, 0)).split("\n"))


def test_timeline_places_each_span_where_it_begins() -> None:
    rows = [("a", 10.0, 1.0), ("b", 11.0, 2.0), ("c", 13.0, 1.0), ("d", 14.0, 0.0)]
    lines = [line[11:] for line in timeline_text(rows, width=19).split("\n")]
    assert lines == ["##", "  ####", "      ##", "       #"]


def test_arrays_are_elided_to_fit() -> None:
    text = arrays_text({"indptr": np.arange(1000) * 1000}, limit=12, max_width=40)
    heads, values = text.split("\n")[1:]
    assert max(len(heads), len(values)) <= 40
    assert heads.split() == ["0", "1", "...", "998", "999"] or heads.split()[-1] == "999"
    assert values.split()[-1] == "999000"
    assert len(heads) == len(values)


def test_blocks_are_told_row_by_row() -> None:
    text = arrays_text({"data": np.arange(8).reshape(2, 2, 2)})
    assert text.split("\n")[2].split("  ")[1:] == ["0 1; 2 3", "4 5; 6 7"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str | None = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    def isatty(self) -> bool:
        return True

    @property
    def encoding(self) -> str | None:  # type: ignore[override]
        return self._encoding


@pytest.mark.parametrize(
    ("environ", "color"),
    [
        ({}, True),
        ({"TERM": "xterm-256color"}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": "0"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_color_needs_a_terminal_and_consent(environ: dict[str, str], color: bool) -> None:
    assert palette_for(Terminal(), environ).enabled is color
    assert palette_for(io.StringIO(), environ).enabled is False


@pytest.mark.parametrize(
    ("encoding", "unicode"),
    [
        ("utf-8", True),
        ("UTF8", True),
        ("ascii", False),
        ("latin-1", False),
        ("no-such", False),
        (None, False),
    ],
)
def test_unicode_needs_a_terminal_of_utf8(encoding: str | None, unicode: bool) -> None:
    assert unicode_for(Terminal(encoding)) is unicode
    assert unicode_for(io.StringIO()) is False


def test_palette_paints_only_when_enabled() -> None:
    for method in ("bold", "dim", "good", "bad", "accent"):
        assert getattr(PLAIN, method)("x") == "x"
        painted = getattr(Palette(True), method)("x")
        assert painted.startswith("\x1b[")
        assert painted.endswith("mx\x1b[0m")
        assert getattr(Palette(True), method)("") == ""


def test_letters_of_two_columns_and_of_none_are_aligned() -> None:
    rows = [("行列", "1"), ("e\u0301", "2"), ("ab", "3")]
    lines = table_text(("n", "v"), rows, unicode=True).split("\n")
    assert lines[2:] == ["行列  1", "e\u0301     2", "ab    3"]
    assert shorten("行列行列", 7) == "行列..."
    assert shorten("行列行列", 6) == "行..."


def test_typography_is_spelled_in_ascii() -> None:
    assert clean("a → b, 3 \u00d7 4 \u00b5s…") == "a -> b, 3 x 4 us..."
    assert clean("a → b", unicode=True) == "a → b"


def test_even_wide_numbers_are_kept_while_words_can_be_shortened() -> None:
    text = table_text(("name", "count"), [("fourteen chars", "1,234,567,890,123")], 28)
    assert text.split("\n")[2] == "fourte...  1,234,567,890,123"


def test_a_mark_takes_room_from_the_cells_not_from_the_line() -> None:
    text = table_text(("name", "n"), [("fourteen chars", "1")], 16, highlight={0})
    assert text.split("\n")[2] == "> fourteen...  1"


def test_timeline_shows_spans_without_duration_and_survives_odd_ones() -> None:
    rows = [("a", 0.0, 2.0), ("b", 1.0, 0.0), ("c", math.inf, 1.0), ("d", math.nan, math.nan)]
    lines = [line[11:] for line in timeline_text(rows, width=19).split("\n")]
    assert lines == ["########", "    #", "       #", "#"]
