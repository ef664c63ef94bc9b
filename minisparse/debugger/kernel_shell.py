"""Step inside of a kernel's loops in a terminal."""

from typing import TextIO

import numpy as np

from minisparse.core.errors import UsageError
from minisparse.debugger.into import KernelSession
from minisparse.debugger.moment import Moment, value_text
from minisparse.debugger.shell import Shell, split_letters, whole_number
from minisparse.debugger.views import array_text, summarize
from minisparse.formats import Matrix
from minisparse.show import arrays_text, clean, facts_text, shorten


class KernelShell(Shell):
    """Steps through the loops of one kernel."""

    usage = {
        "s [N]": "step: run one statement (a multiply-add in two steps), or N",
        "b [N]": "back: one step, or N",
        "row": "go to the next row of A",
        "slot": "go to the next slot: a stored entry of A, or in BSR a block",
        "until m=3 n=0": "go to where the letters come to have these values; u m=3 does the same",
        "element 3 0": "show all multiply-adds that make C[3, 0]; more letters: row=0 column=1",
        "v [NAME]": "value: show a local of the loops; without a name list all",
        "finish": "run the loops to their end (c does the same)",
        "l": "list the source, an arrow at the line that has just run",
        "up": "leave the kernel",
        "h [COMMAND]": "help: this list, or one of its lines",
        "q": "quit; an empty line repeats s, b, row or slot",
    }

    def __init__(self, inside: KernelSession, stdin: TextIO, stdout: TextIO) -> None:
        super().__init__(stdin, stdout)
        self.inside = inside
        self.prompt = f"({shorten(clean(inside.title.partition(': ')[0]), 24)} loops) "

    def begin(self) -> None:
        """Show the source."""
        self.say(f"{self.inside.title}; up leaves them, h helps")
        self.say("the textbook of what the plan's level computes: one multiply-add at a time")
        self.do_list("")

    def do_step(self, arg: str) -> None:
        """Run statements."""
        for _ in range(whole_number(arg, 1)):
            if self.inside.step() is None:
                break
        self._say_moment(self.inside.moment)

    def do_back(self, arg: str) -> None:
        """Go back."""
        self.inside.back(whole_number(arg, 1))
        self._say_moment(self.inside.moment)

    def do_row(self, arg: str) -> None:
        """Go to the next row."""
        if self.inside.next_row() is None:
            self.say("no row after this one; finish runs to the end")
        else:
            self._say_moment(self.inside.moment)

    def do_slot(self, arg: str) -> None:
        """Go to the next stored entry."""
        if self.inside.next_slot() is None:
            self.say("no stored entry after this one; finish runs to the end")
        else:
            self._say_moment(self.inside.moment)

    def do_until(self, arg: str) -> None:
        """Go to where letters have values."""
        rest, letters = split_letters(arg)
        if rest or not letters:
            raise UsageError("until wants letters with values: until m=3 n=0")
        self._say_moment(self.inside.until(**letters))

    def do_element(self, arg: str) -> None:
        """Show what makes an element."""
        rest, letters = split_letters(arg.replace(",", " "))
        numbers = rest.split()
        if len(numbers) > 2 or not all(number.isdecimal() for number in numbers):
            raise UsageError("element wants a row and a column of C: element 3 0")
        letters = {**dict(zip("mn", map(int, numbers), strict=False)), **letters}
        if "m" not in letters:
            raise UsageError("element wants at least the row of C: element 3")
        self.say(str(self.inside.element(**letters)))

    def do_value(self, arg: str) -> None:
        """Show a local."""
        values = self.inside.values
        if arg and arg not in values:
            raise UsageError(f"no local '{arg}' here; there are: {', '.join(values) or 'none'}")
        if not arg:
            self.say(facts_text({name: _shown(value) for name, value in values.items()}))
            return
        value = values[arg]
        self.say(f"{arg}  {_shown(value)}")
        if isinstance(value, Matrix):
            self.say(arrays_text(value.arrays))
        elif isinstance(value, np.ndarray):
            self.say(array_text(value))

    def do_finish(self, arg: str) -> None:
        """Run to the end."""
        self.inside.finish()
        self._say_moment(None)

    def do_list(self, arg: str) -> None:
        """List the source."""
        self.say("\n".join(self.inside.listing))

    def do_up(self, arg: str) -> bool:
        """Leave the kernel."""
        return True

    def do_u(self, arg: str) -> bool:
        """Go to where letters have values, as in gdb; without any leave the kernel."""
        if arg:
            self.do_until(arg)
            return False
        return self.do_up(arg)

    do_s, do_b, do_r, do_e, do_v, do_l = (
        do_step, do_back, do_row, do_element, do_value, do_list
    )  # fmt: skip
    do_out = do_up
    do_c = do_continue = do_f = do_finish

    def _say_moment(self, moment: Moment | None) -> None:
        if moment is not None:
            self.say(moment.brief)
        elif self.inside.finished:
            self.say(f"the loops have returned {_shown(self.inside.result)}; up leaves them")
        else:
            self.say("at the beginning of the loops")


def _shown(value: object) -> str:
    return summarize(value) if isinstance(value, Matrix) else value_text(value)
