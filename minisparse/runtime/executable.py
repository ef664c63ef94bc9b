"""A plan that can be run: what ``ms.compile`` returns."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.xp import to_device
from minisparse.dispatch import Plan
from minisparse.dispatch.memory_plan import MemoryPlan, expected_sizes, plan_memory
from minisparse.dispatch.placement import moved
from minisparse.graph.feeds import check_feeds
from minisparse.runtime.interpreter import run
from minisparse.runtime.trace import Trace, trace
from minisparse.show import card, table, table_text

if TYPE_CHECKING:
    from minisparse.dispatch.explanation import Explanation
    from minisparse.gpu.graphs import Captured
    from minisparse.oracle import NodeJudgement


class Executable(Plan):
    """A plan with the means to run it, trace it, explain it and have it judged.

    Examples
    --------
    >>> import numpy as np, minisparse as ms
    >>> b = ms.GraphBuilder("tiny")
    >>> x = b.input("x", ("batch", 3))
    >>> h = b.op("gemm", x, b.constant("w", np.eye(2, 3, dtype="float32")), transB=1)
    >>> plan = ms.compile(b.build({"y": h}))
    >>> plan(np.ones((1, 3), "float32"))
    array([[1., 1.]], dtype=float32)
    """

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Array]:
        """Run the plan on arrays given by input name and return its outputs by name."""
        return run(self, feeds)

    def __call__(self, *inputs: Any) -> Any:
        """Run the plan on arrays in the order of its inputs.

        Returns
        -------
        ndarray or dict
            The output if there is one, else the outputs by name.
        """
        if len(inputs) != len(self.graph.inputs):
            raise UsageError(
                f"graph '{self.graph.name}' takes {len(self.graph.inputs)} inputs "
                f"({', '.join(self.graph.inputs)}), not {len(inputs)}"
            )
        outputs = run(self, dict(zip(self.graph.inputs, inputs, strict=True)))
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def captured(self, feeds: Mapping[str, Any]) -> "Captured":
        """Return a run of a plan for a GPU as one CUDA graph, which costs one launch.

        Parameters
        ----------
        feeds : mapping
            Arrays of CuPy by input name, of the sizes that the graph is recorded for.

        Returns
        -------
        Captured
            To be called with one array for each input, in the plan's order. The outputs by name
            that it returns are written anew by each call.

        Raises
        ------
        UsageError
            If the plan is for the CPU, an input is missing, or a node needs a number from the card
            while it runs.
        CaptureError
            If CUDA cannot record the run.
        """
        from minisparse.gpu.graphs import capture

        where = f"plan '{self.graph.name}': captured"
        if self.placement is None:
            raise UsageError(f'{where}: it is for the CPU: ms.compile(graph, "gpu") makes one')
        if self.fetches:
            nodes = ", ".join(self.fetches)
            raise UsageError(f"{where}: {nodes} must know numbers that the card computes: use run")
        check_feeds(self.graph, feeds)
        names = list(self.graph.inputs)

        def record(*inputs: Any) -> dict[str, Array]:
            return run(self, dict(zip(names, inputs, strict=True)))

        return capture(record, [feeds[name] for name in names])

    def trace(self, feeds: Mapping[str, Any]) -> Trace:
        """Run the plan once and keep times, bytes and every value."""
        return trace(self, feeds)

    def memory(self, sizes: Mapping[str, int] | None = None) -> MemoryPlan:
        """Return what a run will need: arena and slots, scratch, weights, the peak.

        Parameters
        ----------
        sizes : mapping, optional
            From named dimensions to sizes; what is left out has the size that prices are for.

        Raises
        ------
        UsageError
            If the graph has no dimension of a name, or a size is negative or no whole number.
        """
        return plan_memory(self, expected_sizes(self, sizes))

    def explain(self) -> "Explanation":
        """Return every node's candidates, their prices, the choice and the reason."""
        from minisparse.dispatch.explanation import explain  # which most runs do without

        return explain(self)

    def verify(self, feeds: Mapping[str, Any], columns: int = 16) -> "list[NodeJudgement]":
        """Run the plan and have the oracle judge each node on the node's own operands.

        Of a plan for a GPU all values are fetched for it.

        Parameters
        ----------
        feeds : mapping
            From input names to arrays.
        columns : int
            How many items of the batch are judged.
        """
        from minisparse.oracle import verify_nodes  # which most runs do without

        values = {name: moved(x, "cpu") for name, x in self.trace(feeds).values.items()}
        return verify_nodes(self.graph, values, columns=columns)

    def verify_outputs(self, feeds: Mapping[str, Any]) -> dict[str, float]:
        """Run the plan, and the graph it was made of exactly; return how far the outputs are apart.

        Differences are relative to the largest element of each exact output; exact runs are slow,
        so give a few items of the batch.
        """
        from minisparse.oracle import distances, run_exact  # which most runs do without

        given = check_feeds(self.graph, feeds)
        found, here = (
            {n: to_device(x, "cpu") for n, x in xs.items()} for xs in (self.run(given), given)
        )
        return distances(found, run_exact(self.given, here))

    def __repr__(self) -> str:
        """Return one line: model, target, number of steps."""
        return f"Plan('{self.graph.name}' for {self._place}, {len(self.steps)} steps)"

    def __str__(self) -> str:
        """Return one row per step: node, op, kernel, why."""
        return table_text(_HEADERS, self._rows())

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        return card(f"Plan {self.graph.name} for {self._place}", table(_HEADERS, self._rows()))

    @property
    def _place(self) -> str:
        """What it was compiled for: a machine's name, and that it runs on a GPU where it does."""
        name = self.target.machine.name
        return f"gpu ({name})" if self.target.device == "gpu" else name

    def _rows(self) -> list[tuple[str, ...]]:
        return [(s.node.name, s.node.op.name, s.chosen.name, s.why) for s in self.steps]


_HEADERS = ("node", "op", "kernel", "why")
