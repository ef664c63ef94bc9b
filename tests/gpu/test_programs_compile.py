"""Every thread program of the package, as it is launched: into CUDA C, and of that into cubins.

The kernels' own samples are run in the simulator, and what is launched meanwhile is noted. All that
is translated, whatever the dtypes; compiled is one choice of dtypes of each program.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import pytest

import minisparse as ms
from minisparse.gpu import segments
from minisparse.gpu.nvrtc import ARCHITECTURES, compile_cuda, is_available
from minisparse.gpu.program import Dims, ThreadProgram
from minisparse.gpu.translate import ArrayType, Translated, source_of, translate, type_of
from minisparse.kernels import KERNELS, execute, pack
from minisparse.kernels.spgemm.threads import SLOTS
from minisparse.kernels.spmv import threads_csr
from minisparse.ops import OPS
from tests.kernels.test_every_kernel import held, run, samples

pytestmark = [
    pytest.mark.skipif(
        not is_available(), reason='NVRTC is not installed: pip install "minisparse[nvrtc]"'
    ),
    # CuPy's own, of its translator.
    pytest.mark.filterwarnings("ignore:cupyx.jit.rawkernel is experimental:FutureWarning"),
]
FOLDERS = ("gpu", "kernels")
"""Of the package: those that may have thread programs."""


class Launched(NamedTuple):
    """A program, and the types of what it was given."""

    program: ThreadProgram
    types: tuple[Any, ...]

    @property
    def name(self) -> str:
        return name_of(self.program.function)


def name_of(function: FunctionType) -> str:
    return f"{function.__module__}.{function.__qualname__}"


@pytest.fixture(scope="module")
def launched() -> list[Launched]:
    """Return what is launched for the samples of all kernels, fused ops and generated kernels."""
    found: dict[Launched, None] = {}
    launch = ThreadProgram.__call__

    def noted(program: ThreadProgram, grid: Dims, block: Dims, args: Any) -> None:
        given = [np.int32(x) if type(x) is int else x for x in args]
        given = [np.float32(x) if type(x) is float else x for x in given]
        found[Launched(program, tuple(type_of(x) for x in given))] = None
        launch(program, grid, block, args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ThreadProgram, "__call__", noted)
        _run_samples()
        _run_fused()
        _run_generated()
        _run_rare()
    return list(found)


def _run_samples() -> None:
    for kernel in KERNELS.values():
        if kernel.gpu is not None:
            for sample, operands in samples(kernel, level="gpu"):
                run(kernel, "gpu", operands, sample)


def _run_fused() -> None:
    for op in OPS.values():
        kernel = KERNELS.get(f"{op.base.name}_csr")
        if not op.parts or kernel is None or kernel.gpu is None:
            continue
        level = kernel.levels["gpu"]
        sample = next(iter(op.samples(np.random.default_rng(0))))
        operands = held(kernel, sample)
        assert operands is not None
        if op.weight is not None:
            operands[op.weight] = pack(level, operands[op.weight])
        with np.errstate(all="ignore"):
            execute(op, level, operands, op.complete(sample.attrs))


def _run_generated() -> None:
    x = np.eye(8, dtype=np.float32)
    b, bias = np.ones((8, 4), np.float32), np.ones(8, np.float32)
    ms.generate("spmm", ms.from_dense(x, "csr"), epilogue=["bias", "gelu"], level="gpu").run(
        ms.from_dense(x, "csr"), b, bias
    )
    for format, more in (("csc", {}), ("nm", {"n": 2, "m": 4}), ("bsr", {"block": (2, 4)})):
        a = ms.from_dense(x, format, **more)
        ms.generate("spmm", a, level="gpu").run(a, b)
    a = ms.from_dense(x, "csr")
    ms.generate("sddmm", a, level="gpu").run(a, b, np.ascontiguousarray(b.T))


def _run_rare() -> None:
    """Run what kernels choose for matrices that samples are too small for."""
    rng = np.random.default_rng(0)
    x = (rng.random((40, 60)) < 0.6).astype(np.float32)
    merge = KERNELS["spmv_csr"].levels["gpu"]
    assigned = replace(pack(merge, ms.from_dense(x, "csr"), 1), lanes=threads_csr.MERGE)
    merge.run(assigned, x[0])
    a, b = (ms.from_dense(np.ones(size, np.float32), "csr") for size in ((1, 1), (1, SLOTS[-1])))
    gpu = KERNELS["spgemm_csr"].levels["gpu"]
    gpu.run(pack(gpu, a), b)
    values, indptr = np.ones((6, 1), np.float32), np.array([0, 2, 2, 6])
    for program in (segments.by_thread, segments.by_warp, segments.add_one_by_one):
        program((1,), (128,), (values, indptr, np.zeros((3, 1), np.float32), np.int32(1)))


def written() -> Iterator[str]:
    """Yield the names of all thread programs in the package."""
    for folder in FOLDERS:
        package = importlib.import_module(f"minisparse.{folder}")
        for info in pkgutil.walk_packages(package.__path__, f"minisparse.{folder}."):
            for value in vars(importlib.import_module(info.name)).values():
                if isinstance(value, ThreadProgram):
                    yield name_of(value.function)


def test_samples_reach_every_program(launched: list[Launched]) -> None:
    assert set(written()) - {each.name for each in launched} == set()


@pytest.fixture(scope="module")
def translated(launched: list[Launched]) -> list[tuple[Launched, Translated]]:
    return [(each, translate(each.program, each.types)) for each in launched]


def test_every_program_is_translated_for_all_dtypes(
    translated: list[tuple[Launched, Translated]],
) -> None:
    assert len(translated) > 2 * len(set(written()))
    for each, made in translated:
        assert f"void {made.name}(" in made.code, each.name


def one_source(translated: list[tuple[Launched, Translated]]) -> tuple[str, dict[str, Launched]]:
    """Return all programs as one source, so that CuPy's headers are compiled once.

    Returns
    -------
    code : str
        A namespace for each program, for its device functions; kernels are numbered.
    names : dict
        Which program each kernel is.
    """
    includes: dict[str, None] = {}
    parts, names = [], {}
    for i, (each, made) in enumerate(translated):
        lines = source_of(made).splitlines()
        includes.update(dict.fromkeys(x for x in lines if x.startswith("#include")))
        body = "\n".join(x for x in lines if not x.startswith("#include"))
        name = f"{made.name}_{i}"
        parts.append(
            f"namespace n{i} {{\n{body.replace(f'void {made.name}(', f'void {name}(')}\n}}"
        )
        names[name] = each
    return "\n".join([*includes, *parts]), names


def is_single(launched: Launched) -> bool:
    types = [t for t in launched.types if isinstance(t, ArrayType)]
    return any(t.dtype == "float32" for t in types)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_program_compiles_without_spills(
    translated: list[tuple[Launched, Translated]], arch: str
) -> None:
    options = {made.options for _, made in translated}
    assert len(options) == 1
    code, names = one_source([pair for pair in translated if is_single(pair[0])])
    kernels = compile_cuda(code, arch, *options).kernels
    assert set(kernels) == set(names)
    for name, kernel in kernels.items():
        spilled = kernel.spill_stores + kernel.spill_loads
        assert spilled == 0, f"{names[name].name} of {names[name].types}: {kernel}"
