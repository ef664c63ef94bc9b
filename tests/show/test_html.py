"""Cards: everything escaped, every look inline, nothing that JupyterLab strips."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.show import (
    arrays_html,
    bars_html,
    beside,
    card,
    clean,
    encode_png,
    facts,
    graph_html,
    image,
    paragraph,
    spy_png,
    table,
    timeline_html,
)
from minisparse.show.arrays import shown_indices

EVIL = "<script>alert('1')</script>\"&amp;"
VOID = {"img", "br"}
# What JupyterLab lets through from a notebook that is not trusted
# (jupyterlab/packages/apputils/src/sanitizer.ts), as far as it is used here.
TAGS = {"div", "table", "tr", "th", "td", "span", "b", "br", "img", "pre"}
ATTRIBUTES = {"style", "src", "alt", "width"}
PROPERTIES = set(
    """background background-color border border-bottom border-collapse border-radius box-sizing
    display font-family font-size font-weight height line-height margin margin-left margin-right
    margin-top max-width opacity overflow-x padding table-layout text-align vertical-align
    white-space width""".split()
)
# Stripped there, and not missed: digits of most fonts are equally wide, pictures come enlarged.
LUXURIES = {"image-rendering", "font-variant-numeric"}


class Page(HTMLParser):
    """Collects text, cells and styles; notes tags that are not closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.balanced = True
        self.texts: list[str] = []
        self.cells: list[str] = []
        self.rows: list[dict[str, str]] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        if tag == "tr":
            self.rows.append({name: value or "" for name, value in attrs})

    def handle_endtag(self, tag: str) -> None:
        self.balanced = self.balanced and bool(self.open) and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data

    @property
    def text(self) -> str:
        return "".join(self.texts)


def every_drawing(text: str) -> dict[str, str]:
    """Return one of each drawing, with ``text`` wherever text can be given."""
    x = np.arange(40.0)
    return {
        "card": card(text, paragraph(text)),
        "table": table((text, text), [(text, "1"), (text,)], highlight={1}),
        "facts": facts({text: text}),
        "paragraph": paragraph(text, lead=text),
        "image": image(spy_png(np.array([1]), np.array([2]), (4, 4)), text, width=64),
        "beside": beside(paragraph(text), paragraph(text)),
        "arrays": arrays_html({text: x, "blocks": x.reshape(10, 2, 2)}),
        "timeline": timeline_html([(text, 0.0, 1.0), (text, 1.0, 0.5)]),
        "bars": bars_html((text, text), (1.0, float("nan")), text),
        "graph": graph_html([(text, text, ()), ("y", text, (text,))]),
    }


@pytest.mark.parametrize("name", every_drawing(""))
def test_no_text_becomes_markup(name: str) -> None:
    source = every_drawing(EVIL)[name]
    assert "<script" not in source.lower()
    plain = Page(every_drawing("harmless")[name])
    assert Page(source).tags == plain.tags
    alts = "".join(value for key, value in Page(source).attributes if key == "alt")
    assert EVIL in Page(source).text + alts


@given(st.text())
def test_any_text_comes_back_as_it_is_shown(text: str) -> None:
    for name, source in every_drawing(text).items():
        page = Page(source)
        assert page.balanced, name
        assert not page.open, name
    assert Page(paragraph(text)).text == clean(text, unicode=True)


@pytest.mark.parametrize("name", every_drawing(""))
def test_only_what_jupyterlab_keeps(name: str) -> None:
    source = every_drawing("spmm")[name]
    page = Page(source)
    assert set(page.tags) <= TAGS
    assert {key for key, _ in page.attributes} <= ATTRIBUTES
    styles = [value for key, value in page.attributes if key == "style"]
    used = {part.split(":")[0].strip() for style in styles for part in style.split(";")}
    assert used <= PROPERTIES | LUXURIES
    assert not re.search(
        r"<style|<svg|<script|class=|https?:|url\(|//", re.sub('base64,[^"]*', "", source)
    )


def test_colors_leave_the_themes_letters_alone() -> None:
    for name, source in every_drawing("spmm").items():
        styles = [value for key, value in Page(source).attributes if key == "style"]
        assert not any(re.search(r"(^|;)\s*color:", style) for style in styles), name
        assert "#" not in "".join(styles), name


