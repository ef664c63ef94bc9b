"""The debugger in a terminal, driven through a pipe: transcripts, 80 columns, errors in words."""

import io
import sys

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.debugger import step_through
from minisparse.passes import PASSES
from minisparse.runtime import Executable
from tests.networks import convolutional, feeds_for

ALL_KINDS = """
s
l
break spmm
break nan
break layer2
break
c
why
into
s 6
row
slot
l
s 4
b 2
until m=7 n=1
v
v c
element 7 1
element 7
finish
up
c
v
v x
v x 1 2
c
clear 1
clear
c
v layer2
diff layer2
b
b 100
h
q
"""


def transcript(plan: Executable, commands: str, breaks: tuple[str, ...] = ()) -> str:
    answers = io.StringIO()
    feeds = feeds_for(plan.graph)
    assert step_through(plan, feeds, io.StringIO(commands), answers, breaks) == 0
    text = answers.getvalue()
    assert text.isascii()
    assert max(map(len, text.split("\n"))) <= 80
    return text


def after(text: str, command: str) -> str:
    """Return the answer to the first such command."""
    lines = text.split("\n")
    begin = next(i for i, line in enumerate(lines) if line.endswith(f") {command}"))
    answer = []
    for line in lines[begin + 1 :]:
        if line.startswith("(") and ") " in line:
            break
        answer.append(line)
    return "\n".join(answer)


def test_every_command_answers(plan: Executable) -> None:
    text = transcript(plan, ALL_KINDS)
    assert "error" not in text
    assert "no command" not in text
    for command in ALL_KINDS.split("\n"):
        if command not in ("", "q"):
            assert after(text, command), command


def test_answers_say_what_happened(plan: Executable) -> None:
    text = transcript(plan, ALL_KINDS)
    assert "stopped before op spmm" in after(text, "c")
    assert "chosen" in after(text, "why")
    assert "m = " in after(text, "row")
    assert "multiply-add" in after(text, "element 7 1")
    assert "returned float32[" in after(text, "finish")
    assert after(text, "diff layer2").startswith(("largest", "equal"))
    x = feeds_for(plan.graph)["x"]
    assert after(text, "v x 1 2") == f"x[1, 2] = {np.array2string(x[1, 2], precision=4)}"
    assert after(text, "b 100").startswith("-> before node 1 ")


def test_an_empty_line_repeats_a_move_and_nothing_else(plan: Executable) -> None:
    text = transcript(plan, "s\n\n\nwhy\n\n")
    assert text.count("node 3 of") == 2  # announced, then run
    assert text.count("predicted  ") <= 1 + text.count("took")
    assert text.count("prices for") == 1


def test_the_end_of_the_commands_ends_the_session(plan: Executable) -> None:
    assert transcript(plan, "").endswith("(step) \n")
    session = transcript(plan, "break spmm\nc\ninto\ns")
    assert session.count("(step) ") == 3


def test_quitting_inside_of_a_kernel_leaves_altogether(plan: Executable) -> None:
    assert transcript(plan, "break spmm\nc\ninto\nq\ns\n").count("(step) ") == 3


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("nonsense", "no command 'nonsense'; there are: s, b, c"),
        ("v nope", "error: no value 'nope' by now: there are: x"),
        ("v x 99", "error: value 'x' has shape (3, 12): no element (99,)"),
        ("break nope", "error: no node of the plan computes 'nope'"),
        ("clear 7", "error: there is no breakpoint 7"),
        ("s many", "error: 'many' is not a number of steps"),
        ("s 0", "error: '0' is not a number of steps"),
        ("into nope", "error: plan 'perceptron_random' has no node 'nope'"),
        ("into layer2", "error: node 'layer2'"),
        ("into m=x", "error: 'm=x' gives m no whole number"),
        ("diff", "error: diff wants the name of a value"),
        ("c layer2", "error: c takes nothing after it, and was given 'layer2'"),
    ],
)
def test_a_mistake_is_told_and_the_session_goes_on(
    plan: Executable, command: str, answer: str
) -> None:
    text = transcript(plan, f"{command}\ns\n")
    assert after(text, command).startswith(answer)
    assert "node 1 of" in after(text, "s")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("nonsense", "no command 'nonsense'; there are: s, b, row"),
        ("until", "error: until wants letters"),
        ("until m=999", "error: "),
        ("element x", "error: element wants"),
        ("v nope", "error: no local 'nope' here"),
        ("row 3", "error: row takes nothing after it"),
        ("up 1", "error: up takes nothing after it"),
        ("u 1", "error: until wants letters"),
    ],
)
def test_a_mistake_inside_of_a_kernel(plan: Executable, command: str, answer: str) -> None:
    text = transcript(plan, f"break spmm\nc\ninto\n{command}\ns\nup\n")
    assert after(text, command).startswith(answer)
    assert "assign" in after(text, "s")


