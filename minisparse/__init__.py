"""minisparse: a readable reference interpreter for sparse neural networks.

Everything below is imported when it is first used, so ``import minisparse`` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from minisparse import debugger, examples, formats, graph, kernels, ops, oracle, pruning, show
    from minisparse.api import ShrinkResult, compile, load, shrink
    from minisparse.core.errors import (
        DTypeError,
        FormatError,
        InternalError,
        MinisparseError,
        MissingExtraError,
        ShapeError,
        UnsupportedOpError,
        UsageError,
    )
    from minisparse.debugger import debug
    from minisparse.evaluation import Evaluation, evaluate
    from minisparse.formats import (
        BSR,
        COO,
        CSC,
        CSR,
        NM,
        Matrix,
        block_diag,
        convert,
        find_pattern,
        from_dense,
        from_scipy,
        hstack,
        load_npz,
        read_mtx,
        read_safetensors,
        save_npz,
        vstack,
        write_mtx,
    )
    from minisparse.frontends.onnx.export import to_onnx
    from minisparse.frontends.torch import from_torch
    from minisparse.graph import Graph, GraphBuilder
    from minisparse.kernels.call import prepare
    from minisparse.kernels.cellwise import (
        add,
        clip,
        gelu,
        multiply,
        reduce_max,
        reduce_mean,
        reduce_min,
        reduce_sum,
        relu,
        silu,
    )
    from minisparse.kernels.functions import (
        attention,
        dsmm,
        sddmm,
        softmax,
        spgemm,
        spmm,
        spmm_bias_relu,
        spmm_t,
        spmv,
    )
    from minisparse.kernels.generate import Generated, generate
    from minisparse.kernels.spgemm.bound import spgemm_bound
    from minisparse.pruning import GradualSchedule, prune, pruning_report, recognize

_HOME = {
    "minisparse.api": ("ShrinkResult", "compile", "load", "shrink"),
    "minisparse.core.errors": (
        "DTypeError",
        "FormatError",
        "InternalError",
        "MinisparseError",
        "MissingExtraError",
        "ShapeError",
        "UnsupportedOpError",
        "UsageError",
    ),
    "minisparse.debugger": ("debug",),
    "minisparse.evaluation": ("Evaluation", "evaluate"),
    "minisparse.formats": (
        "BSR",
        "COO",
        "CSC",
        "CSR",
        "NM",
        "Matrix",
        "block_diag",
        "convert",
        "find_pattern",
        "from_dense",
        "from_scipy",
        "hstack",
        "load_npz",
        "read_mtx",
        "read_safetensors",
        "save_npz",
        "vstack",
        "write_mtx",
    ),
    "minisparse.frontends.onnx.export": ("to_onnx",),
    "minisparse.frontends.torch": ("from_torch",),
    "minisparse.graph": ("Graph", "GraphBuilder"),
    "minisparse.kernels.call": ("prepare",),
    "minisparse.kernels.cellwise": (
        "add",
        "clip",
        "gelu",
        "multiply",
        "reduce_max",
        "reduce_mean",
        "reduce_min",
        "reduce_sum",
        "relu",
        "silu",
    ),
    "minisparse.kernels.functions": (
        "attention",
        "dsmm",
        "sddmm",
        "softmax",
        "spgemm",
        "spmm",
        "spmm_bias_relu",
        "spmm_t",
        "spmv",
    ),
    "minisparse.kernels.generate": ("Generated", "generate"),
    "minisparse.kernels.spgemm.bound": ("spgemm_bound",),
    "minisparse.pruning": ("GradualSchedule", "prune", "pruning_report", "recognize"),
}
_ROOMS = ("debugger", "examples", "formats", "graph", "kernels", "ops", "oracle", "pruning", "show")

__all__ = [
    "BSR",
    "COO",
    "CSC",
    "CSR",
    "NM",
    "DTypeError",
    "Evaluation",
    "FormatError",
    "Generated",
    "GradualSchedule",
    "Graph",
    "GraphBuilder",
    "InternalError",
    "Matrix",
    "MinisparseError",
    "MissingExtraError",
    "ShapeError",
    "ShrinkResult",
    "UnsupportedOpError",
    "UsageError",
    "add",
    "attention",
    "block_diag",
    "clip",
    "compile",
    "convert",
    "debug",
    "debugger",
    "dsmm",
    "evaluate",
    "examples",
    "find_pattern",
    "formats",
    "from_dense",
    "from_scipy",
    "from_torch",
    "gelu",
    "generate",
    "graph",
    "hstack",
    "kernels",
    "load",
    "load_npz",
    "multiply",
    "ops",
    "oracle",
    "prepare",
    "prune",
    "pruning",
    "pruning_report",
    "read_mtx",
    "read_safetensors",
    "recognize",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_sum",
    "relu",
    "save_npz",
    "sddmm",
    "show",
    "shrink",
    "silu",
    "softmax",
    "spgemm",
    "spgemm_bound",
    "spmm",
    "spmm_bias_relu",
    "spmm_t",
    "spmv",
    "to_onnx",
    "vstack",
    "write_mtx",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name in _ROOMS:
        return importlib.import_module(f"minisparse.{name}")
    for home, names in _HOME.items():
        if name in names:
            value = getattr(importlib.import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'minisparse' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return [*__all__, "__version__"]
