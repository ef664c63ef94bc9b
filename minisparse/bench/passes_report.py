"""What ``minisparse bench passes`` prints."""

from collections.abc import Iterator, Sequence

from minisparse.bench.passes import Effect, never_paying
from minisparse.show import folded_text, human_bytes, human_seconds, wrap

_HEAD = ("pass", "a run with", "without", "ratio", "weights", "values", "")


def report_text(effects: Sequence[Effect]) -> str:
    """Return a table for each model, and which passes pay on none."""
    lines: list[str] = []
    for model in dict.fromkeys(e.model for e in effects):
        own = [e for e in effects if e.model == model]
        lines += [model, folded_text(_HEAD, list(_rows(own)), align="lrrrrrl")]
        idle = [e.name for e in own if e.verdict == "nothing to do"]
        lines += [wrap(f"nothing to do: {', '.join(idle) or 'none'}", 80), ""]
    told = "; ".join(f"{name} ({why})" for name, why in never_paying(effects).items())
    lines.append(wrap(f"passes that pay on none of these models: {told or 'none'}", 80))
    return "\n".join(lines)


def _rows(effects: Sequence[Effect]) -> Iterator[tuple[str, ...]]:
    for e in effects:
        if e.needed:
            yield e.name, "", "", "", "", "", "needed"
        elif e.whole is not None and e.without is not None:
            yield (
                e.name,
                human_seconds(e.whole.median),
                human_seconds(e.without.median),
                f"{e.ratio:.2f}",
                _more(e.weights),
                _more(e.values),
                e.verdict,
            )


def _more(count: int) -> str:
    """Return how many bytes more or less, nothing for none."""
    return f"{'+' if count > 0 else '-'}{human_bytes(abs(count))}" if count else ""
