"""Step through a run of a plan, node by node, forth and back, and into kernels.

The session asks the interpreter for one event at a time, so nothing runs before it is asked for.
Values never change, so going back costs nothing and stepping again gives the same ones. There is
no thread and no trace hook: set a breakpoint of ``pdb`` in any file of minisparse and ``step()``
stops there; :mod:`minisparse.debugger.into` tells how to follow a kernel's loops.
"""

from collections.abc import Callable, Mapping
from typing import Any

from minisparse.core.errors import UsageError
from minisparse.debugger.breakpoints import Breakpoint, make_breakpoint
from minisparse.debugger.difference import Difference, difference, elsewhere
from minisparse.debugger.history import History
from minisparse.debugger.into import KernelSession
from minisparse.debugger.kernel_call import open_kernel
from minisparse.debugger.views import NodeView, Why, summarize
from minisparse.dispatch import Plan, Step
from minisparse.dispatch.explanation import explain
from minisparse.dispatch.placement import moved
from minisparse.graph import Constant
from minisparse.graph.printer import call_text
from minisparse.runtime import DidRun
from minisparse.show import card, clean, shorten, table, table_text


class Session:
    """A run that can be stepped through.

    Parameters
    ----------
    plan : Plan
        What ``ms.compile`` returned.
    feeds : mapping
        From every input's name to an array.

    Attributes
    ----------
    position : int
        How many nodes have run: the number of the node that runs next, from 0.
    breakpoints : tuple of Breakpoint
        Where :meth:`run` stops.

    Raises
    ------
    MinisparseError
        If the feeds do not fit the plan's inputs.

    Examples
    --------
    >>> import numpy as np, minisparse as ms
    >>> b = ms.GraphBuilder("tiny")
    >>> x = b.input("x", (1, 2))
    >>> h = b.op("gemm", x, b.constant("w", np.array([[1, 2], [3, 4]], "float32")), name="layer")
    >>> plan = ms.compile(b.build({"y": b.op("relu", h, name="act")}), skip=["fuse_epilogue"])
    >>> session = ms.debug(plan, {"x": np.array([[1, -1]], "float32")})
    >>> session.step().results
    (array([[-2., -2.]], dtype=float32),)
    >>> session.where
    'before node 2 of 2: act = relu(layer)'
    >>> session.back().where
    'before node 1 of 2: layer = gemm(x, w)'
    """

    def __init__(self, plan: Plan, feeds: Mapping[str, Any]) -> None:
        self.plan = plan
        self.position = 0
        self.breakpoints: tuple[Breakpoint, ...] = ()
        self._history = History(plan, feeds)
        self._stopped_by: Breakpoint | None = None
        self._last_number = 0

    # -- moving ----------------------------------------------------------------------------------

    def step(self) -> NodeView | None:
        """Run the next node and return what happened; None if all have run."""
        self._stopped_by = None
        if self.finished:
            return None
        event = self._history.event(self.position)
        self.position += 1
        return NodeView(event, len(self.plan.steps))

    def back(self) -> "Session":
        """Go to before the node that ran last; at the beginning nothing happens."""
        self._stopped_by = None
        self.position = max(0, self.position - 1)
        return self

    def run(self) -> "Session":
        """Run to the next breakpoint, or to the end; one at which it stands is left behind."""
        if self.position == 0 and self._stopped_by is None and self._stops_before():
            return self
        while self.step() is not None:
            if self._stops_after() or self._stops_before():
                break
        return self

    cont = run

    # -- breakpoints -----------------------------------------------------------------------------

    def break_on(
        self,
        op: str | None = None,
        name: str | None = None,
        when: Callable[[DidRun], bool] | None = None,
        *,
        nan: bool = False,
    ) -> Breakpoint:
        """Have :meth:`run` stop before an op or a node, or after a result of some kind.

        Parameters
        ----------
        op : str
            Before each node that computes it, also as a part: ``"spmm"`` is part of
            ``spmm_bias_relu``.
        name : str
            Before the node of that name, or that defines the value of that name.
        when : callable
            After each node for whose event it is true; ``event.results`` holds what was computed,
            ``event.operands`` what was read, ``event.step`` node and kernel.
        nan : bool
            After each node whose results hold a NaN.

        Raises
        ------
        UsageError
            If not exactly one is given, or the plan has no such op or name.
        """
        found = make_breakpoint(self.plan, self._last_number + 1, op, name, when, nan)
        self._last_number = found.number
        self.breakpoints = (*self.breakpoints, found)
        return found

    def clear(self, number: int | None = None) -> None:
        """Remove the breakpoint of that number, or all.

        Raises
        ------
        UsageError
            If there is none of that number.
        """
        if number is not None and number not in [b.number for b in self.breakpoints]:
            have = ", ".join(map(repr, self.breakpoints)) or "none"
            raise UsageError(f"there is no breakpoint {number}; there are: {have}")
        self.breakpoints = tuple(b for b in self.breakpoints if number not in (None, b.number))

    # -- looking ---------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether all nodes have run."""
        return self.position == len(self.plan.steps)

    @property
    def here(self) -> Step | None:
        """The step that is meant where no name is given; None in a plan without nodes.

        The one that runs next; the one that has just run where a breakpoint stopped after it,
        and at the end.
        """
        return self.plan.steps[self._at] if self.plan.steps else None

    @property
    def where(self) -> str:
        """Where the session stands, in one line."""
        if self.here is None:
            return "at the end: the plan has no nodes"
        node, total = self.here.node, len(self.plan.steps)
        side = "after" if self._at < self.position else "before"
        return f"{side} node {self._at + 1} of {total}: {node.name} = {call_text(node)}"

    @property
    def stopped_by(self) -> Breakpoint | None:
        """The breakpoint at which the last :meth:`run` stopped, if it was one."""
        return self._stopped_by

    @property
    def values(self) -> dict[str, Constant]:
        """Every value known by now: inputs, weights, and what the nodes so far computed."""
        return self._history.values(self.position)

    def value(self, name: str) -> Constant:
        """Return a value known by now, by its name; an array that cannot be written to.

        Raises
        ------
        UsageError
            If there is none of that name, or it is not computed yet.
        """
        return self._history.value(name, self.position)

    def why(self, name: str | None = None) -> Why:
        """Return a node's candidates with their prices, and the reason for the chosen one.

        Raises
        ------
        UsageError
            If there is no such node.
        """
        step = self._step(name)
        explanation = explain(self.plan)
        nodes = {node.name: node for node in explanation.nodes}
        return Why(nodes[step.node.name], explanation.sizes)

    def into(
        self,
        name: str | None = None,
        at: Mapping[str, int] | None = None,
        format: str | None = None,
    ) -> KernelSession:
        """Step into the loops of a node's kernel, on the node's own operands.

        The kernel's ``loops`` level runs beside the plan, whichever level the plan chose; the
        session itself does not move. The epilogue of a fused op comes after the loops and is not
        among them.

        Parameters
        ----------
        name : str, optional
            A node whose operands are known by now; by default the one where the session stands.
        at : mapping, optional
            Letters to go to at once: ``{"m": 3, "n": 0}``.
        format : str, optional
            Open the op's kernel for this format, ``"csr"`` or ``"dense"`` for instance, with the
            weight converted to it; by default the kernel that the plan chose.

        Raises
        ------
        UsageError
            If the kernel has no loops, or an operand is not computed yet.
        UnsupportedOpError
            If the op has no kernel with loops for ``format``.
        """
        step, values = self._step(name), self.values
        for one in step.node.inputs:  # loops are for main memory; of a GPU these are fetched
            if one in values:
                values[one] = moved(values[one], "cpu")
        inside = open_kernel(self.plan, step, values, format)
        if at:
            inside.until(**at)
        return inside

    def diff(self, name: str, other: "Session | Plan | None" = None) -> Difference:
        """Compare a value with the same value computed in another way.

        Parameters
        ----------
        name : str
            A value known by now.
        other : Session or Plan, optional
            Where the other value comes from; a plan is run on the same inputs. By default the
            model without any pass: dense weights, nothing fused.

        Raises
        ------
        UsageError
            If one of the two does not have the value.
        """
        ours = self.value(name)
        if isinstance(other, Session):
            return difference(name, ours, other.value(name))
        return difference(name, ours, elsewhere(name, self.plan, self._history.feeds, other))

    def __repr__(self) -> str:
        """Return one line: the model and where the session stands."""
        return clean(f"Session('{self.plan.graph.name}', {self.where})")

    def __str__(self) -> str:
        """Return a row a node, an arrow where the session stands."""
        return f"{shorten(clean(self._title()), 80)}\n{table_text(HEADERS, self.rows())}"

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        at = [i for i, row in enumerate(self.rows()) if row[0].startswith("->")]
        return card(self._title(), table(HEADERS, self.rows(), highlight=at))

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row of texts per node: mark, number, node, op, kernel, result.

        The mark is an arrow where the session stands and a star at a breakpoint.
        """
        rows: list[tuple[str, ...]] = []
        for i, step in enumerate(self.plan.steps):
            star = any(b.before is not None and b.before(step) for b in self.breakpoints)
            done = i < self.position
            result = summarize(self._history.event(i).results[0], span=False) if done else ""
            mark = f"{'->' if i == self._at else ''}{'*' * star}"
            node = step.node
            rows.append((mark, str(i + 1), node.name, node.op.name, step.chosen.name, result))
        return rows

    # -- how -------------------------------------------------------------------------------------

    @property
    def _at(self) -> int:
        """The number of the step that :attr:`here` is."""
        after = self._stopped_by is not None and self._stopped_by.after is not None
        return self.position - bool(self.finished or after)

    def _title(self) -> str:
        stop = "" if self._stopped_by is None else f"; stopped {self._stopped_by.text}"
        return f"{self.plan.graph.name}, {self.where}{stop}"

    def _stops_before(self) -> bool:
        if not self.finished:
            step = self.plan.steps[self.position]
            hits = (b for b in self.breakpoints if b.before is not None and b.before(step))
            self._stopped_by = next(hits, None)
        return self._stopped_by is not None

    def _stops_after(self) -> bool:
        event = self._history.event(self.position - 1)
        hits = (b for b in self.breakpoints if b.after is not None and b.after(event))
        self._stopped_by = next(hits, None)
        return self._stopped_by is not None

    def _step(self, name: str | None) -> Step:
        step = self.here if name is None else self.plan.step(name)
        if step is None:
            raise UsageError(f"plan '{self.plan.graph.name}' has no nodes")
        return step


HEADERS = ("", "#", "node", "op", "kernel", "result")
