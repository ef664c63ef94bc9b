"""A contender in a process of its own, asked in turns.

One process of several libraries would let each find the caches, the memory and the threads that
another left: a BLAS's workers go on spinning for a while after a call. So each library gets a
process, all have the same number of threads, and threads that wait fall asleep soon after a turn.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import minisparse
from minisparse.bench.suite import Cell
from minisparse.bench.worker import Loaded
from minisparse.core.errors import MinisparseError

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from minisparse.bench.worker import serve; serve(*sys.argv[2:])"
)
_ROOT = str(Path(minisparse.__file__).parent.parent)
_SECONDS = 120.0
"""No question takes so long; a process that does is ended."""


class Lost(MinisparseError):
    """A contender's process ended, or did not answer in time."""


class Rival:
    """A contender that sits in another process; it is started with the first problem.

    Parameters
    ----------
    suite, contender : str
        Names.
    environ : mapping
        The environment of the process: see :func:`environment`.
    """

    def __init__(self, suite: str, contender: str, environ: Mapping[str, str]) -> None:
        self._command = [sys.executable, "-c", _START, _ROOT, suite, contender]
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process if it does not run; it imports while others do."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environ,
                start_new_session=True,  # Ctrl-C is for us, who then end it
            )

    def load(self, folder: str, cell: Cell) -> Loaded:
        """Give it a problem; a process that dies over it is a fault like any other."""
        self.start()
        try:
            found: Loaded = self._ask((folder, cell))
        except Lost as error:
            return Loaded(str(error))
        return found

    def turn(self) -> float:
        """Return the seconds of its turn.

        Raises
        ------
        Lost
            If its process ends instead.
        """
        seconds: float = self._ask(())
        return seconds

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()

    def _ask(self, question: tuple[Any, ...]) -> Any:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise Lost("it was not started")
        timer = threading.Timer(_SECONDS, process.kill)
        timer.start()
        try:
            pickle.dump(question, process.stdin)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            timed_out = not timer.is_alive()
            self.close()
            said = f"gave no answer within {_SECONDS:g} s" if timed_out else "died"
            raise Lost(f"its process {said}") from error
        finally:
            timer.cancel()


def environment(threads: int) -> dict[str, str]:
    """Return the environment of contenders' processes: threads, and how long they spin.

    Parameters
    ----------
    threads : int
        For BLAS, OpenMP and MKL alike.
    """
    found = dict(os.environ)
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS"):
        found[f"{library}_NUM_THREADS"] = str(threads)
    # OpenBLAS: 2 ** 22 clock ticks, between 1 and 2 ms; Intel's OpenMP: 1 ms; GNU's is shorter.
    found |= {"OPENBLAS_THREAD_TIMEOUT": "22", "KMP_BLOCKTIME": "1"}
    # pip puts MKL where the loader does not look, and sparse_dot_mkl reads where it is from here.
    mkl = sorted(Path(sys.prefix, "lib").glob("libmkl_rt.so*"))
    if mkl:
        found.setdefault("MKL_RT", str(mkl[0]))
    return found
