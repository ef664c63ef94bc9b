"""What pyproject.toml and the pages say of the code, held against the code."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import minisparse

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "minisparse").rglob("*.py"))
READING_ORDER = (ROOT / "docs" / "reading_order.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_extras_named_in_code_exist(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    # require("onnx", "onnx", "…"), and messages that quote the command
    named = re.compile(r'require\(\s*"[\w.]+",\s*"([\w-]+)"|minisparse\[([\w-]+)\]')
    for source in SOURCES:
        for groups in named.findall(source.read_text(encoding="utf-8")):
            assert max(groups) in extras, f"{source}: no extra {max(groups)}"


def test_floors_are_drawn_as_they_are_checked(project: dict[str, Any]) -> None:
    contracts = project["tool"]["importlinter"]["contracts"]
    floors = next(c["layers"] for c in contracts if c["id"] == "floors")
    checked = [re.findall(r"\w+", floor) for floor in floors]
    drawing = re.search(r"```text\n(.*?)```", READING_ORDER, re.DOTALL)
    assert drawing is not None
    drawn = [re.findall(r"\w+", line.split("  ")[0]) for line in drawing[1].splitlines()]
    assert drawn == checked


def test_files_named_in_the_reading_order_exist() -> None:
    for name in re.findall(r"`((?:minisparse|tests|tutorials|docs)/[\w./-]*)`", READING_ORDER):
        assert (ROOT / name).exists(), f"docs/reading_order.md names {name}"


def test_every_public_name_can_be_had() -> None:
    for name in minisparse.__all__:
        assert getattr(minisparse, name) is not None, name
