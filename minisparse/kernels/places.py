"""Where operands lie: in main memory, or on a device; all that meet must lie in one place.

Nothing is copied across the bus behind the caller's back: where arrays are is where it runs.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.xp import namespace
from minisparse.formats import Matrix
from minisparse.kernels.kernel import GENERATED, Kernel, Level
from minisparse.kernels.lookup import level_of
from minisparse.ops import Op

ON_DEVICE_TOO = "level='gpu' or level='vectorized'"


def place_of(*operands: Any) -> str:
    """Return ``"gpu"`` if any of some matrices and arrays lies on a device, else ``"cpu"``.

    Examples
    --------
    >>> place_of(np.zeros(3))
    'cpu'
    """
    if sys.modules.get("cupy") is None:  # then nothing can lie there
        return "cpu"
    arrays = [x.data if isinstance(x, Matrix) else x for x in operands]
    return "cpu" if namespace(*arrays) is np else "gpu"


def one_place(op: Op, operands: Sequence[Any], out: Any = None) -> str:
    """Return where operands lie, ``"cpu"`` or ``"gpu"``.

    Parameters
    ----------
    op : Op
        Whose they are.
    operands : sequence of Matrix or ndarray
        The operands.
    out : ndarray, optional
        Where the result is to go.

    Raises
    ------
    UsageError
        If some lie on a device and others do not; the message says how to move one.
    """
    if place_of(*operands, out) == "cpu":
        return "cpu"
    named = dict(zip(op.operand_names(len(operands)), operands, strict=False))
    if out is not None:
        named["out"] = out
    here = [name.rstrip("?*") for name, x in named.items() if place_of(x) == "cpu"]
    if here:
        raise UsageError(
            f"{op.name}: {', '.join(here)} in main memory, but the rest on the GPU: nothing is "
            f"copied unasked; write cupy.asarray(x) or A.to_device('gpu'), or on the other side "
            f"x.get() or A.to_device('cpu')"
        )
    return "gpu"


def level_at(kernel: Kernel, name: str, place: str) -> Level:
    """Return a level by its name, for operands that lie at a place.

    Raises
    ------
    UnsupportedOpError
        If the level is for main memory only.
    """
    if place == "gpu" and name in ("loops", GENERATED):
        why = "an element at a time would cross the bus" if name == "loops" else "it calls NumPy"
        raise UnsupportedOpError(
            f"{kernel.name}: the level {name} is for operands in main memory, since {why}: take "
            f"{ON_DEVICE_TOO}, or bring them there with x.get() or A.to_device('cpu')"
        )
    return level_of(kernel, name).on(place == "gpu")
