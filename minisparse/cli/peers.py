"""``minisparse check --peer NAME``: another library, judged on every op or on one.

Exit status as of ``check``: 0 if nothing wrong was found, 1 if something was, 2 if it could not be
asked, because it is not installed.
"""

import argparse
import json
import sys
from pathlib import Path

from minisparse.core.errors import UsageError


def check_peer(options: argparse.Namespace) -> int:
    """Judge a peer, write what was found, and return the exit status.

    Parameters
    ----------
    options : argparse.Namespace
        ``peer``; ``op``, or None for all; ``examples`` for each op; ``seed``; ``profile``, which
        may also be ``"own"``, for what the peer's documentation says; ``timeout``, seconds a call;
        ``json``, a file or None.

    Raises
    ------
    UsageError
        If there is no such peer, op or profile, or an implementation is given besides.
    MissingExtraError
        If it is not installed; the message says how to install it.
    """
    from minisparse.oracle.peers import judge_peer

    if options.target is not None:
        raise UsageError(f"give an implementation or --peer, not both: {options.target}")
    ops = None if options.op is None else [options.op]
    report = judge_peer(
        options.peer, ops, options.examples, options.seed, options.profile, options.timeout
    )
    sys.stdout.write(f"{report}\n")
    if options.json is not None:
        text = json.dumps(report.to_json(), indent=1) + "\n"
        Path(options.json).write_text(text, encoding="utf-8")
    return 1 if report.failed else 0
