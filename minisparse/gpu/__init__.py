"""Thread programs: the language, the simulator, and the way to a card."""

from minisparse.gpu import jit
from minisparse.gpu.program import DeviceFunction, ThreadProgram, device_function, thread_program
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
