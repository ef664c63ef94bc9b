"""A pattern's card says what the pattern knows; bytes are those of the formats themselves."""

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import Layout
from minisparse.formats import FORMATS, bytes_by_format, find_pattern, from_dense


def sample(name: str) -> Array:
    rng = np.random.default_rng(3)
    blocks = np.kron(rng.random((10, 12)) < 0.3, np.ones((4, 4), bool))
    kinds: dict[str, Array] = {
        "random": rng.random((50, 33)) < 0.2,
        "blocks": blocks,
        "2:4": np.tile([[0, 1, 1, 0], [1, 1, 0, 0]], (8, 4)) == 1,
        "6:8": np.tile([1, 1, 1, 0, 1, 1, 1, 0], (5, 3)) == 1,
        "zero": np.zeros((7, 9), bool),
        "no rows": np.zeros((0, 5), bool),
        "no columns": np.zeros((5, 0), bool),
        "full": np.ones((6, 16), bool),
    }
    return kinds[name]


KINDS = ["random", "blocks", "2:4", "6:8", "zero", "no rows", "no columns", "full"]


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_those_of_the_matrix_itself(kind: str) -> None:
    x = sample(kind).astype("float32")
    found = bytes_by_format(find_pattern(x, rectangles=[(2, 3)]), 4)
    assert list(found.values()) == sorted(found.values())
    assert found.pop(Layout("dense")) == x.nbytes
    for layout, n in found.items():
        assert from_dense(x, layout).nbytes == n, layout
    assert {layout.format for layout in found} >= {f for f in FORMATS if f != "nm"}
    assert Layout("bsr", (2, 3)) in found


def test_the_tightest_groups_are_chosen() -> None:
    def groups(kind: str) -> list[Layout]:
        return [k for k in bytes_by_format(find_pattern(sample(kind)), 4) if k.format == "nm"]

    assert Layout("nm", (2, 4)) in groups("2:4")
    assert Layout("nm", (6, 8)) in groups("6:8")
    assert Layout("nm", (1, 4)) in groups("zero")
    assert groups("full") == []


@pytest.mark.parametrize("kind", KINDS)
def test_card(kind: str) -> None:
    p = find_pattern(sample(kind))
    text = str(p)
    assert text == p.table() == p.table(4)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    html = p._repr_html_()
    for said in (f"{p.nnz} of {p.size}", f"{p.zero_rows} rows are zero", "32x32", p.describe()):
        assert said in text
        assert said.replace(">", "&gt;") in html
    assert "8-byte values" in p.table(8)


def test_zero_rows_and_columns() -> None:
    p = find_pattern(np.array([[0, 1, 0], [0, 0, 0]]))
    assert (p.zero_rows, p.zero_cols) == (1, 2)
    assert p.row_counts.tolist() == [1, 0]
    assert p.col_counts.tolist() == [0, 1, 0]
