"""What ``minisparse bench dispatch`` prints: each figure with its limit beside it."""

from collections.abc import Iterator
from typing import Any

from minisparse.bench.dispatch import (
    BREAK_EVEN,
    COMPILE,
    REGRET,
    REGRET_95,
    SHARE,
    SLOWER,
    WITHIN,
    Choice,
    Findings,
)
from minisparse.show import folded_text, human_seconds, wrap

WORST = 8
"""Problems that are shown."""


def verdicts(found: Findings) -> Iterator[tuple[str, float, str, bool]]:
    """Yield what was to be reached, in words; how it came out; the limit; whether it is kept."""
    mean, late, _ = found.regrets
    median, _, _ = found.over_dense
    yield "regret, geometric mean", mean, f"<= {REGRET}", mean <= REGRET
    yield "regret, 95th percentile", late, f"<= {REGRET_95}", late <= REGRET_95
    yield "chosen over dense, median", median, f"<= {SLOWER}", median <= SLOWER
    for chosen, what in ((True, "chosen"), (False, "all")):
        share = found.within(chosen)
        yield f"{what} predicted within {WITHIN}, share", share, f">= {SHARE}", share >= SHARE
    if found.crossings:
        share = found.crossings_within
        yield f"break-even within {BREAK_EVEN}, share", share, "= 1", share == 1
    seconds = found.compile_seconds
    yield "compiling 100 nodes, s", seconds, f"<= {COMPILE:g}", seconds <= COMPILE


def report_text(found: Findings) -> str:
    """Return everything as text of at most 80 columns."""
    machine = found.machine
    kept = [
        (what, f"{x:.4g}", limit, "kept" if ok else "MISSED")
        for what, x, limit, ok in verdicts(found)
    ]
    lines = [
        wrap(f"prices for {machine.name}: {machine.origin or machine.source}", 80),
        f"{len(found.choices)} problems of seed {found.seed}",
        "",
        folded_text(("", "found", "limit", ""), kept, align="lrrl"),
        "",
        "worst choices",
        folded_text(("problem", "regret", "chosen", "best"), list(_worst(found)), align="lrll"),
        "",
        "by op",
        folded_text(("op", "problems", "regret", "within 1.5"), list(_by_op(found)), align="lrrr"),
    ]  # fmt: skip
    slower = found.over_dense
    lines += ["", f"slower than dense by more than 5 %: {slower[2]:.1%}; the worst {slower[1]:.2f}"]
    if found.crossings:
        rows = [
            (c.pattern, "x".join(map(str, c.shape)), str(c.columns), _density(c.measured),
             _density(c.predicted), f"{c.factor:.2f}")
            for c in found.crossings
        ]  # fmt: skip
        head = ("break-even", "shape", "N", "measured", "predicted", "off by")
        lines += ["", folded_text(head, rows, align="llrrrr")]
    return "\n".join(lines)


def _density(x: float) -> str:
    return {0.0: "none", 1.0: "any"}.get(x, f"{x:.3f}")


def _worst(found: Findings) -> Iterator[tuple[str, str, str, str]]:
    for c in sorted(found.choices, key=lambda c: -c.regret)[:WORST]:
        yield str(c.problem), f"{c.regret:.2f}", _name(c, 0), _name(c, c.trials.index(c.best))


def _name(choice: Choice, at: int) -> str:
    trial = choice.trials[at]
    return f"{trial.candidate.layout} {human_seconds(trial.seconds)}"


def _by_op(found: Findings) -> Iterator[tuple[str, str, str, str]]:
    for op in sorted({c.problem.base for c in found.choices}):
        some = tuple(c for c in found.choices if c.problem.base == op)
        part = Findings(found.machine, found.seed, some, (), 0.0)
        yield op, str(len(some)), f"{part.regrets[0]:.3f}", f"{part.within(False):.0%}"


def as_json(found: Findings) -> dict[str, Any]:
    """Return everything as data."""
    return {
        "format": "minisparse bench dispatch",
        "version": 1,
        "machine": found.machine.name,
        "origin": found.machine.origin,
        "seed": found.seed,
        "verdicts": [
            {"what": w, "found": x, "limit": limit, "kept": ok}
            for w, x, limit, ok in verdicts(found)
        ],
        "problems": [
            {
                **c.problem._asdict(),
                "regret": c.regret,
                "candidates": [
                    {
                        "name": t.candidate.name,
                        "predicted": t.candidate.seconds,
                        "measured": t.seconds,
                    }
                    for t in c.trials
                ],
            }
            for c in found.choices
        ],
        "break_even": [{**vars(c), "factor": c.factor} for c in found.crossings],
    }
