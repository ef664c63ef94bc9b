"""Thread programs of products in CUDA C, for each dtype and index width; no card is needed."""

import re
import warnings
from typing import Any

import numpy as np
import pytest

from minisparse.core import index
from minisparse.core.extras import is_installed
from minisparse.gpu import simulator
from minisparse.gpu.translate import translate, type_of
from minisparse.kernels import KERNELS, execute, pack
from minisparse.kernels.registers import DTYPES
from minisparse.ops import ADD, ADD_BIAS, CLIP, GELU, RELU, SILU, SPMM
from tests.kernels.gpu.products import Launches, every_launch, pruned, stored

PROGRAMS = {
    "spmv_row_per_thread", "spmv_row_per_warp", "spmv_merge_path", "spmv_block_row_per_warp",
    "spmv_groups_per_warp", "spmm_row_per_lanes", "spmm_row_per_warp", "spmm_entry_per_lanes",
    "spmm_column_per_lanes", "spmv_column_per_lanes", "spmv_entries_per_warp", "spmm_block_row",
    "spmm_groups_per_lane", "spmm_t_row_per_lanes", "spmv_merge_carries",
}  # fmt: skip
SUMS = {
    "float16": "float", "float32": "float", "float64": "double", "int8": "int", "uint8": "int",
    "int16": "int", "int32": "int", "int64": "long long",
}  # fmt: skip
"""In what sums are made, of products of a dtype."""


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Launches:
    if not is_installed("cupy"):
        pytest.skip("CuPy, which translates thread programs, is not installed")
    found = Launches()
    monkeypatch.setattr(simulator, "simulate", found)
    return found


def cuda_c(launches: Launches) -> dict[str, str]:
    """Return the CUDA C of every program that was launched; those alike once."""
    found: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the jit's: that it is experimental
        for program, _, _, args in launches:
            types = [type_of(np.int32(x) if isinstance(x, int) else x) for x in args]
            key = f"{program.name} {id(program)} {types}"
            if key not in found:
                found[key] = translate(program, types).code
    return found


@pytest.mark.parametrize(
    ("dtype", "limit"), [*((dtype, 2**31 - 1) for dtype in DTYPES), ("float32", 3), ("int64", 3)]
)
def test_every_program_translates(
    dtype: str, limit: int, launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "INT32_LIMIT", limit)
    for launch in every_launch((3, 130), dtype):
        launch()
    assert {program.name for program, *_ in launches} == PROGRAMS
    for code in cuda_c(launches).values():
        assert 'extern "C" __global__ void sp' in code
        if " total" in code:
            assert re.search(rf"\b{SUMS[dtype]} total\b", code)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
def test_epilogues_translate_with_the_program(dtype: str, launches: Launches) -> None:
    rng = np.random.default_rng(0)
    kernel = KERNELS["spmm_csr"]
    a = stored(pruned(rng, dtype), "csr")
    assert a is not None
    chain = SPMM.then(ADD_BIAS).then(CLIP).then(ADD).then(RELU)
    attrs: dict[str, Any] = {"min": -1, "max": 2}
    if dtype.startswith("f"):
        chain, attrs["approximate"] = chain.then(SILU).then(GELU), "tanh"
    c = np.ones((a.shape[0], 3), dtype)
    level = kernel.levels["gpu"]
    execute(chain, level, (pack(level, a), c[:1].repeat(a.shape[1], 0), c[:, 0], c), attrs)
    ((_, code),) = cuda_c(launches).items()
    assert ("exp" in code) == dtype.startswith("f")
    for step in ("put_", "at_least_", "at_most_", "add_first_", "add_second_"):
        assert f" {step}" in code
    assert (" rounded_" in code) == (dtype in ("float16", "int8"))
