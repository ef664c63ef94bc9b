"""Peers are judged as others are; what is not installed or not there says so."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.cli import main
from minisparse.core.errors import MissingExtraError, UsageError
from minisparse.oracle.contracts import CONTRACTS
from minisparse.oracle.outcomes import Unsupported
from minisparse.oracle.peers import PEERS, Peer, isolated, judge_peer
from minisparse.oracle.peers.judge import find_peer
from minisparse.oracle.peers.peer import alike, index_arrays, only
from minisparse.oracle.peers_page import BEGIN, END, with_tables
from minisparse.oracle.profile import find_profile

from .right_kernels import loops
from .wrong_kernels import drops_last_row


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        importlib.util.find_spec(module) is None, reason=f"{module} is not installed"
    )


def test_each_peer_names_contracts_and_a_profile() -> None:
    assert sorted(PEERS) == "graphblas jax mkl onnxruntime scipy sparse torch".split()
    for name, peer in PEERS.items():
        assert peer.name == name
        assert set(peer.adapters) <= set(CONTRACTS)
        find_profile(peer.profile)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Peer:
    peer = Peer(
        "fake", "numpy", ("numpy",), "pip install numpy", "torch",
        {"spmm_csr": loops, "spmm_coo": drops_last_row},
    )  # fmt: skip
    monkeypatch.setitem(PEERS, "fake", peer)
    return peer


def test_the_total_is_fixed(fake: Peer) -> None:
    report = judge_peer("fake", examples=10)
    assert report.total == 10 * len(CONTRACTS)
    assert report.unsupported == 10 * (len(CONTRACTS) - 2)
    vacuous = sum(r.vacuous for r in report.reports)
    assert report.passed + report.failed + report.unsupported + vacuous == report.total
    assert 0 < report.failed <= 10
    assert "unsupported" in str(report)
    plain = json.loads(json.dumps(report.to_json()))
    assert plain["total"] == report.total
    assert plain["ops"]["spmm_coo"]["failures"]


def test_ops_and_profiles_can_be_chosen(fake: Peer) -> None:
    report = judge_peer("fake", ["spmm_csr"], 5, profile="own")
    assert (report.total, report.failed, report.profile) == (5, 0, "torch")
    with pytest.raises(UsageError, match="there is no op"):
        judge_peer("fake", ["gemm"])


def test_what_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="there is no peer 'numpy'; known: graphblas, jax"):
        find_peer("numpy")
    peer = Peer("none", "no_such_module", ("none",), "pip install none", "default", {})
    monkeypatch.setitem(PEERS, "none", peer)
    with pytest.raises(MissingExtraError, match="is not installed: pip install none"):
        judge_peer("none")


def test_what_a_peer_cannot_take_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="values of float16"):
        only("float32 float64", np.ones(1, "float16"))
    with pytest.raises(Unsupported, match="different dtypes"):
        alike(np.ones(1, "float32"), np.ones(1))
    pair = index_arrays(np.ones(1, "int32"), np.ones(1, "uint8"))
    assert [x.dtype.name for x in pair] == ["int64", "int64"]


@needs("scipy")
def test_scipy_is_right_but_for_stored_zeros_of_coo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for op in ("spmm_csr", "spgemm_csr", "coo_to_csr", "csr_to_bsr", "csr_to_coo"):
        report = judge_peer("scipy", [op], 60, profile="own")
        assert report.failed == 0, str(report)
    file = tmp_path / "found.json"
    asked = "check --peer scipy --op spmv_csr --examples 20".split()
    assert main([*asked, "--json", str(file)]) == 0
    assert "20 of 20 passed" in capsys.readouterr().out
    assert json.loads(file.read_text())["passed"] == 20
    assert main([*asked, "some.module:function"]) == 2


@needs("torch")
@pytest.mark.parametrize("op", sorted(PEERS["torch"].adapters))
def test_torch_is_right_by_its_own_profile(op: str) -> None:
    report = judge_peer("torch", [op], 20, profile="own")
    assert report.failed == 0, str(report)
    assert report.passed > 0


@needs("scipy")
def test_a_peer_in_a_process_of_its_own_is_judged_alike() -> None:
    here = judge_peer("scipy", ["spmm_coo", "spmm_nm"], 40)
    there = judge_peer("scipy", ["spmm_coo", "spmm_nm"], 40, timeout=60)
    assert here.total == there.total == 80
    assert (here.passed, here.failed) == (there.passed, there.failed)
    assert here.unsupported == there.unsupported >= 40


def test_no_peer_has_such_an_adapter() -> None:
    with pytest.raises(AttributeError, match="no peer has an adapter 'scipy__sort'"):
        _ = isolated.scipy__sort


IN_NO_EXTRA = ("mkl", "jax", "graphblas")


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=needs(name)) for name in ("sparse", "onnxruntime")),
        *(name for name in IN_NO_EXTRA if importlib.util.find_spec(PEERS[name].module)),
    ],
)
def test_other_peers_where_they_are_installed(name: str) -> None:
    report = judge_peer(name, ["spmm_csr"], 8, profile="own")
    assert report.passed > 0, str(report)


def test_tables_replace_those_on_the_page(fake: Peer) -> None:
    found: dict[str, Any] = {
        by: judge_peer("fake", ["spmm_csr", "spmm_coo"], 5, profile=by).to_json()
        for by in ("default", "own")
    }
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    new = with_tables(page, {"fake": found, "gone": {"error": "exit status 2"}})
    assert new.startswith("before\n")
    assert new.endswith("after\n")
    assert "old" not in new
    assert "| gone | exit status 2 |" in new
    assert f"| fake | numpy {np.__version__} | " in new
    assert with_tables(new, {"fake": found, "gone": {"error": "exit status 2"}}) == new
    with pytest.raises(UsageError, match="must hold the lines"):
        with_tables("", {})
