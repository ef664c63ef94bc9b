"""A kernel in CUDA C: a file of the package, compiled with constants, and launched by CuPy.

CUDA C is written only where the language of threads (:mod:`minisparse.gpu.jit`) has no words:
tensor cores, tiles in registers, copies that go on in the background. The files stand beside the
Python modules that launch them, and name their constants by macros.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from minisparse.core.extras import require

_INSTRUCTIONS = Path(__file__).parent / "tensor_cores" / "instructions.cuh"
_STATIC_LIMIT = 48 * 1024
"""Bytes of shared memory that a block has without asking for more."""

Constants = Mapping[str, int | str]
"""What macros stand for, by name."""


@dataclass(frozen=True)
class CudaSource:
    """A kernel in CUDA C.

    Attributes
    ----------
    name : str
        Of the kernel in the file.
    file : Path
        Its source, ``.cu``.
    """

    name: str
    file: Path

    @property
    def code(self) -> str:
        """The source, with ``instructions.cuh`` in the place where it is included.

        Compiled kernels are kept by their source, so that all of it has to be in one text.
        """
        text = self.file.read_text(encoding="utf-8")
        line = f'#include "{_INSTRUCTIONS.name}"\n'
        return text.replace(line, _INSTRUCTIONS.read_text(encoding="utf-8"))

    def options(self, constants: Constants) -> tuple[str, ...]:
        """Return what the compiler must be told.

        Parameters
        ----------
        constants : mapping
            A value for each macro of the file.

        Examples
        --------
        >>> CudaSource("f", Path("f.cu")).options({"TILE": 64, "SUM": "float"})
        ('-DTILE=64', '-DSUM=float')
        """
        return tuple(f"-D{name}={value}" for name, value in constants.items())

    def launch(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Sequence[Any],
        constants: Constants,
        shared_bytes: int = 0,
    ) -> None:
        """Run the kernel on the card where its arrays lie, compiled at the first call.

        Parameters
        ----------
        grid, block : tuple of int
            Blocks of the grid, and threads of a block, along each axis.
        args : sequence
            Arrays of CuPy, and scalars of NumPy.
        constants : mapping
            A value for each macro of the file.
        shared_bytes : int
            Shared memory of a block that the source leaves open.
        """
        cupy = require("cupy", "gpu-cuda13", "running on a GPU")
        device = cupy.cuda.get_device_id()
        kernel = _kernel(self, tuple(constants.items()), shared_bytes, device)
        kernel(grid, block, tuple(args), shared_mem=shared_bytes)


@cache
def _kernel(
    source: CudaSource, constants: tuple[tuple[str, int | str], ...], shared_bytes: int, device: int
) -> Any:
    """Return CuPy's kernel for the current card, which is ``device``."""
    cupy = require("cupy", "gpu-cuda13", "running on a GPU")
    options = ("-std=c++17", *source.options(dict(constants)))
    kernel = cupy.RawKernel(source.code, source.name, options=options)
    if shared_bytes > _STATIC_LIMIT:
        kernel.max_dynamic_shared_size_bytes = shared_bytes
    return kernel
