"""The figures of a suite as what JSON can hold; docs/benchmarks.md says what each key means."""

from collections.abc import Sequence
from typing import Any

from minisparse.bench.contest import Figure
from minisparse.bench.kernels_report import Results
from minisparse.bench.promises import (
    DISPATCH_LIMIT,
    SCRATCH_LIMIT,
    Outcome,
    dispatch_losses,
    largest_scratch,
    outcomes,
)
from minisparse.bench.suite import Suite

FORMAT = 1
"""Changes where the meaning of a key does."""


def as_json(results: Results) -> dict[str, Any]:
    """Return everything that was measured as what JSON can hold; seconds and bytes."""
    suite, sample = results.suite, results.sample
    return {
        "suite": suite.name,
        "op": suite.op,
        "settings": dict(results.settings),
        "sample": {
            "population": sample.population,
            "too_large": sample.too_large,
            "drawn": len(sample.cells),
            "measured": len(results.figures),
            "predicted_seconds": sample.seconds,
        },
        "missing": dict(results.missing),
        "figures": [_figure_json(suite, f, results.peers) for f in results.figures],
        "promises": [_outcome_json(o, suite.ours.name) for o in outcomes(suite, results.figures)],
        "dispatch": {
            "candidates": list(suite.candidates),
            "limit": DISPATCH_LIMIT,
            "ratios": dispatch_losses(suite, results.figures),
        },
        "scratch": _scratch_json(results),
    }


def _figure_json(suite: Suite, figure: Figure, peers: Sequence[str]) -> dict[str, Any]:
    ratios = {peer: figure.ratios(suite.ours.name, (peer,)) for peer in peers}
    there = {peer: ratio for peer, ratio in ratios.items() if ratio is not None}
    return {
        **figure.cell._asdict(),
        "shape": list(figure.cell.shape),
        "stored": figure.stored,
        "counted": suite.counts(figure.cell),
        "contenders": {
            name: {
                "seconds": list(figure.times[name].seconds) if name in figure.times else None,
                "fault": loaded.fault,
                "note": loaded.note,
                "prepare_seconds": loaded.prepared,
                "first_seconds": loaded.first,
                "scratch_bytes": loaded.scratch,
            }
            for name, loaded in figure.loaded.items()
        },
        "ratios": {peer: ratio.median for peer, ratio in there.items()},
        "spreads": {peer: ratio.spread for peer, ratio in there.items()},
    }


def _outcome_json(outcome: Outcome, ours: str) -> dict[str, Any]:
    promise, told = outcome.promise, outcome.told
    return {
        "contender": promise.subject or ours,
        "patterns": list(promise.patterns),
        "density": promise.density,
        "peers": list(promise.peers),
        "limit": promise.limit,
        "ratio": told and told.ratio,
        "quartiles": told and [told.low, told.high],
        "spread": told and told.spread,
        "cells": told.cells if told else 0,
        "verdict": outcome.verdict,
    }


def _scratch_json(results: Results) -> dict[str, Any] | None:
    found = largest_scratch(results.suite, results.figures)
    return found and {"limit_bytes": SCRATCH_LIMIT, "bytes": found[0], "contender": found[1]}
