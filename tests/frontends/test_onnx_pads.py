"""``auto_pad`` and ``output_shape`` as numbers, against what ONNX says of the result's size."""

from itertools import product

import pytest

from minisparse.core.errors import UnsupportedOpError
from minisparse.core.tensor_type import TensorType
from minisparse.frontends.onnx.pads import resolve_pads, resolve_transpose_pads
from minisparse.ops import OPS
from tests.ops.breaches import of

SIZES = list(product((1, 4, 7, 8), (1, 2, 3), (1, 2, 3), (1, 2)))  # size, window, stride, dilation


def places(op: str, types: list[TensorType], **attrs: object) -> int:
    return OPS[op].infer(types, attrs)[0].dims[2]


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_same_has_a_window_for_each_step(mode: str) -> None:
    for size, k, stride, apart in SIZES:
        begin, end = resolve_pads(mode, (size,), (k,), (stride,), (apart,))
        assert 0 <= (end - begin if mode == "SAME_UPPER" else begin - end) <= 1
        types, steps = [of(1, 1, size), of(1, 1, k)], {"strides": (stride,), "dilations": (apart,)}
        assert places("conv", types, pads=(begin, end), **steps) == -(-size // stride)


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_same_multiplies_sizes_where_it_is_transposed(mode: str) -> None:
    for size, k, stride, apart in SIZES:
        found = resolve_transpose_pads(mode, (size,), (k,), (stride,), (apart,), (0,))
        types, steps = [of(1, 1, size), of(1, 1, k)], {"strides": (stride,), "dilations": (apart,)}
        attrs = {"pads": found[0], "output_padding": found[1], **steps}
        assert places("conv_transpose", types, **attrs) == size * stride


def test_a_wanted_shape_is_met() -> None:
    for (size, k, stride, apart), wanted in product(SIZES, (1, 5, 30)):
        found = resolve_transpose_pads(
            "NOTSET", (size,), (k,), (stride,), (apart,), (0,), (wanted,)
        )
        types, steps = [of(1, 1, size), of(1, 1, k)], {"strides": (stride,), "dilations": (apart,)}
        attrs = {"pads": found[0], "output_padding": found[1], **steps}
        assert places("conv_transpose", types, **attrs) == wanted


def test_valid_has_no_pads() -> None:
    assert resolve_pads("VALID", (5, 5), (3, 3), (1, 1), (1, 1)) == (0, 0, 0, 0)
    assert resolve_transpose_pads("VALID", (5,), (3,), (2,), (1,), (1,)) == ((0, 0), (1,))


def test_another_mode_is_refused() -> None:
    with pytest.raises(UnsupportedOpError, match="auto_pad is 'SAME'; ONNX has 'NOTSET', 'VALID'"):
        resolve_pads("SAME", (5,), (3,), (1,), (1,))
