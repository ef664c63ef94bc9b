"""A process that answers questions: started when needed, ended when it hangs, started again."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from minisparse.core.errors import UsageError
from minisparse.oracle.foreign.frames import BadFrame, Frame, read_frame
from minisparse.oracle.outcomes import Crashed, TimedOut

_PATIENT_HANGS = 2
"""Hangs that are waited for in full; after them only :data:`_PATIENCE` times the slowest answer."""
_PATIENCE = 10
_LEAST_SECONDS = 0.15
_SECONDS_TO_START = 60
_LAST_BYTES = 2000


class Process:
    """A command that reads frames and writes frames.

    Parameters
    ----------
    command : sequence of str
        What to run.
    timeout : float
        Seconds that an answer may take.
    greets : bool
        Whether its first frame says that it is ready, or why it cannot be.
    environ : mapping, optional
        The environment to run it in.
    """

    def __init__(
        self,
        command: Sequence[str],
        timeout: float,
        *,
        greets: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command)
        self._timeout = timeout
        self._greets = greets
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._said: BinaryIO | None = None
        self._child: int | None = None
        self._answered = 0
        self._hangs = 0
        self._slowest = 0.0

    def ask(self, question: bytes) -> Frame:
        """Send a frame and return the answer.

        Raises
        ------
        Crashed
            If the process ends instead; it is started again for the next question.
        TimedOut
            If there is no answer in time; then it is killed, and started again.
        BadFrame
            If something else is answered.
        UsageError
            If it cannot be started.
        """
        process = self.start()
        before, begun = self._answered, time.monotonic()
        answer = self._exchange(process, question, self._limit())
        if answer is None and before and process.wait() == 0:
            # A program may answer one question and end; then it is started for every question.
            self.close()
            answer = self._exchange(self.start(), question, self._limit())
        if answer is None:
            raise Crashed(self._epitaph())
        if "crashed" in answer.header:
            last = self._last_line()
            self._greeted(process)
            raise Crashed(f"the process {answer.header['crashed']}{last}")
        self._answered += 1
        self._slowest = max(self._slowest, time.monotonic() - begun)
        return answer

    def start(self) -> "subprocess.Popen[bytes]":
        """Return the running process; start it if there is none.

        Raises
        ------
        UsageError
            If it cannot be started, or says that it cannot do what it should.
        """
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._answered = 0
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=None if self._environ is None else dict(self._environ),
                start_new_session=True,  # so that all of it can be ended at once
            )
        except OSError as error:
            raise UsageError(f"{self._command[0]} cannot be run: {error.strerror}") from error
        if self._greets:
            self._greeted(self._process)
        return self._process

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process, self._child = self._process, None, None
        if process is not None:
            _kill(process)
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
        if self._said is not None:
            self._said.close()
            self._said = None

    def _greeted(self, process: "subprocess.Popen[bytes]") -> None:
        self._child = None
        try:
            greeting = self._exchange(process, b"", _SECONDS_TO_START)
        except TimedOut as error:
            raise UsageError(f"it was not loaded in {_SECONDS_TO_START} s") from error
        if greeting is None:
            raise UsageError(f"it cannot be loaded: {self._epitaph()}")
        if "crashed" in greeting.header:
            last = self._last_line()
            raise UsageError(f"loading it, the process {greeting.header['crashed']}{last}")
        if "error" in greeting.header:
            raise UsageError("it cannot be loaded: {error}: {message}".format_map(greeting.header))
        self._child = greeting.header.get("child")

    def _exchange(
        self, process: "subprocess.Popen[bytes]", question: bytes, seconds: float
    ) -> Frame | None:
        """Send a question and return the answer; None if the process ended instead."""
        assert process.stdin is not None
        assert process.stdout is not None
        hung = threading.Event()

        def end() -> None:
            hung.set()
            if self._child is None:
                _kill(process)
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._child, signal.SIGKILL)

        timer = threading.Timer(seconds, end)
        timer.start()
        answer: Frame | None = None
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended; what did it say?
                process.stdin.write(question)
                process.stdin.flush()
            answer = read_frame(process.stdout)  # type: ignore[arg-type]
        except BadFrame:
            _kill(process)  # whatever follows could not be told from an answer
            if process.wait() == 0 or not hung.is_set():
                raise
        finally:
            timer.cancel()
            timer.join()
        if hung.is_set():
            self._hangs += 1
            if answer is None or "crashed" not in answer.header:
                self.close()
            else:
                self._greeted(process)  # by the next child
            raise TimedOut(f"no answer within {seconds:.2g} s")
        return answer

    def _limit(self) -> float:
        """Return how many seconds to wait: shrinking a hang asks hundreds of times."""
        if self._hangs < _PATIENT_HANGS:
            return self._timeout
        return min(self._timeout, max(_LEAST_SECONDS, _PATIENCE * self._slowest))

    def _epitaph(self) -> str:
        """Say how the process ended."""
        assert self._process is not None
        return f"the process {how_ended(self._process.wait())}{self._last_line()}"

    def _last_line(self) -> str:
        """Return the last line on stderr that tells, after a colon; nothing if there is none."""
        if self._said is None:
            return ""
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _LAST_BYTES))
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        # Sanitizers close with lines that say less than their summary.
        telling = [line for line in lines if line.startswith("SUMMARY: ")] or lines
        return f": {telling[-1][:200]}" if telling else ""


def how_ended(status: int) -> str:
    """Say what an exit status means.

    Examples
    --------
    >>> how_ended(-11), how_ended(3)
    ('was killed by signal 11 (SIGSEGV)', 'ended with status 3')
    """
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by signal {-status} ({signal.Signals(-status).name})"


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process and what it started."""
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
