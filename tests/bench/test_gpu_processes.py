"""The processes of ``minisparse bench gpu``: that one item that fails never hides another."""

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minisparse.bench.gpu.part import Part
from minisparse.bench.gpu.runner import run_part, run_parts

WORKER = """
    import os, sys, time
    from minisparse.bench.gpu import worker
    from minisparse.bench.gpu.part import FailedItem, Item, Part, SkippedItem

    def raises(error):
        raise error

    RUNS = {
        "right": lambda: {"figure": 1.5},
        "wrong": lambda: raises(FailedItem("it is off")),
        "missing": lambda: raises(SkippedItem("not here")),
        "broken": lambda: [][0],
        "dies": lambda: (sys.stderr.write("illegal memory access"), os._exit(9)),
        "hangs": lambda: time.sleep(60),
        "slow": lambda: time.sleep(0.7) or {},
        "far": lambda: sys.exit("no broad except catches this"),
    }

    def items(quick):
        for name in NAMES[: 2 if quick else None]:
            if name == "stops":
                raise SkippedItem("the piece is not there")
            yield Item(name, RUNS[name])

    worker.parts = lambda: {"pretended": Part("pretended", "", 1.0, items, 0)}
    sys.exit(worker.main())
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Return what runs items by these names in processes of their own."""

    def run(*names: str, seconds: float = 20.0, quick: bool = False, **more: Any) -> Any:
        file = tmp_path / "worker.py"
        root = Path(__file__).parents[2]
        head = f"import sys\nsys.path.insert(0, {str(root)!r})\nNAMES = {list(names)!r}\n"
        file.write_text(head + textwrap.dedent(WORKER))
        part = Part("pretended", "what it does", seconds, lambda quick: iter(()), 0, **more)
        return run_part(part, seconds, quick, (sys.executable, str(file)))

    return run


def test_no_item_hides_another(run: Callable[..., Any]) -> None:
    names = ("wrong", "right", "missing", "broken", "dies", "right", "far", "right")
    items, why = run(*names)
    assert why == ""
    assert [x["name"] for x in items] == list(names)
    assert [x["status"] for x in items] == [
        "failed", "passed", "skipped", "failed", "crashed", "passed", "crashed", "passed"
    ]  # fmt: skip
    assert items[1]["found"] == {"figure": 1.5}
    assert items[0]["why"] == "it is off"
    assert items[3]["why"].startswith("IndexError: list index out of range\n")
    assert "worker.py" in items[3]["why"]
    assert items[4]["why"].startswith("its process ended with status 9\n")
    assert "illegal memory access" in items[4]["why"]


def test_an_item_that_hangs_is_ended_and_the_next_is_done(run: Callable[..., Any]) -> None:
    items, _ = run("right", "hangs", "right", patience=2.5)
    assert [x["status"] for x in items] == ["passed", "crashed", "passed"]
    assert "it said nothing for 2 s" in items[1]["why"]


def test_time_that_is_up_ends_a_part(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    items, _ = run(*["slow"] * 9, seconds=1.2)
    assert items[0]["status"] == "passed"
    assert items[-1]["status"] == "late"
    assert len(items) < 9
    monkeypatch.setattr("minisparse.bench.gpu.runner.GRACE", 0.5)
    items, _ = run("right", "hangs", "right", seconds=2.0)
    assert [x["status"] for x in items] == ["passed", "late"]


def test_processes_share_the_items(run: Callable[..., Any]) -> None:
    items, _ = run("right", "dies", "right", "right", "wrong", workers=2)
    assert [x["index"] for x in items] == [0, 1, 2, 3, 4]
    assert [x["status"] for x in items] == ["passed", "crashed", "passed", "passed", "failed"]


def test_a_part_that_is_not_possible_says_why(run: Callable[..., Any]) -> None:
    items, why = run("right", "stops")
    assert [x["status"] for x in items] == ["passed"]
    assert why == "the piece is not there"
    assert [x["name"] for x in run("right", "wrong", "right", quick=True)[0]] == ["right", "wrong"]


def test_a_worker_that_does_not_start_is_told() -> None:
    part = Part("pretended", "", 5.0, lambda quick: iter(()), 0)
    items, why = run_part(part, 5.0, False, (sys.executable, "-c", "raise SystemExit('no CuPy')"))
    assert items == []
    assert why == "its process ended with status 1\nno CuPy"


def test_parts_have_no_more_time_than_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [Part(name, "", 100.0, lambda quick: iter(()), 0) for name in "ab"]
    shares: list[float] = []

    def pretended(part: Part, seconds: float, *_: Any) -> tuple[list[Any], str]:
        shares.append(seconds)
        return [], ""

    monkeypatch.setattr("minisparse.bench.gpu.runner.run_part", pretended)
    said: list[str] = []
    found = list(run_parts(some, 0.5, False, said.append))
    assert [result["why"] for _, result in found] == ["no time was left for it"] * 2
    list(run_parts(some, 30.0, False, said.append))
    assert all(29 < share <= 30 for share in shares)
    assert len(said) == 2
