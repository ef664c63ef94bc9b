"""Libraries for graphics cards: that they are called as their references say, without a card.

The libraries are stand-ins, of which ``pretend_nvmath.py`` tells; on a card the same providers are
asked for real by ``python -m minisparse.bench gpu`` and by the tests marked ``gpu`` below.
"""

import gc
import pickle
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import MinisparseError, UnsupportedOpError, UsageError
from minisparse.core.tensor_type import TensorType
from minisparse.formats import from_dense
from minisparse.kernels import PROVIDERS, pack, usable_levels
from minisparse.kernels.library import card, choose, cusparse
from minisparse.kernels.library.card import small_product
from tests.kernels.lent import pretend
from tests.kernels.lent_card import Card, here, on_card, types_of
from tests.kernels.pretend_nvmath import RECORD, PretendCusparse

__all__ = ["here"]

ON_CARD = {name: p for name, p in PROVIDERS.items() if p.place == "gpu"}
PRETENDED = ("cusparselt", "cusparse", "cupyx", "cublas")
OFFERS = [(name, op, format) for name in PRETENDED for op, format in PROVIDERS[name].offers]
DTYPES = "float16 float32 float64 complex64 complex128".split()


# -- what they compute ---------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("name", "op", "format"), OFFERS)
def test_each_offer_is_tried_and_is_right_in_some_dtype(name: str, op: str, format: str) -> None:
    if name == "tiles" and shutil.which("cc") is None:
        pytest.skip("no C compiler (cc)")
    answers = {d: PROVIDERS[name].why_not(op, format, types_of(op, format, d)) for d in DTYPES}
    taken = [d for d, why in answers.items() if not why]
    wanted = {
        "cusparselt": ["float16"], "cupyx": DTYPES[1:], "cublas": DTYPES,
        "cusparse": DTYPES[1:] if op == "sddmm" else DTYPES,
        "tiles": DTYPES[:3] if format == "csr" else ["float16"],
    }[name]  # fmt: skip
    assert taken == wanted, answers
    for dtype in set(DTYPES) - set(taken):
        assert "is used for" in answers[dtype]


@pytest.mark.parametrize("format", ["csr", "bsr"])
def test_a_plan_is_made_for_each_width_and_used_again(here: Card, format: str) -> None:
    (a, b), wanted = small_product("spmm", format, "float32")
    level = PROVIDERS["cusparse"].offers["spmm", format].level
    packed = pack(level, on_card(a))
    widths = (32, 5, 32, 5, 1)
    operands = [here.cupy.asarray(b[:, :columns].copy()) for columns in widths]
    results = [level.run(packed, x) for x in operands]  # all alive: no two lie in the same place
    for found, columns in zip(results, widths, strict=True):
        np.testing.assert_array_equal(found.get(), wanted[:, :columns])
    assert here.sparse.calls["sp_mm"] == 5
    assert here.sparse.calls["sp_mm_buffer_size"] == 3
    assert here.sparse.calls["sp_mm_preprocess"] == (3 if format == "csr" else 0)


def test_samples_have_plans_too(here: Card) -> None:
    (a, x, y), wanted = small_product("sddmm", "csr", "float32")
    level = PROVIDERS["cusparse"].offers["sddmm", "csr"].level
    packed = pack(level, on_card(a))
    first = level.run(packed, here.cupy.asarray(x), here.cupy.asarray(y))
    second = level.run(packed, here.cupy.asarray(2 * x), here.cupy.asarray(y))
    np.testing.assert_array_equal(first.to_device("cpu").to_dense(), wanted)
    np.testing.assert_array_equal(second.to_device("cpu").to_dense(), 2 * wanted)
    assert here.sparse.calls["sddmm_preprocess"] == 1


def test_plans_are_bounded_and_descriptors_are_destroyed(
    here: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cusparse, "MOST_PLANS", 2)
    (a, b), wanted = small_product("spmm", "csr", "float32")
    level = PROVIDERS["cusparse"].offers["spmm", "csr"].level
    packed = pack(level, on_card(a))
    for columns in (1, 2, 3, 1):
        found = level.run(packed, here.cupy.asarray(b[:, :columns].copy()))
        np.testing.assert_array_equal(found.get(), wanted[:, :columns])
    gc.collect()
    kinds = [d.kind for d in here.sparse.alive.values()]
    assert kinds.count("csr") == 2
    assert kinds.count("dense") == 4
    del packed
    gc.collect()
    assert [d.kind for d in here.sparse.alive.values()] == ["handle"]


