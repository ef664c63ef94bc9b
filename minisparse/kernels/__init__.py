"""How each op is computed: ``<op>/<format>.py``, one algorithm at up to four levels."""

from minisparse.core.discover import declared
from minisparse.kernels.call import Prepared, call, prepare
from minisparse.kernels.execute import EPILOGUE_OPS, execute, make_finish, pack
from minisparse.kernels.functions import spmm, spmm_bias_relu, spmv
from minisparse.kernels.kernel import LEVELS, Finish, Kernel, Level, Work
from minisparse.kernels.lookup import find_level, kernels_for

KERNELS: dict[str, Kernel] = {k.name: k for k in declared(__name__, __path__, Kernel).values()}
"""Every kernel by name."""

__all__ = [
    "EPILOGUE_OPS",
    "KERNELS",
    "LEVELS",
    "Finish",
    "Kernel",
    "Level",
    "Prepared",
    "Work",
    "call",
    "execute",
    "find_level",
    "kernels_for",
    "make_finish",
    "pack",
    "prepare",
    "spmm",
    "spmm_bias_relu",
    "spmv",
]
