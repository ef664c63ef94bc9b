"""A machine as data: how fast it multiplies, moves bytes, gathers and calls; what it can.

Shipped machines are files in ``minisparse/cost/profiles``, each figure with its source;
``minisparse calibrate`` writes one of the machine that it runs on. What differs between two
machines is nowhere in the code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from minisparse.core.dtypes import DType
from minisparse.cost.coefficients import Coefficients, Scale, between, width_of
from minisparse.cost.library_speeds import Speeds

ROW = 8.0
"""Elements in whose time a row is begun, where nothing was fitted."""
PRODUCT = 0.1
"""Calls into the array library in whose time a product of a batch is begun, likewise."""
SPILL = 2.0
"""How many times as much as a level holds leaves nothing there when it is gone through again."""
PASS = 0.3
"""Elementwise operations in whose time a library packs an element, likewise."""


@dataclass(frozen=True)
class MemoryLevel:
    """A cache, or the memory behind them.

    Attributes
    ----------
    name : str
        ``"L1"`` ... ``"memory"``.
    size : float
        Bytes that one core finds there; infinite for the memory.
    bandwidth : float
        Bytes a second between there and the arithmetic.
    gather : float
        Elements of 4 bytes a second, fetched through an index in rows of some.
    """

    name: str
    size: float
    bandwidth: float
    gather: float


@dataclass(frozen=True)
class Machine:
    """What the cost model knows of a machine.

    Attributes
    ----------
    name : str
        As given to ``ms.compile(..., target=name)``.
    source : str
        Where the figures come from, in a sentence.
    matmul : mapping
        From dtype names to the peak of a large matrix multiplication, flop/s.
    other_matmul : float
        The same for dtypes that no library multiplies, such as integers, flop/s.
    elementwise : float
        Simple operations on float32 that is near, element/s.
    memory : tuple of MemoryLevel
        The nearest first.
    call : float
        Seconds for one call into the array library on nothing.
    step : float
        Seconds for one multiply-add of a Python loop over array elements.
    cores : int
        Of a processor; the multiprocessors of a graphics card.
    instructions : frozenset of str
        Instruction sets that matter here: see :mod:`minisparse.cost.instructions`.
    libraries : mapping
        From names of provider, op and format to how fast that library is.
    coefficients : mapping
        From what prices are fitted for, as ``("spmm panels", "vectorized")``, to the coefficients.
    sources : mapping
        Of single figures, by their names, where they come from.
    identity : mapping
        Of a calibrated machine, what it is recognized by; empty for another.
    like : Machine or None
        By whose coefficients those are estimated that this one does not have: what a kernel takes
        there, as a multiple of that machine's figures, it is taken to take here of this one's.
    origin : str
        Why this machine stands for ``"cpu"``, and what else is to be said of its prices.
    """

    name: str
    source: str
    matmul: Mapping[str, float]
    other_matmul: float
    elementwise: float
    memory: tuple[MemoryLevel, ...]
    call: float
    step: float
    cores: int = 1
    instructions: frozenset[str] = frozenset()
    libraries: Speeds = field(default_factory=dict, repr=False)
    coefficients: Mapping[tuple[str, str], Coefficients] = field(default_factory=dict, repr=False)
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    identity: Mapping[str, str] = field(default_factory=dict, repr=False)
    like: "Machine | None" = field(default=None, repr=False)
    origin: str = ""

    def matmul_rate(self, dtype: DType) -> float:
        """Return the peak of a large matrix multiplication in ``dtype``, flop/s."""
        return self.matmul.get(dtype.name, self.other_matmul)

    @property
    def bandwidth(self) -> float:
        """Bytes a second between the memory and the arithmetic, for data that is not near."""
        return self.memory[-1].bandwidth

    @property
    def is_calibrated(self) -> bool:
        """Whether its figures were measured by ``minisparse calibrate``."""
        return bool(self.identity)

    def level_of(self, size: float) -> float:
        """Return in which memory level so many bytes lie; between two where one keeps a part.

        Examples
        --------
        >>> from minisparse.cost import MACHINES
        >>> server = MACHINES["server-2core"]
        >>> [server.level_of(x * server.memory[0].size) for x in (0.5, 1, 1.25, 2)]
        [0.0, 0.0, 0.25, 1.0]
        """
        for i, level in enumerate(self.memory):
            if size < SPILL * level.size:
                return i + max(size / level.size - 1, 0) / (SPILL - 1)
        return len(self.memory) - 1.0

    def bandwidth_for(self, size: float) -> float:
        """Return bytes a second between the arithmetic and where so many bytes lie."""
        return 1 / between([1 / level.bandwidth for level in self.memory], self.level_of(size))

    def scale(self, dtype: DType, unit: str, footprint: float, reach: float) -> Scale:
        """Return how a call's figures are to be multiplied.

        Parameters
        ----------
        dtype : numpy.dtype
            In which the arithmetic is done.
        unit : {"matmul", "elementwise"}
            What does it.
        footprint, reach : float
            Bytes of all operands, and of those that are gathered from.
        """
        width = width_of(dtype)
        single = self.matmul.get("float32", self.other_matmul)
        slowness = single / self.matmul_rate(dtype) if unit == "matmul" else width
        levels = len(self.memory)
        return Scale(width, slowness, self.level_of(footprint), self.level_of(reach), levels)

    @property
    def is_gpu(self) -> bool:
        """Whether it is a graphics card."""
        return "mma" in self.instructions

    @cached_property
    def speeds(self) -> Speeds:
        """How fast libraries are: as measured here, or as on the machine that this one is like."""
        if self.like is None:
            return self.libraries
        calls, work = self.call / self.like.call, self.like.elementwise / self.elementwise
        there = {name: s.slowed(calls, work) for name, s in self.like.speeds.items()}
        return {**there, **self.libraries}

    def knows(self, name: str, level: str) -> bool:
        """Tell whether coefficients were fitted, here or on the machine that this one is like."""
        there = self.like is not None and (name, level) in self.like.coefficients
        return there or (name, level) in self.coefficients

    def coefficients_of(self, name: str, level: str, unit: str) -> Coefficients:
        """Return the coefficients of a kernel's way: fitted, transferred, or the figures alone.

        Parameters
        ----------
        name : str
            As in :attr:`coefficients`.
        level : str
            The kernel's level.
        unit : {"matmul", "elementwise"}
            What does its arithmetic.
        """
        found = self.coefficients.get((name, level))
        if found is None and self.like is not None and (name, level) in self.like.coefficients:
            found = _transferred(self.like.coefficients[name, level], self.like, self, unit)
        return self.usual(unit) if found is None else found

    def usual(self, unit: str) -> Coefficients:
        """Return the coefficients that the machine's own figures are, for either unit."""
        return self._matmul if unit == "matmul" else self._elementwise

    @cached_property
    def _matmul(self) -> Coefficients:
        return self._usual(self.call * PRODUCT, self.matmul.get("float32", self.other_matmul))

    @cached_property
    def _elementwise(self) -> Coefficients:
        return self._usual(ROW / self.elementwise, self.elementwise)

    def _usual(self, row: float, rate: float) -> Coefficients:
        return Coefficients(
            fixed=0.0,
            call=self.call,
            row=row,
            entry=PASS / self.elementwise,
            flop=1 / rate,
            gather=tuple(1 / level.gather for level in self.memory),
            byte=tuple(1 / level.bandwidth for level in self.memory),
            overlap=1.0,
        )


def _transferred(c: Coefficients, there: Machine, here: Machine, unit: str) -> Coefficients:
    """Return coefficients of one machine as they are to be expected on another."""
    theirs, ours = there.usual(unit), here.usual(unit)

    def each(name: str) -> tuple[float, ...]:
        # Levels are told by how near they are; what lies behind the last is as far as it.
        a, b, own = getattr(c, name), getattr(theirs, name), getattr(ours, name)
        at = [min(i, len(a) - 1) if i < len(own) - 1 else len(a) - 1 for i in range(len(own))]
        return tuple(own[i] * a[j] / b[j] for i, j in enumerate(at))

    return replace(
        ours,
        fixed=c.fixed * here.call / there.call,
        call=c.call * here.call / there.call,
        row=ours.row * c.row / theirs.row,
        entry=ours.entry * c.entry / theirs.entry,
        flop=ours.flop * c.flop / theirs.flop,
        gather=each("gather"),
        byte=each("byte"),
        overlap=c.overlap,
    )
