"""Campaigns: the same findings as a check, shard by shard, stopped and resumed anywhere."""

import io
import json
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from minisparse.cli import main
from minisparse.cli.campaign import progress_bar
from minisparse.core.errors import FormatError, MinisparseError, UsageError
from minisparse.oracle import campaign, check
from minisparse.oracle.campaign import load_target, run_campaign

MODULE = """
import os
import numpy as np
from minisparse.oracle import Unsupported

def right(indptr, indices, data, shape, x):
    dtype = np.result_type(data, x)
    wide = np.float32 if dtype.itemsize == 2 and dtype.kind not in "biu" else dtype
    y = np.zeros(shape[0], wide)
    row = np.repeat(np.arange(shape[0]), np.diff(indptr.astype(np.int64)))
    np.add.at(y, row, data.astype(wide) * x.astype(wide)[indices])
    return y.astype(dtype)

def wrong(indptr, indices, data, shape, x):
    y = right(indptr, indices, data, shape, x)
    y[:1] += np.ones(1, y.dtype) if len(data) else np.zeros(1, y.dtype)
    return y

def some(indptr, indices, data, shape, x):
    if not len(data):
        raise Unsupported("nothing stored")
    return right(indptr, indices, data, shape, x)

def dies(indptr, indices, data, shape, x):
    os._exit(3)
"""


class Here(Executor):
    """Runs everything at once, in this thread, and counts."""

    def __init__(self, most: int = 1000) -> None:
        self.count = 0
        self.most = most

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.count += 1
        if self.count > self.most:
            raise KeyboardInterrupt
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.fixture(autouse=True)
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "campaign_target.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(campaign, "SHARD", 40)


def run(name: str, examples: int, executor: Executor | None = None, out: Path | None = None) -> Any:
    return run_campaign(
        f"campaign_target:{name}", "spmv_csr", examples, executor=executor or Here(), out=out
    )


def test_a_campaign_finds_what_checks_of_its_seeds_find() -> None:
    fn = load_target("campaign_target:wrong")
    alone = [check(fn, "spmv_csr", n, seed) for seed, n in enumerate((40, 40, 15))]
    report = run("wrong", 95)
    assert report.examples == 95
    assert report.failed == sum(one.failed for one in alone) > 0
    assert report.vacuous == sum(one.vacuous for one in alone)
    assert report.failures[0].inputs["shape"] == (1, 1)
    assert sum(failure.count for failure in report.failures) <= report.failed


def test_right_implementations_pass_and_unsupported_inputs_are_counted() -> None:
    report = run("right", 80)
    assert report.passed
    assert 0 <= report.error_over_bound <= 1
    some = run("some", 80)
    assert some.passed
    assert some.unsupported["nothing stored"] >= 2  # in each shard


def test_shards_that_are_done_are_not_run_again(tmp_path: Path) -> None:
    out = tmp_path / "done.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run("wrong", 200, Here(most=0), out)
    first = run("wrong", 80, Here(), out)
    assert len(out.read_text().splitlines()) == 3
    again = Here()
    assert run("wrong", 80, again, out).failed == first.failed
    assert again.count == 0
    more = Here()
    assert run("wrong", 130, more, out).failed == run("wrong", 130).failed
    assert more.count == 2


def test_a_torn_last_line_does_not_count(tmp_path: Path) -> None:
    out, executor = tmp_path / "torn.jsonl", Here()
    whole = run("right", 120, out=out)
    lines = out.read_text().splitlines(keepends=True)
    out.write_text("".join(lines[:-1]) + lines[-1][:20] + "9" * 2000)
    assert run("right", 120, executor, out).error_over_bound == whole.error_over_bound
    assert executor.count == 1
    shards = [json.loads(line).get("shard") for line in out.read_text().splitlines()]
    assert sorted(shards[1:]) == [0, 1, 2]
    out.write_text(lines[0][:10])  # nothing whole yet
    assert run("right", 40, out=out).examples == 40


def test_other_files_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "other.jsonl"
    run("right", 40, out=out)
    before = out.read_bytes()
    with pytest.raises(UsageError, match="another campaign"):
        run("wrong", 40, out=out)
    assert out.read_bytes() == before
    for damaged in (b"{}\n", b"[" * 9000 + b"\n", b'{"shard": 0}\n', b"\xff\n"):
        out.write_bytes(before + damaged)
        with pytest.raises(FormatError, match="line 3"):
            run("right", 40, out=out)
    with pytest.raises(UsageError, match="no_such"):
        run("right", 40, out=tmp_path / "no_such" / "file.jsonl")


def test_what_cannot_be_run_is_said_before(tmp_path: Path) -> None:
    for name in ("campaign_target", "campaign_target:", "no_such_module:f", "campaign_target:f"):
        with pytest.raises(UsageError):
            run_campaign(name, "spmv_csr", 10)
    with pytest.raises(UsageError, match="at least 1"):
        run("right", 0)
    with pytest.raises(UsageError, match="no op"):
        run_campaign("campaign_target:right", "spmv", 10)


def test_threads_and_processes_find_the_same(tmp_path: Path) -> None:
    here = run("wrong", 80)
    with ThreadPoolExecutor(1) as pool:
        assert run("wrong", 80, pool).failed == here.failed
    made = run_campaign("campaign_target:wrong", "spmv_csr", 80, jobs=1)
    assert made.failed == here.failed


def test_a_process_that_dies_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(MinisparseError, match="a process died"):
        run_campaign("campaign_target:dies", "spmv_csr", 40, jobs=1)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cli.jsonl"
    run("right", 80, out=out)
    options = ["--op", "spmv_csr", "--examples", "80", "--jobs", "1", "--out", str(out)]
    assert main(["campaign", "campaign_target:right", *options]) == 0
    told = capsys.readouterr()
    assert "spmv_csr: passed" in told.out
    assert told.err == ""
    assert main(["campaign", "campaign_target:wrong", *options]) == 2


def test_a_bar_is_drawn_on_terminals_alone() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert progress_bar(io.StringIO()) is None
    terminal = Terminal()
    draw = progress_bar(terminal)
    assert draw is not None
    draw(1, 4)
    draw(4, 4)
    assert "1 of 4 shards" in terminal.getvalue()
    assert terminal.getvalue().endswith("4 of 4 shards\n")


def test_dask_runs_shards() -> None:
    distributed = pytest.importorskip(
        "distributed", reason='needs pip install "minisparse[distributed]"'
    )
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        report = run("wrong", 80, client.get_executor())
    assert report.failed == run("wrong", 80).failed
