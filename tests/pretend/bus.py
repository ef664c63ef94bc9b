"""What goes over the bus to the pretend device and back, and what CuPy is known to have."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

RECORD: dict[str, Any] = json.loads(
    Path(__file__).parents[1].joinpath("cupy_record.json").read_text()
)
"""See ``tests/cupy_record.py``."""


@dataclass(frozen=True)
class Transfer:
    """One copy over the bus."""

    to: Literal["host", "device"]
    nbytes: int
    by: str


TRANSFERS: list[Transfer] = []
"""All of them, in order; the fixture clears it."""


def note(to: Literal["host", "device"], nbytes: int, by: str) -> None:
    """Note a copy; of nothing there is none."""
    if nbytes:
        TRANSFERS.append(Transfer(to, nbytes, by))
