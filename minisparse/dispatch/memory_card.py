"""A memory plan as text and as a card: what is needed, the arena drawn, slots and weights."""

from typing import TYPE_CHECKING

from minisparse.show import (
    Taken,
    card,
    facts,
    facts_text,
    folded_text,
    human_bytes,
    occupancy_html,
    occupancy_text,
    paragraph,
    table,
)

if TYPE_CHECKING:
    from minisparse.dispatch.memory_plan import MemoryPlan

_SLOTS = ("offset", "bytes", "from", "to", "values, each over the one before")
_WEIGHTS = ("weight", "stored as", "values", "indices", "pointers", "packed")
_MOST = 24
"""Rows of a table at most; the data has all of them."""
_DRAWN = "the arena from left to right, a line for each step"

Row = tuple[str, ...]


def memory_text(memory: "MemoryPlan") -> str:
    """Return a memory plan as lines of at most 80 columns."""
    parts = [facts_text(_facts(memory))]
    if memory.slots:
        parts += [_DRAWN, occupancy_text(_taken(memory), memory.arena, memory.steps)]
        parts.append(folded_text(_SLOTS, _slot_rows(memory)))
    if memory.weights:
        parts.append(folded_text(_WEIGHTS, _weight_rows(memory)))
    return "\n\n".join(parts)


def memory_html(memory: "MemoryPlan") -> str:
    """Return a memory plan as a card for a notebook."""
    sections = [facts(_facts(memory))]
    if memory.slots:
        sections += [paragraph(_DRAWN)]
        sections += [occupancy_html(_taken(memory), memory.arena, len(memory.steps))]
        sections += [table(_SLOTS, _slot_rows(memory))]
    if memory.weights:
        sections.append(table(_WEIGHTS, _weight_rows(memory)))
    return card(f"Memory of {memory.name}: {human_bytes(memory.total)}", *sections)


def _facts(memory: "MemoryPlan") -> dict[str, str]:
    """Return what is needed, as pairs of texts."""
    stored = sum(w.stored for w in memory.weights)
    packed, outside = memory.weight_bytes - stored, max(memory.outside, default=0)
    found = {
        "sizes": ", ".join(f"{name}={size}" for name, size in memory.sizes.items()),
        "weights": f"{human_bytes(stored)}, packed besides {human_bytes(packed)}",
        "arena": f"{human_bytes(memory.arena)}, of which {human_bytes(memory.bound)} at once",
        "allocated": f"{human_bytes(outside)} at once: results, and what kernels make themselves",
        "scratch": f"{human_bytes(memory.scratch.kept)} that is kept, and "
        f"{human_bytes(max(memory.scratch.passing, default=0))} for the neediest step",
        "not counted": ", ".join(memory.scratch.unknown),
    }
    if memory.steps:
        at = memory.steps[memory.fullest]
        found["peak"] = f"{human_bytes(memory.peak)} beside the weights; most is alive at {at}"
    return {name: text for name, text in found.items() if text}


def _taken(memory: "MemoryPlan") -> list[Taken]:
    return [Taken(s.offset, s.buffer.nbytes, s.buffer.first, s.buffer.last) for s in memory.slots]


def _slot_rows(memory: "MemoryPlan") -> list[Row]:
    rows: list[Row] = [
        (
            f"{slot.offset:,}",
            f"{slot.buffer.nbytes:,}",
            str(slot.buffer.first),
            str(slot.buffer.last),
            ", ".join(slot.buffer.values),
        )
        for slot in memory.slots
    ]
    rows += [
        (
            "-",
            f"{buffer.nbytes:,}",
            str(buffer.first),
            "end" if buffer.last == len(memory.steps) else str(buffer.last),
            ", ".join(buffer.values),
        )
        for buffer in memory.allocated
    ]
    return _shortened(rows, len(_SLOTS))


def _weight_rows(memory: "MemoryPlan") -> list[Row]:
    rows: list[Row] = [
        (w.name, w.layout, *(f"{n:,}" for n in (w.values, w.indices, w.pointers, w.packed)))
        for w in memory.weights
    ]
    return _shortened(rows, len(_WEIGHTS))


def _shortened(rows: list[Row], columns: int) -> list[Row]:
    if len(rows) <= _MOST:
        return rows
    left_out = ("",) * (columns - 1)
    return [*rows[:_MOST], (*left_out, f"and {len(rows) - _MOST} more")]
