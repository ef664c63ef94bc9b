"""A thing is drawn in a notebook, and printed in a script."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from minisparse.show import display
from minisparse.show.question import Question


def with_ipython(monkeypatch: pytest.MonkeyPatch, shell: Any) -> list[object]:
    """Pretend that IPython runs; return the list of what its ``display`` is given."""
    shown: list[object] = []
    ipython, inner = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    inner.display = shown.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    return shown


def test_a_script_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    display([1], "two\nlines", "three")
    assert capsys.readouterr().out == "[1]\ntwo\nlines\n\nthree\n"


@pytest.mark.parametrize("shell", [None, SimpleNamespace()], ids=["script", "terminal"])
def test_without_a_notebook_ipython_changes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shell: Any
) -> None:
    shown = with_ipython(monkeypatch, shell)
    display("text")
    assert (shown, capsys.readouterr().out) == ([], "text\n")


def test_a_notebook_draws(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = with_ipython(monkeypatch, SimpleNamespace(kernel=object()))
    display([1], "two")
    assert (shown, capsys.readouterr().out) == ([[1], "two"], "")


@pytest.mark.parametrize("given", [None, "six", 6, 7])
def test_each_reply_names_its_question(given: Any) -> None:
    plain = Question(6, "count").check(given)
    assert Question(6, "count", number=4).check(given) == f"question 4: {plain}"
