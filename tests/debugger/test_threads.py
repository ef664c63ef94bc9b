"""A warp step by step, and what a checked run tells, as text and as cards."""

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.debugger import ThreadReport, WarpSteps, step_threads
from minisparse.gpu import jit, thread_program


@thread_program
def countdown(x: Array, y: Array) -> None:
    t = np.int32(jit.threadIdx.x)
    total = np.float32(0)
    for i in range(t):
        total += x[i]
    y[t] = total


@pytest.fixture
def steps() -> WarpSteps:
    x, y = np.ones(40, np.float32), np.zeros(40, np.float32)
    found = step_threads(countdown, (1,), (40,), (x, y), warp=1)
    assert y.tolist() == list(range(40))
    return found


def test_steps_of_a_warp(steps: WarpSteps) -> None:
    assert len(steps) == 2 + 2 * 39 + 1
    assert next(iter(steps)).lanes == tuple(range(8))
    assert steps.title == "countdown: warp 1 of block (0, 0, 0), 32 lanes"
    text = str(steps)
    assert "total: 1 in each" in text
    assert "#" * 8 + "." * 24 in text
    assert "steps 0 to 47; 33 more follow: take [48:]" in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("total += x[i]") == 23
    assert steps._repr_html_().count("<tr") == 49


def test_parts_of_the_steps(steps: WarpSteps) -> None:
    last = steps[66:]
    assert (len(last), last.first) == (15, 66)
    assert ".#######" in str(last)
    assert "more follow" not in str(last)
    line = steps[:3].steps[-1].site.line
    assert steps.at(line).first == 2
    assert steps.at(line).at(line + 2).first == 80
    assert len(steps.at(1)) == 0


def test_names_are_chosen() -> None:
    x, y = np.ones(4, np.float32), np.zeros(4, np.float32)
    found = step_threads(countdown, (1,), (4,), (x, y), names=["i"])
    assert "i: 0 in each" in str(found)
    assert "total:" not in str(found)
    assert "<td" in found._repr_html_()


def test_what_is_wrong_is_shown_too() -> None:
    @thread_program
    def wrong(y: Array) -> None:
        y[jit.threadIdx.x + 1] = 1

    found = step_threads(wrong, (1,), (4,), (np.zeros(4),))
    assert [f.kind for f in found.findings] == ["bounds"]
    assert "cannot write y[4]" in " ".join(str(found).split())
    assert "cannot write y[4]" in found._repr_html_()


def test_a_report_as_tables() -> None:
    x, y = np.ones(32, np.float32), np.zeros(32, np.float32)
    found = ThreadReport(countdown.simulate((1,), (32,), (x, y), check=True))
    (store,) = [row for row in found.accesses if row[2] == "store y"]
    assert store[3:] == ("1", "4 sectors", "4", "100%", "4")
    assert [row[2:] for row in found.lines][2] == ("31", "496", "50%")
    for text in (str(found), found._repr_html_()):
        assert "Simulation(32 threads)" in text
        assert "load x" in text
        assert "total += x[i]" in text
    assert str(ThreadReport(countdown.simulate((1,), (1,), (x, y)))) == "Simulation(1 threads)"
