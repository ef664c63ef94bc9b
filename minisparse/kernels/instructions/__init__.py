"""What single instructions compute, bit for bit, so that a result on hardware can be predicted.

``table.py`` lists them, ``emulate.py`` multiplies whole matrices as they would. This folder has no
kernels: nothing here is chosen by a plan.
"""

from minisparse.kernels.instructions.emulate import emulate
from minisparse.kernels.instructions.fma import CHAIN, Order, fused_multiply_add
from minisparse.kernels.instructions.narrow import FORMATS, round_to
from minisparse.kernels.instructions.table import INSTRUCTIONS, MachineInstruction
from minisparse.kernels.instructions.tensor_core import CORES, TensorCore, error_bound

__all__ = [
    "CHAIN",
    "CORES",
    "FORMATS",
    "INSTRUCTIONS",
    "MachineInstruction",
    "Order",
    "TensorCore",
    "emulate",
    "error_bound",
    "fused_multiply_add",
    "round_to",
]
