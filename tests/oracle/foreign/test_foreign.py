"""Targets of every kind: what goes wrong in them is found from outside, as if they ran here."""

import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minisparse.core.errors import UsageError
from minisparse.oracle import DEFAULT, Judgement, Report, TimedOut, check
from minisparse.oracle.attempt import attempt
from minisparse.oracle.check import problems
from minisparse.oracle.contracts import find_contract
from minisparse.oracle.foreign import (
    HEADER,
    BadFrame,
    Request,
    merged,
    open_target,
    run_sharded,
)
from minisparse.oracle.foreign.process import Process
from minisparse.oracle.foreign.stream import repeated
from tests.oracle.foreign import judged
from tests.oracle.right_kernels import loops

FOLDER = Path(__file__).parent
EXAMPLES = 80
"""With these kinds of layout and calls before are among them."""
PYTHON = "tests.oracle.foreign.judged"
PROGRAM = f"{sys.executable} {FOLDER / 'program.py'}"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler `cc`")
    made = tmp_path_factory.mktemp("foreign") / "kernels.so"
    subprocess.run(
        [compiler, "-O1", "-Wall", "-Werror", "-Wno-misleading-indentation", "-shared", "-fPIC",
         f"-I{HEADER.parent}", str(FOLDER / "kernels.c"), "-o", str(made)],
        check=True,
    )  # fmt: skip
    return made


def judge(target: str, examples: int = 60, timeout: float = 20, op: str = "spmm_csr") -> Report:
    with open_target(target, find_contract(op), timeout) as fn:
        return check(fn, op, examples)


def first_failure(target: str) -> Judgement:
    """Return the first that fails, not shrunk."""
    contract = find_contract("spmm_csr")
    with open_target(target, contract) as fn:
        for problem in itertools.islice(problems(contract, 0), 30):
            found = attempt(fn, contract, problem, DEFAULT)
            if found.failed:
                return found.judgement
    raise AssertionError(f"{target} never failed")


# -- Python ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    "ignores_fortran_order keeps_stale_object returns_its_buffer".split(),
)
def test_python_is_judged_in_a_worker_as_it_is_here(name: str) -> None:
    there, here = (
        judge(f"{PYTHON}:{name}", EXAMPLES),
        check(getattr(judged, name), "spmm_csr", EXAMPLES),
    )
    assert not there.passed
    assert [(f.rule, f.label, f.count) for f in there.failures] == [
        (f.rule, f.label, f.count) for f in here.failures
    ]


def test_right_python_passes_from_a_module_and_from_a_file() -> None:
    for target, examples in ((f"{PYTHON}:right", 2), (f"{FOLDER / 'judged.py'}:right", 40)):
        report = judge(target, examples)
        assert report.passed, str(report)
        assert not report.unsupported
    assert judge(f"{PYTHON}:prints", 3).passed


@pytest.mark.parametrize(
    ("name", "rule", "message"),
    [
        ("raises_its_own", "exception ForeignError", "Peculiar: of its own"),
        ("returns_a_list", "array", "returned list"),
        ("returns_objects", "array", "returned ndarray of object"),
        ("is_killed", "crash", r"was killed by signal 9 \(SIGKILL\): last words"),
    ],
)
def test_what_python_does_instead(name: str, rule: str, message: str) -> None:
    first = first_failure(f"{PYTHON}:{name}")
    assert first.rule == rule
    assert re.search(message, first.message)


def test_not_implemented_is_unsupported() -> None:
    report = judge(f"{PYTHON}:takes_float32_only", 250)
    assert report.passed
    assert report.unsupported["float64 times float64"] > 0


def test_a_hang_is_a_timeout_and_shrinks_soon() -> None:
    report = judge(f"{PYTHON}:hangs", 10, timeout=0.4)
    assert {f.rule for f in report.failures} == {"timeout"}
    assert "no answer within" in report.failures[0].message
    assert "nothing stored" in report.failures[0].label


def test_after_two_hangs_patience_ends() -> None:
    process = Process(["sleep", "60"], 0.4)
    for seconds in ("0.4", "0.4", "0.15"):
        with pytest.raises(TimedOut, match=f"no answer within {seconds} s"):
            process.ask(b"{}\n")
    process.close()


def test_repeat_finds_what_is_seldom() -> None:
    calls = iter(range(10**6))

    def races(*arguments: Any) -> Any:
        c = loops(*arguments)
        return c + c.dtype.type(next(calls) % 50 == 49)

    assert check(races, "spmm_csr", 3).passed
    assert not check(repeated(races, 60), "spmm_csr", 3).passed
    assert repeated(loops, 1) is loops


# -- C -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "rule", "message"),
    [
        ("segfaults", "crash", "killed by signal 11"),
        ("exits", "crash", "ended with status 0"),
        ("writes_past", "crash", "wrote after the memory of c"),
        ("writes_inputs", "inputs", "changed its input 'data'"),
        ("errs", "exception RuntimeError", "errs returned 2"),
    ],
)
def test_what_c_does_instead(library: Path, symbol: str, rule: str, message: str) -> None:
    first = first_failure(f"{library}:{symbol}")
    assert first.rule == rule
    assert message in first.message


def test_right_c_passes(library: Path) -> None:
    report = judge(f"{library}:right", 200)
    assert report.passed, str(report)
    assert any("not contiguous" in said for said in report.unsupported)
    judged_ = report.examples - sum(report.unsupported.values())
    assert judged_ > 60


def test_c_allocates_sparse_results(library: Path) -> None:
    report = judge(f"{library}:csr_to_coo", 200, op="csr_to_coo")
    assert report.passed, str(report)
    assert sum(report.unsupported.values()) < report.examples
    (failure,) = judge(f"{library}:allocates_badly", 5, op="csr_to_coo").failures
    assert "row has memory that allocate() did not give it" in failure.message


# -- programs ----------------------------------------------------------------------------------


def test_programs_are_asked_in_frames() -> None:
    report = judge(PROGRAM, 60)
    assert report.passed, str(report)
    assert judge(f"{PROGRAM} once", 2).passed
    assert judge(f"{PROGRAM} assigns", 4).failures[0].rule == "value"


def test_programs_that_answer_something_else() -> None:
    contract = find_contract("spmm_csr")
    arguments = contract.arguments(next(problems(contract, 0))).values()
    with (
        open_target(f"{PROGRAM} chats", contract) as fn,
        pytest.raises(BadFrame, match="'working on it' is not a line of JSON"),
    ):
        fn(*arguments)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module:f", "No module named 'no_such_module'"),
        (f"{PYTHON}:not_a_function", "is a int, not a function"),
        ("./no_such.so:f", "there is no file ./no_such.so"),
        (f"{HEADER}", "cannot be executed"),
        ("./no_such_program", "no program of that name"),
        ("", "no program of that name"),
    ],
)
def test_what_cannot_be_asked_is_said(target: str, message: str) -> None:
    with (
        pytest.raises(UsageError, match=message.replace("(", r"\(")),
        open_target(target, find_contract("spmm_csr")),
    ):
        pass


def test_shards_add_up() -> None:
    request = Request(f"{PYTHON}:sorts_in_place", "spmm_csr", 20)
    two = run_sharded(request, 2)
    assert two.examples == 40
    assert {f.rule for f in two.failures} == {"inputs"}
    assert two.failed == sum(f.count for f in two.failures)
    both = merged([two, two])
    assert both.failures[0].count == 2 * two.failures[0].count
    assert both.failed == 2 * two.failed
