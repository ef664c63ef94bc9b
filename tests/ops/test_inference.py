from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType, dense_type, known_type
from minisparse.core.triplets import Triplets
from minisparse.ops import OPS, Op
from minisparse.ops.dims import may_equal
from tests.ops.breaches import of


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_inference_tells_what_the_meaning_gives(op: Op) -> None:
    for sample in op.samples(np.random.default_rng(0)):
        arrays = [x.to_dense() if isinstance(x, Triplets) else x for x in sample.operands]
        told = op.infer([known_type(x) for x in arrays], sample.attrs)
        with np.errstate(all="ignore"):
            result = op.dense(arrays, op.complete(sample.attrs))
        results = result if isinstance(result, tuple) else (result,)
        for type, one in zip(told, results, strict=True):
            assert type.dtype == one.dtype, sample.label
            assert all(map(may_equal, type.shape, one.shape)), sample.label
            assert type.ndim == one.ndim, sample.label
            if type.known is not None:
                np.testing.assert_array_equal(one.reshape(-1), type.known, sample.label)


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_what_depends_on_values_is_inferred_without_them(op: Op) -> None:
    for sample in op.samples(np.random.default_rng(0)):
        arrays = [x.to_dense() if isinstance(x, Triplets) else x for x in sample.operands]
        known = op.infer([known_type(x) for x in arrays], sample.attrs)
        unknown = op.infer([dense_type(x) for x in arrays], sample.attrs)
        for told, less in zip(known, unknown, strict=True):
            assert (told.ndim, told.dtype) == (less.ndim, less.dtype), sample.label
            assert all(map(may_equal, told.shape, less.shape)), sample.label


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_samples_have_labels_of_their_own_and_are_repeatable(op: Op) -> None:
    first, again = (list(op.samples(np.random.default_rng(7))) for _ in range(2))
    labels = [sample.label for sample in first]
    assert len(labels) == len(set(labels))
    for one, other in zip(first, again, strict=True):
        for x, y in zip(one.operands, other.operands, strict=True):
            np.testing.assert_equal(x, y)


@pytest.mark.parametrize(
    ("op", "types", "attrs", "shape"),
    [
        ("spmm", [of(4, 3), of(3, "batch")], {}, (4, "batch")),
        ("spmm", [of("rows", 3), of(3, 2)], {}, ("rows", 2)),
        ("spmm", [of(4, "k"), of("k", 2)], {}, (4, 2)),
        ("gemm", [of("batch", 64), of(10, 64), of(10)], {"transB": 1}, ("batch", 10)),
        ("gemm", [of(64, "batch"), of(64, 10)], {"transA": 1}, ("batch", 10)),
        ("conv", [of("n", 3, 8, 9), of(5, 3, 3, 3)], {"strides": (2, 1)}, ("n", 5, 3, 7)),
        ("conv", [of("n", 3, 8, 8), of(5, 12)], {"kernel_shape": (2, 2)}, ("n", 5, 7, 7)),
        (
            "max_pool",
            [of("n", 3, 8, 9)],
            {"kernel_shape": (2, 2), "strides": (2, 2)},
            ("n", 3, 4, 4),
        ),
        ("batch_normalization", [of("n", 3, 8, 8), *[of(3)] * 4], {}, ("n", 3, 8, 8)),
        ("relu", [of("batch", 5)], {}, ("batch", 5)),
        ("add", [of("batch", 1), of(7)], {}, ("batch", 7)),
        ("add_bias", [of(4, "batch"), of(4)], {}, (4, "batch")),
        ("transpose", [of("batch", 5)], {}, (5, "batch")),
        ("transpose", [of("n", 3, 8, 9)], {"perm": (0, 2, 3, 1)}, ("n", 8, 9, 3)),
        ("flatten", [of("batch", 32, 2, 2)], {}, ("batch", 128)),
        ("flatten", [of("batch", 3)], {"axis": 0}, (1, "3*batch")),
        ("flatten", [of("batch", 3)], {"axis": 2}, ("3*batch", 1)),
        ("flatten", [of("batch", 1)], {"axis": 0}, (1, "batch")),
        ("convert", [of(4, 3, 2, 2)], {"format": "csr"}, (4, 12)),
        ("convert", [of(4, 3)], {"format": "bsr", "block": (2, 2)}, (4, 3)),
    ],
)
def test_named_dimensions(
    op: str, types: list[TensorType], attrs: dict[str, Any], shape: tuple[Dim, ...] | None
) -> None:
    if shape is None:
        with pytest.raises(ShapeError, match=r"bind it first: graph\.bind\(batch=1\)"):
            OPS[op].infer(types, attrs)
    else:
        (result,) = OPS[op].infer(types, attrs)
        assert result.shape == shape


def test_convert_tells_the_format_but_not_how_much_is_stored() -> None:
    (result,) = OPS["convert"].infer([of(4, 6)], {"format": "nm", "block": [2, 4]})
    assert (result.format, result.block, result.stored) == ("nm", (2, 4), None)


@pytest.mark.parametrize(
    ("op", "types", "attrs", "flops"),
    [
        ("spmm", [of(4, 3), of(3, 2)], {}, 48),
        ("spmm", [TensorType((4, 3), np.dtype("f4"), "csr", 5), of(3, 2)], {}, 20),
        ("spmv", [TensorType((4, 3), np.dtype("f4"), "csr", 5), of(3)], {}, 10),
        ("spmm_t", [TensorType((4, 3), np.dtype("f4"), "csr", 5), of(4, 2)], {}, 20),
        ("dsmm", [of(2, 4), TensorType((4, 3), np.dtype("f4"), "csr", 5)], {}, 20),
        ("gemm", [of(4, 3), of(3, 2)], {}, 48),
        ("gemm", [of(4, 3), of(3, 2), of(2)], {}, 64),
        ("conv", [of(2, 3, 5, 5), of(4, 3, 2, 2)], {}, 2 * 48 * 2 * 16),
        ("conv", [of(2, 4, 5, 5), of(4, 2, 2, 2), of(4)], {"group": 2}, 2 * 32 * 32 + 4 * 32),
        ("max_pool", [of(1, 1, 4, 4)], {"kernel_shape": (2, 2), "strides": (2, 2)}, 12),
        ("relu", [of(4, 3)], {}, 12),
        ("add", [of(4, 1), of(3)], {}, 12),
        ("transpose", [of(4, 3)], {}, 0),
        ("spmm_bias_relu", [of(4, 3), of(3, 2), of(4)], {}, 48 + 8 + 8),
    ],
)
def test_flops(op: str, types: list[TensorType], attrs: dict[str, Any], flops: int) -> None:
    assert OPS[op].flops(types, OPS[op].complete(attrs)) == flops
