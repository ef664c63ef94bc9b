"""How the figures of conversions are told: a table, what of the promises was kept, and JSON."""

import statistics
from collections.abc import Sequence
from typing import Any

from minisparse.bench.formats import LIMITS, MEMORY_LIMIT, Figure
from minisparse.show import folded_text, human_bytes, human_count, human_seconds, wrap


def report_text(machine: dict[str, str], figures: Sequence[Figure]) -> str:
    """Return the machine, a table of at most 80 columns, and what of the promises was kept."""
    head = wrap(", ".join(f"{name} {value}" for name, value in machine.items()))
    return f"{head}\n\n{_table(figures)}\n\n{wrap(_LEGEND)}\n\n{_summary(figures)}"


_LEGEND = (
    "ratio: ours over SciPy's, the median of rounds in turns; +-: half the distance between their "
    f"quartiles; limit: the ratio that is aimed at; mem: peak memory over the result, at most "
    f"{MEMORY_LIMIT:g} aimed at; !: missed."
)


def _table(figures: Sequence[Figure]) -> str:
    headers = ("conversion", "side", "density", "nnz", "ours", "SciPy", "ratio", "+-", "limit",
               "mem")  # fmt: skip
    rows = [
        (
            f"{f.source} > {f.target}", str(f.side), f"{f.density:.3g}", human_count(f.nnz),
            human_seconds(f.ours.median), human_seconds(f.peer.median) if f.peer else "-",
            "-" if f.ratio is None else f"{f.ratio:.2f}",
            "-" if f.spread is None else f"{f.spread:.0%}",
            f"{f.limit:g}{'' if _kept(f) else '!'}" if f.limit else "-",
            f"{f.memory:.1f}{'!' if f.memory > MEMORY_LIMIT else ''}",
        )
        for f in figures
    ]  # fmt: skip
    return folded_text(headers, rows, align="lrrrrrrrlr")


def _kept(figure: Figure) -> bool:
    return figure.ratio is None or figure.limit is None or figure.ratio <= figure.limit


def _summary(figures: Sequence[Figure]) -> str:
    """Say for each promise how many matrices keep it, and the best, median and worst ratio."""
    lines = []
    for (source, target), limit in LIMITS.items():
        of = [f for f in figures if (f.source, f.target) == (source, target)]
        ratios = [f.ratio for f in of if f.ratio is not None]
        if ratios:
            lines.append(
                f"{source} > {target}: {sum(map(_kept, of))} of {len(of)} at most {limit:g}; "
                f"best {min(ratios):.2f}, median {statistics.median(ratios):.2f}, "
                f"worst {max(ratios):.2f}"
            )
    heavy = [f for f in figures if f.memory > MEMORY_LIMIT]
    most = max(figures, key=lambda f: f.memory)
    lines.append(
        f"memory: {len(figures) - len(heavy)} of {len(figures)} at most {MEMORY_LIMIT:g} times the "
        f"result; most {most.memory:.1f} ({most.source} > {most.target}, side {most.side}, "
        f"{human_bytes(most.result)})"
    )
    return "\n".join(wrap(line) for line in lines)


def as_json(machine: dict[str, str], figures: Sequence[Figure], seed: int) -> dict[str, Any]:
    """Return everything that was measured as what JSON can hold; seconds and bytes."""
    return {
        "machine": machine,
        "seed": seed,
        "figures": [
            {
                "source": f.source,
                "target": f.target,
                "side": f.side,
                "density": f.density,
                "nnz": f.nnz,
                "ours": list(f.ours.seconds),
                "scipy": list(f.peer.seconds) if f.peer else None,
                "ratio": f.ratio,
                "spread": f.spread,
                "limit": f.limit,
                "peak_bytes": f.peak,
                "result_bytes": f.result,
                "memory": f.memory,
            }
            for f in figures
        ],
    }
