"""What the session shows: a value in one line, a node that has run, the reasons for a kernel."""

from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import dense_type
from minisparse.dispatch.explanation import NodeExplanation
from minisparse.formats import Matrix
from minisparse.graph import Constant
from minisparse.graph.printer import call_text
from minisparse.runtime import DidRun
from minisparse.show import (
    card,
    clean,
    facts,
    facts_text,
    human_bytes,
    human_seconds,
    shorten,
    table,
    table_text,
    wrap,
)
from minisparse.show.html import escape


def summarize(value: Constant, span: bool = True) -> str:
    """Return a value's type, of a plain array from where to where its elements go, and its NaNs.

    Parameters
    ----------
    value : ndarray or Matrix
        What to tell of.
    span : bool
        Whether to tell the smallest and largest element.

    Examples
    --------
    >>> summarize(np.array([[1.5, -2.0, np.nan]], "float32"))
    'float32[1, 3], 1 NaN, -2 .. 1.5'
    """
    if isinstance(value, Matrix):
        return str(value.type)
    text = str(dense_type(value))
    there = value[~np.isnan(value)]
    if there.size < value.size:
        text += f", {value.size - there.size} NaN"
    if not span or not there.size or value.dtype.kind in "cb":
        return text
    low, high = float(there.min()), float(there.max())
    return f"{text}, all {low:.4g}" if low == high else f"{text}, {low:.4g} .. {high:.4g}"


def array_text(array: Array) -> str:
    """Return an array's elements, the middle left out where there are many."""
    return np.array2string(
        np.asarray(array), max_line_width=80, precision=4, threshold=100, edgeitems=3
    )


@dataclass(frozen=True)
class NodeView:
    """A node that has run.

    Attributes
    ----------
    event : DidRun
        What happened.
    total : int
        How many nodes the plan has.
    """

    event: DidRun
    total: int

    @property
    def results(self) -> tuple[Constant, ...]:
        """What the node computed."""
        return self.event.results

    @property
    def title(self) -> str:
        """Which node of how many, and what it computes."""
        node = self.event.step.node
        return f"node {self.event.index + 1} of {self.total}: {node.name} = {call_text(node)}"

    def _facts(self) -> dict[str, str]:
        event, node = self.event, self.event.step.node
        chosen = event.step.chosen
        reads = zip(node.inputs, event.operands, strict=True)
        gives = zip(node.outputs, event.results, strict=True)
        return {
            "reads": "\n".join(f"{name}: {summarize(value)}" for name, value in reads),
            "gives": "\n".join(f"{name}: {summarize(value)}" for name, value in gives),
            "by": f"kernel {chosen.kernel.name}, {chosen.name}",
            "took": f"{human_seconds(event.seconds)} on this input; predicted "
            f"{human_seconds(chosen.seconds)} for the sizes compiled for",
        }

    def __str__(self) -> str:
        """Return it as text of at most 80 columns."""
        return f"{shorten(clean(self.title), 80)}\n{facts_text(self._facts())}"

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        return card(self.title, facts(self._facts()))


@dataclass(frozen=True)
class Why:
    """Why a node runs by the kernel by which it runs.

    Attributes
    ----------
    node : NodeExplanation
        Every candidate, cheapest first, and the reason.
    sizes : str
        The sizes that prices are for.
    """

    node: NodeExplanation
    sizes: str

    @property
    def reason(self) -> str:
        """The reason in one line."""
        return self.node.why

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                c.name,
                human_seconds(c.seconds),
                f"{c.flops / 1e6:.3g}",
                human_bytes(c.bytes),
                f"{c.calls:.0f}",
                human_bytes(c.weight_bytes),
                "chosen" if c.chosen else "",
            )
            for c in self.node.candidates
        ]

    def _title(self) -> str:
        return f"{self.node.name} = {self.node.op}: {self.node.chosen.name}, {self.node.why}"

    def __str__(self) -> str:
        """Return reason and candidates as text of at most 80 columns."""
        return "\n".join(
            [
                wrap(self._title(), 80),
                table_text(_HEADERS, self._rows()),
                wrap(f"prices for {self.sizes}", 80),
            ]
        )

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        chosen = [i for i, c in enumerate(self.node.candidates) if c.chosen]
        return card(
            self._title(),
            table(_HEADERS, self._rows(), highlight=chosen),
            f"prices for {escape(self.sizes)}",
        )


_HEADERS = ("candidate", "predicted", "Mflop", "moved", "calls", "weight", "")
