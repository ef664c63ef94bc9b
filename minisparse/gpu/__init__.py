"""Thread programs: the language, the simulator, and the way to a card."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from minisparse.gpu import jit
from minisparse.gpu.program import DeviceFunction, ThreadProgram, device_function, thread_program

if TYPE_CHECKING:
    from minisparse.gpu.simulation.sites import Finding, SimulationError
    from minisparse.gpu.simulator import Simulation, checking, simulate

__all__ = [
    "DeviceFunction",
    "Finding",
    "Simulation",
    "SimulationError",
    "ThreadProgram",
    "checking",
    "device_function",
    "jit",
    "simulate",
    "thread_program",
]


def __getattr__(name: str) -> Any:
    """Load the simulator when a name of it is first asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    home = "simulation.sites" if name in ("Finding", "SimulationError") else "simulator"
    found = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return found
