"""Execute every tutorial once, top to bottom, each in a fresh kernel; a failing cell fails.

The executed notebooks go to docs/tutorials, so that the documentation shows what came out.
"""

import sys
import tempfile
import time
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

ROOT = Path(__file__).resolve().parent.parent
SECONDS_PER_CELL = 120


def execute(source: Path, folder: Path) -> None:
    """Run one tutorial away from the repository, so that it relies on what is installed."""
    notebook = jupytext.read(source)
    with tempfile.TemporaryDirectory() as elsewhere:
        resources = {"metadata": {"path": elsewhere}}
        NotebookClient(notebook, timeout=SECONDS_PER_CELL, resources=resources).execute()
    jupytext.write(notebook, folder / f"{source.stem}.ipynb")


def main() -> int:
    """Execute all tutorials; return how many failed."""
    folder = ROOT / "docs" / "tutorials"
    folder.mkdir(exist_ok=True)
    failures = 0
    for source in sorted((ROOT / "tutorials").glob("*.py")):
        start = time.monotonic()
        try:
            execute(source, folder)
            verdict = "passed"
        except (CellExecutionError, CellTimeoutError) as error:
            print(error)
            verdict = "FAILED"
            failures += 1
        print(f"{source.name}: {verdict} in {time.monotonic() - start:.1f} s", flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(main())
