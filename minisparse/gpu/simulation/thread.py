"""A thread of a checked run: where it is, and what it has done."""

from typing import Any

from minisparse.gpu.simulation.accesses import Log
from minisparse.gpu.simulation.arrays import CheckedArray
from minisparse.gpu.simulation.lockstep import Trace
from minisparse.gpu.simulation.races import Moment
from minisparse.gpu.simulation.sites import Site


class Thread:
    """A thread of the block that runs.

    Parameters
    ----------
    where : object
        Its place in the block: ``x``, ``y``, ``z``.
    moment : Moment
        Between which barriers it is.
    trace : Trace, optional
        Where to note its statements.
    """

    def __init__(self, where: Any, moment: Moment, trace: Trace | None) -> None:
        self.x, self.y, self.z = where.x, where.y, where.z
        self.moment, self.trace = moment, trace
        self.log: Log = {}
        self.lines: dict[Site, int] = {}

    def note(self, kind: str, site: Site, array: CheckedArray, address: int) -> None:
        """Add an access to the log."""
        key = (kind, site, array.root)
        if key in self.log:
            self.log[key].append(address)
        else:
            self.log[key] = [address]
