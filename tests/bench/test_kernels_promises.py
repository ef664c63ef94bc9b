"""What becomes of ratios: medians of rounds, of cells, and verdicts; and how it is told."""

import json
from dataclasses import replace
from typing import Any

import pytest

from minisparse.bench.contest import Figure, median
from minisparse.bench.kernels_json import as_json
from minisparse.bench.kernels_report import Results, machine_text, results_text
from minisparse.bench.plot import curves
from minisparse.bench.promises import (
    SCRATCH_LIMIT,
    dispatch_losses,
    largest_scratch,
    outcomes,
)
from minisparse.bench.sampling import Sample
from minisparse.bench.suite import Cell, Promise
from minisparse.bench.suites import SUITES
from minisparse.bench.worker import Loaded
from minisparse.runtime import Timing

CELL = Cell("unstructured", 0.1, (512, 512), 64, "float32")
SUITE = replace(
    SUITES["dnn"],
    promises=(
        Promise(("unstructured",), 0.1, ("dense",), 1.0),
        Promise(("unstructured",), 0.1, ("dense", "scipy"), 1.0),
        Promise(("unstructured",), 0.1, ("mkl",), 1.0),
        Promise(("rows",), None, ("dense",), 1.0),
    ),
)


def figure(cell: Cell = CELL, scratch: int = 0, **times: tuple[float, ...]) -> Figure:
    loaded = {name: Loaded("", scratch=scratch) for name in times}
    return Figure(cell, 10, loaded, {name: Timing(seconds) for name, seconds in times.items()})


def results(*figures: Figure, missing: dict[str, str] | None = None) -> Results:
    sample = Sample(tuple(f.cell for f in figures), 1.0, 100, 7)
    return Results(SUITE, sample, figures, missing or {}, {"seed": 0})


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    f = figure(ours=(1.0, 2.0, 9.0), dense=(2.0, 2.0, 3.0), scipy=(4.0, 1.0, 9.0))
    assert f.ratio("ours", ("dense",)) == 1.0
    assert f.ratio("ours", ("dense", "scipy")) == 2.0  # over 2, 1 and 3: the round's fastest
    assert f.ratio("ours", ("mkl",)) is None
    assert f.ratio("dense", ("ours",)) == 1.0


def test_promises_look_at_the_median_of_the_cells_that_count() -> None:
    figures = [figure(ours=(x,) * 3, dense=(1.0,) * 3, scipy=(0.5,) * 3) for x in (0.7, 0.9, 5.0)]
    few_columns = CELL._replace(columns=16)
    figures += [figure(few_columns, ours=(9.0,) * 3, dense=(1.0,) * 3)] * 9
    dense, best, mkl, rows = outcomes(SUITE, figures)
    assert (dense.ratio, dense.cells, dense.verdict) == (0.9, 3, "kept")
    assert (best.ratio, best.verdict) == (1.8, "missed")
    assert (mkl.ratio, mkl.cells, mkl.verdict) == (None, 0, "not measured")
    assert rows.verdict == "not measured"


def test_a_limit_that_is_just_met_is_kept() -> None:
    assert outcomes(SUITE, [figure(ours=(1.0,), dense=(1.0,))])[0].verdict == "kept"


@pytest.mark.parametrize(
    ("pattern", "density", "peer", "limit"),
    [
        ("32x32", 0.2, "dense", 0.45),
        ("16x16", 0.1, "dense", 0.27),
        ("16x16", 0.2, "scipy", 0.25),
        ("32x32", 0.1, "mkl", 0.5),
        ("16x16", 0.1, "torch", 0.5),
        ("4x4", 0.2, "dense", 0.65),
        ("4x4", 0.1, "dense", 0.45),
        ("rows", 0.5, "dense", 0.55),
        ("columns", 0.005, "dense", 0.055),
        ("unstructured", 0.1, "dense", 1.0),
        ("unstructured", 0.05, "dense", 0.65),
        ("unstructured", 0.01, "dense", 0.2),
        ("unstructured", 0.1, "scipy", 0.8),
        ("unstructured", 0.05, "scipy", 1.0),
        ("unstructured", 0.01, "scipy", 1.6),
    ],
)
def test_what_is_promised_of_layers(pattern: str, density: float, peer: str, limit: float) -> None:
    cell = Cell(pattern, density, (512, 512), 64, "float32")
    (found,) = (p.limit for p in SUITES["dnn"].promises if p.covers(cell) and p.peers == (peer,))
    assert found == limit


