"""The card at hand: its name, and waiting for it."""

import numpy as np

from minisparse.core.extras import require
from minisparse.core.xp import namespace, to_device


def card_name(purpose: str) -> str:
    """Return the name of CUDA's current card, as its driver tells it.

    Parameters
    ----------
    purpose : str
        Who asks, for messages: ``"target 'gpu'"``.

    Raises
    ------
    MissingExtraError, UsageError
        If CuPy is not installed, or there is no card.
    """
    cupy = namespace(to_device(np.zeros(0), "gpu", purpose))
    runtime = cupy.cuda.runtime
    name = runtime.getDeviceProperties(cupy.cuda.get_device_id())["name"]
    return name.decode() if isinstance(name, bytes) else str(name)


def wait() -> None:
    """Wait until the current card has done all that it was asked for.

    A launch returns before the card has begun; whoever takes the time has to wait.
    """
    cupy = require("cupy", "gpu-cuda13", "waiting for a GPU")
    cupy.cuda.Device().synchronize()
