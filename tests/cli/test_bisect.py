"""``minisparse bisect``: a table, a finding, and a status that says which."""

import numpy as np
import pytest

from minisparse.cli import main
from minisparse.oracle import plan_check, verdict


def test_a_shipped_model_is_cleared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bisect", "digits_mlp", "--batch", "2"]) == 0
    text = capsys.readouterr().out
    assert "fuse_epilogue" in text
    assert "every node is right" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_a_wrong_node_is_named_and_is_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = verdict.judge

    def judge_half(got, truth, part=None):  # type: ignore[no-untyped-def]
        return honest(np.asarray(got) * got.dtype.type(0.5), truth, part)

    monkeypatch.setattr(plan_check, "judge", judge_half)
    assert main(["bisect", "digits_mlp", "--batch", "2"]) == 1
    assert "After (source), node layer1 is wrong" in " ".join(capsys.readouterr().out.split())