@pytest.mark.parametrize(
    ("suite", "peers", "limit"),
    [
        ("spmv", ("scipy",), 1.5),
        ("spgemm", ("scipy",), 2.0),
        ("sddmm", ("gather",), 0.4),
        ("conv", ("im2col", "tiled", "shifted"), 1.0),
    ],
)
def test_what_is_promised_of_the_others(suite: str, peers: tuple[str, ...], limit: float) -> None:
    for cell in SUITES[suite].cells():
        (promise,) = (p for p in SUITES[suite].promises if p.covers(cell))
        assert (promise.peers, promise.limit) == (peers, limit)


def test_the_largest_scratch_is_found() -> None:
    assert largest_scratch(SUITE, [Figure(CELL, 0, {"dense": Loaded("")}, {})]) is None
    found = largest_scratch(SUITE, [figure(scratch=n, ours=(1.0,)) for n in (5, 9, 2)])
    assert found is not None
    assert found[:2] == (9, "ours")


def test_dispatch_is_compared_with_the_best_candidate() -> None:
    f = figure(ours=(1.0, 2.0), dense=(2.0, 1.0), dispatch=(1.5, 1.5))
    assert dispatch_losses(SUITE, [f, figure(ours=(1.0,))]) == [1.5]
    told = " ".join(results_text(results(f, f)).split())
    assert "within 1.05 of the best of ours, dense on 0 of 2 cells; median 1.50" in told


def test_what_is_printed() -> None:
    f = figure(scratch=SCRATCH_LIMIT + 1, ours=(1.0, 1.0), dense=(2.0, 2.0))
    wrong = Loaded("wrong result: 3 of 9 values off")
    broken = Figure(CELL._replace(columns=16), 10, {"ours": Loaded(""), "scipy": wrong}, {})
    text = results_text(results(f, broken, f, missing={"mkl": "pip install mkl"}))
    assert text.isascii()
    assert max(map(len, text.split("\n"))) <= 80
    assert "unstructured at 0.1, over dense" in text
    assert "2 kept of 2 measured, 4 in all" in text
    assert "64.0 MB beside operands and result: missed" in text
    assert "not compared with mkl, which is not installed: pip install mkl" in text
    assert "not timed: scipy on 1 cells: wrong result: 3 of 9 values off" in text
    assert "rows, over dense" not in text  # no cell of these was drawn
    assert "7 take too large a part" in " ".join(text.split())


def test_machines_are_told_in_eighty_columns() -> None:
    assert max(map(len, machine_text({"cpu": "x" * 60, "cores": "2" * 30}).split("\n"))) <= 80


def test_json_holds_every_round() -> None:
    told = as_json(results(figure(ours=(1.0, 2.0), dense=(2.0, 2.0))))
    again: dict[str, Any] = json.loads(json.dumps(told, allow_nan=False))
    (cell,) = again["figures"]
    assert cell["contenders"]["ours"]["seconds"] == [1.0, 2.0]
    assert cell["ratios"] == {"dense": 0.75}
    assert cell["shape"] == [512, 512]
    assert cell["counted"] is True
    assert [p["verdict"] for p in again["promises"]] == ["kept", "kept", *["not measured"] * 2]


def test_curves_are_medians_by_density() -> None:
    sparse = CELL._replace(density=0.01)
    figures = [figure(ours=(x,), dense=(1.0,)) for x in (1.0, 2.0, 9.0)]
    figures += [
        figure(sparse, ours=(0.5,), dense=(1.0,)),
        figure(sparse._replace(columns=1), ours=(50.0,), dense=(1.0,)),
        figure(sparse._replace(pattern="rows"), ours=(0.5,)),
    ]
    assert curves(results(*figures)) == {"unstructured": [(0.01, 0.5), (0.1, 2.0)]}


def test_the_median_of_nothing() -> None:
    assert median([None, None]) is None
    assert median([None, 3.0]) == 3.0
