"""The public calls: ``ms.spmm``, ``ms.spmv``, ``ms.spmm_bias_relu``, ``ms.prepare``."""

import threading
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, MinisparseError, ShapeError, UnsupportedOpError
from minisparse.formats import FORMATS, Matrix, from_dense
from minisparse.kernels import find_level, kernels_for
from minisparse.ops import CONV, SPMM, SPMM_BIAS_RELU, SPMV
from tests.kernels.reference import assert_is_product

LAYOUTS: dict[str, Any] = {"bsr": {"block": (2, 3)}, "nm": {"n": 2, "m": 4}}


def dense_a() -> Array:
    x = np.random.default_rng(0).standard_normal((9, 12)).astype("float32")
    x[:, 2::4] = x[:, 1::4] = 0  # at most 2 of 4
    return x


def b_of(columns: int) -> Array:
    return np.random.default_rng(1).standard_normal((12, columns)).astype("float32")


@pytest.fixture(params=["dense", *FORMATS])
def a(request: pytest.FixtureRequest) -> Matrix | Array:
    format = request.param
    return (
        dense_a() if format == "dense" else from_dense(dense_a(), format, **LAYOUTS.get(format, {}))
    )


@pytest.mark.parametrize("level", ["loops", "vectorized"])
def test_spmm_in_every_format(a: Matrix | Array, level: str) -> None:
    b = b_of(5)
    assert_is_product(ms.spmm(a, b, level=level), a, b, level)
    out = np.empty((9, 5), "float32")
    assert ms.spmm(a, b, level=level, out=out) is out
    np.testing.assert_array_equal(out, ms.spmm(a, b, level=level))


@pytest.mark.parametrize("level", ["loops", "vectorized"])
def test_spmm_bias_relu_in_every_format(a: Matrix | Array, level: str) -> None:
    b, bias = b_of(5), np.linspace(-1, 1, 9, dtype="float32")
    wanted = np.maximum(ms.spmm(a, b, level=level) + bias[:, None], 0)
    np.testing.assert_array_equal(ms.spmm_bias_relu(a, b, bias, level=level), wanted)
    prepared = ms.prepare("spmm_bias_relu", a, columns=5, level=level)
    np.testing.assert_array_equal(prepared(b, bias), wanted)


@pytest.mark.parametrize("level", ["loops", "vectorized"])
def test_spmv(level: str) -> None:
    a = from_dense(dense_a(), "csr")
    x = b_of(1)[:, 0]
    assert_is_product(ms.spmv(a, x, level=level)[:, None], a, x[:, None], level)


def test_lists_are_taken_for_arrays() -> None:
    a = from_dense(np.eye(2), "csr")
    np.testing.assert_array_equal(ms.spmm(a, [[1.0, 2.0], [3.0, 4.0]]), [[1, 2], [3, 4]])


def test_a_prepared_matrix_is_used_many_times(a: Matrix | Array) -> None:
    k = ms.prepare("spmm", a, columns=64)
    for columns in (64, 1, 0, 300):
        b = b_of(columns)
        assert_is_product(k(b), a, b, f"{columns} columns")
    assert k.bytes > 0
    assert k.seconds >= 0
    text = repr(k)
    assert text.startswith("Prepared(spmm, ")
    assert "vectorized, 9x12 float32" in text
    assert "packed in" in text


