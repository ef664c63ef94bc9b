"""The process that measures break-evens: it is sent a case at a time, and sends back a finding.

Nothing of this is meant for anyone but :mod:`minisparse.bench.breakeven_process`, which starts it.
"""

import warnings

from minisparse.bench.asking import Questions
from minisparse.bench.breakeven import Finding, find_break_even, ways_of
from minisparse.bench.breakeven_cases import Case
from minisparse.bench.breakeven_fit import NOWHERE
from minisparse.core.errors import MinisparseError


def answer(
    case: Case, libraries: str, only: str, seconds: float, seed: int, target: str = "cpu"
) -> Finding:
    """Return the finding of a case; what can go wrong in it is a fault of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch says of sparse tensors: in beta
            return find_break_even(case, ways_of(libraries, only, target), seconds, seed)
    except MinisparseError as error:
        return Finding(case, None, NOWHERE, fault=str(error)[:300])
    except MemoryError:
        return Finding(case, None, NOWHERE, fault="not enough memory")


def serve() -> None:
    """Answer until there are no more questions."""
    questions = Questions()
    for question in questions:
        questions.answer(answer(*question))
