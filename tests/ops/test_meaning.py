"""The dense meanings against definitions that share no code with them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.ops import OPS, SPMM_BIAS_RELU, Op, Sample


def samples(op: Op) -> Iterator[tuple[Sample, list[Array], Array]]:
    """Yield each sample, its operands as plain arrays, and what the op means on them."""
    for sample in op.samples(np.random.default_rng(3)):
        arrays = [x.to_dense() if isinstance(x, Triplets) else x for x in sample.operands]
        with np.errstate(all="ignore"):
            yield sample, arrays, op.dense(arrays, op.complete(sample.attrs))


def assert_close(result: Array, wanted: Array, label: str) -> None:
    """Compare with float64; integers exactly, modulo what their dtype holds."""
    if result.dtype.kind in "biu":
        np.testing.assert_array_equal(result, wanted.astype(result.dtype), label)
    else:
        u = 2.0**-7 if result.dtype.name == "bfloat16" else float(np.finfo(result.dtype).eps)
        scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0)
        np.testing.assert_allclose(as_exact(result), wanted, 50 * u, 50 * u * scale, err_msg=label)


def as_exact(x: Array) -> Array:
    kinds = {"f": np.float64, "c": np.complex128, "V": np.float64}  # V: bfloat16
    return x.astype(kinds.get(x.dtype.kind, np.int64))


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("spmm", "mk,kn->mn"),
        ("spgemm", "mk,kn->mn"),
        ("spmv", "mk,k->m"),
        ("spmm_t", "mk,mn->kn"),
        ("dsmm", "nm,mk->nk"),
    ],
)
def test_products(name: str, formula: str) -> None:
    for sample, (a, b), result in samples(OPS[name]):
        with np.errstate(all="ignore"):
            wanted = np.einsum(formula, as_exact(a), as_exact(b))
        if result.dtype == bool:
            wanted = wanted > 0
        assert_close(result, wanted, sample.label)


def test_gemm() -> None:
    for sample, (a, b, *c), result in samples(OPS["gemm"]):
        attrs = OPS["gemm"].complete(sample.attrs)
        a, b = (as_exact(x.T if attrs[t] else x) for x, t in ((a, "transA"), (b, "transB")))
        wanted = attrs["alpha"] * np.einsum("mk,kn->mn", a, b)
        if c:
            wanted = wanted + attrs["beta"] * as_exact(c[0])
        if result.dtype == bool:
            wanted = wanted > 0
        assert_close(result, wanted, sample.label)


def conv_by_windows(x: Array, w: Array, bias: Array | None, attrs: dict[str, Any]) -> Array:
    """Return ONNX's Conv by a view of all windows."""
    group, (sh, sw), (dh, dw) = attrs["group"], attrs["strides"], attrs["dilations"]
    top, left, bottom, right = attrs["pads"]
    kh, kw = w.shape[2:] if w.ndim == 4 else attrs["kernel_shape"]
    w = w.reshape(group, w.shape[0] // group, x.shape[1] // group, kh, kw)
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    window = ((kh - 1) * dh + 1, (kw - 1) * dw + 1)
    seen = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(2, 3))
    seen = seen[:, :, ::sh, ::sw, ::dh, ::dw]
    seen = seen.reshape(x.shape[0], group, x.shape[1] // group, *seen.shape[2:])
    y = np.einsum("gmcij,ngcyxij->ngmyx", w, seen)
    y = y.reshape(x.shape[0], -1 if y.size else w.shape[0] * w.shape[1], *y.shape[3:])
    return np.asarray(y if bias is None else y + bias[:, None, None])


def test_conv() -> None:
    for sample, arrays, result in samples(OPS["conv"]):
        x, w, *bias = map(as_exact, arrays)
        attrs = OPS["conv"].complete(sample.attrs)
        wanted = conv_by_windows(x, w, bias[0] if bias else None, attrs)
        if result.dtype == bool:
            wanted = wanted > 0
        assert_close(result, wanted, sample.label)


def test_conv_agrees_with_scipy() -> None:
    signal = pytest.importorskip("scipy.signal")
    rng = np.random.default_rng(5)
    x, w = rng.standard_normal((1, 1, 9, 8)), rng.standard_normal((1, 1, 3, 2))
    conv = OPS["conv"]
    result = conv.dense((x, w), conv.complete({}))
    np.testing.assert_allclose(result[0, 0], signal.correlate2d(x[0, 0], w[0, 0], "valid"))


def test_sddmm() -> None:
    for sample, (a, x, y), result in samples(OPS["sddmm"]):
        with np.errstate(all="ignore"):
            wanted = np.einsum("mn,md,dn->mn", *map(as_exact, (a, x, y)))
        if result.dtype == bool:
            wanted = wanted > 0
        assert_close(result, wanted, sample.label)


def test_softmax() -> None:
    for sample, (a,), result in samples(OPS["softmax"]):
        assert_close(result, softmax_by_fractions_of_exp(as_exact(a)), sample.label)


def softmax_by_fractions_of_exp(x: Array) -> Array:
    """Return each weight as one over what all entries of its row weigh beside it."""
    with np.errstate(all="ignore"):
        others = np.exp(x[:, None, :] - x[:, :, None]).sum(axis=2)
        weights: Array = np.where(np.isinf(x) & (x < 0), 0, 1 / others)
    broken = np.isnan(x).any(axis=1) | (x == np.inf).any(axis=1) | (x == -np.inf).all(axis=1)
    weights[broken] = np.nan
    return weights


def test_attention() -> None:
    attention = OPS["attention"]
    for sample, arrays, result in samples(attention):
        mask, q, k, v = map(as_exact, arrays)
        scale = attention.complete(sample.attrs)["scale"]
        scale = max(q.shape[1], 1) ** -0.5 if scale is None else scale
        with np.errstate(all="ignore"):
            scores = np.einsum("mn,md,nd->mn", mask, q, k) * scale
            wanted = np.einsum("mn,ne->me", softmax_by_fractions_of_exp(scores), v)
        assert_close(result, wanted, sample.label)


def test_max_pool() -> None:
    for sample, (x,), result in samples(OPS["max_pool"]):
        attrs = OPS["max_pool"].complete(sample.attrs)
        (kh, kw), (sh, sw) = attrs["kernel_shape"], attrs["strides"]
        top, left, _, _ = attrs["pads"]
        for n, c, row, column in np.ndindex(result.shape):
            y, z = row * sh - top, column * sw - left
            seen = x[n, c, max(y, 0) : y + kh, max(z, 0) : z + kw]
            np.testing.assert_equal(result[n, c, row, column], seen.max(), sample.label)


def test_batch_normalization() -> None:
    for sample, arrays, result in samples(OPS["batch_normalization"]):
        epsilon = OPS["batch_normalization"].complete(sample.attrs)["epsilon"]
        x, scale, bias, mean, var = (a.astype(np.float64) for a in arrays)
        wanted = np.empty(x.shape)
        for channel in range(x.shape[1]):
            deviation = (x[:, channel] - mean[channel]) / np.sqrt(var[channel] + epsilon)
            wanted[:, channel] = deviation * scale[channel] + bias[channel]
        assert_close(result, wanted, sample.label)


def test_relu_lets_nan_through_and_keeps_the_dtype() -> None:
    relu = OPS["relu"]
    x = np.array([np.nan, -1.0, 2.0, -np.inf, np.inf], np.float16)
    np.testing.assert_array_equal(relu.dense((x,), {}), np.array([np.nan, 0, 2, 0, np.inf]))
    for sample, (x,), result in samples(relu):
        assert result.dtype == x.dtype, sample.label
        np.testing.assert_array_equal(result, np.where(x < 0, 0, x), sample.label)


def test_transpose_and_flatten_move_and_keep() -> None:
    for sample, (x,), result in samples(OPS["transpose"]):
        np.testing.assert_array_equal(result, np.einsum(x, *_axes(x, sample)), sample.label)
    for sample, (x,), result in samples(OPS["flatten"]):
        np.testing.assert_array_equal(result.ravel(), x.ravel(), sample.label)


def _axes(x: Array, sample: Sample) -> tuple[list[int], list[int]]:
    axes = list(range(x.ndim))
    return axes, list(sample.attrs.get("perm", axes[::-1]))


def test_integers_wrap_in_the_result_dtype() -> None:
    a = np.full((1, 3), 100, np.int8)
    spmm = OPS["spmm"]
    np.testing.assert_array_equal(spmm.dense((a, a.T), {}), np.array([[30000 % 256]], np.int8))


def test_float16_is_rounded_once() -> None:
    a = np.full((1, 4096), 1, np.float16)
    assert OPS["spmm"].dense((a, a.T), {}) == 4096  # summed in float16 it would stop at 2048


def test_a_fused_op_means_its_parts_in_order() -> None:
    rng = np.random.default_rng(1)
    a, b, bias = rng.standard_normal((3, 4)), rng.standard_normal((4, 5)), rng.standard_normal(3)
    wanted = np.maximum(a @ b + bias[:, None], 0)
    np.testing.assert_allclose(SPMM_BIAS_RELU.dense((a, b, bias), {}), wanted)
    assert [part.name for part in SPMM_BIAS_RELU.parts] == ["spmm", "add_bias", "relu"]
