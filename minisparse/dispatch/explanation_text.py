"""An explanation as text, as a card, as plain data."""

from collections.abc import Iterator, Mapping
from typing import Any

from minisparse.dispatch.explanation import (
    CandidateExplanation,
    Explanation,
    NodeExplanation,
)
from minisparse.passes.rewrite import NOTHING
from minisparse.show import (
    card,
    folded_text,
    human_bytes,
    human_seconds,
    paragraph,
    table,
    wrap,
)

LEGEND = (
    "Predicted times in the unit that heads the first of them, which is all together. compute: "
    "arithmetic, that on padding included; values, index: moving values, indices and pointers; "
    "gather: fetching through an index; calls: entering NumPy. Arithmetic and traffic overlap, so "
    "the parts can add up to more. once: converting and packing the weight, which is paid once and "
    "not in the first. way: which of its ways the kernel takes. stored: bytes of the weight in "
    "this layout; packed: of what is made of it besides, predicted after a ~. Columns of nothing "
    "are left out. > marks what was chosen."
)
"""What the columns of candidates mean."""
_PARTS = ("compute", "values", "indices", "gather", "calls")
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_NONE = "-"
_STAGES = ("after", "predicted", "change", "weights", "packed")


def as_text(found: Explanation) -> str:
    """Return everything as text of at most 80 columns."""
    lines = [wrap(f"{found.title}; prices for {found.sizes}", 80)]
    lines += [wrap(f"the machine: {found.machine}", 80, indent=2), "", "passes"]
    lines += [wrap(f"{name}: {did}", 80, indent=2) for name, did in _passes(found)]
    lines += ["", folded_text(_STAGES, _stage_rows(found))]
    for node in found.nodes:
        lines += ["", node_text(node)]
    lines += ["", wrap(LEGEND, 80)]
    return "\n".join(lines)


def node_text(node: NodeExplanation) -> str:
    """Return a node's candidates and what there is to say of them, as text."""
    headers, rows = _candidates(node)
    lines = [wrap(f"{node.name} = {node.op}: {node.chosen.name}, {node.why}", 80)]
    lines.append(folded_text(headers, rows, highlight=_chosen(node)))
    return "\n".join([*lines, *(wrap(line, 80, indent=2) for line in _notes(node))])


def as_html(found: Explanation) -> str:
    """Return the card for a notebook."""
    sections = [
        paragraph(found.machine, lead="The machine"),
        table(("pass", "what it did"), _passes(found)),
        table(_STAGES, _stage_rows(found)),
    ]
    for node in found.nodes:
        sections += node_sections(node)
    sections.append(paragraph(LEGEND))
    return card(f"{found.title}; prices for {found.sizes}", *sections)


def node_sections(node: NodeExplanation) -> list[str]:
    """Return the same of a node as parts of a card, and why each candidate lost."""
    headers, rows = _candidates(node)
    return [
        paragraph(f"= {node.op}: {node.why}", lead=node.name),
        table(headers, rows, highlight=_chosen(node)),
        *map(paragraph, _notes(node)),
    ]


def as_data(found: Explanation) -> Mapping[str, Any]:
    """Return everything as plain lists, dictionaries, numbers and texts."""
    return {
        "title": found.title,
        "machine": found.machine,
        "sizes": found.sizes,
        "seconds": found.seconds,
        "passes": list(found.passes),
        "waterfall": [dict(vars(stage)) for stage in found.waterfall],
        "nodes": [
            {
                "name": node.name,
                "op": node.op,
                "why": node.why,
                "repays_after": node.repays_after,
                "live": node.live,
                "instruction": node.note,
                "candidates": [{**vars(c), "price": c.price.parts} for c in node.candidates],
                "rejected": [dict(vars(r)) for r in node.rejected],
                "counterfactuals": [dict(vars(c)) for c in node.counterfactuals],
            }
            for node in found.nodes
        ],
    }


def _passes(found: Explanation) -> list[tuple[str, str]]:
    """Return what each pass did, those that had nothing to do together at the end."""
    told = [tuple(line.split(": ", 1)) for line in found.passes]
    idle = [name for name, did in told if did == NOTHING]
    rows = [(name, did) for name, did in told if did != NOTHING]
    return [*rows, (NOTHING, ", ".join(idle))] if idle else rows


def _chosen(node: NodeExplanation) -> list[int]:
    return [i for i, c in enumerate(node.candidates) if c.chosen]


def _candidates(node: NodeExplanation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return headers and rows of a node's candidates, all times in one unit.

    Where all are of one level, rows have only the layout, which is name enough to ask for one.
    Columns in which nothing stands are left out.
    """
    names = [each.name for each in node.candidates] + [each.name for each in node.rejected]
    levels = {name.rpartition(" ")[2] for name in names}
    typical = node.chosen.seconds
    unit = next((u for u, size in _UNITS.items() if typical >= size), "us")
    times = ("timed", unit, "compute", "values", "index", "gather", "calls", "once")
    headers = ("candidate", "way", *times, "stored", "packed", "why not")
    rows = []
    for c in node.candidates:
        seconds = (c.measured_seconds or 0.0, c.seconds, *(c.price.parts[name] for name in _PARTS))
        once = c.convert_seconds + c.prepare_seconds
        told = [_number(x, unit) for x in (*seconds, once)]
        stored = human_bytes(c.weight_bytes) if c.weight_bytes else _NONE
        rows.append([c.name, c.way or _NONE, *told, stored, _packed(c), "" if c.chosen else c.why])
    rows += [[r.name, *[_NONE] * (len(headers) - 2), r.why] for r in node.rejected]
    if len(levels) == 1:
        rows = [[row[0].rpartition(" ")[0], *row[1:]] for row in rows]
    kept = [i for i in range(len(headers)) if {row[i] for row in rows} - {_NONE, ""}]
    return tuple(headers[i] for i in kept), [tuple(row[i] for i in kept) for row in rows]


def _packed(c: CandidateExplanation) -> str:
    if c.packed_bytes is None:
        return "?"
    if not c.packed_bytes:
        return _NONE
    return f"{'' if c.packed_measured else '~'}{human_bytes(c.packed_bytes)}"


def _number(seconds: float, unit: str) -> str:
    """Return a time in a unit, three digits of it, or one of what hardly counts; ``-`` for none."""
    found = seconds / _UNITS[unit]
    if not found:
        return _NONE
    return f"{found:.0f}" if found >= 100 else f"{found:.3g}" if found >= 0.1 else f"{found:.1g}"


def _notes(node: NodeExplanation) -> Iterator[str]:
    """Yield what else there is to say of a weight: when it repays, and what would change it."""
    if node.repays_after is not None:
        runs = "run" if node.repays_after == 1 else "runs"
        yield f"converting and packing repay after {node.repays_after} {runs}"
    if node.note:
        yield f"instruction: {node.note}"
    if node.live:
        yield node.live
    if node.counterfactuals:
        yield f"with other zeros: {'; '.join(map(str, node.counterfactuals))}"


def _stage_rows(found: Explanation) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    before = 0.0
    for stage in found.waterfall:
        change = f"{stage.seconds / before - 1:+.0%}" if before else "-"
        figures = human_seconds(stage.seconds), change, human_bytes(stage.weight_bytes)
        packed = human_bytes(stage.packed_bytes) if stage.packed_bytes else _NONE
        told = "" if stage is found.waterfall[-1] or packed == _NONE else "~"
        rows.append((stage.name, *figures, f"{told}{packed}"))
        before = stage.seconds
    return rows
