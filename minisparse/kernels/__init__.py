"""How each op is computed: ``<op>/<format>.py``, one algorithm at up to four levels."""

from typing import Any

from minisparse.core.discover import declared
from minisparse.kernels.call import Prepared, call, prepare
from minisparse.kernels.counts import Counts
from minisparse.kernels.execute import EPILOGUE_OPS, Epilogue, bind, execute, pack
from minisparse.kernels.kernel import GENERATED, HOST_LEVELS, LEVELS, Finish, Kernel, Level, Work
from minisparse.kernels.library import PROVIDERS, Provider
from minisparse.kernels.lookup import find_level, kernels_for, level_of, usable_levels
from minisparse.kernels.plain import plain_kernels
from minisparse.kernels.spgemm.bound import SpgemmBound, spgemm_bound

KERNELS: dict[str, Kernel]
"""Every kernel by name. They are loaded when this is first asked for; those of an op need less."""

__all__ = [
    "EPILOGUE_OPS",
    "GENERATED",
    "HOST_LEVELS",
    "KERNELS",
    "LEVELS",
    "PROVIDERS",
    "Counts",
    "Epilogue",
    "Finish",
    "Kernel",
    "Level",
    "Prepared",
    "Provider",
    "SpgemmBound",
    "Work",
    "bind",
    "call",
    "execute",
    "find_level",
    "kernels_for",
    "level_of",
    "pack",
    "prepare",
    "spgemm_bound",
    "usable_levels",
]


def __getattr__(name: str) -> Any:
    """Load every kernel when they are first asked for (PEP 562)."""
    if name == "KERNELS":
        found = {k.name: k for k in declared(__name__, __path__, Kernel).values()}
        found |= plain_kernels(found)
        globals()[name] = found
        return found
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
