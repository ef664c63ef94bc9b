"""A contender in a process of its own, asked in turns.

One process of several libraries would let each find the caches, the memory and the threads that
another left: a BLAS's workers go on spinning for a while after a call. So each library gets a
process, all have the same number of threads, and threads that wait fall asleep soon after a turn.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from minisparse.bench.asking import Answerer, Lost
from minisparse.bench.suite import Cell
from minisparse.bench.worker import Loaded

_SECONDS = 120.0
"""No question takes so long; a process that does is ended."""


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
        self._process = Answerer("minisparse.bench.worker", (suite, contender), environ)

    def start(self) -> None:
        """Start the process if it does not run; it imports while others do."""
        self._process.start()

    def load(self, folder: str, cell: Cell) -> Loaded:
        """Give it a problem; a process that dies over it is a fault like any other."""
        self.start()
        try:
            found: Loaded = self._process.ask((folder, cell), _SECONDS)
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
        seconds: float = self._process.ask((), _SECONDS)
        return seconds

    def close(self) -> None:
        """End the process."""
        self._process.close()


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
