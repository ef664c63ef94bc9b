"""The mutation score: how many of the wrong implementations are found, how soon, how fast."""

import itertools
import statistics
import time
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minisparse.oracle import DEFAULT, check
from minisparse.oracle.attempt import attempt
from minisparse.oracle.check import problems
from minisparse.oracle.contracts import find_contract
from minisparse.oracle.report import Report
from tests.oracle.mutants import conversions, products, structured
from tests.oracle.mutants.mutant import Mutant
from tests.oracle.wrong_kernels import WRONG, name_of

EXAMPLES = 200

_KINDS = {
    "duplicates": ("last_duplicate_wins",),
    "order": ("needs_sorted_indices",),
    "index": ("flat_index_overflows",),
    "empty": ("reduceat_after_empty_rows", "leaves_empty_rows_unset", "fails_on_nothing_stored"),
    "special": ("skips_explicit_zeros", "computes_with_implicit_zeros", "hides_nan",
                "flushes_subnormals"),
    "dtype": ("accumulates_in_float16", "accumulates_in_float32", "returns_float64",
              "takes_dtype_of_a", "wraps_too_late"),
    "state": ("KeepsStaleValues", "KeepsStaleObject", "KeepsFirstArray", "CachesBySizes",
              "sorts_in_place", "ReturnsItsBuffer"),
    "tail": ("drops_last_row", "drops_remainder_of_columns", "stops_after_256"),
    "layout": ("ignores_fortran_order", "reads_base_of_views"),
    "formula": ("transposes_square",),
    "shape": ("squeezes_one_column",),
}  # fmt: skip


def _first() -> Iterable[Mutant]:
    """Return the wrong kernels for ``spmm_csr`` as mutants."""
    kind_of = {name: kind for kind, names in _KINDS.items() for name in names}
    for maker in WRONG:
        yield Mutant("spmm_csr", kind_of[name_of(maker)], maker, name_of(maker))


MUTANTS: tuple[Mutant, ...] = (
    *_first(),
    *products.BUGS,
    *structured.BUGS,
    *conversions.BUGS,
)
"""Every wrong implementation."""


class Outcome(NamedTuple):
    """What came of one mutant: the number of the example that found it, and what that took."""

    mutant: Mutant
    found_at: int | None
    seconds: float


def run(mutant: Mutant, examples: int = EXAMPLES, seed: int = 0) -> Outcome:
    """Put examples to a mutant until one finds it."""
    start, fn, contract = time.perf_counter(), mutant.make(), find_contract(mutant.op)
    found_at = None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for number, problem in enumerate(itertools.islice(problems(contract, seed), examples), 1):
            if attempt(fn, contract, problem, DEFAULT).failed:
                found_at = number
                break
    return Outcome(mutant, found_at, time.perf_counter() - start)


@lru_cache
def report_of(name: str) -> Report:
    """Return the report on a mutant, from as many examples as find it and a few more."""
    mutant = next(m for m in MUTANTS if m.name == name)
    return check(mutant.make(), mutant.op, examples=(run(mutant).found_at or EXAMPLES) + 10)


def table(outcomes: list[Outcome]) -> str:
    """Return killed and total, median example of detection and seconds, by class and by op."""
    lines = [f"{'class':<20} {'killed':>8} {'median example':>15} {'seconds':>8}"]
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.mutant.kind, []).append(outcome)
    for outcome in outcomes:
        groups.setdefault(outcome.mutant.op, []).append(outcome)
    groups["all"] = outcomes
    for name, some in groups.items():
        at = [o.found_at for o in some if o.found_at is not None]
        middle = f"{statistics.median(at):g}" if at else "-"
        seconds = sum(o.seconds for o in some)
        lines.append(f"{name:<20} {len(at):>4}/{len(some):<3} {middle:>15} {seconds:>8.1f}")
    return "\n".join(lines)
