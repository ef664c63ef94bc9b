"""How sparse a model should be at each step of a training: gradual pruning."""

from dataclasses import dataclass

from minisparse.core.errors import UsageError


@dataclass(frozen=True)
class GradualSchedule:
    """Sparsity that rises fast at first and slowly in the end.

    ``s(t) = final + (initial - final) * (1 - (t - begin) / (end - begin)) ** power``, constant
    before ``begin`` and after ``end``. Source: Zhu and Gupta, To prune, or not to prune,
    arXiv:1710.01878, equation 1, where the power is 3.

    Parameters
    ----------
    final : float
        Share of weights that are zero in the end.
    begin, end : int
        The first step and the last at which something is pruned.
    initial : float
        Share at ``begin``.
    every : int
        Steps from one pruning to the next.
    power : float
        1 rises evenly.

    Examples
    --------
    >>> schedule = GradualSchedule(final=0.8, begin=0, end=100, every=50)
    >>> [round(schedule.sparsity(step), 2) for step in (0, 50, 100, 200)]
    [0.0, 0.7, 0.8, 0.8]

    In a training loop, with weights of NumPy or torch::

        for step, batch in enumerate(batches):
            train_on(batch)
            if schedule.is_due(step):
                mask = magnitude_mask(abs(w), schedule.sparsity(step))
            w *= mask  # torch: w.mul_(torch.from_numpy(mask))
    """

    final: float
    begin: int
    end: int
    initial: float = 0.0
    every: int = 1
    power: float = 3.0

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not (0 <= self.initial <= 1 and 0 <= self.final <= 1):
            raise UsageError(
                f"sparsity from {self.initial} to {self.final}: both must lie between 0 and 1"
            )
        if self.end < self.begin or self.every < 1 or not self.power > 0:
            raise UsageError(
                f"begin {self.begin}, end {self.end}, every {self.every}, power {self.power}: end "
                "must not come before begin, and every and power must be positive"
            )

    def sparsity(self, step: int) -> float:
        """Return the share of weights that should be zero after a step."""
        if step >= self.end:
            return self.final
        if step <= self.begin:
            return self.initial
        left = 1 - (step - self.begin) / (self.end - self.begin)
        return float(self.final + (self.initial - self.final) * left**self.power)

    def is_due(self, step: int) -> bool:
        """Tell whether to prune after a step: every so many from the first to the last."""
        if not self.begin <= step <= self.end:
            return False
        return (step - self.begin) % self.every == 0 or step == self.end
