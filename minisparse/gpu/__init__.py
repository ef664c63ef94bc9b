"""Thread programs: the language, the simulator, and the way to a card."""

from minisparse.gpu import jit
from minisparse.gpu.program import DeviceFunction, ThreadProgram, device_function, thread_program
from minisparse.gpu.simulator import Simulation, SimulationError, simulate

__all__ = [
    "DeviceFunction",
    "Simulation",
    "SimulationError",
    "ThreadProgram",
    "device_function",
    "jit",
    "simulate",
    "thread_program",
]
