"""``minisparse bench passes``: what is said of a pass follows from its times."""

import json
from pathlib import Path

import numpy as np
import pytest

import minisparse as ms
from minisparse.bench.networks import bert_mini
from minisparse.bench.pass_models import hidden_blocks, spelled_out
from minisparse.bench.passes import EVERY, Effect, measure_passes, never_paying
from minisparse.bench.passes_report import report_text
from minisparse.cli import main
from minisparse.cost import Target
from minisparse.passes import PASSES, run_passes
from minisparse.runtime import Timing

FAST, SLOW = Timing((1.0, 1.1, 1.2, 1.3, 1.2)), Timing((2.0, 2.1, 2.2, 2.3, 2.2))


def test_verdicts_follow_from_times() -> None:
    told = [
        Effect("m", "a", True, FAST, SLOW),
        Effect("m", "b", True, SLOW, FAST),
        Effect("m", "c", True, FAST, FAST, weights=10),
        Effect("m", "d", False),
        Effect("m", "e", True, needed="no kernel"),
    ]
    assert [e.verdict for e in told] == [
        "pays",
        "costs",
        "no difference",
        "nothing to do",
        "needed",
    ]
    assert told[0].ratio == pytest.approx(2.2 / 1.2)


def test_what_pays_on_no_model_is_named() -> None:
    names = list(EVERY)[:4]
    effects = [
        Effect("one", names[0], True, FAST, SLOW),
        Effect("two", names[0], True, SLOW, FAST),
        Effect("one", names[1], True, FAST, FAST, values=8),
        Effect("two", names[1], True, SLOW, FAST),
        Effect("one", names[2], True, needed="no kernel"),
        Effect("one", names[3], False),
    ]
    found = never_paying([*effects, *(Effect("one", n, True, FAST, SLOW) for n in EVERY[4:])])
    assert found == {
        names[1]: "spares memory, and no time; costs time on a model",
        names[3]: "found nothing to do",
    }
    assert f"{names[3]} (found nothing to do)" in " ".join(report_text(effects).split())


def test_leaving_a_pass_out_is_measured() -> None:
    found = measure_passes(["digits_mlp_blocks"], Target(), 360, 5, lambda what: None)
    effects = {e.name: e for e in found}
    assert set(effects) == set(EVERY)
    shrunk = effects["shrink_structures"]
    assert shrunk.changes
    assert shrunk.values > 0  # without it what dead neurons give is there
    assert shrunk.whole is not None
    assert shrunk.without is not None
    assert effects["fold_batchnorm"].verdict == "nothing to do"


def test_small_ops_mean_what_was_spelled_out() -> None:
    graph = bert_mini(length=8, layers=1, width=32, heads=2)
    small = spelled_out(graph)
    assert not {"layer_normalization", "gelu"} & {node.op.name for node in small.nodes}
    x = np.random.default_rng(0).standard_normal((2, 8, 32)).astype("float32")
    one, other = (ms.compile(g, skip=list(PASSES)).run({"x": x}) for g in (graph, small))
    for name, y in one.items():
        np.testing.assert_allclose(other[name], y, 1e-4, 1e-4)


def test_hidden_blocks_are_found() -> None:
    graph = hidden_blocks(width=256, layers=3, density=0.1)
    _, reports = run_passes(graph, Target(sizes={"batch": 256}), PASSES)
    assert next(r for r in reports if r.name == "reorder_rows").changed


def test_the_command_prints_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minisparse.bench.passes.model_names", lambda quick: ("digits_mlp",))
    target = tmp_path / "passes.json"
    assert main(["bench", "passes", "--quick", "--batch", "2", "--json", str(target)]) == 0
    assert "passes that pay on none" in capsys.readouterr().out
    data = json.loads(target.read_text())
    assert {e["pass"] for e in data["effects"]} == set(EVERY)
    assert main(["bench", "passes", "--batch", "0"]) == 2
