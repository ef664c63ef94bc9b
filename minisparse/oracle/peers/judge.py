"""Judge a peer op by op, and count what passed of a fixed total."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from minisparse.core.errors import UsageError
from minisparse.oracle.check import check
from minisparse.oracle.contracts import CONTRACTS, find_contract
from minisparse.oracle.foreign import open_target
from minisparse.oracle.outcomes import Unsupported
from minisparse.oracle.peers.peer import Peer
from minisparse.oracle.profile import find_profile
from minisparse.oracle.report import Report

_WIDTH = 88


@dataclass(frozen=True)
class PeerReport:
    """What was found when a peer was judged.

    Attributes
    ----------
    peer : str
        Its name.
    versions : mapping
        Of the packages that matter.
    profile : str
        By which it was judged.
    reports : tuple of Report
        One for each op that was asked for, those that it does not have included: there all inputs
        are unsupported.
    """

    peer: str
    versions: dict[str, str]
    profile: str
    reports: tuple[Report, ...]

    @property
    def total(self) -> int:
        """How many inputs there are, over all ops."""
        return sum(report.examples for report in self.reports)

    @property
    def passed(self) -> int:
        """How many were computed and right; vacuous ones are not among them."""
        return sum(map(right, self.reports))

    @property
    def failed(self) -> int:
        """How many were wrong."""
        return sum(report.failed for report in self.reports)

    @property
    def unsupported(self) -> int:
        """How many it says that it does not take."""
        return sum(map(skipped, self.reports))

    def to_json(self) -> dict[str, Any]:
        """Return the numbers and the findings as plain data."""
        return {
            "peer": self.peer,
            "versions": self.versions,
            "profile": self.profile,
            "passed": self.passed,
            "failed": self.failed,
            "unsupported": self.unsupported,
            "total": self.total,
            "ops": {report.op: _plain(report) for report in self.reports},
        }

    def __str__(self) -> str:
        """Return a line for each op, and the causes of failure."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        lines = [f"{self.peer} ({versions}), profile {self.profile}"]
        lines.append(f"  {'op':20} {'passed':>7} {'failed':>7} {'vacuous':>8} {'unsupported':>12}")
        lines += [
            f"  {report.op:20} {right(report):7} {report.failed:7} {report.vacuous:8} "
            f"{skipped(report):12}"
            for report in self.reports
        ]
        lines.append(
            f"  {self.passed} of {self.total} passed, {self.failed} failed, "
            f"{self.unsupported} unsupported"
        )
        for report in self.reports:
            for failure in report.failures:
                found = str(failure).splitlines()
                lines += [f"{report.op}: {found[0]}", *found[1:]]
        return "\n".join(lines)


def right(report: Report) -> int:
    """Return how many inputs were computed and right."""
    return report.examples - report.failed - report.vacuous - skipped(report)


def skipped(report: Report) -> int:
    """Return how many inputs were not supported."""
    return sum(report.unsupported.values())


def _plain(report: Report) -> dict[str, Any]:
    return {
        "passed": right(report),
        "failed": report.failed,
        "vacuous": report.vacuous,
        "unsupported": dict(report.unsupported),
        "total": report.examples,
        "failures": [
            {"rule": f.rule, "label": f.label, "message": f.message, "count": f.count,
             "allowed_by": list(f.allowed_by), "text": str(f)}
            for f in report.failures
        ],
    }  # fmt: skip


def judge_peer(
    name: str,
    ops: Sequence[str] | None = None,
    examples: int = 200,
    seed: int = 0,
    profile: str | None = None,
    timeout: float | None = None,
) -> PeerReport:
    """Judge another library on the plain-array contracts.

    Parameters
    ----------
    name : str
        ``"scipy"``, ``"torch"``, ``"sparse"``, ``"mkl"``, ``"jax"``, ``"onnxruntime"`` or
        ``"graphblas"``.
    ops : sequence of str, optional
        Which contracts; by default all, also those that it has no function for: these count in
        the total, as unsupported.
    examples : int
        How many inputs for each.
    seed : int
        The inputs are the same whenever seed and versions are.
    profile : str, optional
        By which to judge; by default ``"default"``. ``"own"`` is the peer's own.
    timeout : float, optional
        Seconds that a call may take. If given, the peer runs in a process of its own, so that a
        crash or a hang of it is a verdict and not ours; else it runs here.

    Raises
    ------
    UsageError
        If there is no such peer, op or profile.
    MissingExtraError
        If it is not installed; the message says how to install it.
    """
    peer = find_peer(name)
    versions = peer.versions()
    meaning = find_profile(peer.profile if profile == "own" else profile)
    chosen = list(CONTRACTS) if ops is None else [find_contract(op).name for op in ops]
    reports = []
    for op in chosen:
        with _adapter(peer, op, timeout) as fn:
            reports.append(check(fn, op, examples, seed, meaning))
    return PeerReport(peer.name, versions, meaning.name, tuple(reports))


@contextmanager
def _adapter(peer: Peer, op: str, timeout: float | None) -> Iterator[Callable[..., Any]]:
    if op not in peer.adapters:
        yield _missing(peer, op)
    elif timeout is None:
        yield peer.adapters[op]
    else:
        target = f"minisparse.oracle.peers.isolated:{peer.name}__{op}"
        with open_target(target, find_contract(op), timeout) as fn:
            yield fn


def _missing(peer: Peer, op: str) -> Callable[..., Any]:
    def refuse(*arguments: Any) -> Any:
        raise Unsupported(f"{peer.name} has no {op}")

    return refuse


def find_peer(name: str) -> Peer:
    """Return a peer by name.

    Raises
    ------
    UsageError
        If there is none of that name; the message lists those there are.
    """
    from minisparse.oracle.peers import PEERS

    if name in PEERS:
        return PEERS[name]
    raise UsageError(f"there is no peer {name!r}; known: {', '.join(sorted(PEERS))}")
