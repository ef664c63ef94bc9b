"""The process that measures break-evens: it is sent a case at a time, and sends back a finding.

Questions and answers are pickles on stdin and stdout. What a library prints goes to stderr, so
that it cannot spoil an answer. Nothing of this is meant for anyone but
:mod:`minisparse.bench.breakeven_process`, which starts it.
"""

import os
import pickle
import warnings
from typing import Any

from minisparse.bench.breakeven import Finding, find_break_even, ways_of
from minisparse.bench.breakeven_cases import Case
from minisparse.bench.breakeven_fit import NOWHERE
from minisparse.core.errors import MinisparseError


def answer(case: Case, libraries: str, only: str, seconds: float, seed: int) -> Finding:
    """Return the finding of a case; what can go wrong in it is a fault of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch says of sparse tensors: in beta
            return find_break_even(case, ways_of(libraries, only), seconds, seed)
    except MinisparseError as error:
        return Finding(case, None, NOWHERE, fault=str(error)[:300])
    except MemoryError:
        return Finding(case, None, NOWHERE, fault="not enough memory")


def serve() -> None:
    """Answer until there are no more questions."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            question: Any = pickle.load(questions)
        except EOFError:
            return
        pickle.dump(answer(*question), answers)
        answers.flush()


if __name__ == "__main__":
    serve()
