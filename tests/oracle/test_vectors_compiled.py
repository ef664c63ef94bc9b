"""The readers in C, Rust and CUDA: compiled where a compiler is there, and run over a suite."""

import json
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from minisparse.oracle.vectors import write_suite

pytest.importorskip("ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"')

SOURCES = files("minisparse.oracle.vectors")
LANGUAGES = {
    "c": ("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "spmm_csr.c", "-lm"),
    "c++": ("c++", "-x", "c++", "-Wall", "-Wextra", "-Werror", "-O1", "spmm_csr.c"),
    "rust": ("rustc", "--edition", "2021", "-D", "warnings", "spmm_csr.rs"),
}
# Few machines have all of these compilers: without one of C the tests skip, others are not asked.
FOUND = [name for name in LANGUAGES if name == "c" or shutil.which(LANGUAGES[name][0])]
SPARSE = ["coo_to_csr", "csr_to_bsr", "csr_to_coo", "csr_to_csc", "dense_to_csr", "spgemm_csr"]
WRONG = {
    "c": ("re += x * z", "re = x * z"),
    "c++": ("whole + term", "term"),
    "rust": ("parts[to][0] += x * z", "parts[to][0] = x * z"),
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of two ops, with the sources beside it."""
    folder: Path = tmp_path_factory.mktemp("compiled")
    write_suite(folder, ops=["spmm_csr", "csr_to_coo"])
    for name in ("spmm_csr.c", "spmm_csr.rs", "spmm_csr.cu"):
        with as_file(SOURCES.joinpath(name)) as source:
            shutil.copy(source, folder)
    return folder


def compiled(folder: Path, command: tuple[str, ...], program: str = "spmm_csr") -> Path:
    if shutil.which(command[0]) is None:
        pytest.skip(f"no compiler: {command[0]}")
    made = subprocess.run(
        [*command, "-o", program], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert made.returncode == 0, made.stderr
    return folder / program


def run(program: Path, *arguments: Path) -> tuple[int, str]:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("language", FOUND)
def test_a_right_kernel_passes_every_case(suite: Path, language: str) -> None:
    program = compiled(suite, LANGUAGES[language])
    total = json.loads((suite / "suite.jsonl").read_text().splitlines()[0])["ops"]["spmm_csr"]
    assert run(program, suite) == (0, f"{total} of {total} passed\n")


@pytest.mark.parametrize("language", FOUND)
def test_a_wrong_kernel_and_a_damaged_suite_do_not(
    suite: Path, tmp_path: Path, language: str
) -> None:
    folder = Path(shutil.copytree(suite, tmp_path / "suite"))
    source = next(folder / word for word in LANGUAGES[language] if word.startswith("spmm_csr"))
    right, wrong = WRONG[language]
    text = source.read_text(encoding="utf-8")
    assert text.count(right) == 1
    source.write_text(text.replace(right, wrong), encoding="utf-8")
    program = compiled(folder, LANGUAGES[language], "wrong")
    status, told = run(program, folder)
    assert status == 1
    assert "is wrong" in told
    lines = (folder / "suite.jsonl").read_bytes()
    for damaged in (
        b"",
        b"{}\n",
        lines[: len(lines) // 2],
        lines.replace(b'"offset":', b'"offset":1600000000'),
        lines.replace(b'"shape":[', b'"shape":[9'),
        lines.replace(b'"expected"', b'"other"'),
        lines.replace(b'"version":1', b'"version":2'),
    ):
        (folder / "suite.jsonl").write_bytes(damaged)
        status, told = run(program, folder)
        assert status == 2, told
    assert run(program, tmp_path / "nowhere")[0] == 2


def test_sparse_results_are_compared_in_c(tmp_path: Path) -> None:
    """Every sparse answer as a result of its own passes, and each kind of spoiling is found."""
    header = write_suite(tmp_path, ops=SPARSE)
    shutil.copy(Path(__file__).with_name("sparse_vectors.c"), tmp_path)
    program = compiled(tmp_path, ("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-O1",
                                  "sparse_vectors.c", "-lm"), "sparse")  # fmt: skip
    status, told = run(program, tmp_path)
    assert status == 0, told
    assert told.startswith(f"{header['cases']} of {header['cases']} right; ")


if shutil.which("nvcc"):

    def test_the_cuda_example_compiles_and_runs_where_there_is_a_device(suite: Path) -> None:
        program = compiled(suite, ("nvcc", "-Wno-deprecated-gpu-targets", "spmm_csr.cu"), "cuda")
        status, told = run(program, suite)
        assert "not supported" in told if status == 0 else "cudaMalloc" in told
