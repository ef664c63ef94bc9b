"""What becomes of ratios: medians of rounds, of cells, and verdicts; and how it is told."""

import json
from dataclasses import replace
from typing import Any

import pytest

from minisparse.bench.contest import Figure, median
from minisparse.bench.kernels_json import as_json
from minisparse.bench.kernels_report import Results, cell_text, machine_text, results_text
from minisparse.bench.plot import curves, draw_suite
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
    dense, best, mkl, rows, *_ = outcomes(SUITE, figures)
    assert dense.told is not None
    assert (dense.told.ratio, dense.told.cells, dense.verdict) == (0.9, 3, "kept")
    assert best.told is not None
    assert (best.told.ratio, best.verdict) == (1.8, "missed")
    assert (mkl.told, mkl.verdict) == (None, "not measured")
    assert rows.verdict == "not measured"


def test_a_limit_that_is_just_met_is_kept() -> None:
    assert outcomes(SUITE, [figure(ours=(1.0,), dense=(1.0,))])[0].verdict == "kept"


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        ((0.8, 0.9, 1.1, 1.2), "not clear"),  # on both sides of the limit
        ((0.1, 0.2, 0.7, 0.9), "not clear"),  # far below it in some rounds, near it in others
        ((0.7, 0.8, 0.9, 0.95), "kept"),
        ((1.05, 1.1, 1.2, 1.3), "missed"),
    ],
)
def test_noise_makes_a_verdict_not_clear(rounds: tuple[float, ...], verdict: str) -> None:
    f = figure(ours=rounds, dense=(1.0,) * 4)
    assert outcomes(SUITE, [f])[0].verdict == verdict
    assert f"of them not clear, {4 + 9} in all" in " ".join(results_text(results(f)).split())


def test_noise_is_about_the_limit_and_not_about_1() -> None:
    suite = replace(SUITE, promises=(Promise(("unstructured",), 0.1, ("dense",), 1.5),))
    for rounds, verdict in (((0.8, 0.9, 1.1, 1.2), "kept"), ((1.2, 1.4, 1.6, 1.7), "not clear")):
        assert outcomes(suite, [figure(ours=rounds, dense=(1.0,) * 4)])[0].verdict == verdict


def test_one_quiet_cell_among_three_makes_nothing_clear() -> None:
    noisy, quiet = (0.8, 0.9, 1.1, 1.2), (0.5,) * 4
    figures = [figure(ours=rounds, dense=(1.0,) * 4) for rounds in (noisy, quiet, noisy)]
    assert outcomes(SUITE, figures)[0].verdict == "not clear"
    assert outcomes(SUITE, [*figures, *figures[1:2] * 2])[0].verdict == "kept"


def test_dispatch_has_a_promise_for_each_pattern() -> None:
    f = figure(ours=(1.0, 2.0, 2.0), dense=(2.0, 1.0, 3.0), dispatch=(1.1, 1.1, 2.2))
    of_dispatch = [o for o in outcomes(SUITE, [f]) if o.promise.subject == "dispatch"]
    assert len(of_dispatch) == len({cell.pattern for cell in SUITE.cells()})
    assert {o.promise.limit for o in of_dispatch} == {1.05}
    assert [o.verdict for o in of_dispatch if o.told] == ["missed"]
    told = " ".join(results_text(results(f)).split())
    assert "unstructured, dispatch over ours/dense 1.05 1.10 1 missed" in told


def test_a_verdict_can_be_seen_in_the_digits() -> None:
    suite = replace(SUITE, promises=(Promise(("unstructured",), 0.1, ("dense",), 0.55),))
    f = figure(ours=(0.5504,) * 3, dense=(1.0,) * 3)
    told = " ".join(results_text(replace(results(f), suite=suite)).split())
    assert "unstructured at 0.1, over dense 0.55 0.5504 1 missed" in told


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
        assert (promise.patterns, promise.peers) == ((cell.pattern,), peers)
        assert promise.limit == limit


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
    text = results_text(
        results(f, broken, f, missing={"mkl": "mkl_rt is not installed: pip install mkl"})
    )
    assert text.isascii()
    assert max(map(len, text.split("\n"))) <= 80
    assert "unstructured at 0.1, over dense" in text
    assert "2 kept of 2 measured, 0 of them not clear, 13 in all" in " ".join(text.split())
    assert "64.0 MB beside operands and result: missed" in text
    assert "not compared with mkl: mkl_rt is not installed: pip install mkl" in text
    assert "not timed: scipy on 1 cells: wrong result: 3 of 9 values off" in text
    assert "rows, over dense" not in text  # no cell of these was drawn
    assert "7 take too large a part" in " ".join(text.split())