def test_b_may_have_gaps_and_the_result_may_go_anywhere(here: Card) -> None:
    (a, b), wanted = small_product("spmm", "csr", "float32")
    gaps = here.cupy.asarray(np.repeat(b, 2, axis=1))[:, ::2]
    for name in ("cusparse", "cupyx"):
        level = PROVIDERS[name].offers["spmm", "csr"].level
        packed = pack(level, on_card(a))
        for order in ("C", "F"):
            out = here.cupy.asarray(np.full(wanted.shape, np.nan, "float32", order=order))
            assert level.run(packed, gaps, out=out) is out
            np.testing.assert_array_equal(out.get(), wanted)


@pytest.mark.parametrize("shape", [(64, 0), (0, 32), (48, 32)])
def test_sizes_of_zero_and_nothing_stored(here: Card, shape: tuple[int, int]) -> None:
    a = on_card(from_dense(np.zeros((shape[0], 32), "float32"), "csr"))
    b = here.cupy.asarray(np.ones((32, shape[1]), "float32"))
    for name in ("cusparse", "cupyx"):
        level = PROVIDERS[name].offers["spmm", "csr"].level
        found = level.run(pack(level, a), b)
        np.testing.assert_array_equal(found.get(), np.zeros(shape, "float32"))


def test_what_is_stored_twice_counts_twice_or_is_refused(here: Card) -> None:
    twice = on_card(ms.CSR(np.array([1, 2], "f"), [1, 1], [0, 2], (1, 2)))
    b = here.cupy.asarray(np.array([[5], [7]], "f"))
    level = PROVIDERS["cusparse"].offers["spmm", "csr"].level
    assert level.run(pack(level, twice), b).get().tolist() == [[21]]
    with pytest.raises(UnsupportedOpError, match=r"store no cell twice: A.to\('csr'\)"):
        pack(PROVIDERS["cupyx"].offers["spmm", "csr"].level, twice)


def test_a_2_4_matrix_is_compressed_once_and_searched_for_each_width(here: Card) -> None:
    (a, b), wanted = small_product("spmm", "nm", "float16")
    level = PROVIDERS["cusparselt"].offers["spmm", "nm"].level
    packed = pack(level, on_card(a))
    for columns in (32, 8, 32):
        found = level.run(packed, here.cupy.asarray(b[:, :columns].copy()))
        np.testing.assert_array_equal(found.get(), wanted[:, :columns])
    assert here.lt.calls == {"search": 2, "matmul": 5}
    assert packed.nbytes == packed.handle.values.nbytes
    with pytest.raises(UsageError, match=r"call ms\.prepare again"):
        pickle.dumps(packed)
    del packed
    gc.collect()
    assert [d.kind for d in here.lt.alive.values()] == ["handle"]


# -- what they refuse ----------------------------------------------------------------------------


def test_what_the_library_says_is_the_reason(here: Card) -> None:
    here.sparse.refused.add("float16")
    provider = PROVIDERS["cusparse"]
    why = provider.why_not("spmm", "csr", types_of("spmm", "csr", "float16"))
    assert why.startswith("cuSPARSE refuses spmm of csr in float16 here: cuSPARSE: sp_mm of csr: ")
    assert why.endswith("NOT_SUPPORTED (10): the operation or data type is not supported")
    assert not provider.why_not("spmm", "csr", types_of("spmm", "csr", "float32"))


def test_a_wrong_result_is_a_reason_too(here: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    def added(self: Any, handle: int, *given: Any) -> None:
        """Add to what is there, whatever beta says."""
        before = self._dense(given[6]).copy()
        self._product(given[:-1])
        self._dense(given[6])[...] += before

    monkeypatch.setattr(PretendCusparse, "sp_mm", added)
    why = PROVIDERS["cusparse"].why_not("spmm", "csr", types_of("spmm", "csr", "float32"))
    assert why.startswith("cuSPARSE computes spmm of csr in float32 wrongly here")


@pytest.mark.usefixtures("here")
def test_sizes_that_cusparselt_does_not_take() -> None:
    provider, half = PROVIDERS["cusparselt"], np.dtype("float16")
    a = TensorType((64, 64), half, "nm", 2048, np.dtype("uint8"), (2, 4))
    for m, n, said in (
        (64, 32, ""),
        (60, 32, "rows and columns of A in multiples of 16, not 60"),
        (64, 1, "columns of B in multiples of 8, not 1"),
    ):
        types = [TensorType((m, 64), half, "nm", 2048, np.dtype("uint8"), (2, 4)), TensorType((64, n), half)]  # fmt: skip  # noqa: E501
        assert provider.why_not("spmm", "nm", types).endswith(said)
    fourth = TensorType(a.shape, half, "nm", 1024, np.dtype("uint8"), (1, 4))
    assert "2:4 matrices only, not 1:4" in provider.why_not("spmm", "nm", [fourth])


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("name", "op", "format"), OFFERS)
def test_nothing_is_copied_to_the_card_unasked(name: str, op: str, format: str) -> None:
    operands, _ = small_product(op, format, "float16" if name == "cusparselt" else "float32")
    level = PROVIDERS[name].offers[op, format].level
    with pytest.raises(UnsupportedOpError, match=r"bring it there with A.to_device\('gpu'\)"):
        level.run(pack(level, operands[0]), *operands[1:])


