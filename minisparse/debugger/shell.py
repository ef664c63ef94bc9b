"""What the debugger's command readers have in common: reading, answering, errors, help."""

import cmd
import sys
from collections.abc import Mapping
from typing import ClassVar, TextIO

from minisparse.core.errors import MinisparseError, UsageError
from minisparse.show import clean, facts_text, shorten, wrap

_REPEATED = ("s", "step", "b", "back", "c", "continue", "r", "row", "slot")
"""What an empty line does once more."""


class Shell(cmd.Cmd):
    """Reads a command a line and does it.

    An error of the user's is told and does not end the session. No line of an answer is longer
    than 80 columns, and all is ASCII.

    Attributes
    ----------
    usage : mapping
        From a command as it is written to what it does, for ``help``.
    quitting : bool
        Whether the user wants to leave altogether.
    """

    usage: ClassVar[Mapping[str, str]] = {}

    def __init__(self, stdin: TextIO, stdout: TextIO) -> None:
        super().__init__(stdin=stdin, stdout=stdout)
        self.quitting = False
        self.input, self.output = stdin, stdout
        # line editing needs the real keyboard; anything else is read plainly, and echoed
        self.interactive = stdin is sys.stdin and stdin.isatty() and stdout.isatty()
        self.use_rawinput = self.interactive

    def say(self, text: str) -> None:
        """Write lines, none longer than 80 columns."""
        for line in text.split("\n"):
            self.output.write(shorten(clean(line).rstrip(), 80) + "\n")

    def begin(self) -> None:
        """Say what there is to say before the first command."""

    def cmdloop(self, intro: str | None = None) -> None:
        """Read commands until one ends it; an interrupt at the prompt does not."""
        self.begin()
        while True:
            try:
                return super().cmdloop(intro)
            except KeyboardInterrupt:
                self.say("\ninterrupted; q quits")

    def precmd(self, line: str) -> str:
        """Show a command that came through a pipe after its prompt."""
        if not self.interactive:
            self.say("" if line == "EOF" else line.strip())
        return line

    def onecmd(self, line: str) -> bool:
        """Do one command; tell of an error instead of passing it on."""
        try:
            self._refuse_arguments(line.strip())
            return bool(super().onecmd(line.strip()))
        except MinisparseError as error:
            self.say(wrap(f"error: {error}", 80))
        except KeyboardInterrupt:
            self.say("interrupted")
        return False

    def emptyline(self) -> bool:
        """Repeat what moved last."""
        word = self.lastcmd.split()[:1]
        return self.onecmd(self.lastcmd) if word and word[0] in _REPEATED else False

    def default(self, line: str) -> None:
        """Say that there is no such command."""
        known = ", ".join(name.split()[0] for name in self.usage)
        self.say(wrap(f"no command '{line.split()[0]}'; there are: {known}", 80))

    def do_help(self, arg: str) -> None:
        """List the commands, or those that one spells so."""
        wanted = {usage: what for usage, what in self.usage.items() if arg in usage.split()[:1]}
        self.say(facts_text(wanted or self.usage))

    def do_quit(self, arg: str) -> bool:
        """Leave."""
        self.quitting = True
        return True

    def do_EOF(self, arg: str) -> bool:  # noqa: N802 - cmd.Cmd's name for it
        """Leave where the commands end."""
        if self.interactive:
            self.say("")
        return self.do_quit(arg)

    do_h, do_q = do_help, do_quit

    def _refuse_arguments(self, line: str) -> None:
        """Raise UsageError if a command that takes nothing was given something.

        Such a command is written as one word in :attr:`usage`; its other names are the same method.
        """
        command, arg, _ = self.parseline(line)
        plain = {getattr(type(self), f"do_{name}") for name in self.usage if " " not in name}
        if arg and getattr(type(self), f"do_{command}", None) in plain:
            raise UsageError(f"{command} takes nothing after it, and was given '{arg}'")

    def completenames(self, text: str, *ignored: object) -> list[str]:
        """Return the commands that begin with a text, for the Tab key."""
        return [n for n in super().completenames(text, *ignored) if n != "EOF"]


def whole_number(text: str, default: int) -> int:
    """Return the number that a command was given.

    Raises
    ------
    UsageError
        If it is not a whole number of at least 1.
    """
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"'{text}' is not a number of steps: give a whole number of at least 1")
    return int(text)


def split_letters(text: str) -> tuple[str, dict[str, int]]:
    """Split ``layer1 m=3 n=0`` into the name and the letters.

    Raises
    ------
    UsageError
        If a letter is not given a whole number.
    """
    words, letters = [], {}
    for word in text.split():
        name, sign, number = word.partition("=")
        if not sign or not name.isidentifier():
            words.append(word)
        elif not number.isdecimal():
            raise UsageError(f"'{word}' gives {name} no whole number; write {name}=0")
        else:
            letters[name] = int(number)
    return " ".join(words), letters