def test_ratios_that_are_noise_are_marked_and_the_widest_spread_is_told() -> None:
    torch = (29e-6, 12e-3, 29e-6, 11e-3, 30e-6)
    f = figure(ours=(1e-4,) * 5, dense=(2e-4,) * 5, scipy=(0.9e-4, 0.95e-4, 1.1e-4, 1.2e-4, 1e-4),
               torch=torch)  # fmt: skip
    text = results_text(results(f))
    (row,) = (line for line in text.split("\n") if line.split()[:3] == ["unstructured", "0.1", "1"])
    assert row.split()[-4:] == ["0.50", "~1.00", "~3.33", "52%"]
    assert "~: noise" in " ".join(text.split())


def test_a_spread_beyond_all_measure_keeps_its_column_narrow() -> None:
    f = figure(ours=(1.0,) * 3, dense=(1e-4, 1.0, 1.0))
    assert ">999%" in results_text(results(f))


def test_dispatch_is_explained_where_it_is_a_column() -> None:
    dispatch = figure(ours=(1.0,), dense=(1.0,), dispatch=(2.0,))
    assert "dispatch: what minisparse chooses" in " ".join(results_text(results(dispatch)).split())
    assert (
        "dispatch"
        not in results_text(results(figure(ours=(1.0,), dense=(1.0,)))).partition("promise  ")[0]
    )


def test_a_table_of_many_peers_is_told_in_two() -> None:
    names = [c.name for c in SUITE.contenders]
    times = {name: Timing((1e-3,) * 3) for name in names}
    f = Figure(CELL, 10, dict.fromkeys(names, Loaded("")), times)
    text = results_text(results(f))
    heads = [line.split() for line in text.split("\n") if line.startswith("pattern")]
    assert [name for head in heads for name in head[4:-1]] == names[1:]
    assert len(heads) == 2
    assert max(map(len, text.split("\n"))) <= 80


def test_a_cell_without_columns_is_told_without() -> None:
    assert cell_text(CELL._replace(columns=0)) == "unstructured 0.1, 512x512, float32"


def test_machines_are_told_in_eighty_columns() -> None:
    assert max(map(len, machine_text({"cpu": "x" * 60, "cores": "2" * 30}).split("\n"))) <= 80


def test_json_holds_every_round() -> None:
    told = as_json(results(figure(ours=(1.0, 2.5), dense=(2.0, 2.0))))
    again: dict[str, Any] = json.loads(json.dumps(told, allow_nan=False))
    (cell,) = again["figures"]
    assert cell["contenders"]["ours"]["seconds"] == [1.0, 2.5]
    assert cell["ratios"] == {"dense": 0.875}
    assert cell["shape"] == [512, 512]
    assert cell["counted"] is True
    one, two, *_ = again["promises"]
    assert (one["contender"], one["verdict"], two["verdict"]) == ("ours", "not clear", "not clear")
    assert (one["ratio"], one["quartiles"], one["cells"]) == (0.875, [0.5, 1.25], 1)
    assert one["spread"] == pytest.approx(3 / 7)


def test_curves_are_medians_by_density() -> None:
    sparse = CELL._replace(density=0.01)
    figures = [figure(ours=(x,), dense=(1.0,)) for x in (1.0, 2.0, 9.0)]
    figures += [
        figure(sparse, ours=(0.5,), dense=(1.0,)),
        figure(sparse._replace(columns=1), ours=(50.0,), dense=(1.0,)),
        figure(sparse._replace(pattern="rows"), ours=(0.5,)),
    ]
    assert curves(results(*figures)) == {"unstructured": [(0.01, 0.5), (0.1, 2.0)]}


def test_models_are_drawn_over_the_batch() -> None:
    models = SUITES["models"]
    figures = [
        figure(Cell("digits_mlp", 0.1, (), batch, "float32"), ours=(1.0,), dense=(2.0,))
        for batch in (360, 1)
    ]
    drawn = replace(results(*figures), suite=models)
    assert curves(drawn) == {"digits_mlp": [(1, 0.5), (360, 0.5)]}
    panel = panel_of(drawn)
    assert panel.get_xlabel() == "batch"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["1", "360"]


def test_a_picture_names_its_baseline_and_what_was_measured() -> None:
    conv = SUITES["conv"]
    cell = conv.cells()[0]._replace(density=0.05)
    times = dict.fromkeys(("ours", "im2col", "tiled", "shifted"), (1.0,))
    f = Figure(cell, 1, {}, {name: Timing(seconds) for name, seconds in times.items()})
    panel = panel_of(replace(results(f), suite=conv))
    assert panel.get_ylabel() == "our time over the fastest of im2col, tiled, shifted"
    assert panel.get_xlabel() == "density"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["0.05"]
    assert "10^" not in "".join(tick.get_text() for tick in panel.get_yticklabels(which="both"))


def panel_of(drawn: Results) -> Any:
    """Return what is drawn of a suite."""
    module = pytest.importorskip("matplotlib.figure", reason="drawing needs minisparse[viz]")
    panel = module.Figure().subplots()
    draw_suite(panel, drawn)
    return panel


def test_the_median_of_nothing() -> None:
    assert median([None, None]) is None
    assert median([None, 3.0]) == 3.0
