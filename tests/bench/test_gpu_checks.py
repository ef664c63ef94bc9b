"""The checks of ``minisparse bench gpu``, on a pretended card: what they find."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from minisparse.bench.gpu import check_kernels, check_levels, check_warp
from minisparse.bench.gpu.check_formats import check_conversion, check_dense
from minisparse.bench.gpu.check_kernels import check_bits, check_level, same_bits
from minisparse.bench.gpu.operands import compute, held_samples, in_format
from minisparse.bench.gpu.part import FailedItem, SkippedItem
from minisparse.bench.gpu.parts import parts
from minisparse.core.extras import is_installed
from minisparse.core.triplets import Triplets
from minisparse.formats import CSR
from minisparse.gpu import simulate
from minisparse.gpu.nvrtc import compile_cuda
from minisparse.gpu.tensor_cores import mma, mma_sp
from minisparse.gpu.translate import _LAUNCHED
from minisparse.kernels import KERNELS, Level, execute
from minisparse.ops import OPS
from tests.kernels.reference import hold
from tests.pretend.array import bare


@pytest.mark.usefixtures("pretend_cupy")
@pytest.mark.parametrize("name", ["spmm_csr", "spmv_coo", "sddmm_csr", "resize_dense"])
def test_kernels_are_checked_on_the_card(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = KERNELS[name]
    levels = [level for level in ("gpu", "vectorized") if level in kernel.levels]
    for level in levels:
        assert check_level(kernel, level, quick=True)["right"] >= 6

    def off(*given: Any) -> Any:
        result = compute(*given)
        return result.with_data(result.data + 1) if hasattr(result, "with_data") else result + 1

    monkeypatch.setattr(check_kernels, "compute", off)
    with pytest.raises(FailedItem, match=r"wrong, \d+ right"):
        check_level(kernel, levels[0], quick=True)


@pytest.mark.usefixtures("pretend_cupy")
def test_bits_are_compared_where_the_order_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    flipped = [0.0]

    def launch(program: Any, grid: Any, block: Any, args: Any) -> None:
        simulate(program, grid, block, [bare(x) for x in args])
        launched = _LAUNCHED.get()
        assert launched is not None
        launched.append(program)
        out = bare(args[-1]) if hasattr(args[-1], "shape") else None
        if flipped[0] and out is not None and out.size:
            out.reshape(-1)[0] += flipped[0]

    monkeypatch.setattr("minisparse.gpu.translate.launch", launch)
    assert check_bits(KERNELS["spmv_csr"], quick=True)["same"] == 2
    with pytest.raises(SkippedItem, match="sum in any order"):
        check_bits(KERNELS["spmv_coo"], quick=True)

    def off(kernel: Any, level: str, operands: Any, sample: Any, device: str) -> Any:
        result = compute(kernel, level, operands, sample, device)
        return np.nextafter(result, 9) if device == "gpu" else result

    monkeypatch.setattr(check_kernels, "compute", off)
    with pytest.raises(FailedItem, match="gives other bits on the card than in the simulator"):
        check_bits(KERNELS["spmv_csr"], quick=True)


@pytest.mark.usefixtures("pretend_cupy")
def test_levels_are_checked_on_odd_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_levels, "SIZES", ((16, 16, 3), (48, 32, 1)))
    level = KERNELS["spmm_csr"].levels["gpu"]
    assert check_levels.check_level(level, "csr")["right"] == 4
    bsr = check_levels.check_level(KERNELS["spmm_bsr"].levels["gpu"], "bsr")
    assert bsr["right"] == 4
    assert bsr["refused"] == ["refuses: blocks do not divide the matrix"]

    def careless(op: Any, *given: Any) -> Any:
        return execute(OPS["spmm_bias"] if op.name == "spmm_bias_relu" else op, *given)

    monkeypatch.setattr(check_levels, "execute", careless)
    with pytest.raises(FailedItem, match=r"spmm_bias_relu: \d+ of \d+ elements are off"):
        check_levels.check_level(level, "csr")
    picky = Level(level.run, level.prepare, why_not=lambda types: "not today")
    with pytest.raises(SkippedItem, match="refuses: not today"):
        check_levels.check_level(picky, "csr")


def test_bits_of_zeros_and_nan() -> None:
    x = np.array([1.0, 0.0, np.nan], "float32")
    assert same_bits(x, x.copy())
    assert not same_bits(x, np.array([1.0, -0.0, np.nan], "float32"))
    assert not same_bits(x, np.array([1.0, 0.0, 2.0], "float32"))
    assert not same_bits(x, x.astype("float64"))


@pytest.mark.usefixtures("pretend_cupy")
def test_conversions_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_conversion("coo", "csr")["matrices"] == 20
    assert check_dense("bsr")["matrices"] == 4
    to = CSR.to

    def off(self: Any, format: str, **layout: Any) -> Any:
        made: Any = to(self, format, **layout)
        on_host = isinstance(made.data, np.ndarray)
        return made if on_host or not made.nnz else made.with_data(made.data + made.data)

    monkeypatch.setattr(CSR, "to", off)
    with pytest.raises(FailedItem, match="13x9 float32, 40 entries: 'data' is float32"):
        check_conversion("csr", "coo")


def test_samples_are_held_as_the_tests_hold_them() -> None:
    for name in ("spmm_nm", "spmm_bsr", "spgemm_bsr", "spmm_csr"):
        kernel = KERNELS[name]
        for sample, operands in held_samples(kernel):
            given = sample.operands[0]
            assert isinstance(given, Triplets)
            block = (2, 3)
            wanted = hold(given, kernel.format_name, block)
            for array, other in zip(
                operands[0].arrays.values(), wanted.arrays.values(), strict=True
            ):
                np.testing.assert_array_equal(array, other)
    rng = np.random.default_rng(0)
    t = Triplets(rng.integers(0, 9, 60), rng.integers(0, 13, 60), np.ones(60, "f"), (9, 13))
    np.testing.assert_array_equal(in_format(t, "nm").to_dense(), hold(t, "nm").to_dense())


def test_one_warp_is_compared_with_its_model(
    pretend_cupy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch(self: Any, grid: Any, block: Any, args: Any, constants: Any) -> None:
        a, b, words, c = map(bare, args)
        assert a.nbytes == b.nbytes == 32 * 16  # a uint4 each lane
        sparse, selector = constants["SPARSE"], constants["SELECTOR"] ^ swapped[0]
        model = mma_sp(c, a, b, words, selector) if sparse else mma(c, a, b[:, :4])
        c[...] = model

    swapped = [0]
    monkeypatch.setattr(type(check_warp.SOURCE), "launch", launch)
    for item in parts()["warps"].items(False):
        assert item.run() == {"warps": 8}
    swapped[0] = 1
    with pytest.raises(FailedItem, match=r"sums differ from the model, first in lane \d+"):
        check_warp.check_instruction(True, 0)


@pytest.mark.skipif(
    not all(map(is_installed, ("cupy", "nvidia"))),
    reason='NVRTC is not installed: pip install "minisparse[nvrtc]"',
)
@pytest.mark.parametrize("sparse", [0, 1])
def test_the_warps_source_compiles(sparse: int) -> None:
    constants = {"BFLOAT": 0, "SPARSE": sparse, "SELECTOR": 1}
    options = check_warp.SOURCE.options(constants)
    text = check_warp.SOURCE.code
    assert "one_warp" in text
    assert compile_cuda(text, "sm_90", options).cubin
