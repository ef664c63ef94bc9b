"""A peer's adapters by name, so that a process of its own can run them: ``scipy__spmm_csr``."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return an adapter."""
    peer, _, op = name.partition("__")
    if peer:
        from minisparse.oracle.peers import PEERS  # which imports this file among others

        if peer in PEERS and op in PEERS[peer].adapters:
            return PEERS[peer].adapters[op]
    raise AttributeError(f"no peer has an adapter {name!r}")
