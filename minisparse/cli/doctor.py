"""``minisparse doctor``: what is here, what is missing, and which library computes what.

Exit status 0; 1 if a library is installed that cannot be used.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any

import numpy as np

from minisparse.core.errors import MinisparseError
from minisparse.core.tensor_type import TensorType

if TYPE_CHECKING:
    from minisparse.kernels import Provider

_DTYPES = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
_INT32 = np.dtype(np.int32)
_FLOAT32 = np.dtype(np.float32)
_FOR_AUTHORS = ("test", "dev", "docs")
_WIDTH = 80


@dataclass(frozen=True)
class Library:
    """One provider of kernels, as it is found here.

    Attributes
    ----------
    name, title : str
        As in ``level="scipy"``, and as its authors write it.
    version : str
        Empty where it is not installed.
    install : str
        The command that installs it.
    trouble : str
        Why it cannot be used though it is installed; empty where it can, or is not there.
    offers : dict
        From ops to the formats that it computes.
    dtypes : tuple of str
        In which it computes.
    refuses : tuple of str
        What else it does not take, and why.
    """

    name: str
    title: str
    version: str
    install: str
    trouble: str
    offers: dict[str, list[str]]
    dtypes: tuple[str, ...]
    refuses: tuple[str, ...]


@dataclass(frozen=True)
class Package:
    """A package that an extra of minisparse asks for; ``version`` is empty where it is missing."""

    name: str
    version: str
    extra: str

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f'pip install "minisparse[{self.extra}]"'


def add_doctor(command: argparse.ArgumentParser) -> None:
    """Add the options of ``minisparse doctor`` to its parser."""
    command.add_argument("--json", action="store_true", help="write the same as JSON")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.set_defaults(verb=doctor)


def doctor(options: argparse.Namespace) -> int:
    """Look around, print what was found, and return the exit status."""
    from minisparse.bench.machine import describe_machine

    machine, libraries, packages = describe_machine(), find_libraries(), find_packages()
    if options.json:
        found: dict[str, Any] = {
            "machine": machine,
            "libraries": [asdict(library) for library in libraries],
            "packages": [{**asdict(p), "install": p.install} for p in packages],
        }
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(_screen(machine, libraries, packages)) + "\n")
    return 1 if any(library.trouble for library in libraries) else 0


def find_libraries() -> list[Library]:
    """Return every provider of kernels, installed or not, in the order of preference."""
    from minisparse.kernels import PROVIDERS

    def look(p: "Provider") -> Library:
        offers: dict[str, list[str]] = {}
        for op, format in p.offers:
            offers.setdefault(op, []).append(format)
        told = p.version or "unknown version" if p.is_installed else ""
        trouble = _trouble(p) if p.is_installed else ""
        format = next(format for op, format in p.offers if op == "spmm")
        dtypes = tuple(d for d in _DTYPES if not p.why_not("spmm", format, _usual(d, format)))
        reasons = tuple(dict.fromkeys((*_whole(p), *filter(None, _probed(p)))))
        return Library(p.name, p.title, told, p.install, trouble, offers, dtypes, reasons)

    return [look(p) for p in PROVIDERS.values()]


def _whole(provider: "Provider") -> list[str]:
    """Return why ops and formats are not offered at all, those with one reason together."""
    formats: dict[tuple[str, str], list[str]] = {}
    for (op, format), why in provider.refused.items():
        formats.setdefault((op, why), []).append(format)
    return [f"{op} of {' and '.join(names)}: {why}" for (op, why), names in formats.items()]


def _usual(dtype: str, format: str) -> list[TensorType]:
    """Return the types of a product that a library takes if it takes any in that dtype."""
    if format == "nm":
        a = TensorType((32, 32), np.dtype(dtype), "nm", 512, np.dtype(np.uint8), (2, 4))
    elif format == "dense":
        a = TensorType((32, 32), np.dtype(dtype))
    else:
        return _operands(dtype)
    return [a, TensorType((32, 32), np.dtype(dtype))]


def _operands(dtype: str, other: str = "", stored: int = 4) -> list[TensorType]:
    """Return the types of a small product of a CSR matrix."""
    a = TensorType((8, 8), np.dtype(dtype), "csr", stored, _INT32)
    return [a, TensorType((8, 2), np.dtype(other or dtype))]


def _probed(provider: "Provider") -> Iterator[str]:
    """Yield what a provider says to operands that not every library takes."""
    if not {("spmm", "csr"), ("spmm", "bsr")} <= set(provider.offers):
        op, format = next(iter(provider.offers))
        yield provider.why_not(op, format, _usual("float32", format))
        return
    yield provider.why_not("spmm", "csr", _operands("float32", "float64"))
    yield provider.why_not("spmm", "csr", _operands("float32", stored=1 << 31))
    for block, shape in (((2, 3), (6, 6)), ((4, 4), (6, 6))):
        a = TensorType(shape, _FLOAT32, "bsr", 24, _INT32, block)
        yield provider.why_not("spmm", "bsr", [a, TensorType((6, 2), _FLOAT32)])


def _trouble(provider: "Provider") -> str:
    """Return why a library that is installed cannot compute; empty where it can."""
    from minisparse.formats import CSR
    from minisparse.kernels.functions import spmv

    name = provider.name
    if provider.place == "gpu":  # which is tried in each dtype, and says so when it refuses
        op, format = next(iter(provider.offers))
        found = [provider.why_not(op, format, _usual(d, format)) for d in ("float32", "float16")]
        return "" if "" in found else found[0]
    a = CSR(np.array([2, 3], np.float32), [0, 1], [0, 1, 2], (2, 2))
    try:
        y = spmv(a, np.ones(2, np.float32), level=name)
    except (MinisparseError, ImportError, OSError, AttributeError) as error:
        return " ".join(str(error).split())
    return "" if y.tolist() == [2, 3] else f"it finds {y.tolist()} where [2, 3] is right"


def find_packages() -> list[Package]:
    """Return the packages that minisparse's extras ask for; none where it was never installed."""
    try:
        asked = requires("minisparse") or []
    except PackageNotFoundError:
        return []
    found: dict[str, Package] = {}
    for line in asked:
        requirement, _, condition = line.partition(";")
        extra = condition.partition("extra ==")[2].strip().strip("'\")")
        name = "".join(c if c.isalnum() or c in "-_." else " " for c in requirement).split()[0]
        if extra and extra not in _FOR_AUTHORS and name != "minisparse":
            found.setdefault(name, Package(name, _version(name), extra))
    return list(found.values())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _screen(
    machine: dict[str, str], libraries: list[Library], packages: list[Package]
) -> Iterator[str]:
    """Yield the lines: the machine, the libraries, what they refuse, the other packages."""
    from minisparse.show import folded_text, wrap

    yield f"minisparse {machine['minisparse']}, Python {machine['python']}"
    yield wrap(f"NumPy {machine['numpy']} with {machine['blas']}", _WIDTH)
    yield wrap(f"{machine['cpu']}, {machine['cores']} cores", _WIDTH)
    yield ""
    yield "kernels of other libraries, as level=NAME; the first that is there is 'library'"
    ops = list(dict.fromkeys(op for library in libraries for op in library.offers))
    rows = [(x.name, x.version or "-", *(" ".join(x.offers.get(op, ["-"])) for op in ops))
            for x in libraries]  # fmt: skip
    yield folded_text(("name", "version", *ops), rows)
    for x in libraries:
        yield ""
        if not x.version:
            yield f"{x.name}: not installed: {x.install}"
        if x.trouble:
            yield wrap(f"{x.name}: cannot be used: {x.trouble}", _WIDTH)
        if x.dtypes:
            yield wrap(f"{x.name}: computes in {' '.join(x.dtypes)}", _WIDTH)
        for why in x.refuses:
            yield wrap(f"refuses: {why}", _WIDTH, indent=2)
    yield ""
    if packages:
        yield "packages that open further features"
        told = [(p.name, p.version or "-", "" if p.version else p.install) for p in packages]
        yield folded_text(("package", "version", "to install it"), told)
    else:
        yield "minisparse was not installed by pip, which would know the extras that it has"
