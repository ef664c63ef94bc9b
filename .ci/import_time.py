"""Check that importing minisparse costs little more than the ``import numpy`` inside it.

Names are imported when first used, so ``import minisparse`` alone would measure nothing: what is
measured is the import together with ``ms.compile``, which needs every floor from api to core.

The budget is 0.1 s above NumPy, on a quiet machine whose import of NumPy takes 0.055 s. Machines
differ, and so do hours, so what is judged is the ratio of the two: in fresh processes, taken in
turns, by their medians. It was seen between 1.6, on a busy machine, and 2.3, on a quiet one.
"""

import statistics
import subprocess
import sys
import tempfile

ROUNDS = 15
LIMIT = 2.8
NUMPY = "import numpy"
MINISPARSE = "import minisparse as ms; ms.compile"


def seconds(statement: str) -> float:
    """Return how long a statement takes in a fresh process, with what is installed."""
    timed = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    # -I: neither the current folder nor the environment's variables change what is imported.
    command = [sys.executable, "-I", "-c", timed]
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> int:
    """Measure, print, and return 1 if over the limit."""
    for statement in (NUMPY, MINISPARSE):
        seconds(statement)  # the first import writes bytecode
    rounds = [(seconds(NUMPY), seconds(MINISPARSE)) for _ in range(ROUNDS)]
    numpy, minisparse = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{NUMPY}: {numpy:.3f} s; {MINISPARSE}: {minisparse:.3f} s; ", end="")
    print(f"ratio {minisparse / numpy:.2f}, at most {LIMIT}")
    return int(minisparse > LIMIT * numpy)


if __name__ == "__main__":
    sys.exit(main())
