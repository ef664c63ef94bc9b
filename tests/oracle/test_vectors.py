"""Portable vectors: what is written is what is read, and what is damaged is refused."""

import hashlib
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.cli import main
from minisparse.core.errors import FormatError, UsageError
from minisparse.oracle.structures import SparseTruth
from minisparse.oracle.truth import Truth
from minisparse.oracle.vectors import Case, Suite, read_suite, write_suite
from minisparse.oracle.vectors.values import from_values, to_values
from minisparse.oracle.vectors.write import LARGEST
from tests.oracle import right_kernels, wrong_kernels

pytest.importorskip("ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"')

PINNED = Path(__file__).with_name("vectors.sha256")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("vectors")
    write_suite(path)
    return path


@pytest.fixture(scope="module")
def suite(folder: Path) -> Suite:
    return read_suite(folder)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of two ops: quickly read."""
    path: Path = tmp_path_factory.mktemp("small")
    write_suite(path, ops=["spgemm_csr", "spmm_csr"])
    return path


def cases_of(suite: Suite, op: str) -> list[Case]:
    return [case for case in suite.cases if case.op == op]


def without_offsets(case: Case) -> bytes:
    """A case's line, wherever its bytes lie."""
    inputs, expected = (
        tuple(replace(entry, offset=0) for entry in entries)
        for entries in (case.inputs, case.expected)
    )
    return json.dumps(replace(case, inputs=inputs, expected=expected).as_json()).encode()


def pins(suite: Suite) -> list[str]:
    """A line for each op: the digest of its cases, which ops they are of, and how many."""
    found = []
    for op, count in suite.header["ops"].items():
        lines = b"\n".join(without_offsets(case) for case in cases_of(suite, op))
        found.append(f"{hashlib.sha256(lines).hexdigest()}  level 1, {op}, {count} cases")
    return found


def test_released_cases_have_not_changed(suite: Suite) -> None:
    found, pinned = pins(suite), PINNED.read_text(encoding="utf-8").splitlines()
    changed = "\n".join(line for line in found if line not in pinned)
    assert found == pinned, (
        "level 1 of the suite is not what it was. A released case never changes: one whose inputs "
        "or answers are others is a new case and needs a new id. (It has one, which is made of its "
        "contents; what remains is to tell of it in CHANGELOG.md.) If it was meant, "
        f"`python -m tests.oracle.test_vectors` writes {PINNED.name}. It is about:\n{changed}"
    )


def test_the_same_version_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_suite(tmp_path / name, ops=["spmv_csr"])
    for name in ("suite.jsonl", "suite.bin"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_level_2_has_random_cases_besides_those_of_level_1(tmp_path: Path, suite: Suite) -> None:
    write_suite(tmp_path, level=2, ops=["softmax_csr"])
    larger = {case.id for case in read_suite(tmp_path).cases}
    smaller = {case.id for case in cases_of(suite, "softmax_csr")}
    assert smaller < larger
    assert any(name.startswith("softmax_csr/random-") for name in larger - smaller)


def test_ids_are_unique_and_cases_are_small(suite: Suite) -> None:
    assert len({case.id for case in suite.cases}) == len(suite.cases)
    for case in suite.cases:
        assert sum(entry.nbytes for entry in (*case.inputs, *case.expected)) <= LARGEST
        assert all(entry.offset % 16 == 0 for entry in (*case.inputs, *case.expected))


def test_every_op_is_there_and_its_rounded_answers_pass(suite: Suite) -> None:
    for case in suite.cases:
        truth: Any = case.truth()
        values = truth if isinstance(truth, Truth) else truth.values
        found = values.judge(values.rounded())
        assert found.passed, f"{case.id}: {found.message}"
        assert isinstance(truth, Truth | SparseTruth)


def test_kernels_are_judged_as_they_should_be(suite: Suite) -> None:
    for case in cases_of(suite, "spmm_csr"):
        with np.errstate(all="ignore"):
            got = right_kernels.loops(*case.arguments().values())
        found = case.truth().judge(got)
        assert found.passed, f"{case.id}: {found.message}"


def within(y: Any, values: dict[str, Any]) -> Any:
    """The test that docs/vectors.md asks of a consumer, for real floating-point numbers."""
    hi = values["hi"]
    lo, bound, special = (
        values.get(name, np.zeros(hi.shape)) for name in ("lo", "bound", "special")
    )
    near = np.isfinite(y) & (np.abs((y - hi) - lo) <= bound)
    infinite = np.isinf(y)
    return np.select(
        [special == n for n in range(6)],
        [
            near,
            np.isnan(y),
            infinite & (y > 0),
            infinite & (y < 0),
            near | (infinite & (np.signbit(y) == np.signbit(hi))),
            near | ~np.isfinite(y),
        ],
    ).astype(bool)


def element(truth: Truth, i: int) -> Truth:
    return truth.map(lambda x: x[i : i + 1])


def test_a_consumer_finds_what_judge_finds() -> None:
    top = float(np.finfo("float32").max)
    hi = np.array([1.0, 1.0, np.nan, np.inf, -np.inf, top, -top, 5.0, 0.0])
    bound = np.array([1e-6, 0, 0, 0, 0, top / 2**20, top / 2**20, 1e-3, 0])
    lost = np.arange(9) == 7
    truth = Truth(hi, np.zeros(9), bound, lost, np.dtype("float32"))
    values = to_values(truth)
    again = from_values(values, truth.dtype)
    tries = [1.0, 1 + 2.0**-20, 1 + 2.0**-23, np.nan, np.inf, -np.inf, top, -top, 5.0, 0.0, -0.0]
    with np.errstate(all="ignore"):
        for number in tries:
            y = np.full(9, number, "float32")
            for i in range(9):
                right = element(truth, i).judge(y[i : i + 1]).passed
                assert right == within(y.astype(float), values)[i], (number, i)
                assert right == element(again, i).judge(y[i : i + 1]).passed


def test_integers_and_complex_numbers_come_back() -> None:
    zero = np.zeros(3)
    never = np.zeros(3, bool)
    whole = Truth(np.array([1, -(2**63), 7]), zero, zero, never, np.dtype("int64"))
    assert list(to_values(whole)) == ["hi"]
    assert from_values(to_values(whole), whole.dtype).hi.tolist() == [1, -(2**63), 7]
    hi = np.array([1 + 2j, complex(np.inf, 0), 3j])
    pairs = Truth(hi, zero + 0j, np.full(3, 1e-3 + 1e-4j), never, np.dtype("complex64"))
    values = to_values(pairs)
    assert values["hi"].shape == (3, 2)
    assert values["special"].tolist() == [0, 1, 0]
    again = from_values(values, pairs.dtype)
    assert again.judge(np.array([1 + 2j, complex(0, np.nan), 3j], "complex64")).passed
    assert not again.judge(np.array([1 + 2.01j, np.inf, 3j], "complex64")).passed


def test_suites_without_such_a_level_op_or_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no level 3"):
        write_suite(tmp_path, 3)
    with pytest.raises(UsageError, match="no op 'spmm_xyz'"):
        write_suite(tmp_path, ops=["spmm_xyz"])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="file"):
        write_suite(tmp_path / "file", ops=["spmv_csr"])
    with pytest.raises(FormatError, match="no suite can be read"):
        read_suite(tmp_path / "nowhere")


# -- damage --------------------------------------------------------------------------------------


@pytest.fixture
def copied(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "suite"))


