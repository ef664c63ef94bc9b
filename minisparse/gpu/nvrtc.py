"""Compile CUDA C for a generation of cards where no card is: by NVRTC, NVIDIA's compiler library.

NVRTC comes in a wheel of its own, with the headers in others; CuPy has a binding to it that needs
no device. What ``ptxas`` says while it assembles tells how many registers a kernel takes, and
whether some did not fit and were *spilled* to memory. NVRTC and ptxas are those of CUDA: see the
NVRTC guide, and the CUDA Binary Utilities.
"""

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from minisparse.core.errors import MinisparseError
from minisparse.core.extras import is_installed, require

ARCHITECTURES = ("sm_80", "sm_90")
"""Generations that everything is compiled for in the tests: Ampere (A100) and Hopper (H100)."""
_EXTRA = "nvrtc"
_PURPOSE = "compiling CUDA C without a card"


class CompileError(MinisparseError, ValueError):
    """CUDA C that NVRTC does not compile; the message has what it says."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one kernel takes of a multiprocessor, as ``ptxas -v`` says.

    Attributes
    ----------
    registers : int
        Of each thread, of 32 bits.
    spill_stores, spill_loads : int
        Bytes that did not fit into registers, and are written to memory and read from there.
    stack : int
        Bytes of memory of each thread, such as for an array that is indexed by a variable.
    shared_bytes : int
        Shared memory of each block, without what a launch adds.
    """

    registers: int
    spill_stores: int
    spill_loads: int
    stack: int
    shared_bytes: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """CUDA C, compiled.

    Attributes
    ----------
    cubin : bytes
        Machine code: an ELF file that a card of this generation loads.
    kernels : dict
        Of each kernel by name, the :class:`Resources`.
    log : str
        All that NVRTC and ptxas said.
    """

    cubin: bytes
    kernels: dict[str, Resources]
    log: str

    @property
    def registers(self) -> int:
        """Of the kernel that takes most."""
        return max((k.registers for k in self.kernels.values()), default=0)

    @property
    def spill_stores(self) -> int:
        """Bytes, of all kernels."""
        return sum(k.spill_stores for k in self.kernels.values())

    @property
    def spill_loads(self) -> int:
        """Bytes, of all kernels."""
        return sum(k.spill_loads for k in self.kernels.values())

    @property
    def shared_bytes(self) -> int:
        """Of the kernel that takes most."""
        return max((k.shared_bytes for k in self.kernels.values()), default=0)


def is_available() -> bool:
    """Tell whether what :func:`compile_cuda` needs is installed."""
    return all(is_installed(name) for name in ("cupy", "nvidia", "nvidia.cu13"))


def compile_cuda(code: str, arch: str = "sm_90", options: Sequence[str] = ()) -> Compiled:
    """Compile CUDA C to machine code; no card and no driver is needed.

    Parameters
    ----------
    code : str
        The source. Headers of CUDA and of CuPy are found.
    arch : str
        The generation of cards.
    options : sequence of str
        As NVRTC takes them, such as ``-DTILE=64``.

    Raises
    ------
    CompileError
        If it does not compile.
    MissingExtraError
        If NVRTC or its headers are not installed.

    Examples
    --------
    >>> code = 'extern "C" __global__ void half(float *x) { x[threadIdx.x] *= 0.5f; }'
    >>> compile_cuda(code).kernels["half"].spill_stores  # doctest: +SKIP
    0
    """
    nvrtc: Any = require("cupy.cuda", _EXTRA, _PURPOSE).nvrtc
    require("nvidia.cu13", _EXTRA, _PURPOSE)
    given = ["-std=c++17", "-default-device", f"-arch={arch}", "--ptxas-options=-v", *options]
    if "#include" in code:
        # CuPy's headers take a second. Precompiled, they are kept by NVRTC as long as the process
        # lives, for the next program with the same ones.
        given += [*(f"-I{folder}" for folder in include_folders()), "--pch"]
    program = nvrtc.createProgram(code, "kernel.cu", (), ())
    try:
        nvrtc.compileProgram(program, tuple(given))
        log = nvrtc.getProgramLog(program)
        return Compiled(nvrtc.getCUBIN(program), resources(log), log)
    except nvrtc.NVRTCError as error:
        raise CompileError(
            f"NVRTC does not compile this for {arch}: {nvrtc.getProgramLog(program)}"
        ) from error
    finally:
        nvrtc.destroyProgram(program)


def resources(log: str) -> dict[str, Resources]:
    """Return what ``ptxas -v`` says of each kernel.

    Examples
    --------
    >>> log = '''ptxas info : Compiling entry function 'f' for 'sm_90'
    ... ptxas info : Function properties for f
    ...     8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
    ... ptxas info : Used 40 registers, used 1 barriers, 1024 bytes smem'''
    >>> resources(log)["f"].registers, resources(log)["f"].shared_bytes
    (40, 1024)
    """
    found = {}
    for part in re.split(r"(?=Compiling entry function)", log)[1:]:
        name = re.search(r"entry function '(\w+)'", part)
        assert name is not None, part
        found[name[1]] = Resources(
            _number(r"Used (\d+) registers", part),
            _number(r"(\d+) bytes spill stores", part),
            _number(r"(\d+) bytes spill loads", part),
            _number(r"(\d+) bytes stack frame", part),
            _number(r"(\d+) bytes smem", part),
        )
    return found


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return 0 if found is None else int(found[1])


@cache
def include_folders() -> tuple[str, ...]:
    """Return where the headers of CuPy and of NVIDIA's wheels lie.

    Raises
    ------
    MissingExtraError
        If a package is not installed.
    """
    core = _folder("cupy._core")
    cuda = _folder("nvidia.cu13") / "include"
    return (str(core / "include"), str(cuda), str(cuda / "cccl"))


def _folder(package: str) -> Path:
    require(package, _EXTRA, _PURPOSE)
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(next(iter(found.submodule_search_locations)))
