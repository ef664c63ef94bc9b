"""The break-even atlas: cases, ways, what is told, and ``minisparse breakeven``."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.bench import asking, breakeven_ways
from minisparse.bench.breakeven import (
    Finding,
    Settings,
    find_break_even,
    has_wrong_results,
    ways_of,
)
from minisparse.bench.breakeven_cases import MASKS, Case, Drawn, draw, read_shape, sweep
from minisparse.bench.breakeven_fit import ANYWHERE, NOWHERE, Estimate
from minisparse.bench.breakeven_process import Measurer, measure_cases
from minisparse.bench.breakeven_report import FORMAT, as_json, atlas_markdown, atlas_text, summary
from minisparse.bench.breakeven_ways import (
    MARK,
    Call,
    Visit,
    one_node,
    price_ways,
    shortlist,
    time_rounds,
    visit,
)
from minisparse.bench.breakeven_worker import answer
from minisparse.cli import main
from minisparse.core.errors import UsageError
from minisparse.core.extras import is_installed
from minisparse.cost import Candidate
from minisparse.cost.ready import ready
from minisparse.formats import find_pattern
from minisparse.graph import Graph, Node

KINDS = {"skewed": "unstructured", "n:m": "nm", "4x4": "blocks"}


@pytest.mark.parametrize("pattern", MASKS)
@pytest.mark.parametrize("density", [0.002, 0.25, 1.0])
def test_what_is_drawn_has_the_pattern_and_about_the_density(pattern: str, density: float) -> None:
    case = Case(pattern, (192, 160), 3, "float32")
    drawn = draw(case, density, np.random.default_rng(0))
    wanted = min(max(density, case.over.low), case.over.high)
    assert drawn.density == np.count_nonzero(drawn.a) / drawn.a.size > 0
    # rows of log-normal length are cut where they are full, others are whole pieces
    assert drawn.density == pytest.approx(wanted, rel=0.35)
    assert drawn.a.dtype == drawn.b.dtype == np.float32
    if density == 0.25 and pattern in KINDS:
        assert find_pattern(drawn.a).kind == KINDS[pattern]


def test_a_sweep_takes_each_case_once() -> None:
    cases = sweep(["rows", "rows"], [(64, 64)], [1, 8, 1], "float32")
    assert cases == [Case("rows", (64, 64), n, "float32") for n in (1, 8)]
    assert len(sweep([], [(64, 64)], [1], "float64")) == len(MASKS)
    assert read_shape("20x30") == (20, 30)


def test_ways_are_those_of_dispatch_without_the_ones_that_pack_alike() -> None:
    case = Case("16x16", (128, 128), 64, "float32")
    drawn = draw(case, 0.2, np.random.default_rng(0))
    dense, sparse = price_ways(one_node(case, drawn), ways_of("none"))
    assert dense.layout.format == "dense"
    assert {c.layout.format for c in sparse} >= {"csr", "bsr"}
    assert not {c.layout.format for c in sparse} & {"dense", "coo", "csc"}
    assert [c.seconds for c in sparse] == sorted(c.seconds for c in sparse)
    only = price_ways(one_node(case, drawn), ways_of("none", "bsr 16x16"))[1]
    assert {str(c.layout) for c in only} == {"bsr 16x16"}
    assert price_ways(one_node(case, drawn), ways_of("none", "csc"))[1]
    chosen = shortlist(sparse)
    assert chosen[0] is sparse[0]
    assert len(chosen) <= 4
    kinds = [(c.layout.format, c.level) for c in chosen]
    assert max(map(kinds.count, kinds)) <= 2
    assert one_node(case, drawn).nodes[0].op.name == "spmm"


def test_a_way_that_computes_something_else_is_told_and_not_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case("rows", (64, 64), 8, "float32")
    drawn = draw(case, 0.3, np.random.default_rng(0))
    sound = ready

    def careless(graph: Graph, node: Node, candidate: Candidate, *rest: Any) -> Call:
        call = sound(graph, node, candidate, *rest)
        return call if candidate.layout.format != "csr" else lambda: 1.01 * np.asarray(call())

    monkeypatch.setattr(breakeven_ways, "ready", careless)
    found = visit(case, drawn, ways_of("none", "csr"), 0.0)
    assert "wrong result" in found.faults["csr vectorized"]
    assert not found.ratios
    assert min(found.sample.ratios) > 1e5
    finding = Finding(case, None, NOWHERE, visits=(found,))
    assert has_wrong_results([finding])
    assert "csr vectorized: wrong result" in atlas_text(Settings((case,)), {}, [finding])


def test_rounds_ask_those_who_are_far_behind_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"dense": 1.0, "good": 0.9, "close": 1.0, "bad": 2.0}
    asked: list[str] = []

    def turn(call: Call, typical: float, clock: object) -> float:
        name = str(call())
        asked.append(name)
        return seconds[name]

    monkeypatch.setattr(breakeven_ways, "turn", turn)
    calls = {name: (lambda name=name: name) for name in seconds}
    ratios = time_rounds(calls, "dense", 60.0)
    assert {name: len(r) for name, r in ratios.items()} == {"good": 9, "close": 9, "bad": 2}
    assert asked[:4] != asked[4:8]  # rounds begin with another each time
    assert set(ratios["good"]) == {0.9}
    seconds["good"] = 0.2
    assert {len(r) for r in time_rounds(calls, "dense", 60.0).values()} == {3, 2}


@pytest.mark.parametrize(
    ("pattern", "at"), [("unstructured", 0.08), ("16x16", 0.4), ("rows", NOWHERE)]
)
def test_a_known_break_even_is_found(
    pattern: str, at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(pattern, (128, 128), 8, "float32")
    rng = np.random.default_rng(0)
    density = 0.0
    draw_really = draw

    def note(case: Case, wanted: float, rng: np.random.Generator) -> Drawn:
        nonlocal density
        drawn = draw_really(case, wanted, rng)
        density = drawn.density
        return drawn

    def timed(
        calls: Mapping[str, Call], dense: str, seconds: float
    ) -> dict[str, tuple[float, ...]]:
        middle = MARK * (density / at) ** 0.8 if at else 2.0
        names = [name for name in calls if name != dense]
        return {
            name: tuple(middle * (1 + i / 4) * np.exp(rng.normal(0, 0.03, 5)))
            for i, name in enumerate(names)
        }

    monkeypatch.setattr("minisparse.bench.breakeven.draw", note)
    monkeypatch.setattr(breakeven_ways, "time_rounds", timed)
    found = find_break_even(case, ways_of("none"), 1.0, 0)
    assert found.estimate is not None
    assert found.way
    assert found.samples >= 5 * len(found.visits) >= 45
    if not at:
        assert found.estimate.verdict == "none wins"
    else:
        assert found.estimate.low <= at <= found.estimate.high
        assert found.estimate.verdict == "crosses"


CASE = Case("unstructured", (3072, 1024), 256, "float32")
CROSSES = Finding(CASE, Estimate(0.0123, 0.0101, 0.0134), 0.0185, "bsr 16x16 vectorized")
NONE = Finding(CASE._replace(columns=1), Estimate(NOWHERE, NOWHERE, NOWHERE), NOWHERE, "csr scipy")
ANY = Finding(CASE._replace(pattern="columns"), Estimate(ANYWHERE, ANYWHERE, ANYWHERE), 0.5, "csr")
UNCLEAR = Finding(CASE._replace(pattern="32x32"), Estimate(0.5, 0.05, ANYWHERE), 0.5, "csr")
LOST = Finding(CASE._replace(pattern="n:m"), None, NOWHERE, fault="its process died")
ALL = [CROSSES, NONE, ANY, UNCLEAR, LOST]


def test_agreement_is_a_near_density_or_the_same_word() -> None:
    assert CROSSES.ratio == pytest.approx(1.504, abs=1e-3)
    assert [f.agrees for f in ALL] == [False, True, False, None, None]
    for predicted, near in ((0.0098, False), (0.01, True), (0.0153, True)):
        assert Finding(CASE, CROSSES.estimate, predicted).agrees is near
    text = summary(ALL)
    assert "1 of 3" in text
    assert "1.50 at worst" in text
    assert "1 could not be told" in text
    assert "No break-even could be told" in summary([LOST])


def test_an_atlas_is_told_in_80_columns() -> None:
    settings = Settings(tuple(f.case for f in ALL) * 2)
    text = atlas_text(settings, {"cpu": "a processor", "numpy": "2.4"}, ALL)
    assert max(map(len, text.split("\n"))) <= 80
    for words in (
        "3072x1024, N = 256, float32", "0.012", "0.010 - 0.013", "none", "any", "?",
        "its process died", "the time was up: 5 cases",
    ):  # fmt: skip
        assert words in text, words
    table = atlas_markdown(ALL).split("\n")
    assert table[0] == "| pattern | shape | N = 256 | N = 1 |"
    assert "0.012 (0.010 - 0.013), predicted 0.018" in table[2]
    assert "not measured" in table[-1]


def test_json_says_the_same_without_numbers_that_it_does_not_have() -> None:
    visits = (Visit(0.1, 0.9, "csr", {"csr": (0.8, 0.9)}),)
    found = [*ALL, Finding(CASE, Estimate(0.1, 0.09, 0.11), 0.1, "csr", visits)]
    text = json.dumps(as_json(Settings((CASE,)), {"cpu": "x"}, found), allow_nan=False)
    read = json.loads(text)
    assert read["format"] == FORMAT
    assert read["settings"]["mark"] == MARK
    verdicts = [c["verdict"] for c in read["cases"]]
    assert verdicts == [
        "crosses", "none wins", "all win", "cannot be told", "not measured", "crosses"
    ]  # fmt: skip
    assert read["cases"][3]["interval"] == [0.05, "any"]
    assert read["cases"][-1]["visits"][0]["ratios"] == {"csr": [0.8, 0.9]}


@pytest.mark.skipif(not is_installed("matplotlib"), reason="drawing needs minisparse[viz]")
def test_the_picture_has_a_curve_for_each_pattern(tmp_path: Path) -> None:
    from minisparse.bench.breakeven_plot import draw_atlas

    visits = tuple(Visit(d, 1.0, "csr", {"csr": (5 * d, 6 * d)}) for d in (0.4, 0.1, 0.05))
    found = [Finding(f.case, f.estimate, f.predicted, "csr", visits) for f in ALL if f.estimate]
    target = tmp_path / "atlas.svg"
    draw_atlas([*found, LOST], target)
    assert target.read_text(encoding="utf-8").startswith("<?xml")


def test_a_process_that_dies_is_a_fault_and_the_next_case_has_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = asking._START
    case = Case("rows", (64, 64), 4, "float32")
    with Measurer(Settings((case,))) as measurer:
        monkeypatch.setattr(asking, "_START", "import sys; sys.stdin.read(1)")
        assert measurer.measure(case, 0.1).fault == "its process died"
        monkeypatch.setattr(asking, "_START", good)
        found = measurer.measure(case, 0.1)
        assert not found.fault
        assert found.estimate is not None


def test_errors_of_the_caller_come_back_as_faults() -> None:
    found = answer(Case("rows", (64, 64), 4, "float32"), "nix", "", 0.1, 0)
    assert "there is no library 'nix'" in found.fault
    nowhere = answer(Case("rows", (64, 64), 4, "float32"), "none", "nm 1:16", 0.1, 0)
    assert "no such way" in nowhere.fault


def test_cases_end_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[float] = []
    clock = iter([0.0, 0.0, 40.0, 101.0])

    def measured(self: Measurer, case: Case, seconds: float) -> Finding:
        parts.append(seconds)
        return LOST

    monkeypatch.setattr(Measurer, "measure", measured)
    monkeypatch.setattr("minisparse.bench.breakeven_process.time.monotonic", lambda: next(clock))
    cases = tuple(sweep([], [(64, 64)], [1], "float32"))[:4]
    assert len(list(measure_cases(Settings(cases, seconds=100.0)))) == 2
    assert parts == [25.0, 20.0]


def test_a_small_run_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "atlas.json"
    options = "breakeven --pattern rows --shape 64x48 --columns 8 --threads 1 --budget 0.005"
    assert main([*options.split(), "--json", str(target)]) == 0
    text = capsys.readouterr().out
    assert "64x48, N = 8, float32" in text
    assert max(map(len, text.split("\n"))) <= 80
    (found,) = json.loads(target.read_text(encoding="utf-8"))["cases"]
    assert len(found["visits"]) >= 9
    assert all(math.isfinite(r) and r > 0 for v in found["visits"] for r in v["ratios"][v["best"]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--pattern nix", "--pattern nix: patterns: unstructured, skewed"),
        ("--shape 64", "--shape '64': write M and K as in 1024x768"),
        ("--shape 8x64", "--shape 8x64: both must be at least 16"),
        ("--shape 99999x99999", "have at most 16777216 elements"),
        ("--columns 99999", "--columns 99999: it must be between 1 and 16384"),
        ("--dtype int8", "--dtype int8: dtypes: float32, float64"),
        ("--libraries nix", "there is no library 'nix'"),
        ("--way nix --pattern rows --shape 64x64", "--way nix: no case can be computed like this"),
        ("--budget 0", "--budget 0: it must be a number of minutes"),
        ("--budget nan", "--budget nan: it must be a number of minutes"),
        ("--json no/where.json", "there is no folder no"),
        ("--json .", "--json .: there is a folder of this name"),
        ("--plot no/where.png", "there is no folder no"),
        ("--plot where.gif", "the name must end in .png, .svg, .pdf"),
    ],
)
def test_mistakes_are_told_at_once(
    options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["breakeven", *options.split()]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("options", ["--columns 0", "--threads 0", "--seed -1", "--columns x"])
def test_what_is_no_number_is_refused_by_the_parser(options: str) -> None:
    with pytest.raises(SystemExit):
        main(["breakeven", *options.split()])


def test_shapes_are_read_strictly() -> None:
    for text in ("x", "1x", "x1", "1x2x3", "-1x2", "1 x2", "9" * 30 + "x1"):
        with pytest.raises(UsageError, match="write M and K"):
            read_shape(text)


def test_what_a_library_refuses_is_told_and_the_others_are_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case("16x16", (64, 64), 8, "float32")
    drawn = draw(case, 0.3, np.random.default_rng(0))
    sound = ready
    first, *others = shortlist(price_ways(one_node(case, drawn), ways_of("none"))[1])

    def refusing(graph: Graph, node: Node, candidate: Candidate, *rest: Any) -> Call:
        if candidate.name == first.name:
            raise UsageError("not today")
        return sound(graph, node, candidate, *rest)

    monkeypatch.setattr(breakeven_ways, "ready", refusing)
    found = visit(case, drawn, ways_of("none"), 0.0)
    assert found.best in [candidate.name for candidate in others]
    assert found.faults == {first.name: "UsageError: not today"}


def test_the_best_way_is_one_that_was_asked_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("16x16", (64, 64), 8, "float32")
    drawn = draw(case, 0.3, np.random.default_rng(0))
    rounds = {"csr vectorized": (0.9, 0.9, 0.9), "bsr 16x16 vectorized": (0.5, 0.6)}
    monkeypatch.setattr(breakeven_ways, "time_rounds", lambda *_: rounds)
    assert visit(case, drawn, ways_of("none"), 0.0).best == "csr vectorized"
