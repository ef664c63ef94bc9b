"""Snippets: run by themselves, they make the same call and get the same wrong result."""

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minisparse.core.dtypes import DType
from minisparse.oracle.problem import LAYOUTS, Layout, arrange
from minisparse.oracle.snippet import _assignment, expression
from minisparse.oracle.values import DTYPES, real
from tests.oracle.mutants.score import MUTANTS, report_of

TRIED = (
    "last_duplicate_wins", "KeepsStaleValues", "KeepsStaleObject", "ignores_fortran_order",
    "reads_base_of_views", "hides_nan", "stops_after_256", "sorts_in_place", "ReturnsItsBuffer",
    "takes_dtype_of_a", "fails_on_nothing_stored", "accumulates_in_float16", "skips_padding",
    "transposes_blocks", "relu_hides_nan", "lists_every_term", "nan_gets_no_weight",
    "first_wins", "reads_memory_as_it_lies", "drops_imaginary_parts_of_b",
)  # fmt: skip


@pytest.mark.parametrize("name", TRIED)
def test_a_snippet_fails_the_same_way(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    number = next(i for i, m in enumerate(MUTANTS) if m.name == name)
    failure = report_of(name).failures[0]
    program = failure.snippet.replace(
        "from your_module import your_function as fn",
        f"from tests.oracle.mutants.score import MUTANTS; fn = MUTANTS[{number}].make()",
    )
    assert "minisparse" not in failure.snippet
    error: BaseException | None = None
    found: dict[str, object] = {}
    with np.errstate(all="ignore"):
        try:
            exec(compile(program, name, "exec"), found)
        except (AssertionError, TypeError, ValueError) as raised:
            error = raised
    kind = failure.rule.split()[0]
    if kind in ("inputs", "fresh"):
        assert isinstance(error, AssertionError)
    elif kind == "exception":
        assert type(error).__name__ == failure.rule.split()[1]
    else:
        assert error is None
        _same(found["got"], failure.got)
        _same(found["expected"], failure.expected)
        assert "expected =" in capsys.readouterr().out


def _same(x: object, y: object) -> None:
    if isinstance(x, dict) and isinstance(y, dict):
        x, y = list(x.values()), list(y.values())
    if isinstance(x, tuple | list) and isinstance(y, tuple | list):
        for a, b in zip(x, y, strict=True):
            _same(a, b)
        return
    assert isinstance(x, np.ndarray)
    assert isinstance(y, np.ndarray)
    assert x.dtype == y.dtype
    assert x.shape == y.shape
    assert np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")


def test_a_snippet_is_a_program_of_its_own(tmp_path: Path) -> None:
    """In a process without minisparse, beside a module of the user's."""
    failure = report_of("last_entry_of_a_cell_wins").failures[0]
    module = (
        "import numpy as np\n\n\ndef your_function(row, col, data, shape, b):\n"
        "    a = np.zeros(shape, data.dtype)\n    a[row, col] = data\n    return a @ b\n"
    )
    (tmp_path / "your_module.py").write_text(module)
    (tmp_path / "shows.py").write_text(failure.snippet)
    done = subprocess.run(
        [sys.executable, "shows.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    got, expected = done.stdout.splitlines()
    assert got.split("=")[1] != expected.split("=")[1]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_arrays_come_out_with_the_same_bits(dtype: DType) -> None:
    names = {"np": np, "nan": np.nan, "inf": np.inf}
    with contextlib.suppress(ImportError):
        import ml_dtypes

        names["ml_dtypes"] = ml_dtypes
    x = real(np.random.default_rng(0), (3, 4), dtype)
    for written in (x, x[:0], x[0]):
        again = eval(expression(written), dict(names))
        assert again.dtype == dtype
        assert again.tobytes() == written.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS[:5])
def test_layouts_are_written_down(layout: Layout) -> None:
    x = arrange(np.arange(12.0).reshape(3, 4), layout)
    x.flags.writeable = layout != "C"
    found = {"np": np}
    exec("\n".join(_assignment("x", x)), found)
    again = found["x"]
    assert isinstance(again, np.ndarray)
    assert again.strides == x.strides
    assert again.flags.writeable == x.flags.writeable
    assert np.array_equal(again, x)