def test_numbers_stand_right_and_words_left() -> None:
    source = table(("kernel", "time"), [("csr", "12.0 us"), ("dense", "-")])
    sides = re.findall(r"text-align: (left|right)\">([^<]*)<", source)
    assert sides == [
        ("left", "kernel"), ("right", "time"), ("left", "csr"), ("right", "12.0 us"),
        ("left", "dense"), ("right", "-"),
    ]  # fmt: skip


def test_only_the_highlighted_row_is_set_off() -> None:
    page = Page(table(("a",), [("0",), ("1",), ("2",)], highlight={1}))
    backgrounds = [row["style"].split("background-color: ")[1] for row in page.rows]
    assert [b.startswith("rgba") for b in backgrounds] == [False, False, True, False]


def test_rows_of_any_length_and_none() -> None:
    assert Page(table(("a", "b"), [("1",), ("1", "2", "3")])).cells == ["a", "b", "1", "", "1", "2"]
    assert Page(table(("a", "b"), [])).cells == ["a", "b"]
    assert Page(facts({})).cells == []


def test_empty_sections_leave_no_gap() -> None:
    assert card("t", "", paragraph("x"), "") == card("t", paragraph("x"))


def test_image_travels_inside_the_page() -> None:
    png = encode_png(np.zeros((1, 1), np.uint8))
    attributes = dict(Page(image(png, "a spy picture", width=32)).attributes)
    assert base64.b64decode(attributes["src"].removeprefix("data:image/png;base64,")) == png
    assert attributes["alt"] == "a spy picture"
    assert attributes["width"] == "32"
    assert "width" not in dict(Page(image(png, "")).attributes)


def test_arrays_are_elided_in_the_middle() -> None:
    cells = Page(arrays_html({"indptr": np.arange(100) * 10}, limit=5)).cells
    assert cells == [
        "", "0", "1", "", "98", "99",
        "indptr int64[100]", "0", "10", "...", "980", "990",
    ]  # fmt: skip


def test_short_arrays_are_shown_whole() -> None:
    cells = Page(arrays_html({"data": np.array([0.5, -1, 1e-9], np.float32)})).cells
    assert cells[5:] == ["0.5", "-1", "1e-09"]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(0),
        np.zeros((0, 2, 2)),
        np.zeros((3, 0)),
        np.float32(2),
        np.array([1 + 2j]),
        np.array([True]),
        np.zeros((2, 2, 2, 2)),
        np.zeros((2, 30, 30)),
    ],
    ids=str,
)
def test_any_array_is_drawn(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    assert Page(arrays_html({"a": array})).balanced


def test_bfloat16_reads_as_a_number() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="needs minisparse[io]")
    cells = Page(arrays_html({"data": np.array([1 / 3], ml_dtypes.bfloat16)})).cells
    assert cells[-1] == "0.334"


@given(st.lists(st.tuples(st.just("a"), st.floats(), st.floats())))
def test_bars_stay_inside_their_track(rows: list[tuple[str, float, float]]) -> None:
    for source in (timeline_html(rows), bars_html(["a"] * len(rows), [r[2] for r in rows])):
        for left, wide in re.findall(r"margin-left: (\S+)px; width: (\S+)px", source):
            assert int(left) >= 0
            assert int(wide) >= 1
            assert int(left) + int(wide) <= 260


def test_bars_are_as_wide_as_their_values() -> None:
    drawn = re.findall(r"margin-left: (\d+)px; width: (\d+)px", bars_html("ab", (1, 4)))
    assert drawn == [("0", "65"), ("0", "260")]
    spans = timeline_html([("a", 5.0, 1.0), ("b", 6.0, 3.0)])
    drawn = re.findall(r"margin-left: (\d+)px; width: (\d+)px", spans)
    assert drawn == [("0", "65"), ("65", "195")]


@given(st.integers(0, 200), st.integers(1, 30))
def test_shown_indices_are_in_order_and_no_more_than_asked(length: int, limit: int) -> None:
    shown = shown_indices(length, limit)
    assert len(shown) == min(length, limit)
    known = [i for i in shown if i is not None]
    assert known == sorted(set(known))
    assert all(0 <= i < length for i in known)
    assert (None in shown) == (length > limit)
