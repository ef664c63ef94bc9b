"""Epilogues that are written into a kernel: in every form, against the oracle and a chain."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import InternalError, UnsupportedOpError, UsageError
from minisparse.formats import from_dense
from minisparse.kernels import EPILOGUE_OPS, KERNELS, execute, pack
from minisparse.kernels.generate import STORAGE, Generated, generate, generated_kernels
from minisparse.kernels.generate.gpu import why_not
from minisparse.ops import OPS, Op
from minisparse.oracle import exact, judge
from tests.kernels import test_every_kernel as table

CHAINS = (
    ("bias",),
    ("bias", "relu"),
    ("bias", "gelu"),
    ("bias", "silu", "add"),
    ("gelu", "bias"),
    ("add", "clip"),
    ("bias", "add", "relu"),
)
RNG = np.random.default_rng(5)
X = np.where(RNG.random((7, 10)) < 0.4, RNG.standard_normal((7, 10)), 0).astype("float32")
LAYOUTS: dict[str, dict[str, Any]] = {"bsr": {"block": (2, 3)}, "nm": {"n": 4, "m": 4}}
FUSED = [OPS["spmm_bias_relu"], OPS["spmm_bias_add"]]


def stored(format: str, dtype: str) -> Any:
    x = X.astype(dtype)
    return x if format == "dense" else from_dense(x, format, **LAYOUTS.get(format, {}))


def made_for(format: str, chain: tuple[str, ...], dtype: str, form: str) -> Generated:
    attrs = {"min": -0.75, "max": 0.5} if "clip" in chain else {}
    a = stored(format, dtype)
    return generate("spmm", a, epilogue=chain, attrs=attrs, columns=4, level=form)


def operands_of(op: Op, a: Any, dtype: str) -> list[Any]:
    rng = np.random.default_rng(6)
    operands = [a, rng.standard_normal((10, 4)).astype(dtype)]
    for part in op.epilogue:
        if len(part.operands) > 1:
            shape = (7,) if part.name == "add_bias" else (7, 4)
            operands.append(rng.standard_normal(shape).astype(dtype))
    return operands


@pytest.mark.parametrize("chain", CHAINS, ids="-".join)
@pytest.mark.parametrize("format", STORAGE)
def test_every_form_is_right(format: str, chain: tuple[str, ...]) -> None:
    for dtype in ("float32", "float16") if "gelu" not in chain else ("float32",):
        for form in ("loops", "vectorized", "gpu"):
            if form == "gpu" and format in ("csc", "coo"):
                continue
            made = made_for(format, chain, dtype, form)
            operands = operands_of(made.op, stored(format, dtype), dtype)
            truth = exact(made.op, operands, made.attrs)
            found = judge(made.run(*operands), truth)
            assert found.passed, f"{form} {dtype}: {found.message}"


@pytest.mark.parametrize("form", ["loops", "vectorized"])
@pytest.mark.parametrize("format", STORAGE)
def test_exact_epilogues_are_those_of_a_chain_bit_for_bit(format: str, form: str) -> None:
    made = made_for(format, ("bias", "add", "relu"), "float32", form)
    operands = operands_of(made.op, stored(format, "float32"), "float32")
    base = generate("spmm", stored(format, "float32"), columns=4, level=form)
    c = base.run(*operands[:2])
    wanted = np.maximum((c + operands[2][:, None]) + operands[3], 0)
    np.testing.assert_array_equal(made.run(*operands), wanted)


@pytest.mark.parametrize("format", ["csr", "bsr", "dense"])
@pytest.mark.parametrize("op", FUSED, ids=lambda op: op.name)
def test_fused_kernels_pass_the_table(op: Op, format: str) -> None:
    kernel = generated_kernels(op, format)
    table.test_results_are_right(kernel, "vectorized")


def test_wider_operands_widen_the_result() -> None:
    a, rng = stored("csr", "float32"), np.random.default_rng(0)
    b, bias = rng.standard_normal((10, 4)).astype("float32"), rng.standard_normal(7)
    kernel = generated_kernels("spmm_bias_relu", "csr")
    level = kernel.levels["vectorized"]
    found = execute(kernel.op, level, (pack(level, a), b, bias))
    by_hand = KERNELS["spmm_csr"].levels["vectorized"]
    assert found.dtype == np.float64
    wanted = execute(OPS["spmm_bias_relu"], by_hand, (pack(by_hand, a), b, bias))
    np.testing.assert_allclose(found, wanted, 1e-5, 1e-6)


def test_integers_wrap_before_the_epilogue() -> None:
    a = from_dense(np.full((1, 2), 100, "int8"), "csr")
    b = np.full((2, 1), 1, "int8")  # 200 is -56 in int8, of which relu makes 0
    for form in ("loops", "vectorized", "gpu"):
        made = generate("spmm", a, epilogue=["relu"], columns=1, level=form)
        result = made.run(a, b)
        np.testing.assert_array_equal(result, [[0]], form)


def test_a_residual_broadcasts() -> None:
    a, b = stored("csr", "float32"), np.ones((10, 4), "float32")
    kernel = generated_kernels(OPS["spmm_bias_add"], "csr")
    level, bias = kernel.levels["vectorized"], np.zeros(7, "float32")
    for shape in ((1, 4), (7, 1), (4,), (1,), ()):
        residual = np.random.default_rng(1).standard_normal(shape).astype("float32")
        truth = exact(kernel.op, (a, b, bias, residual))
        with np.errstate(all="ignore"):
            found = level.run(pack(level, a), b, bias, residual)
        assert judge(found, truth).passed, shape


def test_attributes_are_baked_in_and_others_refused() -> None:
    kernel = generated_kernels("spmm_bias_clip", "csr", {"min": 0.0, "max": 6.0})
    level = kernel.levels["vectorized"]
    a = pack(level, stored("csr", "float32"))
    given = (a, np.ones((10, 2), "float32"), np.zeros(7, "float32"))
    with pytest.raises(InternalError, match="made for"):
        execute(kernel.op, level, given, {"min": 0.0, "max": 1.0})
    found = execute(kernel.op, level, given, {"min": 0.0, "max": 6.0})
    assert found.min() >= 0
    assert "np.minimum(c, c.dtype.type(6.0), out=c)" in a.source


def test_infinite_bounds_are_written_as_numbers() -> None:
    a = stored("csr", "float32")
    attrs = {"min": -np.inf, "max": np.inf}
    for form in ("loops", "vectorized", "gpu"):
        made = generate("spmm", a, epilogue=["clip"], attrs=attrs, level=form)
        assert "np.inf" in made.source


def test_what_cannot_be_inlined_is_refused() -> None:
    a = stored("csr", "float32")
    with pytest.raises(UnsupportedOpError, match="cannot be inlined"):
        generate("spmm", a, epilogue=["softmax"])
    with pytest.raises(UsageError, match="twice"):
        generate("spmm", a, epilogue=["clip", "clip"])
    with pytest.raises(UnsupportedOpError, match="sampled product"):
        generate("sddmm", a, epilogue=["relu"])
    with pytest.raises(UnsupportedOpError, match="complete sums"):
        generate("spmm", stored("coo", "float32"), epilogue=["relu"], level="gpu")
    assert why_not(generate("spmm", stored("coo", "float32"), epilogue=["relu"]).nest)


def test_every_epilogue_of_dispatch_can_be_inlined() -> None:
    from minisparse.kernels.generate.nest import EPILOGUES

    assert set(EPILOGUES) == {op.name for op in EPILOGUE_OPS}