def test_u_with_letters_is_until(plan: Executable) -> None:
    text = transcript(plan, "break spmm\nc\ninto\nu m=7 n=1\nup\n")
    assert "m=7" in after(text, "u m=7 n=1")
    assert text.count(" loops) ") == 2


def test_help_for_one_command(plan: Executable) -> None:
    text = transcript(plan, "h diff\nh\n")
    assert after(text, "h diff").split()[:2] == ["diff", "NAME"]
    assert len(after(text, "h diff").split("\n")) < len(after(text, "h").split("\n"))


def test_a_zero_of_a_sparse_matrix_is_stored_or_not() -> None:
    b = ms.GraphBuilder("stored")
    a = ms.CSR(np.array([0.0, 1.0, 2.0, 5.0]), [0, 1, 1, 2], [0, 4], (1, 4))
    y = b.op("spmm", b.constant("a", a), b.input("x", (4, 1)))
    plan = ms.compile(b.build({"y": y}), skip=tuple(PASSES))
    commands = "".join(f"v a 0 {k}\n" for k in range(4))
    text = transcript_of(plan, commands, {"x": np.ones((4, 1), "float32")})
    told = [after(text, f"v a 0 {k}") for k in range(4)]
    assert told == [
        "a[0, 0] = 0.  a stored zero",
        "a[0, 1] = 3.  stored 2 times, summed",
        "a[0, 2] = 5.",
        "a[0, 3] = 0.  not stored",
    ]


def test_breakpoints_from_the_command_line(plan: Executable) -> None:
    text = transcript(plan, "c\nc\n", ("layer2", "spmm"))
    assert "stopped before op spmm" in after(text, "c")
    with pytest.raises(UsageError, match=r"'nope'.*its nodes: "):
        step_through(plan, feeds_for(plan.graph), io.StringIO(), io.StringIO(), ("nope",))


def test_a_model_with_images() -> None:
    graph = convolutional("blocks")
    plan = ms.compile(graph, level="loops")
    commands = "break conv\nc\ninto as csr m=1 n=0\ns 12\nelement m=1 n=0 row=0 column=0\nup\nc\n"
    text = transcript(plan, commands)
    assert "error" not in text
    assert "multiply-add" in text


def test_names_out_of_a_file_cannot_move_the_cursor() -> None:
    b = ms.GraphBuilder("gr\x1b[2Japh")
    x = b.input("x", (2, 2))
    y = b.op("relu", x, name="n\x1b[31mode\u2713" + "long" * 40)
    plan = ms.compile(b.build({"y": y}))
    text = transcript_of(plan, "s\nl\nwhy\nv\ninto\nb\n", {"x": np.ones((2, 2), "float32")})
    assert "\x1b" not in text
    assert text.isascii()
    assert max(map(len, text.split("\n"))) <= 80


def transcript_of(plan: Executable, commands: str, feeds: dict[str, Array]) -> str:
    answers = io.StringIO()
    assert step_through(plan, feeds, io.StringIO(commands), answers) == 0
    return answers.getvalue()


def test_an_interrupt_stops_a_command_only(
    plan: Executable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ms.debugger.Session, "run", interrupted)
    text = transcript(plan, "c\ns\n")
    assert "interrupted" in after(text, "c")
    assert "node 1 of" in after(text, "s")


def test_the_real_stdin_is_not_touched(plan: Executable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert transcript(plan, "s\n")
