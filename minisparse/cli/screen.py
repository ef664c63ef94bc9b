"""One screen of text for a :class:`RunReport`: at most 40 lines of at most 80 columns, ASCII."""

import platform

import numpy as np

from minisparse import __version__
from minisparse.cli.node_lines import WIDTH, node_lines
from minisparse.cli.run import RunReport, why_slower
from minisparse.core.extras import is_installed
from minisparse.show import (
    PLAIN,
    Palette,
    clean,
    human_bytes,
    human_seconds,
    shorten,
    table_text,
    wrap,
)

HEIGHT = 40
_INDENT = 9


def screen(report: RunReport, palette: Palette = PLAIN) -> str:
    """Return the report as text.

    Weights and nodes beyond what fits are counted, the costliest shown.
    """
    head = _head(report, palette)
    passes = [palette.bold("passes"), *_passes(report)]
    tail = [*_result(report, palette), *_next(report, palette)]
    room = HEIGHT - len(head) - len(passes) - len(tail)
    weights = _weights(report, max(3, min(room // 2, len(report.plan.given.constants) + 1)))
    nodes = node_lines(report, palette, max(3, room - len(weights)))
    return "\n".join([*head, *weights, *passes, *nodes, *tail])


def _head(report: RunReport, palette: Palette) -> list[str]:
    gpu = "found" if is_installed("cupy") else "not found (optional)"
    graph = report.plan.given
    inputs = ", ".join(f"{name} {type}" for name, type in graph.inputs.items())
    model = f"{graph.name}: {inputs} -> {', '.join(graph.outputs)}; {report.inputs.source}"
    return [
        shorten(
            f"minisparse {__version__}, Python {platform.python_version()}, "
            f"NumPy {np.__version__}, GPU: {gpu}",
            WIDTH,
        ),
        f"{palette.bold('model')} {shorten(clean(model), WIDTH - len('model '))}",
    ]


def _weights(report: RunReport, room: int) -> list[str]:
    """Return a table of the weights: where their zeros lie, and what storing them takes."""
    compiled, stored = report.plan.graph, _stored_weights(report)
    graph = next(r.after for r in report.plan.reports if r.name == "recognize_sparsity")
    rows: list[tuple[str, ...]] = []
    for name, pattern in graph.patterns.items():
        kept = compiled.constants.get(stored.get(name, name), graph.constants[name])
        rows.append(
            (
                name,
                "x".join(map(str, graph.types[name].shape)),
                pattern.describe(),
                f"{pattern.density:.3f}",
                human_bytes(graph.constants[name].nbytes),
                human_bytes(kept.nbytes),
                str(compiled.types[stored.get(name, name)].layout)
                if stored.get(name, name) in compiled.types
                else "dense",
            )
        )
    shown = rows[: room - 1] if len(rows) > room - 1 else rows
    if len(shown) < len(rows):
        shown = [*shown[:-1], (f"and {len(rows) - len(shown) + 1} more", *[""] * 6)]
    headers = ("weight", "shape", "pattern", "density", "dense", "stored", "as")
    return table_text(headers, shown, max_width=WIDTH).split("\n")


def _stored_weights(report: RunReport) -> dict[str, str]:
    """Return under which name each converted weight is stored in the compiled graph."""
    return {
        node.inputs[0]: node.output
        for pass_report in report.plan.reports
        for node in pass_report.after.nodes
        if node.op.name == "convert"
    }


def _passes(report: RunReport) -> list[str]:
    """Return a line for each pass that did something, and the names of the others."""
    done = [r for r in report.plan.reports if r.changes or r.notes]
    idle = ", ".join(r.name for r in report.plan.reports if not (r.changes or r.notes))
    width = max((len(r.name) for r in done), default=0)
    lines = [
        shorten(f"  {r.name:{width}}  {clean('; '.join((*r.changes, *r.notes)))}", WIDTH)
        for r in done
    ]
    told = wrap(f"nothing to do: {idle}", WIDTH, indent=2).split("\n") if idle else []
    return [*lines, *told]


def _result(report: RunReport, palette: Palette) -> list[str]:
    return [
        _accuracy(report),
        *_warning(report, palette),
        _oracle(report, palette),
        *_time(report, palette),
    ]


def _accuracy(report: RunReport) -> str:
    if report.labels is None:
        worst = report.largest_difference
        return f"result   largest difference between dense and sparse {worst:.2g}"
    dense, sparse = report.labels
    same = f"same label {(dense == sparse).sum()} of {len(dense)}"
    if report.inputs.labels is None:
        return f"result   {same}; largest difference {report.largest_difference:.2g}"
    right = report.inputs.labels
    before = report.plan.given.metadata.get("dense_accuracy")
    history = f"; unpruned {shorten(clean(before), 6)}" if before else ""
    return (
        f"accuracy dense {(dense == right).mean():.4f}, sparse {(sparse == right).mean():.4f}, "
        f"{same}{history}"
    )


def _warning(report: RunReport, palette: Palette) -> list[str]:
    """Say so if outputs are NaN or infinite: labels made of them mean nothing."""
    if not report.not_finite:
        return []
    total = sum(x.size for x in report.outputs.values())
    text = f"{report.not_finite} of {total} outputs are NaN or infinite"
    return [f"         {palette.bad(text)}; see where from: minisparse step"]


def _oracle(report: RunReport, palette: Palette) -> str:
    counts: dict[str, int] = {}
    for judgement in report.judgements:
        counts[judgement.verdict] = counts.get(judgement.verdict, 0) + 1
    verdict = ", ".join(f"{n} {v}" for v, n in counts.items())
    paint = palette.good if report.oracle_passed else palette.bad
    items = report.inputs.items
    on = f"all {items}" if report.judged >= items else f"{report.judged} of {items}"
    text = f"oracle   {paint(verdict)} of {len(report.judgements)} nodes on {on} items"
    worst = max(report.judgements, key=lambda j: j.error_over_bound, default=None)
    if worst is None:
        return text
    return f"{text}; worst error/bound {worst.error_over_bound:.2g}"


def _time(report: RunReport, palette: Palette) -> list[str]:
    names = {"dense": "dense", "unaware": "zeros ignored", "sparse": "sparse"}
    texts = [
        f"{names[name]} {human_seconds(timing.median)} +-{timing.spread:.0%}"
        for name, timing in report.timing.items()
    ]
    head, tail = _outcome(report)
    paint = palette.good if "fast" in head and "lost" not in head else palette.bad
    rest = shorten(tail, WIDTH - _INDENT - len(head))
    return [shorten(f"time     {', '.join(texts)}", WIDTH), " " * _INDENT + paint(head) + rest]


def _outcome(report: RunReport) -> tuple[str, str]:
    """Say who won, and what the zeros had to do with it, or what lost; noise is no difference."""
    dense, unaware, sparse = (report.timing[name] for name in ("dense", "unaware", "sparse"))
    ratio = f"{report.speedup:.2f} times as fast"
    if dense.is_below(sparse):
        return f"sparse lost, {ratio}", f": {clean(why_slower(report))}"
    if not sparse.is_below(dense):
        return "no difference", f" beyond the noise ({ratio} as dense)"
    if not report.stores_sparse:
        return ratio, " as dense, for fusion alone: nothing is stored sparse"
    if sparse.is_below(unaware):
        share = unaware.median / sparse.median
        return f"sparse is {ratio}", f": {share:.2f} for its zeros, the rest fusion"
    return f"sparse is {ratio}", ": by fusion, not clearly by its zeros"


def _next(report: RunReport, palette: Palette) -> list[str]:
    other = "digits_mlp_blocks" if report.model != "digits_mlp_blocks" else "digits_mlp"
    start, more = f"{palette.bold('next')}     ", " " * 9
    step = f"minisparse step {clean(report.model)}   # node by node, into a kernel"
    return [
        start + shorten(step, WIDTH - len(more)),
        f"{more}minisparse run {other}   # zeros of another shape",
        f"{more}minisparse run MODEL.npz --input DATA.npz   # your own",
    ]