def test_threads_may_share_a_prepared_matrix() -> None:
    x = np.random.default_rng(2).standard_normal((300, 200)).astype("float32")
    x[np.random.default_rng(3).random(x.shape) > 0.02] = 0
    k = ms.prepare("spmm", from_dense(x, "csr"))
    factors = [np.random.default_rng(i).standard_normal((200, 300)).astype("f4") for i in range(4)]
    wanted = [k(b) for b in factors]
    found: list[list[Array]] = [[] for _ in factors]

    def work(i: int) -> None:
        found[i] = [k(factors[i]) for _ in range(10)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for results, right in zip(found, wanted, strict=True):
        for result in results:
            np.testing.assert_array_equal(result, right)


def test_mistakes_are_named() -> None:
    a = from_dense(np.eye(3), "csr")
    with pytest.raises(ShapeError, match=r"spmm \(C2\): A is 3x3 but B is 4x5: A's columns must"):
        ms.spmm(a, np.zeros((4, 5)))
    with pytest.raises(ShapeError, match=r"spmm \(C1\): A is 3x3 but b is \[3\]"):
        ms.spmm(a, np.zeros(3))
    with pytest.raises(DTypeError, match=r"spmm \(C3\)"):
        ms.spmm(a, np.zeros((3, 2), object))
    with pytest.raises(ShapeError, match=r"add_bias C2.*bias is \[4\]"):
        ms.spmm_bias_relu(a, np.zeros((3, 2)), np.zeros(4))
    with pytest.raises(UnsupportedOpError, match="only A can be sparse"):
        ms.spmm(a, a)
    with pytest.raises(UnsupportedOpError, match="no level 'fast'; levels: loops, vectorized, gpu"):
        ms.spmm(a, np.zeros((3, 2)), level="fast")
    with pytest.raises(
        UnsupportedOpError, match=r"spmv: there is no kernel for zip; formats: .*csr"
    ):
        find_level(SPMV, "zip", "vectorized")


def test_mistakes_in_prepare_are_named() -> None:
    a = from_dense(np.eye(3), "csr")
    for op in ("relu", "conv", "spgemm"):
        with pytest.raises(
            UnsupportedOpError, match=rf"no op '{op}' takes a packed matrix; .*spmm"
        ):
            ms.prepare(op, a)
    k = ms.prepare("spmm", a)
    with pytest.raises(ShapeError, match=r"spmm \(C2\)"):
        k(np.zeros((2, 2)))
    with pytest.raises(ShapeError, match=r"spmm \(C0\)"):
        k(np.zeros((3, 2)), np.zeros(3))


@pytest.mark.parametrize("out", [np.empty((3, 3)), np.empty((3, 2), "f4"), np.zeros((3, 2))])
def test_out_must_fit(out: Array) -> None:
    out.flags.writeable = False
    with pytest.raises(ShapeError, match=r"it must be a writeable float64\[3, 2\]"):
        ms.spmm(from_dense(np.eye(3), "csr"), np.ones((3, 2)), out=out)


def test_special_values_raise_no_warnings() -> None:
    a = from_dense(np.full((2, 2), 3e38, "float32"), "csr")
    b = np.array([[np.inf, 1], [-np.inf, 3e38]], "float32")
    np.testing.assert_array_equal(ms.spmm(a, b), [[np.nan, np.inf]] * 2)
    np.testing.assert_array_equal(ms.spmm(a, b, level="loops"), [[np.nan, np.inf]] * 2)


def test_kernels_are_found_by_op_format_and_level() -> None:
    formats = {kernel.format_name for kernel in kernels_for(SPMM)}
    assert formats >= {"dense", "coo", "csr", "csc", "bsr", "nm"}
    assert kernels_for(SPMM_BIAS_RELU) == kernels_for(SPMM)
    kernel, level = find_level(CONV, "bsr", "vectorized")
    assert kernel.levels["vectorized"] is not None
    assert level.fuses
    with pytest.raises(MinisparseError, match="conv: there is no kernel for zip"):
        find_level(CONV, "zip", "vectorized")


@pytest.mark.parametrize("level", ["loops", "vectorized"])
def test_out_may_overlap_what_is_read(level: str) -> None:
    rng = np.random.default_rng(4)
    square = np.where(rng.random((6, 6)) < 0.4, rng.standard_normal((6, 6)), 0)
    a = from_dense(square, "csr")
    b = rng.standard_normal((6, 6))
    wanted, bias = ms.spmm(a, b, level=level), rng.standard_normal(6)
    x = b.copy()
    found = ms.prepare("spmm_bias_relu", a, level=level)(x, bias, out=x)
    assert found is x
    np.testing.assert_array_equal(x, np.maximum(wanted + bias[:, None], 0))
    x = b.copy()
    assert ms.spmm(a, x, level=level, out=x) is x
    np.testing.assert_array_equal(x, wanted)
    v = b[0].copy()
    y = ms.spmv(a, v, level=level)
    np.testing.assert_array_equal(ms.spmv(a, v, level=level, out=v), y)
    q, k, v = (rng.standard_normal((6, 6)) for _ in range(3))
    y = ms.attention(a, q, k, v, level=level)
    np.testing.assert_array_equal(ms.attention(a, q, k, v, level=level, out=v), y)
    row = rng.standard_normal((6, 7))
    y = ms.spmm(a, row[:, :6], level=level)  # in rows that lie apart, and shifted by one
    np.testing.assert_array_equal(ms.spmm(a, row[:, :6], level=level, out=row[:, 1:]), y)
