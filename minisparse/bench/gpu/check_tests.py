"""The tests that need a card, run by pytest."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import minisparse
from minisparse.bench.gpu.part import FailedItem, Item, Part, SkippedItem
from minisparse.core.extras import is_installed

SECONDS = 65.0
_KEPT = 40
_NOTHING = 5
"""pytest's exit status where no test was chosen."""


def run_tests(seconds: float) -> Mapping[str, Any]:
    """Run the tests marked ``gpu`` where the source tree is, and keep the last lines."""
    root = Path(minisparse.__file__).parents[1]
    if not (root / "tests").is_dir():
        raise SkippedItem(f"the tests are not beside the package: there is no {root / 'tests'}")
    if not is_installed("pytest"):
        raise SkippedItem('pytest is not installed: pip install "minisparse[test]"')
    command = [
        sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider",
        "--continue-on-collection-errors", "tests",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode(errors="replace")
        raise FailedItem(f"not done in {seconds:.0f} s:\n{_tail(said)}") from error
    if done.returncode == _NOTHING:
        raise SkippedItem("no test is marked gpu")
    if done.returncode:
        raise FailedItem(_tail(done.stdout + done.stderr))
    return {"said": done.stdout.strip().splitlines()[-1]}


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_KEPT:])


def _items(quick: bool) -> Iterator[Item]:
    yield Item("pytest -m gpu", partial(run_tests, SECONDS / 5 if quick else SECONDS))


TESTS = Part("tests", "pytest -m gpu", SECONDS, _items, order=160, patience=SECONDS + 30)
