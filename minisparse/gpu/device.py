"""Whether a graphics card is here, asked of its driver: CuPy need not be imported for that."""

import ctypes
import sys
from functools import cache

from minisparse.core.errors import MissingExtraError, UsageError
from minisparse.core.extras import is_installed

_DRIVERS = {"win32": "nvcuda.dll"}
_USUAL = "libcuda.so.1"


@cache
def device_count() -> int:
    """Return how many cards CUDA's driver finds; 0 where there is no driver.

    After the CUDA Driver API reference: ``cuInit``, ``cuDeviceGetCount``.
    """
    try:
        driver = ctypes.CDLL(_DRIVERS.get(sys.platform, _USUAL))
    except OSError:
        return 0
    found = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(found)):
        return 0
    return found.value


def require_device(purpose: str) -> None:
    """Raise an error that says what is missing, unless CuPy and a card are here.

    Parameters
    ----------
    purpose : str
        What needs them, as a noun phrase: ``"minisparse calibrate --target gpu"``.

    Raises
    ------
    MissingExtraError
        If CuPy is not installed.
    UsageError
        If the driver finds no card.
    """
    if not is_installed("cupy"):
        raise MissingExtraError(
            f"{purpose} needs CuPy, which is not installed: for a driver of CUDA 13 "
            f'pip install "minisparse[gpu-cuda13]", of CUDA 12 "minisparse[gpu-cuda12]"'
        )
    if not device_count():
        raise UsageError(
            f"{purpose} needs a graphics card of NVIDIA's, and CUDA's driver finds none: see what "
            f"nvidia-smi says, and whether CUDA_VISIBLE_DEVICES hides it"
        )