def rewrite(folder: Path, number: int, change: Any) -> None:
    """Change one line of a suite, and make the digests of the whole fit again."""
    path = folder / "suite.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    content = json.loads(lines[number - 1])
    change(content)
    lines[number - 1] = json.dumps(content, separators=(",", ":")).encode() + b"\n"
    header = json.loads(lines[0])
    header["cases_sha256"] = hashlib.sha256(b"".join(lines[1:])).hexdigest()
    lines[0] = json.dumps(header, separators=(",", ":")).encode() + b"\n"
    path.write_bytes(b"".join(lines))


DAMAGE = {
    "offset past the end": (lambda c: c["inputs"][0].update(offset=1 << 40), "outside"),
    "negative offset": (lambda c: c["inputs"][0].update(offset=-16), "outside"),
    "shape": (lambda c: c["inputs"][0].update(shape=[1 << 40, 1 << 40]), "its shape takes"),
    "no shape": (lambda c: c["inputs"][0].update(shape=[1.5]), "no shape"),
    "dtype": (lambda c: c["inputs"][0].update(dtype="object"), "no dtype of a suite"),
    "sha256": (lambda c: c["inputs"][0].update(sha256="0" * 64), "not those of its sha256"),
    "another array": (lambda c: c["inputs"].pop(), "its id was made of"),
    "id": (lambda c: c.update(id="spmm_csr/another-00000000"), "its id was made of"),
    "op": (lambda c: c.update(op="spmm_xyz"), "no op 'spmm_xyz'"),
    "seed": (lambda c: c.update(seed=True), "'seed'"),
    "no result": (lambda c: c.pop("expected"), "'expected'"),
    "kind": (lambda c: c["expected"].update(kind="ellpack"), "does not exist"),
    "inputs": (lambda c: c.update(inputs=[1]), "no object"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_line_is_named(copied: Path, what: str) -> None:
    change, message = DAMAGE[what]
    rewrite(copied, 7, change)
    with pytest.raises(FormatError, match=f"line 7: .*{message}"):
        read_suite(copied)


def test_a_torn_or_foreign_file_is_refused(copied: Path) -> None:
    lines, stored = copied / "suite.jsonl", copied / "suite.bin"
    whole, arrays = lines.read_bytes(), stored.read_bytes()
    damaged = {
        whole[:-40]: "line [0-9]+: not JSON",
        whole[: whole.rfind(b"\n", 0, -1) + 1]: "line 1: tells of",
        b"": "empty",
        b"[" * 100_000: "line 1: not JSON",
        b"[1]\n": "line 1: not a JSON object",
        b" " * (1 << 21): "line 1: longer than",
        whole.replace(b'"version":1', b'"version":2', 1): "line 1: .*version 2",
        whole.replace(b'"label":"plain"', b'"label":"plane"', 1): "line 1: .*cases_sha256",
    }
    for content, message in damaged.items():
        lines.write_bytes(content)
        with pytest.raises(FormatError, match=message):
            read_suite(copied)
    lines.write_bytes(whole)
    stored.write_bytes(arrays[:-1])
    with pytest.raises(FormatError, match=r"line 1: suite\.bin should have"):
        read_suite(copied)
    stored.write_bytes(bytes([arrays[0] ^ 1]) + arrays[1:])
    with pytest.raises(FormatError, match=r"line \d+: .*sha256"):
        read_suite(copied)


# -- the command line ----------------------------------------------------------------------------


def test_vectors_writes_and_says_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vectors", "-o", str(tmp_path / "new"), "--op", "spmv_csr"]) == 0
    assert "spmv_csr" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"suite.jsonl", "suite.bin", "minisparse_vectors.h"}


def test_replay_shows_and_judges(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = f"{small}/spmm_csr/unsorted"
    assert main(["replay", case]) == 0
    told = capsys.readouterr().out
    assert "spmm_csr/unsorted-" in told
    assert "rules: S3" in told
    assert "expected = float32[9, 5]" in told
    right = f"{right_kernels.__name__}:loops"
    wrong = f"{wrong_kernels.__name__}:needs_sorted_indices"
    assert main(["replay", case, right]) == 0
    assert "PASS" in capsys.readouterr().out
    assert main(["replay", case, wrong]) == 1
    assert "FAIL, rule value: [0, 0] is" in capsys.readouterr().out
    assert main(["replay", f"{small}/spgemm_csr/plain", "math:hypot"]) == 1
    assert "FAIL, TypeError" in capsys.readouterr().out


def test_replay_says_what_it_cannot_find(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for case, target, message in (
        ("spmm_csr/no-such", (), "no case"),
        ("spmm_csr/", (), "cases are called"),
        ("spmm_csr/unsorted", ("nothing",), "package.module:function"),
        ("spmm_csr/unsorted", ("no_such_module:f",), "cannot import"),
        ("spmm_csr/unsorted", ("math:no_such",), "no function"),
    ):
        assert main(["replay", f"{small}/{case}", *target]) == 2
        assert message in capsys.readouterr().err
    assert main(["replay", "/nowhere/spmm_csr/unsorted"]) == 2


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        write_suite(temporary)
        lines = pins(read_suite(temporary))
        PINNED.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
