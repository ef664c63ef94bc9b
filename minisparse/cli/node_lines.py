"""A line per node: how long it took, and every candidate with its predicted time, in 80 columns."""

from collections.abc import Iterator

from minisparse.cli.run import RunReport
from minisparse.cost import Candidate
from minisparse.dispatch import Step
from minisparse.kernels import GENERATED
from minisparse.show import Palette, clean, shorten

WIDTH = 80
_NAME_WIDTH = 16


def node_lines(report: RunReport, palette: Palette, room: int) -> list[str]:
    """Return a title and a line per node.

    Candidates of one format and level stand together, ``-gen`` being generated ones, cheapest
    first, the chosen kind before the others; the op is named where there is room. Candidates that
    do not fit beside each other go on in a second line; where ``room`` has none for it they are
    counted, and where even the nodes are too many, the slowest are shown.
    """
    steps = list(report.plan.steps)
    machine = report.plan.target.machine.name
    title = (
        f"{palette.bold('node')}  measured us | candidates, us predicted for {machine}, * chosen"
    )
    shown = steps
    if len(steps) > room - 1:
        slowest = sorted(steps, key=lambda s: -report.seconds[s.node.name])[: room - 2]
        shown = [step for step in steps if step in slowest]
    width = min(_NAME_WIDTH, max((len(clean(step.node.name)) for step in shown), default=0))
    starts = [_start(report, step, width) for step in shown]
    lines = [_wrapped(start, step, palette) for start, step in zip(starts, shown, strict=True)]
    if sum(map(len, lines)) > room - 1:
        lines = [_elided(start, step, palette) for start, step in zip(starts, shown, strict=True)]
    return [title, *(line for part in lines for line in part), *_hidden(report, steps, shown)]


def _hidden(report: RunReport, steps: list[Step], shown: list[Step]) -> list[str]:
    """Return a line for the nodes that are not shown, if there are any."""
    hidden = [step for step in steps if step not in shown]
    if not hidden:
        return []
    share = sum(report.seconds[s.node.name] for s in hidden) / sum(report.seconds.values())
    return [f" and {len(hidden)} more nodes with {share:.0%} of the time"]


def _start(report: RunReport, step: Step, width: int) -> str:
    name = shorten(clean(step.node.name), width)
    return f" {name:{width}} {_micro(report.seconds[step.node.name]):>5} | "


def _wrapped(start: str, step: Step, palette: Palette) -> list[str]:
    """Return every candidate of a node, on as many lines as they take."""
    first, *others = _groups(step)
    lines = [[first]]
    for text in others:
        if len(start) + len(" ".join([*lines[-1], text])) > WIDTH:
            lines.append([])
        lines[-1].append(text)
    rest = [" " * (len(start) - 2) + "| " + " ".join(line) for line in lines[1:]]
    return [_with_op(start, lines[0], step, palette), *rest]


def _elided(start: str, step: Step, palette: Palette) -> list[str]:
    """Return the candidates of a node that fit on one line, and the number of the others."""
    texts = list(_groups(step))
    for count in range(len(texts), 1, -1):
        left_out = [f"+{len(texts) - count}"] if count < len(texts) else []
        kept = [*texts[:count], *left_out]
        if len(start) + len(" ".join(kept)) <= WIDTH:
            return [_with_op(start, kept, step, palette)]
    return [_with_op(start, [shorten(texts[0], WIDTH - len(start))], step, palette)]


def _with_op(start: str, texts: list[str], step: Step, palette: Palette) -> str:
    """Return a line with its first text set off, and the op's name at its end if it fits."""
    op = clean(step.node.op.name)
    space = WIDTH - len(start) - len(" ".join(texts)) - len(op)
    line = start + " ".join([palette.accent(texts[0]), *texts[1:]])
    return line + " " * space + palette.dim(op) if space > 1 else line


def _groups(step: Step) -> Iterator[str]:
    """Yield a text for each format and level: its layouts, then their prices in the same order."""
    found: dict[str, list[Candidate]] = {_kind(step.chosen): []}
    for candidate in step.candidates:
        found.setdefault(_kind(candidate), []).append(candidate)
    for kind, group in found.items():
        layouts = "/".join(f"{'*' if c is step.chosen else ''}{_block(c)}" for c in group)
        star = "*" if layouts == "*" else ""
        prices = "/".join(_micro(c.seconds) for c in group)
        yield f"{star}{kind}{layouts if not star else ''} {prices}"


def _kind(candidate: Candidate) -> str:
    """Return the format, and the level where that is not array code by hand."""
    level = {"vectorized": "", GENERATED: "-gen"}.get(candidate.level, f"-{candidate.level}")
    return f"{candidate.layout.format}{level}"


def _block(candidate: Candidate) -> str:
    """Return a block size shortly: ``8`` for 8x8 of BSR, ``2:4`` of NM, nothing without one."""
    if candidate.layout.block is None:
        return ""
    n, m = candidate.layout.block
    if candidate.layout.format == "nm":
        return f"{n}:{m}"
    return f"{n}" if n == m else f"{n}x{m}"


def _micro(seconds: float) -> str:
    """Return microseconds in at most four characters."""
    us = seconds * 1e6
    if us < 999.5:
        return f"{us:.1f}" if us < 9.95 else f"{us:.0f}"
    for unit in "kM":
        us /= 1000
        if us < 999.5:
            return f"{us:.1f}{unit}" if us < 9.95 else f"{us:.0f}{unit}"
    return f"{us / 1000:.0f}G"
