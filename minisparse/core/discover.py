"""Find what the files of a folder declare, so that no list has to be kept by hand."""

import importlib
import pkgutil
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def declared(
    package: str, path: Iterable[str], kind: type[T], *, folders: bool = True
) -> dict[str, T]:
    """Import every module below a package and collect its constants of one kind.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    path : iterable of str
        The package's ``__path__``.
    kind : type
        Which constants to collect: instances of this class bound to an UPPER_CASE name.
    folders : bool
        Whether the package's own packages are looked through as well.

    Returns
    -------
    dict
        From ``module.NAME`` without the package's prefix to the constant, in the modules'
        alphabetical order; a constant that a second module merely imports appears once.
    """
    found: dict[str, T] = {}
    seen: set[int] = set()
    looked_through = pkgutil.walk_packages if folders else pkgutil.iter_modules
    for info in looked_through(path, package + "."):
        if info.ispkg and not folders:
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, kind) and id(value) not in seen:
                seen.add(id(value))
                found[f"{info.name.removeprefix(package + '.')}.{name}"] = value
    return found


def declared_classes(package: str, path: Iterable[str], base: type[T]) -> tuple[type[T], ...]:
    """Import every module of a package and collect the subclasses of ``base`` defined there."""
    found: list[type[T]] = []
    for info in pkgutil.walk_packages(path, package + "."):
        module = importlib.import_module(info.name)
        found += [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, base)
            and value is not base
            and value.__module__ == info.name
        ]
    return tuple(found)
