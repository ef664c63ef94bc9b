"""What all parts of a checked run stand on: the place in the grid, and telling what was found."""

from typing import Any

import numpy as np

from minisparse.gpu.simulation.here import Here, dims
from minisparse.gpu.simulation.sites import Finding, Findings, Site


class Observer(Here):
    """Is ``jit`` to a thread, and tells what the thread does wrong.

    Places in the grid are uint32 as on a card; a checked run sees dtypes.

    Parameters
    ----------
    grid, block : tuple of int
        Sizes.
    findings : Findings
        Where to tell it.
    """

    def __init__(self, grid: tuple[int, ...], block: tuple[int, ...], findings: Findings) -> None:
        super().__init__(grid, block)
        self.gridDim, self.blockDim = unsigned(dims(grid)), unsigned(dims(block))
        self.findings = findings

    def found(
        self,
        kind: str,
        site: Site,
        words: str,
        *,
        array: str = "",
        index: tuple[int, ...] = (),
        fatal: bool = False,
    ) -> None:
        """Tell what the running thread does wrong at a place.

        Raises
        ------
        SimulationError
            Unless findings are collected.
        """
        block, thread = place(self.blockIdx), place(self.threadIdx)
        message = f"{site.function}, {site}: {words} (thread {thread} of block {block})"
        finding = Finding(kind, message, site, block, (thread,), array, index)
        self.findings.add(finding, fatal=fatal)

    def failed(self, error: Exception) -> None:
        """Tell of an error of Python where a card has none, and goes on with garbage."""
        trace, site = error.__traceback__, Site("", "", 0)
        while trace is not None:
            if trace.tb_frame.f_globals.get("jit") is self:
                code = trace.tb_frame.f_code
                site = Site(code.co_name, code.co_filename, trace.tb_lineno)
            trace = trace.tb_next
        if isinstance(error, UnboundLocalError):
            name = str(error).split("'")[1]
            words = f"{name} is read and was not set on the way here: garbage on a GPU"
            self.found("unset", site, words, fatal=True)
        kind = "division" if isinstance(error, ZeroDivisionError) else "overflow"
        self.found(kind, site, str(error), fatal=True)


def unsigned(where: Any) -> Any:
    """Return a place whose numbers are uint32."""
    where.x, where.y, where.z = np.uint32(where.x), np.uint32(where.y), np.uint32(where.z)
    return where


def place(where: Any) -> tuple[int, int, int]:
    """Return a place as three plain numbers.

    Examples
    --------
    >>> place(unsigned(dims((2, 3))))
    (2, 3, 1)
    """
    return int(where.x), int(where.y), int(where.z)
