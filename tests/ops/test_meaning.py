"""The dense meanings against definitions that share no code with them."""

from collections.abc import Iterator

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


def test_sddmm() -> None:
    for sample, (a, x, y), result in samples(OPS["sddmm"]):
        with np.errstate(all="ignore"):
            wanted = np.einsum("mn,md,dn->mn", *map(as_exact, (a, x, y)))
        if result.dtype == bool:
            wanted = wanted > 0
        assert_close(result, wanted, sample.label)


def test_softmax() -> None:
    for sample, (a,), result in samples(OPS["softmax"]):
        axis = sample.attrs.get("axis", -1)
        rows = np.moveaxis(as_exact(a), axis, -1)
        wanted = softmax_by_fractions_of_exp(rows.reshape(-1, a.shape[axis] or 1))
        wanted = np.moveaxis(wanted.reshape(rows.shape), -1, axis)
        assert_close(result, wanted, sample.label)


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
