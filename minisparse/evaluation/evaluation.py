"""Run a plan on inputs: accuracy or distance from a reference, time, memory, bytes of weights."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minisparse.api import compile_dense
from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError, UsageError
from minisparse.evaluation.progress import progress
from minisparse.evaluation.waterfall import Waterfall, waterfall
from minisparse.graph.feeds import named_feeds
from minisparse.runtime import Executable, Memory, Timing, measure_memory
from minisparse.show import bars_html, card, facts, human_bytes, human_seconds, paragraph


@dataclass(frozen=True)
class Evaluation:
    """How good, how fast and how large a plan is on some inputs.

    Attributes
    ----------
    accuracy : float
        Fraction of inputs whose largest output is at their label, and none is NaN; NaN without
        labels.
    count : int
        Number of inputs.
    timing : Timing
        Seconds of one run over a batch, a figure a round.
    memory : Memory
        Most bytes held at once, predicted and measured.
    errors : mapping
        From output names to ``max abs(output - reference) / max abs(reference)``; empty where
        nothing was compared.
    stages : Waterfall or None
        What each pass earned or lost, where asked for.
    batch : int
        How many inputs a run takes.
    """

    accuracy: float
    count: int
    timing: Timing
    memory: Memory
    errors: Mapping[str, float] = field(default_factory=dict)
    stages: Waterfall | None = None
    batch: int = 0

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants as stored."""
        return self.memory.weights

    @property
    def packed_bytes(self) -> int:
        """Bytes that kernels packed of them besides, once, and keep."""
        return self.memory.packed

    def facts(self) -> list[tuple[str, str]]:
        """Return what was found, as pairs of texts."""
        low, high = self.timing.quartiles
        found = [] if np.isnan(self.accuracy) else [("accuracy", f"{self.accuracy:.4f}")]
        found += [(f"error of {name}", f"{error:.3g} of the largest")
                  for name, error in self.errors.items()]  # fmt: skip
        return [
            ("inputs", f"{self.count}, {self.batch} a run"),
            *found,
            (
                "time of a run",
                f"{human_seconds(self.timing.median)}; half of them {human_seconds(low)} to "
                f"{human_seconds(high)}",
            ),
            (
                "weights",
                f"{human_bytes(self.weight_bytes)} stored, {human_bytes(self.packed_bytes)} packed "
                "of them besides",
            ),
            (
                "memory",
                f"values {human_bytes(self.memory.predicted)} (with scratch "
                f"{human_bytes(self.memory.measured)})",
            ),
        ]

    def __str__(self) -> str:
        """Return a line for each figure, and the stages."""
        told = self.facts()
        wide = max(len(name) for name, _ in told)
        lines = [f"{name:{wide}}  {text}" for name, text in told]
        return "\n".join(lines if self.stages is None else [*lines, "", str(self.stages)])

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        sections = [facts(dict(self.facts()))]
        if self.stages is not None:
            sections.append(paragraph("time of a run after each pass"))
            names = [stage.name for stage in self.stages.stages]
            sections.append(bars_html(names, [s.timing.median for s in self.stages.stages], "s"))
        return card("Evaluation", *sections)


def evaluate(
    plan: Executable,
    inputs: Any,
    labels: Any = None,
    rounds: int = 7,
    *,
    reference: Executable | Mapping[str, Any] | None = None,
    batch: int | None = None,
    passes: bool = False,
    bar: bool | None = None,
) -> Evaluation:
    """Run a plan on inputs; return accuracy or error, time, memory and bytes of weights.

    Parameters
    ----------
    plan : Executable
        What ``ms.compile`` returned.
    inputs : ndarray or mapping
        The array for the only input, or arrays by input name; the first axis of each counts items.
    labels : ndarray of int, shape (count,), optional
        The right class of each item; the plan then has one output ``[count, classes]``.
    rounds : int
        How often to run for the time.
    reference : Executable or mapping, optional
        What outputs are compared with: another plan, such as that of the model before it was
        pruned, or the outputs themselves by name. Without it and without labels: the same graph
        run without any pass.
    batch : int, optional
        How many items a run takes, the last one fewer; by default all at once. Times and memory
        are those of the first run.
    passes : bool
        Whether to compile the model once after each pass that changed it, and time them all.
    bar : bool, optional
        Whether a progress bar is shown, where ``tqdm`` is installed; by default on a terminal.

    Raises
    ------
    ShapeError, UsageError
        If inputs or labels do not fit, or there are not as many labels as inputs.

    Examples
    --------
    >>> import numpy as np, minisparse as ms
    >>> b = ms.GraphBuilder("tiny")
    >>> x = b.input("x", ("batch", 3))
    >>> plan = ms.compile(b.build({"y": b.op("relu", x)}))
    >>> ms.evaluate(plan, np.eye(3, dtype="float32"), [0, 1, 1], rounds=1).accuracy
    0.6666666666666666
    """
    if not isinstance(plan, Executable):
        raise UsageError(f"evaluate takes a plan, such as ms.compile returns, not {plan!r:.60}")
    feeds = named_feeds(plan.graph, inputs)
    count = _items(feeds)
    size = max(count, 1) if batch is None else _at_least_one(batch)
    parts = list(_parts(feeds, count, size))
    outputs = _outputs(plan, parts, bar)
    accuracy = float("nan") if labels is None else _accuracy(outputs, labels)
    if reference is None and labels is None:
        reference = compile_dense(plan.given)
    errors = {} if reference is None else _errors(outputs, _reference(reference, parts, bar))
    timing = _timed(plan, parts[0], _at_least_one(rounds), bar)
    memory = measure_memory(plan, parts[0])
    stages = waterfall(plan, parts[0], rounds=rounds, bar=bar) if passes else None
    return Evaluation(accuracy, count, timing, memory, errors, stages, min(size, count))


