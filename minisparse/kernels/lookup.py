"""Find kernels: those of an op, and the one for a format and a level."""

from collections.abc import Collection
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from minisparse.core.discover import declared
from minisparse.core.errors import MissingExtraError, UnsupportedOpError, UsageError
from minisparse.kernels.kernel import GENERATED, LEVELS, Kernel, Level
from minisparse.kernels.library import PROVIDERS, choose
from minisparse.kernels.plain import plain_kernel
from minisparse.ops import Op
from minisparse.ops.op import Types


def kernels_for(op: Op) -> list[Kernel]:
    """Return the kernels of an op; for a fused op those of its base. There is always one.

    Examples
    --------
    >>> from minisparse.ops import SPMM_RELU
    >>> [kernel.name for kernel in kernels_for(SPMM_RELU)][-3:]
    ['spmm_csr', 'spmm_dense', 'spmm_nm']
    """
    return list(_declared_for(op.base.name)) or [plain_kernel(op.base)]


@cache
def _declared_for(op: str) -> tuple[Kernel, ...]:
    """Load the folder that is called as the op is, or as the op's name begins: ``reduce``."""
    for name in (op, op.partition("_")[0]):
        folder = f"minisparse.kernels.{name}"
        if name.isidentifier() and find_spec(folder) is not None:
            found = declared(folder, import_module(folder).__path__, Kernel).values()
            return tuple(kernel for kernel in found if kernel.op.name == op)
    return ()


def find_level(
    op: Op, format: str, level: str, types: Types = (), place: str = ""
) -> tuple[Kernel, Level]:
    """Return the kernel of an op for a format, and one of its levels; see :func:`name_level`."""
    kernel, name = name_level(op, format, level, types, place)
    return kernel, level_of(kernel, name)


def name_level(
    op: Op, format: str, level: str, types: Types = (), place: str = ""
) -> tuple[Kernel, str]:
    """Return the kernel of an op for a format, and the name of one of its levels.

    Parameters
    ----------
    op : Op
        Perhaps fused; the kernel is its base's.
    format : str
        Of the op's weight.
    level : str
        One of ours; ``"library"`` for the first provider that is installed and does not refuse;
        or a provider's name, such as ``"scipy"``.
    types : sequence of TensorType
        Of the base's operands, as far as they are known; a level or a provider may refuse them.
    place : str
        Where they lie, ``"cpu"`` or ``"gpu"``; see :func:`~minisparse.kernels.library.choose`.

    Returns
    -------
    tuple of Kernel and str
        To be given to :func:`level_of`; ``"library"`` has become a provider's name.

    Raises
    ------
    UnsupportedOpError
        If there is none, or the level or the provider refuses; the message says why, or names the
        formats or levels that there are.
    MissingExtraError
        If the provider is not installed.
    """
    kernels = {kernel.format_name: kernel for kernel in kernels_for(op)}
    if format not in kernels:
        raise UnsupportedOpError(
            f"{op.name}: there is no kernel for {format}; formats: {', '.join(kernels)}: "
            f"convert with A.to(...)"
        )
    kernel = kernels[format]
    if level == "library" or level in PROVIDERS:
        return kernel, choose(op.base.name, format, level, types, place)
    if level not in kernel.levels:
        lent = [name for name, p in PROVIDERS.items() if p.place == (place or "cpu")]
        raise UnsupportedOpError(
            f"{op.name}: the kernel for {format} has no level '{level}'; levels: "
            f"{', '.join((*kernel.levels, 'library', *lent))}"
        )
    refuses = kernel.levels[level].why_not
    reason = refuses(types) if refuses is not None and types else ""
    if reason:
        raise UnsupportedOpError(f"{op.name}: the kernel for {format} at level {level}: {reason}")
    return kernel, level


def level_of(kernel: Kernel, name: str) -> Level:
    """Return a level by its name: one of the kernel's own, or a provider's for its op and format.

    A kernel that writes itself for a matrix has array code alone, and that is ``"generated"``.

    Examples
    --------
    >>> from minisparse.kernels import KERNELS
    >>> level_of(KERNELS["spmm_csr"], "vectorized").takes_out
    True
    """
    if name in LEVELS:
        return kernel.levels[name]
    if name == GENERATED:
        return kernel.levels["vectorized"]
    return PROVIDERS[name].offers[kernel.op.name, kernel.format_name].level


def usable_levels(
    level: str, libraries: str | Collection[str] = "none", place: str = "cpu"
) -> tuple[str, ...]:
    """Return the names of the levels among which to choose, those of libraries included.

    Parameters
    ----------
    level : str
        One of ours, ``"vectorized"`` taking what is generated along; ``"generated"`` for that
        alone; ``"library"`` for all that are installed; or a library's name.
    libraries : str or collection of str
        Besides: ``"none"``, ``"auto"`` for all that are installed, or names.
    place : str
        Where operands will lie, ``"cpu"`` or ``"gpu"``: libraries compute at one of the two.

    Raises
    ------
    UsageError
        If there is no such level or library.
    MissingExtraError
        If a library that is named is not installed, or for ``"library"`` none is.

    Examples
    --------
    >>> usable_levels("vectorized")
    ('vectorized', 'generated')
    """
    if level not in (*LEVELS, GENERATED, "library", *PROVIDERS):
        known = ", ".join((*LEVELS, GENERATED, "library", *PROVIDERS))
        raise UsageError(f"there is no level '{level}'; levels: {known}")
    here = [name for name, p in PROVIDERS.items() if p.place == place and p.is_installed]
    if level == "library" and not here:
        ways = "; ".join(f"{p.title}: {p.install}" for p in PROVIDERS.values() if p.place == place)
        raise MissingExtraError(f"the level 'library' needs a library, and none is here. {ways}")
    asked = [libraries] if isinstance(libraries, str) else list(libraries)
    if libraries in ("none", "auto"):
        asked = here if libraries == "auto" else []
    first = {"library": here, "vectorized": [level, GENERATED]}.get(level, [level])
    found = dict.fromkeys((*first, *asked))
    for name in found:
        if name not in (*LEVELS, GENERATED, *PROVIDERS):
            raise UsageError(f"there is no library '{name}'; libraries: {', '.join(PROVIDERS)}")
        if name in PROVIDERS and PROVIDERS[name].place != place:
            raise UsageError(
                f"the library '{name}' computes on a {PROVIDERS[name].place}, and the target is a "
                f"{place}; libraries for it: "
                f"{', '.join(n for n, p in PROVIDERS.items() if p.place == place)}"
            )
        if name in PROVIDERS and name not in here:
            raise MissingExtraError(f"{PROVIDERS[name].missing}")
    return tuple(found)
