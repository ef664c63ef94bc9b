"""Steps of many lanes as text and as a table."""

from html.parser import HTMLParser

from minisparse.show import Stepped, stepped_html, stepped_text

STEPS = [
    Stepped("10", "total = x[p] & <b>", {0: {"total": "0.5"}, 3: {"total": "-1"}}),
    Stepped("11", "n = 3", {lane: {"n": "3"} for lane in range(4)}),
    Stepped("12", "y[m] = total", {2: {}}),
]


def test_text() -> None:
    assert stepped_text(STEPS, lanes=4, max_width=40).splitlines() == [
        "  10  total = x[p] & <b>            #..#",
        "         total: 0.5 -1",
        "  11  n = 3                         ####",
        "         n: 3 in each",
        "  12  y[m] = total                  ..#.",
    ]


def test_text_keeps_to_its_width_and_to_ascii() -> None:
    long = Stepped("7", "é" * 90, {lane: {"v": "0.12345"} for lane in range(32)})
    odd = Stepped("9", "y", {0: {"é": "µ"}})
    more = Stepped("8", "x", {lane: {"v": str(lane)} for lane in range(32)})
    text = stepped_text([long, more, odd], max_width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.isascii()
    assert "#" * 32 in text


class Cells(HTMLParser):
    """Reads a table: rows of cells, each with its text and style."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append(["", dict(attrs).get("style") or ""])

    def handle_data(self, data: str) -> None:
        self.rows[-1][-1][0] += data


def test_html_is_the_twin() -> None:
    cells = Cells()
    cells.feed(stepped_html(STEPS, lanes=4))
    texts = [[text for text, _ in row] for row in cells.rows]
    assert texts == [
        ["", "", "0", "1", "2", "3"],
        ["10", "total = x[p] & <b>", "0.5", "·", "·", "-1"],
        ["11", "n = 3", "3", "3", "3", "3"],
        ["12", "y[m] = total", "·", "·", "", "·"],
    ]
    assert "&lt;i&gt;" in stepped_html([Stepped("1", "x", {0: {"v": "<i>"}})])
    marked = [["background-color" in style for _, style in row[2:]] for row in cells.rows[1:]]
    assert marked == [[True, False, False, True], [True] * 4, [False, False, True, False]]
