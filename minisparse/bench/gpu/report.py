"""What is printed of a run on a card, and the file that holds all of it."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from minisparse.bench.gpu.part import Part
from minisparse.core.errors import UsageError

FORMAT = 1
_INDENT = "    "
_REASONS = 4
_LINES = 6
"""Of what a failed item says, on the screen; the file has all of it."""


class Record:
    """The file, written anew after every part.

    Parameters
    ----------
    path : Path
        Where it lies.
    settings : mapping
        What was asked for.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path = path
        self._data: dict[str, Any] = {
            "format": FORMAT, "card": {}, "settings": dict(settings), "parts": {}
        }  # fmt: skip
        self._write()

    def add(self, part: Part, result: Mapping[str, Any]) -> None:
        """Add what became of a part."""
        self._data["parts"][part.name] = {"title": part.title, **result}
        for item in result["items"]:
            self._data["card"] |= item.get("found", {}) if item["name"] == "what it is" else {}
        self._write()

    def _write(self) -> None:
        text = json.dumps(self._data, indent=1, default=str) + "\n"
        new = self._path.with_name(f".{self._path.name}.new")
        try:
            new.write_text(text, encoding="utf-8")
            os.replace(new, self._path)
        except OSError as error:
            raise UsageError(f"--json {self._path}: {error.strerror}") from error

    @property
    def has_failed(self) -> bool:
        """Whether anything was found wrong, or died."""
        bad = ("failed", "crashed")
        parts = self._data["parts"].values()
        return any(item["status"] in bad for part in parts for item in part["items"])


def part_text(part: Part, result: Mapping[str, Any]) -> str:
    """Return what became of a part: a line, then what failed, what was compared, what was left."""
    counts = Counter(item["status"] for item in result["items"])
    told = ", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing done"
    lines = [f"{part.name}: {told}, in {result['seconds']:.0f} s"]
    if result["why"]:
        lines += _shown("stopped", result["why"])
    for item in result["items"]:
        if item["status"] in ("failed", "crashed", "late"):
            lines += _shown(f"{item['status']}: {item['name']}", item["why"])
        lines += _duels(item)
    skipped = Counter(item["why"] for item in result["items"] if item["status"] == "skipped")
    lines += [
        f"{_INDENT}skipped {count}: {_one_line(why)}"
        for why, count in skipped.most_common(_REASONS)
    ]
    return "\n".join(lines)


def _duels(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield how an item's comparisons ended."""
    found = item.get("found", {})
    for duel in found.get("duels", []):
        low, high = duel["quartiles"]
        yield (
            f"{_INDENT}{item['name']}: {duel['what']} {duel['ratio']:.3f} "
            f"({low:.3f} - {high:.3f}), wanted at most {duel['limit']}"
            f"{'' if duel['met'] else ': MISSED'}; {duel['ours']}"
        )
    for key in (key for key in found if key.startswith("microseconds a node")):
        yield f"{_INDENT}{item['name']}: {key}: {found[key]}"


def _shown(title: str, text: str) -> list[str]:
    lines = text.splitlines()
    more = [f"{_INDENT}  ... {len(lines) - _LINES} more lines"] if len(lines) > _LINES else []
    return [f"{_INDENT}{title}", *(f"{_INDENT}  {line}" for line in lines[:_LINES]), *more]


def _one_line(text: str, most: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


def list_text(parts: Sequence[Part], seconds: float, quick: bool) -> str:
    """Return the parts with the time that each may take."""
    from minisparse.show import table_text

    rows = [(p.name, f"{p.share(quick):.0f} s", str(p.workers), p.title) for p in parts]
    total = sum(p.share(quick) for p in parts)
    table = table_text(("part", "at most", "processes", "what"), rows, align="lrrl")
    return (
        f"{table}\n\n{total:.0f} s of {seconds:.0f} s; what a part does not need is left to others"
    )
