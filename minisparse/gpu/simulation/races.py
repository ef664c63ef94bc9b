"""Whether two accesses to one element are ordered: data races by what comes before what.

Two accesses to the same element race if at least one writes, they are not both atomic, and nothing
says which comes first. A barrier says so: ``syncthreads`` for the threads of a block, ``syncwarp``
for the lanes in its mask. Nothing else does: a shuffle moves a value and orders no memory (CUDA C++
Programming Guide, "Warp Shuffle Functions"), an atomic orders nothing but itself, and blocks are
never ordered within a launch. So a race is found whichever thread happened to run first.

The bookkeeping is that of vector clocks (Flanagan and Freund, "FastTrack", PLDI 2009), made small
by the machine's own shape: between two barriers of a block only lanes of one warp can be ordered.
"""

from dataclasses import dataclass, field

from minisparse.gpu.jit import WARP
from minisparse.gpu.simulation.sites import Site


@dataclass(slots=True, eq=False)
class Moment:
    """What a thread does between two barriers.

    Attributes
    ----------
    block : int
        Number of the block, in the order in which they ran.
    thread : int
        Number of the thread in the block.
    phase : int
        Barriers of the block that lie behind it.
    epoch : int
        Barriers of the whole warp that lie behind it.
    clock : int
        Barriers of a part of the warp.
    seen : mapping of int to int
        Of threads that met this one at such a barrier: the clock up to which they are known.
    """

    block: int
    thread: int
    phase: int = 0
    epoch: int = 0
    clock: int = 0
    seen: dict[int, int] = field(default_factory=dict)

    def before(self, later: "Moment") -> bool:
        """Tell whether all of this is known to have happened when ``later`` begins."""
        if self.block != later.block:
            return False
        if self.thread == later.thread or self.phase < later.phase:
            return True
        if self.thread // WARP != later.thread // WARP:
            return False
        return self.epoch < later.epoch or later.seen.get(self.thread, -1) >= self.clock


def after_block(moment: Moment) -> Moment:
    """Return what follows on a barrier of all threads of the block."""
    return Moment(moment.block, moment.thread, moment.phase + 1, moment.epoch)


def after_warp(moments: list[Moment], whole: bool) -> list[Moment]:
    """Return what follows on a barrier of some lanes of a warp.

    Parameters
    ----------
    moments : list of Moment
        Of those that met.
    whole : bool
        Whether they are all the lanes that the warp has.
    """
    if whole:
        return [Moment(m.block, m.thread, m.phase, m.epoch + 1) for m in moments]
    seen: dict[int, int] = {}
    for m in moments:
        for thread, clock in (*m.seen.items(), (m.thread, m.clock)):
            seen[thread] = max(clock, seen.get(thread, -1))
    return [Moment(m.block, m.thread, m.phase, m.epoch, m.clock + 1, seen) for m in moments]


@dataclass(frozen=True, slots=True)
class Touch:
    """An access to one element.

    Attributes
    ----------
    moment : Moment
        By whom, and between which barriers.
    site : Site
        Where in the program.
    how : str
        ``"reads"``, ``"writes"`` or ``"atomically changes"``.
    """

    moment: Moment
    site: Site
    how: str


@dataclass(slots=True)
class Cell:
    """The accesses to one element with which a later one may race."""

    write: Touch | None = None
    reads: list[Touch] = field(default_factory=list)
    atomics: list[Touch] = field(default_factory=list)


class Memory:
    """Who has touched which element, by address."""

    def __init__(self) -> None:
        self._cells: dict[int, Cell] = {}

    def read(self, address: int, moment: Moment, site: Site) -> Touch | None:
        """Note that a thread reads; return an access with which that races."""
        cell = self._cell(address)
        write = cell.write
        known = cell.reads
        if not known or known[-1].moment is not moment:
            remember(known, Touch(moment, site, "reads"))
        if write is not None and not write.moment.before(moment):
            return write
        return unordered(cell.atomics, moment) if cell.atomics else None

    def write(self, address: int, moment: Moment, site: Site) -> Touch | None:
        """Note that a thread writes; return an access with which that races."""
        cell = self._cell(address)
        found = unordered(cell.reads, moment) or unordered(cell.atomics, moment)
        if cell.write is not None and not cell.write.moment.before(moment):
            found = cell.write
        cell.write, cell.reads, cell.atomics = Touch(moment, site, "writes"), [], []
        return found

    def atomic(self, address: int, moment: Moment, site: Site) -> Touch | None:
        """Note that a thread reads and writes in one step; return an access with which it races."""
        cell = self._cell(address)
        found = unordered(cell.reads, moment)
        if cell.write is not None and not cell.write.moment.before(moment):
            found = cell.write
        remember(cell.atomics, Touch(moment, site, "atomically changes"))
        return found

    def _cell(self, address: int) -> Cell:
        cell = self._cells.get(address)
        if cell is None:
            cell = self._cells[address] = Cell()
        return cell


def unordered(touches: list[Touch], moment: Moment) -> Touch | None:
    """Return the first of some accesses that is not known to have happened before a moment."""
    return next((t for t in touches if not t.moment.before(moment)), None)


def remember(known: list[Touch], new: Touch) -> None:
    """Add an access to those of its kind, of which no more are kept than tell every race.

    One that came before the new one is dropped: what is ordered behind the new one is ordered
    behind it too. And where two are kept that no thread can have behind it both, from two blocks,
    or from two warps between the same barriers of their block, any later access races with one of
    them, whatever else there was.
    """
    moment = new.moment
    if known:
        first, last = known[0].moment, known[-1].moment
        if first.block != last.block:
            return
        here = first.block == moment.block and first.phase == last.phase == moment.phase
        if here and first.thread // WARP != last.thread // WARP:
            return
        if not (here and last.epoch == moment.epoch and not moment.seen):
            known[:] = [t for t in known if not t.moment.before(moment)]
        elif len(known) >= WARP and any(t.moment is moment for t in known):
            return
    known.append(new)
