"""Break-evens measured in a process of their own: threads set, and soon asleep after a call."""

import contextlib
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import minisparse
from minisparse.bench.breakeven import Finding, Settings
from minisparse.bench.breakeven_cases import Case
from minisparse.bench.breakeven_fit import NOWHERE
from minisparse.bench.process import environment

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from minisparse.bench.breakeven_worker import serve; serve()"
)
_ROOT = str(Path(minisparse.__file__).parent.parent)
_PATIENCE = 120.0
"""A case takes at most so many seconds more than it is given; then its process is ended."""


class Measurer:
    """A process that is sent cases; it is started anew after one that it did not survive.

    Parameters
    ----------
    settings : Settings
        What is asked for.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._environ = settings, environment(settings.threads)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start nothing yet: the first case does."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """End the process."""
        self._close()

    def measure(self, case: Case, seconds: float) -> Finding:
        """Return what became of a case that may take about so many seconds."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        settings = self._settings
        question = case, settings.libraries, settings.only, seconds, settings.seed
        timer = threading.Timer(seconds + _PATIENCE, process.kill)
        timer.start()
        try:
            pickle.dump(question, process.stdin)
            process.stdin.flush()
            found: Finding = pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            late = not timer.is_alive()
            self._close()
            said = f"gave no answer within {seconds + _PATIENCE:.0f} s" if late else "died"
            return Finding(case, None, NOWHERE, fault=f"its process {said}")
        finally:
            timer.cancel()
        return found

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._close()
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, _ROOT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environ,
                start_new_session=True,  # Ctrl-C is for us, who then end it
            )
        return self._process

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()


def measure_cases(
    settings: Settings, tell: Callable[[int, Case], None] = lambda done, case: None
) -> Iterator[Finding]:
    """Yield findings, case by case, until the time is up.

    Parameters
    ----------
    settings : Settings
        What is asked for. Each case has an equal part of the time that is left.
    tell : callable
        Called before each case with how many are done, and the case.
    """
    end = time.monotonic() + settings.seconds
    with Measurer(settings) as measurer:
        for done, case in enumerate(settings.cases):
            left = end - time.monotonic()
            if left <= 0 and done:
                return
            tell(done, case)
            yield measurer.measure(case, max(left, 0.0) / (len(settings.cases) - done))
