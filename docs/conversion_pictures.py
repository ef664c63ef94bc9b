"""Draw the pictures of conversions.md: ``python docs/conversion_pictures.py`` brings it up to date.

A picture is the text block after ``<!-- csr -> csc -->``. A test redraws each and compares.
"""

import re
from pathlib import Path

import numpy as np

from minisparse.core.tensor_type import Layout
from minisparse.formats import COO, Matrix, from_dense
from minisparse.show import arrays_text

PAGE = Path(__file__).parent / "conversions.md"
X = np.array([[5, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0], [0, 2, 0, 0, 3, 0], [0, 4, 0, 0, 0, 0]])
ANY_ORDER = COO([1, 1, 4, 3, 5, 1], [2, 0, 3, 2, 0, 2], [1, 5, 1, 4, 0, 1], (4, 6))
BLOCKS = {"bsr": (2, 2), "nm": (1, 3)}
PICTURE = re.compile(r"(<!-- (\w+) -> (\w+)((?: \d+x\d+)?) -->\n```text\n)(.*?)(```)", re.DOTALL)


def draw(source: str, target: str, block: str) -> str:
    """Return the arrays of both formats side by side."""
    A: Matrix = ANY_ORDER if source == "coo" else from_dense(X, _layout(source))
    size = tuple(map(int, block.split("x"))) if block else None
    B = A.to(Layout(target, (size[0], size[1])) if size else _layout(target))
    left, right = _column(A), _column(B)
    wide = max(map(len, left)) + 4
    left += [""] * (len(right) - len(left))
    right += [""] * (len(left) - len(right))
    lines = (f"{a:{wide}}{b}".rstrip() for a, b in zip(left, right, strict=True))
    return "\n".join(lines) + "\n"


def _layout(format: str) -> Layout:
    return Layout(format, BLOCKS.get(format))


def _column(A: Matrix) -> list[str]:
    title = str(A.type.layout)
    order = {"pointers": 0, "indices": 1, "values": 2}
    arrays = dict(sorted(A.arrays.items(), key=lambda item: order[A.roles[item[0]]]))
    return [title, "-" * len(title), *arrays_text(arrays, max_width=44).splitlines()]


def redraw(page: str) -> str:
    """Return the page with every picture drawn anew."""
    return PICTURE.sub(lambda m: m[1] + draw(m[2], m[3], m[4].strip()) + m[6], page)


if __name__ == "__main__":
    PAGE.write_text(redraw(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
