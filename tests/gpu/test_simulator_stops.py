"""pdb in one simulated thread, with scripted input."""

import io
import pdb
import re
import sys
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.gpu import device_function, jit, thread_program


@device_function
def twice(v: Any) -> Any:
    w = v
    w += v
    return w


@thread_program
def block_sum(x: Array, y: Array) -> None:
    """Have every thread add up the block's own part."""
    t = np.int32(jit.threadIdx.x)
    i = np.int32(jit.grid(1))
    tile = jit.shared_memory(np.float32, 8)
    tile[t] = twice(x[i])
    jit.syncthreads()
    total = np.float32(0)
    for k in range(8):
        total += tile[k]
    y[i] = total


@thread_program
def double(x: Array, y: Array) -> None:
    i = np.int32(jit.grid(1))
    y[i] = x[i] + x[i]


def session(program: Any, commands: str, **options: Any) -> tuple[str, Array]:
    """Return what pdb wrote, and what the program did."""
    said = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO(commands), stdout=said, nosigint=True, readrc=False)
    x, y = np.arange(16, dtype=np.float32), np.zeros(16, np.float32)
    before = sys.gettrace()
    program.simulate((2,), (8,), (x, y), debugger=debugger, **options)
    assert sys.gettrace() is before
    return said.getvalue(), y


def shown(said: str) -> list[str]:
    """Return the source lines at which pdb stood."""
    return re.findall(r"^-> (.*)$", said, re.MULTILINE)


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("seed", [None, 3])
def test_next_stays_in_the_thread_across_a_barrier(check: bool, seed: int | None) -> None:
    commands = "n\n" * 6 + "p int(t), int(i), float(total)\nuntil\nn\nc\n"
    said, y = session(block_sum, commands, stop=((1, 0, 0), (5, 0, 0)), check=check, seed=seed)
    assert shown(said) == [
        "t = np.int32(jit.threadIdx.x)",
        "i = np.int32(jit.grid(1))",
        "tile = jit.shared_memory(np.float32, 8)",
        "tile[t] = twice(x[i])",
        "jit.syncthreads()",
        "total = np.float32(0)",
        "for k in range(8):",
        "total += tile[k]",
        "for k in range(8):",
    ]
    assert "(5, 13, 0.0)" in said
    assert f"{__file__}(" in said
    assert y.tolist() == [56.0] * 8 + [184.0] * 8


@pytest.mark.parametrize("check", [False, True])
def test_step_goes_into_device_functions_and_not_into_the_simulator(check: bool) -> None:
    said, _ = session(block_sum, "s\n" * 9 + "c\n", stop=((0,), (2,)), check=check)
    lines = shown(said)
    assert lines[3] == "tile[t] = twice(x[i])"
    stepped = [line for line in lines[4:] if not line.startswith("def")]
    assert stepped[:3] == ["w = v", "w += v", "return w"]
    assert all(file in (__file__, "<string>") for file in re.findall(r"^> (.*)\(\d+\)", said, re.M))


def test_a_function_says_where_to_stop() -> None:
    said, y = session(
        double,
        "p int(i)\nc\np int(i)\nn\nn\np int(i)\nn\nn\n",
        stop=lambda block, thread: block == (1, 0, 0) and thread[0] >= 6,
    )
    assert shown(said)[:2] == ["i = np.int32(jit.grid(1))", "i = np.int32(jit.grid(1))"]
    assert said.count("*** NameError") == 2
    assert y.tolist() == [2.0 * i for i in range(16)]


def test_the_others_run_on_behind_the_end_of_the_thread() -> None:
    last = block_sum.function.__code__.co_firstlineno + 11
    said, y = session(double, "n\n" * 4, stop=((0,), (0,)))
    assert "--Return--" in said
    assert len(shown(said)) == 3
    assert y.tolist() == [2.0 * i for i in range(16)]
    said, y = session(block_sum, f"until {last}\n" + "n\n" * 4, stop=((1,), (7,)))
    assert shown(said)[-1] == "y[i] = total"
    assert y.tolist() == [56.0] * 8 + [184.0] * 8


def test_breakpoints_stop_other_threads_too() -> None:
    line = double.function.__code__.co_firstlineno + 3
    said, _ = session(
        double, f"b {__file__}:{line}\nc\np int(i)\nc\np int(i)\nclear 1\nc\n", stop=((1,), (6,))
    )
    assert shown(said) == ["i = np.int32(jit.grid(1))", *["y[i] = x[i] + x[i]"] * 2]
    assert re.findall(r"^\(Pdb\) (\d+)$", said, re.MULTILINE) == ["14", "15"]


def test_breakpoints_end_with_the_run() -> None:
    line = double.function.__code__.co_firstlineno + 3
    said, y = session(double, f"b {__file__}:{line}\n" + "c\n" * 3, stop=((1,), (6,)))
    assert len(shown(said)) == 3
    assert y.tolist() == [2.0 * i for i in range(16)]


def test_pdb_knows_no_frame_around_the_program() -> None:
    said, _ = session(block_sum, "w\nn\nn\nn\ns\nw\nup\np int(t)\nc\n", stop=((0,), (3,)))
    assert re.findall(r"\)(\w+)\(\)$", said.split("(Pdb)")[1], re.MULTILINE) == ["block_sum"]
    assert re.findall(r"\)(\w+)\(\)$", said.split("(Pdb)")[6], re.MULTILINE) == [
        "block_sum",
        "twice",
    ]
    assert "(Pdb) 3\n" in said


def test_quit_ends_the_run() -> None:
    from bdb import BdbQuit

    before = sys.gettrace()
    with pytest.raises(BdbQuit):
        session(double, "q\n", stop=((0,), (0,)))
    assert sys.gettrace() is before
