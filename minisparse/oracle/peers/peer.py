"""What a peer is: another library's kernels behind the plain-array contracts."""

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import MissingExtraError
from minisparse.core.extras import is_installed
from minisparse.oracle.outcomes import Unsupported
from minisparse.oracle.profile import Profile


@dataclass(frozen=True)
class Peer:
    """Another library, and how its functions are called.

    An adapter builds the library's own matrix, calls one public function, and takes the result
    apart. It converts index arrays where the library wants one dtype; it never sorts, sums or
    changes values on the way, but where its docstring says so.

    Attributes
    ----------
    name : str
        How it is asked for.
    module : str
        What must be importable.
    packages : tuple of str
        Names of the distributions whose versions matter.
    install : str
        The command that installs it.
    profile : str or Profile
        What its documentation amounts to: a preset's name, or a profile of its own.
    adapters : mapping
        From contracts to adapters, which take plain arrays.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    install: str
    profile: str | Profile
    adapters: Mapping[str, Callable[..., Any]]

    def versions(self) -> dict[str, str]:
        """Return the versions that are installed.

        Raises
        ------
        MissingExtraError
            If it is not installed; the message says how to install it.
        """
        if not is_installed(self.module):
            raise MissingExtraError(
                f"peer {self.name}: '{self.module}' is not installed: {self.install}"
            )
        return {name: importlib.metadata.version(name) for name in self.packages}


def only(kinds: str, *arrays: Array) -> None:
    """Refuse arrays whose dtype is none of ``kinds``, names with spaces between.

    Raises
    ------
    Unsupported
        Naming the dtype.
    """
    for x in arrays:
        if x.dtype.name not in kinds.split():
            raise Unsupported(f"values of {x.dtype}")


def alike(*arrays: Array) -> None:
    """Refuse arrays of different dtypes.

    Raises
    ------
    Unsupported
        Naming the dtypes.
    """
    names = {x.dtype.name for x in arrays}
    if len(names) > 1:
        raise Unsupported("operands of different dtypes")


def index_arrays(*arrays: Array) -> list[Array]:
    """Return index arrays as int32 if all are, else as int64; contiguous."""
    narrow = all(x.dtype == np.int32 for x in arrays)
    return [np.ascontiguousarray(x, np.int32 if narrow else np.int64) for x in arrays]
