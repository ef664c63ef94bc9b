"""Write the tables of ``docs/peers.md``: ``python -m minisparse.oracle.peers_page``.

The tables stand between two marks of the page, so that they can be made again. Each op of a peer is
judged in a process of its own: one that crashes takes no other with it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from minisparse.core.errors import MissingExtraError, UsageError
from minisparse.oracle.contracts import CONTRACTS
from minisparse.oracle.peers import PEERS, judge_peer
from minisparse.oracle.profile import find_profile

_PROFILES = ("default", "own")
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def main(argv: Sequence[str] | None = None) -> int:
    """Judge one op of a peer, or everything and put the tables into a page."""
    parser = argparse.ArgumentParser(prog="python -m minisparse.oracle.peers_page")
    parser.add_argument("peer", nargs="*", help=f"default: all, {', '.join(PEERS)}")
    parser.add_argument("--docs", metavar="PAGE", help="the page whose tables are written anew")
    parser.add_argument("--keep", metavar="DIR", help="findings that are there are not made again")
    parser.add_argument("--op", help="without --docs: which; then findings are written as JSON")
    parser.add_argument("--profile", default="default", help="without --docs: by which")
    parser.add_argument("--examples", type=int, default=100, help="inputs for each op")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    names = options.peer or list(PEERS)
    if options.docs is None:
        ops = options.op and [options.op]
        for name in names:
            found = judge_peer(name, ops, options.examples, options.seed, options.profile)
            sys.stdout.write(json.dumps(found.to_json()) + "\n")
        return 0
    judged = {name: _judged(name, options) for name in names}
    page = Path(options.docs)
    page.write_text(with_tables(page.read_text("utf-8"), judged), "utf-8")
    return 0


def _judged(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return what is found of a peer by both profiles, or why there is nothing."""
    kept = Path(options.keep, f"{name}.json") if options.keep else None
    if kept is not None and kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
        return found
    try:
        PEERS[name].versions()
    except MissingExtraError as error:
        return {"error": str(error)}
    found = {profile: _by_profile(name, profile, options) for profile in _PROFILES}
    if kept is not None:
        kept.write_text(json.dumps(found), "utf-8")
    return found


def _by_profile(name: str, profile: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return what judging op by op finds, put together as of one report."""
    peer, total = PEERS[name], options.examples
    meaning = find_profile(peer.profile if profile == "own" else profile)
    ops: dict[str, dict[str, Any]] = {}
    for op in CONTRACTS:
        nothing = {"passed": 0, "failed": 0, "vacuous": 0, "unsupported": {}, "failures": []}
        ops[op] = nothing | {"total": total, "unsupported": {f"{name} has no {op}": total}}
        if op in peer.adapters:
            ops[op] = _alone(name, op, profile, options)
    sums = {key: sum(op[key] for op in ops.values()) for key in ("passed", "failed", "total")}
    skipped = sum(sum(op["unsupported"].values()) for op in ops.values())
    told = {"peer": name, "versions": peer.versions(), "profile": meaning.name, "ops": ops}
    return told | sums | {"unsupported": skipped}


def _alone(name: str, op: str, profile: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return what a process of its own finds; if it dies, all inputs count as wrong."""
    numbers = ["--examples", str(options.examples), "--seed", str(options.seed)]
    command = [sys.executable, "-m", "minisparse.oracle.peers_page", name, "--op", op]
    command += ["--profile", profile, *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout)["ops"][op]
        return found
    last = (done.stderr.strip().splitlines() or [""])[-1] if done.returncode > 0 else ""
    text = f"exit status {done.returncode} {last}".strip()
    crash = {"rule": "crash", "label": "", "message": text, "count": options.examples,
             "text": text, "allowed_by": []}  # fmt: skip
    return {"passed": 0, "failed": options.examples, "vacuous": 0, "unsupported": {},
            "total": options.examples, "failures": [crash]}  # fmt: skip


def with_tables(page: str, judged: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page with new tables.

    Parameters
    ----------
    page : str
        With both marks in it.
    judged : mapping
        From peers to ``{"default": …, "own": …}``, each what :meth:`.PeerReport.to_json` gives, or
        to ``{"error": …}``.

    Raises
    ------
    UsageError
        If the marks are not there.
    """
    if BEGIN not in page or END not in page:
        raise UsageError(f"the page must hold the lines {BEGIN} and {END}")
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    tables = "\n".join([*_summary(judged), "", *_by_op(judged), "", *_findings(judged)])
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def _summary(judged: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| peer | versions | passed | failed | vacuous | unsupported | by its own profile |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, found in judged.items():
        if "error" in found:
            yield f"| {name} | {found['error']} | | | | | |"
            continue
        by, own = found["default"], found["own"]
        versions = ", ".join(f"{n} {v}" for n, v in by["versions"].items())
        vacuous = sum(op["vacuous"] for op in by["ops"].values())
        yield (
            f"| {name} | {versions} | {by['passed']} / {by['total']} | {by['failed']} | {vacuous} "
            f"| {by['unsupported']} | {own['passed']} passed, {own['failed']} failed "
            f"(`{own['profile']}`) |"
        )


def _by_op(judged: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what passed and failed by op and own profile; nothing where a peer has no such op."""
    there = {name: found["own"] for name, found in judged.items() if "own" in found}
    yield "Passed and failed by each peer's own profile:"
    yield ""
    yield "| op | " + " | ".join(there) + " |"
    yield "| --- |" + " --- |" * len(there)
    ops = next(iter(there.values()))["ops"] if there else {}
    for op in ops:
        cells = [_cell(own["ops"][op]) for own in there.values()]
        yield f"| {op} | " + " | ".join(cells) + " |"


def _cell(op: Mapping[str, Any]) -> str:
    if not op["passed"] and not op["failed"]:
        return ""
    return f"{op['passed']}, **{op['failed']}**" if op["failed"] else str(op["passed"])


def _findings(judged: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "Disagreements, each with how many inputs show it:"
    yield ""
    yield "| peer | op | by | inputs | with | finding | allowed |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, found in judged.items():
        for by in ("default", "own"):
            for op, result in found.get(by, {"ops": {}})["ops"].items():
                for failure in result["failures"]:
                    told = " ".join(f"{failure['rule']}: {failure['message']}".split())
                    yield (
                        f"| {name} | {op} | {found[by]['profile']} | {failure['count']} "
                        f"| {failure['label']} | {_short(told)} "
                        f"| {'; '.join(failure['allowed_by'][:2])} |"
                    )


def _short(text: str, most: int = 160) -> str:
    text = text.replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= most else text[: most - 1] + "…"


if __name__ == "__main__":
    sys.exit(main())