def labels_of(plan: Executable, inputs: Any) -> Array:
    """Return the index of the largest output for each input, int64 ``[batch]``."""
    return _largest(plan.run(named_feeds(plan.graph, inputs)))


def check_labels(labels: Any, outputs: Array) -> Array:
    """Return labels as an array that fits outputs ``[batch, classes]``.

    Raises
    ------
    ShapeError
        If there is not one label for each row of the outputs.
    UsageError
        If a label is not a whole number from 0 to ``classes - 1``.
    """
    given: Array = np.asarray(labels)
    if outputs.ndim != 2 or given.shape != outputs.shape[:1]:
        raise ShapeError(
            f"outputs {outputs.shape} need labels of shape {outputs.shape[:1]}, not {given.shape}"
        )
    if given.dtype.kind not in "iu":
        raise UsageError(f"labels are {given.dtype}; they must be whole numbers, one an input")
    if given.size and not 0 <= given.min() <= given.max() < outputs.shape[1]:
        raise UsageError(
            f"labels go from {given.min()} to {given.max()}, but the model has the classes "
            f"0 to {outputs.shape[1] - 1}"
        )
    return given


def _items(feeds: Mapping[str, Array]) -> int:
    """Return the length that the first axes of all inputs share."""
    lengths = {name: x.shape[0] if x.ndim else 0 for name, x in feeds.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ShapeError(f"evaluate: inputs have different numbers of items: {told}")
    return next(iter(lengths.values()), 0)


def _at_least_one(number: int) -> int:
    if number < 1:
        raise UsageError(f"evaluate: batch and rounds must be at least 1, not {number}")
    return number


def _parts(feeds: Mapping[str, Array], count: int, size: int) -> Iterator[dict[str, Array]]:
    """Yield the inputs, so many items at a time; all of nothing at once."""
    for start in range(0, max(count, 1), size):
        yield {name: x[start : start + size] for name, x in feeds.items()}


def _outputs(plan: Executable, parts: list[dict[str, Array]], bar: bool | None) -> dict[str, Array]:
    runs = [plan.run(part) for part in progress(parts, len(parts), "running", bar)]
    if len(runs) == 1:
        return runs[0]
    whole = [name for name, x in runs[0].items() if x.ndim == 0]
    if whole:
        raise ShapeError(
            f"evaluate: output {whole[0]} has no axis of items, so that runs on parts of the "
            "inputs cannot be put together: leave out batch"
        )
    return {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}


def _largest(outputs: Mapping[str, Array]) -> Array:
    """Return the index of the largest element in each row of the only output."""
    (first, *others) = outputs.values()
    if others or first.ndim != 2:
        raise ShapeError("labels need a model with one output [batch, classes]")
    return np.asarray(first.argmax(axis=1))


def _accuracy(outputs: Mapping[str, Array], labels: Any) -> float:
    found = _largest(outputs)
    (scores,) = outputs.values()
    given = check_labels(labels, scores)
    right = (found == given) & ~np.isnan(scores).any(axis=1)  # NaN names nothing
    return float(right.mean()) if len(given) else float("nan")


def _reference(
    reference: Executable | Mapping[str, Any], parts: list[dict[str, Array]], bar: bool | None
) -> Mapping[str, Any]:
    if isinstance(reference, Mapping):
        return reference
    if not isinstance(reference, Executable):
        raise UsageError(
            f"evaluate: reference must be a plan or a dict of outputs, not {reference!r:.60}"
        )
    return _outputs(reference, parts, bar)


def _errors(outputs: Mapping[str, Array], reference: Mapping[str, Any]) -> dict[str, float]:
    """Return each output's largest difference, over the reference's largest element."""
    missing = [name for name in outputs if name not in reference]
    if missing:
        raise UsageError(f"evaluate: the reference has no output {', '.join(missing)}")
    return {name: _distance(name, x, np.asarray(reference[name])) for name, x in outputs.items()}


def _distance(name: str, got: Array, wanted: Array) -> float:
    if got.shape != wanted.shape:
        raise ShapeError(f"evaluate: output {name} is {got.shape}, the reference {wanted.shape}")
    wide = np.complex128 if got.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        same = (got == wanted) | ((got != got) & (wanted != wanted))
        off = np.abs(np.where(same, 0, got.astype(wide) - wanted.astype(wide)))
    size = np.abs(wanted[np.isfinite(wanted)].astype(wide)).max(initial=0.0)
    error = float(np.nan_to_num(off, nan=np.inf, posinf=np.inf).max(initial=0.0))
    return error / float(size) if size else error


def _timed(plan: Executable, part: dict[str, Array], rounds: int, bar: bool | None) -> Timing:
    plan.run(part)
    seconds = []
    for _ in progress(range(rounds), rounds, "timing", bar):
        start = time.perf_counter()
        plan.run(part)
        seconds.append(time.perf_counter() - start)
    return Timing(tuple(seconds))
