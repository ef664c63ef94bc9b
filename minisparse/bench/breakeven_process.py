"""Break-evens measured in a process of their own: threads set, and soon asleep after a call."""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from minisparse.bench.asking import Answerer, Lost
from minisparse.bench.breakeven import Finding, Settings
from minisparse.bench.breakeven_cases import Case
from minisparse.bench.breakeven_fit import NOWHERE
from minisparse.bench.process import environment

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
        self._settings = settings
        environ = environment(settings.threads)
        self._process = Answerer("minisparse.bench.breakeven_worker", (), environ)

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
        self._process.close()

    def measure(self, case: Case, seconds: float) -> Finding:
        """Return what became of a case that may take about so many seconds."""
        settings = self._settings
        asked = case, settings.libraries, settings.only, seconds, settings.seed
        question = *asked, settings.target
        self._process.start()
        try:
            found: Finding = self._process.ask(question, seconds + _PATIENCE)
        except Lost as error:
            return Finding(case, None, NOWHERE, fault=str(error))
        return found


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
