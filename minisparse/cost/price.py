"""A predicted time, split into what it is spent on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Price:
    """Predicted seconds of one call by what they are spent on; the parts add up.

    Attributes
    ----------
    compute : float
        Arithmetic, on padding too; a library, which cannot be looked into, is all of it but calls.
    values : float
        Moving values: those of the weight, of the other operands, of the result.
    indices : float
        Moving indices and pointers.
    gather : float
        Fetching through an index.
    calls : float
        Entering the array library, or launching, and beginning each row or panel.
    overlap : float
        What of the above happens at the same time, and so is not waited for: 0 or negative.

    Examples
    --------
    >>> half = Price(compute=3e-6, values=2e-6, overlap=-2e-6, calls=1e-6)
    >>> round((half + half).seconds * 1e6)
    8
    """

    compute: float = 0.0
    values: float = 0.0
    indices: float = 0.0
    gather: float = 0.0
    calls: float = 0.0
    overlap: float = 0.0

    @property
    def seconds(self) -> float:
        """The sum."""
        return self.compute + self.values + self.indices + self.gather + self.calls + self.overlap

    @property
    def parts(self) -> dict[str, float]:
        """Each part by its name, in order."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __add__(self, other: "Price") -> "Price":
        """Return the price of one thing after another."""
        return Price(
            *(a + b for a, b in zip(self.parts.values(), other.parts.values(), strict=True))
        )
