"""The answer key: exact answers, error bounds, hard inputs, verdicts.

It knows what ops mean, and nothing of how minisparse computes them: kernels are never imported.
"""

from types import ModuleType

from minisparse.oracle.check import check
from minisparse.oracle.contracts import calls
from minisparse.oracle.end_to_end import distances
from minisparse.oracle.exact import exact, exact_results
from minisparse.oracle.exact_run import run_exact
from minisparse.oracle.outcomes import Crashed, TimedOut, Unsupported
from minisparse.oracle.plan_check import NodeJudgement, verify_nodes
from minisparse.oracle.profile import DEFAULT, IEEE, Profile
from minisparse.oracle.report import Failure, Report
from minisparse.oracle.truth import Truth
from minisparse.oracle.verdict import Judgement, judge

__all__ = [
    "DEFAULT",
    "IEEE",
    "Crashed",
    "Failure",
    "Judgement",
    "NodeJudgement",
    "Profile",
    "Report",
    "TimedOut",
    "Truth",
    "Unsupported",
    "calls",
    "check",
    "distances",
    "exact",
    "exact_results",
    "judge",
    "run_exact",
    "verify_nodes",
]


def __getattr__(name: str) -> ModuleType:
    """Import ``strategies`` when it is first asked for: it needs the package hypothesis."""
    if name == "strategies":
        import importlib

        return importlib.import_module("minisparse.oracle.strategies")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
