"""Another process that answers questions: the side that asks, and the side that answers.

Questions and answers are pickles on the process's stdin and stdout. What a library prints there
goes to stderr, so that it cannot spoil an answer. A process that dies, or does not answer in time,
is ended, and started anew with the next question.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import minisparse
from minisparse.core.errors import MinisparseError

_START = (
    "import importlib, sys; sys.path.insert(0, sys.argv[1]); "
    "importlib.import_module(sys.argv[2]).serve(*sys.argv[3:])"
)
_ROOT = str(Path(minisparse.__file__).parent.parent)


class Lost(MinisparseError):
    """A process ended, or did not answer in time."""


class Answerer:
    """A process that answers questions; it is started with the first.

    Parameters
    ----------
    module : str
        Its function ``serve`` is called in the process, and answers by :class:`Questions`.
    arguments : sequence of str
        For that function.
    environ : mapping
        The environment of the process.
    """

    def __init__(self, module: str, arguments: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self._arguments = (_ROOT, module, *arguments)
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process if it does not run; it imports while others do."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environ,
                start_new_session=True,  # Ctrl-C is for us, who then end it
            )

    def ask(self, question: tuple[Any, ...], seconds: float) -> Any:
        """Return the answer to a question.

        Parameters
        ----------
        question : tuple
            Anything that can be pickled.
        seconds : float
            After which the process is ended.

        Raises
        ------
        Lost
            If the process does not run, ends instead of answering, or takes too long.
        """
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise Lost("it was not started")
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            pickle.dump(question, process.stdin)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            timed_out = not timer.is_alive()
            self.close()
            said = f"gave no answer within {seconds:.3g} s" if timed_out else "died"
            raise Lost(f"its process {said}") from error
        finally:
            timer.cancel()

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


class Questions:
    """What this process is asked, one after another, until there are no more.

    From here on all that is printed goes to stderr: make one before anything is imported that may
    print.
    """

    def __init__(self) -> None:
        self._asked, self._answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield questions; each is to be answered before the next."""
        while True:
            try:
                yield pickle.load(self._asked)
            except EOFError:
                return

    def answer(self, reply: Any) -> None:
        """Send an answer."""
        pickle.dump(reply, self._answers)
        self._answers.flush()