def test_nothing_goes_over_the_bus_in_a_product(here: Card) -> None:
    (a, b), _ = small_product("spmm", "csr", "float32")
    level = PROVIDERS["cusparse"].offers["spmm", "csr"].level
    packed, given = pack(level, on_card(a)), here.cupy.asarray(b)
    level.run(packed, given)
    here.cupy.transfers.clear()
    level.run(packed, given)
    assert not here.cupy.transfers


# -- which one is taken --------------------------------------------------------------------------


def test_without_a_card_they_say_so_and_are_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "device_count", lambda: 0)
    for name, op, format in OFFERS:
        why = PROVIDERS[name].why_not(op, format, types_of(op, format, "float32"))
        assert why.endswith("computes on a graphics card, and none is found here")
    assert not set(usable_levels("vectorized", "auto")) & set(ON_CARD)
    (a, b), _ = small_product("spmm", "csr", "float32")
    with pytest.raises(MinisparseError, match="lies on a graphics card"):
        ms.spmm(a, b, level="cusparse")


def test_libraries_are_chosen_where_the_operands_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, **dict.fromkeys(PROVIDERS, True))
    assert choose("spmm", "csr", "library", place="gpu") == "cusparse"
    assert choose("spmm", "nm", "library", place="gpu") == "cusparselt"
    assert choose("spmm", "dense", "library", place="gpu") == "cublas"
    assert choose("spmm", "csr", "library", place="cpu") == "mkl"
    assert choose("spmm", "csr", "library") == "mkl"
    with pytest.raises(UnsupportedOpError, match="no spmm for nm"):
        choose("spmm", "nm", "library")
    with pytest.raises(UnsupportedOpError, match=r"SciPy computes .* host's memory: .*\('cpu'\)"):
        choose("spmm", "csr", "scipy", place="gpu")
    with pytest.raises(UnsupportedOpError, match=r"cuSPARSE computes .* card: .*\('gpu'\)"):
        choose("spmm", "csr", "cusparse", place="cpu")
    assert set(usable_levels("vectorized", "auto", "gpu")) >= set(ON_CARD)
    assert not set(usable_levels("vectorized", "auto", "gpu")) & {"mkl", "scipy", "torch"}
    with pytest.raises(UsageError, match="'cusparse' computes on a gpu, and the target is a cpu"):
        usable_levels("vectorized", "cusparse")


def test_listing_them_imports_neither_cupy_nor_nvmath() -> None:
    program = (
        "import sys; from minisparse.kernels import PROVIDERS;"
        "print([p.is_installed for p in PROVIDERS.values() if p.place == 'gpu']);"
        "found = {'cupy', 'cupyx', 'nvmath'} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, stdout=subprocess.PIPE)


# -- on a card -----------------------------------------------------------------------------------


@pytest.mark.gpu
def test_nvmath_takes_what_it_took_when_that_was_written_down() -> None:
    pytest.importorskip("nvmath")
    from tests.kernels.nvmath_record import record

    for module, functions in record().items():
        for name, parameters in RECORD[module].items():
            assert functions[name] == parameters, f"{module}.{name}"


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "op", "format"), OFFERS)
def test_on_a_card_each_is_right_or_says_why_not(name: str, op: str, format: str) -> None:
    provider = PROVIDERS[name]
    if not provider.is_installed:
        pytest.skip(provider.missing)
    for dtype in DTYPES:
        why = provider.why_not(op, format, types_of(op, format, dtype))
        assert "wrongly" not in why
