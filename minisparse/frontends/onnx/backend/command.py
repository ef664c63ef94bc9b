"""``python -m minisparse.frontends.onnx.backend``: how many of onnx's node tests pass."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from minisparse.core.extras import require
from minisparse.frontends.onnx.backend.node_tests import (
    PROMISED,
    Outcome,
    load_tests,
    run_tests,
)
from minisparse.show import folded_text, wrap

_WIDTH = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Run onnx's node tests and print what became of them; return 0, or 2 for a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m minisparse.frontends.onnx.backend",
        description="Run onnx's own node tests against minisparse.",
    )
    parser.add_argument("--op", action="append", default=[], help="only tests of this ONNX op")
    parser.add_argument("--json", metavar="FILE", help="also write every outcome there")
    options = parser.parse_args(argv)
    start, tests = time.perf_counter(), load_tests(options.op)
    if not tests:
        sys.stderr.write(f"onnx has no test of {', '.join(options.op)}: names are as in Relu\n")
        return 2
    if options.json and not Path(options.json).absolute().parent.is_dir():
        sys.stderr.write(f"--json {options.json}: there is no such folder\n")
        return 2
    outcomes = run_tests(tests)
    sys.stdout.write(report(outcomes, time.perf_counter() - start) + "\n")
    if options.json:
        Path(options.json).write_text(to_json(outcomes) + "\n", encoding="utf-8")
    return 0


def counts(outcomes: Sequence[Outcome]) -> Counter[str]:
    """Return how many tests are of each kind: native, fallback, failed."""
    return Counter(outcome.kind for outcome in outcomes)


def promised(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes of tests of one op that minisparse promises."""
    return [outcome for outcome in outcomes if outcome.op in PROMISED]


def report(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Return the pass rate, that of the promised ops, and what did not pass, as text."""
    version = require("onnx", "onnx", "onnx's node tests").__version__
    passed = sum(outcome.passed for outcome in outcomes)
    lines = [
        f"onnx {version}: {passed} of {len(outcomes)} node tests passed in {seconds:.0f} s",
        f"  all ops: {_told(counts(outcomes))}",
        f"  ops that are promised: {_told(counts(promised(outcomes)))}",
    ]
    rows = [
        (op, str(c["native"]), str(c["fallback"]), str(c["failed"]))
        for op, c in sorted(_by_op(outcomes).items())
        if c["fallback"] or c["failed"]
    ]
    if rows:
        lines += ["", "ops not all of whose tests are computed by ops of minisparse"]
        lines.append(folded_text(("op", "native", "by onnx's reference", "failed"), rows))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if failed:
        lines += ["", "failed"]
        lines += [wrap(f"{o.name}: {o.message[:300]}", _WIDTH, indent=2) for o in failed]
    return "\n".join(lines)


def _told(found: Counter[str]) -> str:
    return (
        f"{found['native']} by ops of minisparse, {found['fallback']} with the help of onnx's "
        f"reference implementation, {found['failed']} failed"
    )


def _by_op(outcomes: Sequence[Outcome]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.op, Counter())[outcome.kind] += 1
    return found


def to_json(outcomes: Sequence[Outcome]) -> str:
    """Return every outcome as JSON."""
    version = require("onnx", "onnx", "onnx's node tests").__version__
    tests = [
        {"name": o.name, "op": o.op, "kind": o.kind, "fallbacks": o.fallbacks, "message": o.message}
        for o in outcomes
    ]
    return json.dumps({"onnx": version, "counts": counts(outcomes), "tests": tests}, indent=1)
