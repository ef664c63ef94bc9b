"""The debugger in a terminal: what ``minisparse step`` runs.

Commands come from the keyboard or from a pipe; a transcript of the latter shows each command
after its prompt.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from minisparse.core.errors import UsageError
from minisparse.debugger.kernel_shell import KernelShell
from minisparse.debugger.session import HEADERS, Session
from minisparse.debugger.shell import Shell, split_letters, whole_number
from minisparse.debugger.views import array_text, summarize
from minisparse.dispatch import Plan
from minisparse.formats import Matrix
from minisparse.graph import Constant
from minisparse.show import arrays_text, facts_text, table_text, wrap

_AROUND = 8
"""Nodes listed before and after the one where the session stands."""


def step_through(
    plan: Plan,
    feeds: Mapping[str, Any],
    stdin: TextIO,
    stdout: TextIO,
    breaks: Sequence[str] = (),
) -> int:
    """Let a user step through a run of a plan; return the exit status, 0.

    Parameters
    ----------
    plan : Plan
        What to run.
    feeds : mapping
        From every input's name to an array.
    stdin, stdout : text streams
        Where commands come from and answers go to; the end of ``stdin`` ends the session.
    breaks : sequence of str
        Nodes or ops before which ``continue`` stops, or ``"nan"``.

    Raises
    ------
    MinisparseError
        If the feeds do not fit, or the plan has no such node or op.
    """
    session = Session(plan, feeds)
    for text in breaks:
        _break_on(session, text)
    shell = NodeShell(session, stdin, stdout)
    shell.cmdloop()
    return 0


def _break_on(session: Session, text: str) -> str:
    """Set a breakpoint on the node or value of that name, else on the op; return its text."""
    steps = session.plan.steps
    if any(text in (step.node.name, *step.node.outputs) for step in steps):
        return repr(session.break_on(name=text))
    if text == "nan":
        return repr(session.break_on(nan=True))
    try:
        return repr(session.break_on(op=text))
    except UsageError as error:
        nodes = ", ".join(step.node.name for step in steps)
        raise UsageError(f"{error}; its nodes: {nodes}") from error


class NodeShell(Shell):
    """Steps through the nodes of a plan."""

    prompt = "(step) "
    usage = {
        "s [N]": "step: run the next node, or the next N",
        "b [N]": "back: go to before the node that ran last, or N back",
        "c": "continue: run to the next breakpoint, or to the end",
        "into [NODE] [as csr] [m=3 n=0]": "step into the loops of a node's kernel, or of "
        "its twin for another format: as csr, as bsr 8x8",
        "v [NAME] [3 0]": "value: show one, or an element of it; without a name list all",
        "why [NODE]": "show what each kernel would cost, and why one was chosen",
        "diff NAME": "compare a value with what the dense model computes",
        "break [NODE|OP|nan]": "stop before a node or op, or after a NaN; without a name list all",
        "clear [N]": "remove breakpoint N, or all",
        "l": "list the nodes around; an arrow is where you stand, a star a breakpoint",
        "h [COMMAND]": "help: this list, or one of its lines",
        "q": "quit; an empty line repeats s, b or c",
    }

    def __init__(self, session: Session, stdin: TextIO, stdout: TextIO) -> None:
        super().__init__(stdin, stdout)
        self.session = session

    def begin(self) -> None:
        """Show where it begins."""
        graph = self.session.plan.graph
        values = self.session.values
        fed = ", ".join(f"{name} {summarize(values[name], span=False)}" for name in graph.inputs)
        self.say(f"{graph.name} on {fed}")
        self.do_list("")
        self.say("s steps, into enters a kernel's loops, h helps, q quits")

    def do_step(self, arg: str) -> None:
        """Run the next node or nodes."""
        view = None
        for _ in range(whole_number(arg, 1)):
            view = self.session.step() or view
        if view is not None:
            self.say(str(view))
        self._say_where()

    def do_back(self, arg: str) -> None:
        """Go back."""
        for _ in range(min(whole_number(arg, 1), self.session.position)):
            self.session.back()
        self._say_where()

    def do_continue(self, arg: str) -> None:
        """Run to the next breakpoint."""
        self.session.run()
        stop = self.session.stopped_by
        if stop is not None:
            self.say(f"stopped {stop.text}")
        self._say_where()

    def do_into(self, arg: str) -> bool:
        """Step into a kernel."""
        text, letters = split_letters(arg)
        name, _, format = f" {text} ".partition(" as ")
        inside = KernelShell(
            self.session.into(name.strip() or None, letters, format.strip() or None),
            self.input,
            self.output,
        )
        inside.cmdloop()
        self.quitting = inside.quitting
        if not self.quitting:
            self._say_where()
        return self.quitting

    def do_value(self, arg: str) -> None:
        """Show a value, an element of it, or all names."""
        values = self.session.values
        if not arg:
            self.say(facts_text({name: summarize(value) for name, value in values.items()}))
            return
        name, index = arg, tuple[int, ...]()
        words = arg.split()
        while name not in values and len(words) > 1 and words[-1].isdecimal():
            index = (int(words.pop()), *index)
            name = " ".join(words)
        value = self.session.value(name)
        dense = value.to_dense() if isinstance(value, Matrix) else value
        if index:
            text = _at(name, dense, index) + _how_stored(value, index)
            self.say(f"{name}[{', '.join(map(str, index))}] = {text}")
            return
        self.say(f"{name}  {summarize(value)}")
        arrays = value.arrays if isinstance(value, Matrix) else None
        self.say(array_text(dense) if arrays is None else arrays_text(arrays))

    def do_why(self, arg: str) -> None:
        """Show a node's candidates."""
        self.say(str(self.session.why(arg or None)))

    def do_diff(self, arg: str) -> None:
        """Compare with the dense model."""
        if not arg:
            raise UsageError("diff wants the name of a value; v lists them")
        self.say(str(self.session.diff(arg)))

    def do_break(self, arg: str) -> None:
        """Set a breakpoint, or list them."""
        if arg:
            self.say(_break_on(self.session, arg))
        else:
            have = [f"{b.number}: {b.text}" for b in self.session.breakpoints]
            self.say("\n".join(have) or "no breakpoints; break NODE, break OP or break nan")

    def do_clear(self, arg: str) -> None:
        """Remove breakpoints."""
        self.session.clear(whole_number(arg, 1) if arg else None)
        self.do_break("")

    def do_list(self, arg: str) -> None:
        """List the nodes around."""
        rows = self.session.rows()
        at = next((i for i, row in enumerate(rows) if row[0].startswith("->")), 0)
        low, high = max(0, at - _AROUND), at + _AROUND + 1
        self.say(table_text(HEADERS, rows[low:high], align="lrllll"))
        if len(rows) > len(rows[low:high]):
            self.say(f"{len(rows)} nodes in all")

    do_s, do_b, do_c, do_v, do_l = do_step, do_back, do_continue, do_value, do_list
    do_values = do_value
    do_run = do_continue

    def _say_where(self) -> None:
        if self.session.finished:
            count, outputs = len(self.session.plan.steps), self.session.plan.graph.outputs
            shown = ", ".join(f"v {name}" for name in outputs)
            self.say(wrap(f"-> all {count} nodes have run; results: {shown}", 80))
        else:
            self.say(f"-> {self.session.where}")


def _at(name: str, dense: Any, index: tuple[int, ...]) -> str:
    """Return an element, or what stands under fewer indices than there are dimensions."""
    fits = len(index) <= dense.ndim and all(
        i < size for i, size in zip(index, dense.shape, strict=False)
    )
    if not fits:
        raise UsageError(f"value '{name}' has shape {dense.shape}: no element {index}")
    return array_text(dense[index])


def _how_stored(value: Constant, index: tuple[int, ...]) -> str:
    """Return what a cell's number leaves open where its matrix is sparse: whether it is stored."""
    if not isinstance(value, Matrix) or len(index) < 2:
        return ""
    row, col, data, _ = value.triplets()
    here = data[(row == index[0]) & (col == index[1])]
    if not len(here):
        return "  not stored"
    if len(here) > 1:
        return f"  stored {len(here)} times, summed"
    return "" if here[0] else "  a stored zero"
