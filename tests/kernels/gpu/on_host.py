"""Run the package's CUDA C on a CPU: compiled by a C compiler, with ``host/instructions.cuh``."""

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.gpu.cuda_source import Constants, CudaSource

HERE = Path(__file__).parent
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc)")


@dataclass(frozen=True)
class Launched:
    """What a run told beside its results: turns that ldmatrix took beyond those it needs."""

    conflicts: int


def launch(
    source: CudaSource,
    folder: Path,
    grid: tuple[int, int],
    block: int,
    args: Sequence[Array | np.generic],
    constants: Constants,
    shared_bytes: int = 227 * 1024,
    eager: bool = False,
    backward: bool = False,
) -> Launched:
    """Compile a kernel for this CPU and run it; results are in the arrays afterwards.

    Raises
    ------
    AssertionError
        If a thread does what it must not, such as to read outside of all arrays.
    """
    library = compiled(source, folder, args, constants, (shared_bytes, eager, backward))
    sizes = (ctypes.c_size_t * len(args))(*(x.nbytes for x in args))
    held = [np.ascontiguousarray(x) for x in args]  # of scalars: arrays that hold them
    pointers = (ctypes.c_void_p * len(args))(*(x.ctypes.data for x in held))
    conflicts = library.launch(*grid, block, pointers, sizes, len(args))
    failure = ctypes.c_char_p(ctypes.addressof(ctypes.c_char.in_dll(library, "failure"))).value
    assert not failure, failure.decode()
    return Launched(conflicts)


def compiled(
    source: CudaSource,
    folder: Path,
    args: Sequence[Array | np.generic],
    constants: Constants,
    mode: tuple[int, bool, bool],
) -> ctypes.CDLL:
    """Return the kernel as a library; ``launch`` in it takes the arguments by their addresses."""
    limit, eager, backward = mode
    passed = ", ".join(
        f"*(int *)arguments[{i}]" if isinstance(x, np.generic) else f"arguments[{i}]"
        for i, x in enumerate(args)
    )
    text = f"""
#define SHARED_LIMIT {limit}
#define EAGER {int(eager)}
#define BACKWARD {int(backward)}
#include "{source.file.name}"
static void **arguments;
static void body(void) {{ {source.name}({passed}); }}
int launch(int gx, int gy, int block, void **given, const size_t *sizes, int count) {{
    arguments = given;
    region_count = conflicts = 0;
    for (int i = 0; i < count; ++i) register_region(given[i], sizes[i]);
    for (blockIdx.y = 0; blockIdx.y < gy; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < gx && !*failure; ++blockIdx.x) run_block(block);
    return conflicts;
}}
"""
    # A library that is loaded must not be written over.
    main, built = folder / "main.c", folder / f"{len(list(folder.iterdir()))}.so"
    main.write_text(text)
    # A file of the package would find instructions.cuh beside itself first, if it were there.
    (folder / source.file.name).write_text(source.file.read_text())
    flags = "-std=gnu11 -O1 -w -ffp-contract=off -shared -fPIC".split()
    given = [f"-I{HERE / 'host'}", *source.options(constants), "-o", str(built), str(main)]
    subprocess.run(["cc", *flags, *given], check=True)
    return ctypes.CDLL(str(built))
