"""docs/gpu_simulator.md: its examples print what stands below them."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "gpu_simulator.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\n^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_examples(tmp_path: Path) -> None:
    examples = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(examples) == PAGE.read_text(encoding="utf-8").count("```python")
    names: dict[str, Any] = {"__name__": "page"}
    for i, (code, expected) in enumerate(examples):
        file = tmp_path / f"example_{i}.py"  # programs are read from their files
        file.write_text(code, encoding="utf-8")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, str(file), "exec"), names)
        assert said.getvalue() == expected, f"example {i}"


def test_every_kind_of_finding_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = re.findall(r"^\| `(.*?) \|", page, re.MULTILINE)
    explained = set(re.findall(r"\w+", " ".join(table[: table.index("check=True`")])))
    told = set()
    for file in (PAGE.parents[1] / "minisparse" / "gpu" / "simulation").glob("*.py"):
        source = file.read_text(encoding="utf-8")
        told |= set(re.findall(r'(?:found|Finding|_unmet|BadIndex)\(\s*"(\w+)"', source))
    assert told <= explained
    assert {"race", "barrier", "warp", "bounds", "dtype"} <= told
