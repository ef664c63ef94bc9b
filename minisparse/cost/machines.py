"""The machines that there are: those shipped as files, the one at hand, anyone's file."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from minisparse.core.errors import UsageError
from minisparse.cost.host import USUAL, VARIABLE, card_profile_path, misfit, profile_path
from minisparse.cost.machine import Machine

_FOLDER = Path(__file__).parent / "profiles"
USUAL_CARD = "a100"
"""For a card of another name."""
_CARD = (
    "a graphics card that is not at hand: prices are those of our array code with the card's "
    "figures, and the plan runs in main memory; target 'gpu' runs on the card at hand"
)


class _Shipped(Mapping[str, Machine]):
    """The machines of the files in ``profiles``, each read when it is first asked for."""

    def __getitem__(self, name: str) -> Machine:
        if name not in _names():
            raise KeyError(name)
        return _shipped(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


MACHINES: Mapping[str, Machine] = _Shipped()
"""Every shipped machine by its name."""


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@cache
def _shipped(name: str) -> Machine:
    from minisparse.cost.profile import read_profile

    like = {} if name == USUAL else {USUAL: _shipped(USUAL)}
    machine = read_profile(_FOLDER / f"{name}.json", like)
    return replace(machine, origin=_CARD) if machine.is_gpu else machine


def find_machine(name: str) -> Machine:
    """Return the machine of a target name.

    Parameters
    ----------
    name : str
        ``"gpu"`` for the card at hand: the shipped one that is most like it, by its name.
        ``"cpu"`` for the machine at hand, as ``minisparse calibrate`` measured it, or else as a
        shipped one: :attr:`Machine.origin` says which, and why. A shipped machine's name. Or the
        path of a file ending in ``.json`` that was calibrated elsewhere.

    Raises
    ------
    UsageError
        If there is no such target, or no card; the known targets are named. If a profile is
        damaged, or one that ``MINISPARSE_PROFILE`` names is of another machine.
    MissingExtraError
        If CuPy is not installed and the card at hand is asked for.

    Examples
    --------
    >>> find_machine("raspberry-pi-4").cores
    4
    """
    if name == "cpu":
        return _at_hand()
    if name == "gpu":
        return _card_at_hand()
    if name in MACHINES:
        return MACHINES[name]
    if name.endswith(".json"):
        path = Path(name).expanduser()
        return replace(_read(path), origin=f"the figures of {path}")
    raise UsageError(
        f"there is no target '{name}'; targets: {', '.join(['cpu', 'gpu', *MACHINES])}, "
        f"or a file that 'minisparse calibrate --out FILE.json' wrote"
    )


def _at_hand() -> Machine:
    """Return the machine that "cpu" is, and say why."""
    path, named = profile_path(), VARIABLE in os.environ
    if path is None:
        return _usual(f"{VARIABLE} asks for no profile")
    if not path.exists() and not named:
        return _usual("this machine is not calibrated: 'minisparse calibrate' measures it")
    machine = _read(path)
    why = misfit(machine.identity) if machine.identity else "it was not calibrated here"
    if not why:
        return replace(machine, origin=f"calibrated on this machine: {path}")
    if named:
        raise UsageError(
            f"the machine profile {path}, which {VARIABLE} names, does not fit: {why}. Run "
            f"'minisparse calibrate', or give the file as target= to compile for that machine"
        )
    return _usual(f"the profile {path} does not fit: {why}; 'minisparse calibrate' renews it")


def _card_at_hand() -> Machine:
    """Return the card at hand as it was calibrated, or the shipped one that is most like it."""
    from minisparse.gpu.card import card_name

    title, path = card_name("target 'gpu'"), card_profile_path()
    if path is not None and path.exists():
        machine = _read(path)
        if machine.identity.get("card") == title:
            return replace(machine, origin=f"calibrated on this card: {path}")
    cards = [name for name, machine in MACHINES.items() if machine.is_gpu]
    alike = [name for name in cards if name in title.lower()]
    chosen = (alike or [USUAL_CARD])[0]
    why = "" if alike else ", of which nothing is known here"
    return replace(_shipped(chosen), origin=f"the shipped figures of {chosen} for {title}{why}")


def _usual(why: str) -> Machine:
    return replace(_shipped(USUAL), origin=f"the shipped figures of {USUAL}, because {why}")


def _read(path: Path) -> Machine:
    """Return the machine of a file, read again when it has changed."""
    try:
        told = path.stat()
    except OSError as error:
        raise UsageError(
            f"the machine profile {path} cannot be read: {error.strerror}. 'minisparse calibrate' "
            f"writes one"
        ) from error
    return _read_once(path, told.st_mtime_ns, told.st_size)


@cache
def _read_once(path: Path, changed: int, size: int) -> Machine:
    from minisparse.cost.profile import read_profile

    return read_profile(path, MACHINES)
