"""``minisparse check``, ``gen`` and ``verify`` as their users meet them."""

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from minisparse.cli import main
from minisparse.oracle.contracts import CONTRACTS
from minisparse.oracle.foreign import HEADER

ROOT = Path(__file__).parent.parent.parent
JUDGED = "tests.oracle.foreign.judged"
TUTORIAL = ROOT / "tutorials" / "kernels" / "spmm_csr.c"


def test_passed_is_0_and_failed_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rest = ["--op", "spmm_csr", "--examples", "20", "--json", str(tmp_path / "r.json")]
    assert main(["check", f"{JUDGED}:right", *rest]) == 0
    assert "spmm_csr: passed" in capsys.readouterr().out
    assert json.loads((tmp_path / "r.json").read_text())["passed"] is True
    assert main(["check", f"{JUDGED}:sorts_in_place", *rest]) == 1
    out = capsys.readouterr().out
    assert "changed its input" in out
    assert "\x1b" not in out
    assert json.loads((tmp_path / "r.json").read_text())["failed"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", f"{JUDGED}:right"], "--op is needed; see above"),
        (["check", f"{JUDGED}:right", "--op", "spmm"], "there is no op 'spmm'; see above"),
        (["check", "--op", "spmm_csr"], "what should be checked? Give package.module:function"),
        (["check", "./none", "--op", "spmm_csr"], "./none: no program of that name"),
        (["check", "./none.so:f", "--op", "spmm_csr"], "there is no file ./none.so"),
        (["check", f"{JUDGED}:no", "--op", "spmm_csr"], "no attribute 'no'"),
        (["check", f"{JUDGED}:right", "--op", "spmm_csr", "--json", "/no/r"], "no folder /no"),
        (["check", f"{JUDGED}:right", "--op", "spmm_csr", "--profile", "x"], "no profile 'x'"),
        (["gen"], "--op is needed"),
        (["verify"], "--op is needed"),
    ],
)
def test_what_cannot_be_asked_is_2_and_a_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    *listed, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"minisparse {arguments[0]}: ")
    assert message in line
    if "op" in message:
        assert [text.split()[0] for text in listed] == sorted(CONTRACTS)
        assert all(CONTRACTS[text.split()[0]].call in text for text in listed)
    else:
        assert not listed


@pytest.mark.parametrize(
    "option",
    ["--examples=0", "--seed=-1", "--timeout=0", "--timeout=x", "--jobs=x", "--dtypes=float33"],
)
def test_options_that_make_no_sense(option: str) -> None:
    with pytest.raises(SystemExit) as found:
        main(["check", f"{JUDGED}:right", "--op", "spmm_csr", option])
    assert found.value.code == 2


def test_the_header_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--header"]) == 0
    assert capsys.readouterr().out == HEADER.read_text()
    assert main(["check", "--include"]) == 0
    assert (Path(capsys.readouterr().out.strip()) / "minisparse.h").is_file()


def test_the_bug_of_the_tutorial_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler `cc`")
    line = [
        compiler,
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        f"-I{HEADER.parent}",
    ]
    wrong, right = tmp_path / "wrong.so", tmp_path / "right.so"
    subprocess.run([*line, str(TUTORIAL), "-o", str(wrong)], check=True)
    assert main(["check", f"{wrong}:spmm_csr", "--op", "spmm_csr", "--examples", "60"]) == 1
    out = capsys.readouterr().out
    assert "FAILED, 1 cause(s)" in out
    assert "[0, 0] is nan but must be 0.0" in out
    assert "nothing stored" in out
    mended = re.sub(r".*nothing to add.*\n", "", TUTORIAL.read_text())
    (tmp_path / "right.c").write_text(mended)
    subprocess.run([*line, str(tmp_path / "right.c"), "-o", str(right)], check=True)
    assert main(["check", f"{right}:spmm_csr", "--op", "spmm_csr", "--examples", "120"]) == 0


def test_gen_yours_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = io.BytesIO(), io.BytesIO()
    common = ["--op", "spmm_csr", "--examples", "30"]
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=asked, isatty=bool, flush=bool))
    assert main(["gen", *common]) == 0
    monkeypatch.undo()
    program = [sys.executable, str(ROOT / "tests" / "oracle" / "foreign" / "program.py")]
    for how, status in (("", 0), ("assigns", 1), ("stops", 1)):
        done = subprocess.run([*program, how], input=asked.getvalue(), capture_output=True)
        answered = io.BytesIO(done.stdout)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=answered, isatty=bool))
        assert main(["verify", *common]) == status


@pytest.mark.parametrize("raw", [b"", b"hello\n"])
def test_verify_without_answers_is_2(
    raw: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw), isatty=bool))
    assert main(["verify", "--op", "spmm_csr"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
