"""Other libraries, judged as any implementation is: one file of adapters each."""

from minisparse.core.discover import declared
from minisparse.oracle.peers.judge import PeerReport, find_peer, judge_peer
from minisparse.oracle.peers.peer import Peer

PEERS: dict[str, Peer] = {peer.name: peer for peer in declared(__name__, __path__, Peer).values()}
"""Every peer by name."""

__all__ = ["PEERS", "Peer", "PeerReport", "find_peer", "judge_peer"]
