"""What the tutorials show is seen when they run as scripts too, and each question has its number.

That they run, .ci/tutorials.py tests.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))
by_name = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


def says_so_itself(call: ast.expr, printing: set[str]) -> bool:
    """Tell whether an expression prints or draws, rather than leave it to a notebook."""
    if not isinstance(call, ast.Call):
        return False
    if isinstance(call.func, ast.Name):
        return call.func.id in printing
    return ast.unparse(call.func).startswith(("axes", "figure", "left", "right", "plt"))


@by_name
def test_nothing_is_left_to_a_notebook_to_show(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    printing = {f.name for f in functions if "print(" in ast.unparse(f)} | {"print", "display"}
    for node in body:
        if isinstance(node, ast.Expr):
            assert says_so_itself(node.value, printing), f"{path.name}:{node.lineno}"


@by_name
def test_questions_are_checked_under_their_numbers(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    asked = [int(number) for number in re.findall(r"\*\*Question (\d+)\.\*\*", text)]
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    questions = [call for call in calls if ast.unparse(call.func) == "Question"]
    checked = [
        keyword.value.value
        for call in sorted(questions, key=lambda call: call.lineno)
        for keyword in call.keywords
        if keyword.arg == "number" and isinstance(keyword.value, ast.Constant)
    ]
    assert asked
    assert checked == asked == list(range(1, len(asked) + 1))


@by_name
def test_what_a_tutorial_needs_is_named_with_its_extra(path: Path) -> None:
    assert "import matplotlib" not in path.read_text(encoding="utf-8")
