"""``gen | yours | verify``: the same inputs on both sides, and an answer for each."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisparse.oracle import check
from minisparse.oracle.contracts import find_contract
from minisparse.oracle.foreign import Answers, BadFrame, questions
from minisparse.oracle.foreign.frames import dump_frame, pack, read_frame, unpack
from tests.oracle.right_kernels import loops
from tests.oracle.wrong_kernels import last_duplicate_wins

SPMM = find_contract("spmm_csr")


def piped(fn: Callable[..., Any], examples: int, most: int = 10**6, **more: Any) -> Answers:
    """Return the answers of a function to the questions of ``gen``."""
    answers = []
    for raw in list(questions(SPMM, examples, 0, **more))[:most]:
        frame = read_frame(io.BytesIO(raw))
        assert frame is not None
        arrays = [unpack(e, r) for e, r in zip(frame.header["arrays"], frame.raws, strict=True)]
        arrays[3] = tuple(arrays[3].tolist())  # type: ignore[call-overload]
        with np.errstate(all="ignore"):
            entry, body = pack("c", fn(*arrays))
        answers.append(dump_frame({"id": frame.header["id"], "arrays": [entry]}, [body]))
    return Answers(io.BytesIO(b"".join(answers)), SPMM, examples, 0, **more)


def test_right_answers_pass_and_wrong_ones_are_found() -> None:
    report = check(piped(loops, 150), "spmm_csr", 150)
    assert report.passed, str(report)
    assert not report.unsupported
    found = check(piped(last_duplicate_wins, 60), "spmm_csr", 60)
    assert {f.rule for f in found.failures} == {"value"}
    assert any("duplicates" in f.label for f in found.failures)


def test_questions_without_an_answer_are_failures() -> None:
    answers = piped(loops, 30, most=20)
    assert len(answers) == 20
    report = check(answers, "spmm_csr", 30)
    assert report.failed == 10
    assert report.failures[0].rule == "crash"
    assert "was not answered" in report.failures[0].message


def test_only_the_dtypes_that_are_wanted_are_asked() -> None:
    only = ("float32",)
    answers = piped(loops, 200, dtypes=only)
    assert len(answers) == 200
    report = check(answers, "spmm_csr", 200, dtypes=only)
    assert report.passed, str(report)
    assert not report.unsupported


def test_a_stream_of_something_else_is_said() -> None:
    with pytest.raises(BadFrame, match="after 0 answers: 'id' is None"):
        Answers(io.BytesIO(b"{}\n"), SPMM, 3, 0)
