"""Every legitimate variant, and how many of them are called wrong."""

from minisparse.oracle import check
from minisparse.oracle.report import Report
from tests.oracle.right_kernels import RIGHT
from tests.oracle.variants import peers, products, structured
from tests.oracle.variants.plain import Fn

VARIANTS: tuple[tuple[str, Fn], ...] = (
    *(("spmm_csr", fn) for fn in RIGHT),
    *(
        (op, fn)
        for family in (products, structured, peers)
        for op, fns in family.VARIANTS.items()
        for fn in fns
    ),
)
"""Contracts, and implementations that are right."""


def false_alarms(examples: int = 200, seed: int = 0) -> list[tuple[str, Report]]:
    """Return those that did not pass, by name, with what was found."""
    found = [(f"{op} {fn.__name__}", check(fn, op, examples, seed)) for op, fn in VARIANTS]
    return [(name, report) for name, report in found if not report.passed]
