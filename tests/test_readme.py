"""What the README says is so: its Python runs, its files exist, its commands are the real ones."""

import re
from pathlib import Path
from typing import Any

import pytest

import minisparse as ms
from minisparse.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_python_blocks_run_one_after_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # the blocks save files
    names: dict[str, Any] = {}
    ran = 0
    for block in BLOCKS:
        if "scipy" in block:
            continue
        exec(compile(block, "README.md", "exec"), names)
        ran += 1
    assert ran >= 3
    out = capsys.readouterr().out
    assert "chosen" in out
    assert main(["run", "tiny.npz", "--input", "data.npz"]) == 0
    assert "FAIL" in out.upper()


def test_the_scipy_twin_agrees() -> None:
    pytest.importorskip("scipy", reason='comparing with SciPy: pip install "minisparse[peers]"')
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[0] + BLOCKS[1], "README.md", "exec"), names)
    assert names["Y"].shape == names["Y_scipy"].shape


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if ":" not in target:  # not the web's
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_its_functions_are_public() -> None:
    for name in re.findall(r"\bms\.(\w+)", README):
        assert hasattr(ms, name), name


def test_its_test_command_is_the_one_that_ci_runs() -> None:
    assert 'pip install ".[test]"' in README
    assert "pytest" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
