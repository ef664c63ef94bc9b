"""The cost model's figures of the card, and how well they predict."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from minisparse.bench.gpu.part import Item, Part, SkippedItem
from minisparse.bench.gpu_calibration import QUICK, calibrate_card
from minisparse.bench.verdict import verdict
from minisparse.cost.profile import as_data
from minisparse.gpu.device import device_count

SECONDS = 50.0
_SPENT = 0.75
"""The share of the time that problems are measured in; figures and fitting take the rest."""


def calibrated(seconds: float) -> Mapping[str, Any]:
    """Calibrate the card, and return its profile as ``minisparse calibrate`` would write it."""
    said: list[str] = []
    effort = QUICK._replace(seconds=_SPENT * seconds, problems=1000)
    found = calibrate_card(effort, tell=lambda part, what: said.append(what))
    return {
        "problems": found.problems,
        "verdict": verdict(found.machine),
        "profile": as_data(found.machine),
        "left out": [what for what in said if ": " in what][-20:],
    }


def _items(quick: bool) -> Iterator[Item]:
    if not device_count():
        raise SkippedItem("there is no card")
    yield Item("the card's profile", partial(calibrated, 15.0 if quick else SECONDS))


CALIBRATION = Part(
    "calibration", "figures for the cost model, fitted", SECONDS, _items, order=150, patience=120.0
)
