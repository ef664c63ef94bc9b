"""Drawings of graphs, read back: what the lines connect is what the nodes read."""

from hypothesis import given
from hypothesis import strategies as st

from minisparse.show import graph_html, graph_text


def test_a_chain_is_one_rail() -> None:
    nodes = [("x", "input", ()), ("h", "gemm(x, w)", ("x", "w")), ("y", "relu(h)", ("h",))]
    assert graph_text(nodes).split("\n") == [
        "o  x  input",
        "|",
        "o  h  gemm(x, w)",
        "|",
        "o  y  relu(h)",
    ]


def test_branches_crossings_and_loose_ends() -> None:
    nodes = [
        ("x", "", ()),
        ("a", "", ("x",)),
        ("b", "", ("x",)),
        ("k", "", ()),
        ("c", "", ("a", "b", "x")),
        ("out", "", ("c",)),
        ("p", "", ()),
        ("q", "", ("p", "c", "k")),
    ]
    assert [line.rstrip() for line in graph_text(nodes).split("\n")] == [
        "o           x",
        "|",
        "+--o        a",
        "|  |",
        "+--|--o     b",
        "|  |  |",
        "|  |  |  o  k",
        "|  |  |  |",
        "o--'--'  |  c",
        "|        |",
        "+--o     |  out",
        "|        |",
        "|  o     |  p",
        "|  |     |",
        "o--'-----'  q",
    ]


def test_unread_values_leave_no_rail() -> None:
    assert graph_text([("a", "", ()), ("b", "", ())]).split("\n") == ["o  a", "", "o  b"]


def test_no_nodes() -> None:
    assert graph_text([]) == ""
    assert "<pre" in graph_html([])


def test_one_value_read_twice_is_one_rail() -> None:
    assert graph_text([("x", "", ()), ("y", "", ("x", "x"))]).split("\n") == ["o  x", "|", "o  y"]


def test_a_name_means_its_latest_definition() -> None:
    nodes = [("x", "", ()), ("x", "", ("x",)), ("y", "", ("x",))]
    assert graph_text(nodes).split("\n") == ["o  x", "|", "o  x", "|", "o  y"]


graphs = st.lists(st.sets(st.integers(1, 6), max_size=3), max_size=14).map(
    lambda backs: [
        (f"n{i}", "", [f"n{i - back}" for back in sorted(b) if back <= i])
        for i, b in enumerate(backs)
    ]
)


def read_back(text: str) -> list[set[int]]:
    """Follow the rails of a drawing (with box letters) and return what each node reads."""
    lines = text.split("\n") if text else []
    below: dict[int, int] = {}
    reads = []
    for i, line in enumerate(lines[::2]):
        drawn = line.split("  n")[0]
        here = drawn.index("●")
        ends = {here}
        read = {below[here]} if here in below else set()
        for step in (-1, 1):
            place, connected = here + step, True
            while 0 <= place < len(drawn) and connected:
                letter = drawn[place]
                if letter in "├┤┼┴└┘":
                    read.add(below[place])
                if letter in "┴└┘":
                    ends.add(place)
                connected = letter not in " └┘├┤" and (
                    letter != "│" or drawn[place + step : place + step + 1] == "─"
                )
                place += step
        reads.append(read)
        below = {place: value for place, value in below.items() if place not in ends}
        rails = lines[2 * i + 1] if 2 * i + 1 < len(lines) else ""
        if rails[here : here + 1] == "│":
            below[here] = i
        assert {place for place, letter in enumerate(rails) if letter == "│"} == (
            set(below) if rails else set()
        )
    return reads


@given(graphs)
def test_drawings_read_back_as_the_graph(nodes: list[tuple[str, str, list[str]]]) -> None:
    text = graph_text(nodes, max_width=200, unicode=True)
    numbers = {name: i for i, (name, _, _) in enumerate(nodes)}
    assert read_back(text) == [{numbers[v] for v in inputs} for _, _, inputs in nodes]


@given(graphs, st.integers(1, 90))
def test_drawings_keep_to_their_width(nodes: list[tuple[str, str, list[str]]], width: int) -> None:
    text = graph_text(nodes, max_width=width)
    assert text.isascii()
    assert all(len(line) <= width for line in text.split("\n"))
