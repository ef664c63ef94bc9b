"""docs/language.md is the law; what the code says must be found there, word for word."""

import re
from pathlib import Path

import pytest

from minisparse.ops import OPS, Op

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
PAGES = (PAGE, *sorted(PAGE.parent.glob("language_*.md")))
PLAIN = [op for op in OPS.values() if not op.parts]


def sections() -> dict[str, str]:
    """Return the text under each third-level heading of the pages."""
    text = "\n## \n".join(page.read_text(encoding="utf-8") for page in PAGES)
    parts = re.split(r"^### (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_op_has_its_section_and_no_section_lacks_an_op() -> None:
    told: list[str] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        told += re.findall(r"^### (.+)$", text[text.index("## The ops") :], re.MULTILINE)
    assert sorted(told) == sorted(op.name for op in PLAIN)


@pytest.mark.parametrize("op", PLAIN, ids=str)
def test_the_page_lists_the_constraints_of_the_op(op: Op) -> None:
    rows = re.findall(r"^\| (C\d+) \| (.+) \|$", sections()[op.name], re.MULTILINE)
    assert rows == [(c.id, c.text) for c in op.constraints]


@pytest.mark.parametrize("op", PLAIN, ids=str)
def test_the_page_lists_operands_and_defaults(op: Op) -> None:
    (call,) = re.findall(r"^\| \| (.+) \|$", sections()[op.name], re.MULTILINE)
    wanted = str(op)
    for name, default in op.attrs.items():
        shown = f'"{default}"' if isinstance(default, str) else str(default)
        wanted += f", {name}={shown}"
    assert call.replace("1e-5", "1e-05") == wanted


@pytest.mark.parametrize("op", PLAIN, ids=str)
def test_the_page_tells_result_and_flops(op: Op) -> None:
    section = sections()[op.name]
    assert re.search(r"^\| result \| .+ \|$", section, re.MULTILINE)
    assert re.search(r"^\| flops \| .+ \|$", section, re.MULTILINE)


def test_every_fused_op_is_named() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`{op.name}`" in page for op in OPS.values() if op.parts)


def test_semantic_rules_are_numbered_without_gaps() -> None:
    found = re.findall(r"^- \*\*S(\d+)\.", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(n) for n in found] == list(range(1, len(found) + 1))
