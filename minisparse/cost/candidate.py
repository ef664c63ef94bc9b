"""One way to compute a node, with its price; or one that was looked at and cannot be taken."""

from dataclasses import dataclass

from minisparse.core.tensor_type import Layout
from minisparse.cost.model import Basis
from minisparse.cost.price import Price
from minisparse.kernels import Kernel, Work


@dataclass(frozen=True)
class Candidate:
    """One way to compute a node.

    Attributes
    ----------
    kernel : Kernel
        Which kernel, for which format.
    level : str
        At which level; of a library, its name.
    layout : Layout
        How the weight is stored for it.
    price : Price
        Predicted time of one call, and where it goes.
    work : Work
        What the prediction is made of.
    weight_bytes : int
        Bytes of the weight in this layout; 0 for an op without one.
    packed_bytes : int
        About how many bytes the level packs of the weight besides; 0 where it packs nothing, or
        where another library does not tell.
    prepare_seconds : float
        Predicted time that packing the weight takes, once.
    convert_seconds : float
        Predicted time of bringing the weight into this layout from the one in which the graph has
        it, once; 0 where it is in it.
    measured_seconds : float, optional
        Measured time of one call, where it was measured.
    basis : Basis, optional
        On which data the price is predicted; None where that is a guess.
    """

    kernel: Kernel
    level: str
    layout: Layout
    price: Price
    work: Work
    weight_bytes: int
    prepare_seconds: float = 0.0
    convert_seconds: float = 0.0
    measured_seconds: float | None = None
    basis: Basis | None = None
    packed_bytes: int = 0

    @property
    def name(self) -> str:
        """Layout and level: ``"bsr 8x8 vectorized"``, ``"csr scipy"``."""
        return f"{self.layout} {self.level}"

    @property
    def seconds(self) -> float:
        """Predicted time of one call."""
        return self.price.seconds

    @property
    def once_seconds(self) -> float:
        """Predicted time of what is done once: conversion and packing."""
        return self.convert_seconds + self.prepare_seconds

    def total_seconds(self, calls: int) -> float:
        """Return the predicted time of a call with its share of what is done once.

        Parameters
        ----------
        calls : int
            How many calls there will be: see :attr:`Target.calls`.
        """
        return self.seconds + self.once_seconds / max(calls, 1)

    def order(self, calls: int | None = None) -> tuple[float, int, str]:
        """Return what candidates are sorted by: time, then bytes of the weight, then the name.

        Times that differ by less than sums are rounded by are equal.

        Parameters
        ----------
        calls : int, optional
            What is done once counts as for so many calls; by default not at all.
        """
        seconds = self.seconds if calls is None else self.total_seconds(calls)
        return float(f"{seconds:.9g}"), self.weight_bytes, self.name


@dataclass(frozen=True)
class Rejected:
    """A way in which a node cannot be computed.

    Attributes
    ----------
    name : str
        As a candidate's.
    why : str
        What is against it, in a phrase.
    """

    name: str
    why: str
