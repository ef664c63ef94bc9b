"""The emulated bits against those of the machine at hand, by a C program of intrinsics.

Which instructions are asked depends on the machine: few have all of them, and none of those tested
here are NVIDIA's. The scalar multiply-add is asked everywhere; without a C compiler, nothing is.
"""

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.kernels.instructions import CHAIN, INSTRUCTIONS, Order, emulate
from tests.kernels.instructions.references import KINDS, bits

SOURCE = Path(__file__).with_name("hardware.c")
FLAGS = {  # what Linux calls the features that each function needs
    "avx2_fma_f32": {"avx2", "fma"},
    "avx2_fma_f64": {"avx2", "fma"},
    "avx512_fma_f32": {"avx512f"},
    "avx512_fma_f64": {"avx512f"},
    "avx512_dot_f32": {"avx512f"},
    "avx512_dpbusd": {"avx512f", "avx512_vnni"},
    "avx512_dpbusds": {"avx512f", "avx512_vnni"},
    "avx2_maddubs": {"avx2"},
    "neon_fma_f32": {"asimd"},
    "neon_fma_f64": {"asimd"},
}


def features() -> set[str]:
    """Return what the processor says it can do; nothing where that cannot be read."""
    told = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "aarch64") or not told.exists():
        return set()
    lines = told.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [line for line in lines if line.startswith(("flags", "Features"))]
    return set(found[0].partition(":")[2].split()) if found else set()


HERE = [name for name, needed in FLAGS.items() if needed <= features()]
FLOATS = ["scalar_fma_f32", "scalar_fma_f64", *(name for name in HERE if "fma" in name)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("cc") is None:
        pytest.skip("no compiler: cc")
    made = tmp_path_factory.mktemp("hardware") / "hardware.so"
    # No -ffast-math, and no contraction: a sum that is written as a sum stays one.
    command = ["cc", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-o", str(made), str(SOURCE)]
    done = subprocess.run([*command, "-lm"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(made))


def on_hardware(library: ctypes.CDLL, name: str, a: Array, b: Array, c: Array) -> Array:
    d: Array = np.ascontiguousarray(c).copy()
    arrays = [np.ascontiguousarray(a), np.ascontiguousarray(b), d]
    sizes = [ctypes.c_long(x) for x in (*d.shape, a.shape[1])]
    library[name](*sizes, *(x.ctypes.data_as(ctypes.c_void_p) for x in arrays))
    return d


def hard(rng: np.random.Generator, shape: tuple[int, int], dtype: str, spread: str) -> Array:
    """Return numbers of one size, of every size, or around the smallest; some special."""
    _, smallest, largest = KINDS[dtype]
    power = {
        "alike": np.zeros(shape, int),
        "spread": rng.integers(smallest // 2 - 20, largest // 2, shape),
        "subnormal": rng.integers(smallest // 2 - 30, smallest // 2 + 4, shape),
    }[spread]
    x: Array = np.ldexp(rng.standard_normal(shape), power).astype(dtype)
    if spread == "spread":
        for value, share in ((0.0, 0.1), (-0.0, 0.05), (np.inf, 0.002), (np.nan, 0.001)):
            x[rng.random(shape) < share] = value
    return x


@pytest.mark.parametrize("spread", ["alike", "spread", "subnormal"])
@pytest.mark.parametrize("name", FLOATS)
def test_fused_multiply_adds(library: ctypes.CDLL, name: str, spread: str) -> None:
    rng = np.random.default_rng(0)
    dtype = INSTRUCTIONS[name].accumulator
    a, b = hard(rng, (9, 61), dtype, spread), hard(rng, (61, 32), dtype, spread)
    c = hard(rng, (9, 32), dtype, "alike" if spread == "alike" else "spread")
    if spread == "subnormal":
        c[:] = 0
    found = emulate(name, a, b, c)
    np.testing.assert_array_equal(bits(found), bits(on_hardware(library, name, a, b, c)))


@pytest.mark.parametrize("name", [name for name in HERE if name == "avx512_dot_f32"] or ["none"])
def test_lanes_along_k_and_a_tree(library: ctypes.CDLL, name: str) -> None:
    if name == "none":
        return  # a machine without AVX-512 says nothing about it
    rng = np.random.default_rng(1)
    for k in (1, 16, 63, 64, 65, 500):
        a, b, c = (hard(rng, shape, "float32", "alike") for shape in ((20, k), (k, 1), (20, 1)))
        found = emulate("avx512_fma_f32", a, b, c, order=Order(lanes=16, accumulators=4))
        given = on_hardware(library, name, a, b, c)
        np.testing.assert_array_equal(bits(found), bits(given))
        if k > 64:
            assert (found != emulate("avx512_fma_f32", a, b, c, order=CHAIN)).any()


@pytest.mark.parametrize("name", [n for n in HERE if "dpbusd" in n or "maddubs" in n] or ["none"])
def test_dot_products_of_bytes(library: ctypes.CDLL, name: str) -> None:
    if name == "none":
        return
    rng = np.random.default_rng(2)
    m, k, n = 7, 60, 32
    for extreme in (False, True):
        a = rng.integers(0, 256, (m, k)).astype(np.uint8)
        b = rng.integers(-128, 128, (k, n)).astype(np.int8)
        c = rng.integers(-(2**31), 2**31, (m, n)).astype(np.int32)
        if extreme:
            a = np.maximum(a, np.uint8(192))
            b = rng.choice(np.array([-128, 127], np.int8), (k, n))
            c = np.where(rng.random((m, n)) < 0.5, 2**31 - 1, -(2**31)).astype(np.int32)
        packed = b.reshape(k // 4, 4, n).transpose(0, 2, 1)
        given = on_hardware(library, name, a, packed, c)
        np.testing.assert_array_equal(emulate(name, a, b, c), given)
    plain = emulate("avx512_dpbusd", a, b, c)
    assert (given != plain).any() == (name != "avx512_dpbusd")
