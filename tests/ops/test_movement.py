"""Sizes of ops that move elements, known, named and unknown; and what goes wrong only in a run."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import DTypeError, ShapeError
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType, known_type
from minisparse.ops import OPS
from minisparse.ops.interpolation import Axis, taps
from tests.ops.breaches import of
from tests.ops.breaches_movement import ints, number, whole

FAR = 2**63 - 1


def sizes(*dims: Dim) -> TensorType:
    """Return the type of a vector of sizes that are known before the run."""
    return TensorType((len(dims),), np.dtype(np.int64), known=dims)


@pytest.mark.parametrize(
    ("op", "types", "attrs", "shape"),
    [
        ("reshape", [of("batch", "seq", 768), sizes("batch", -1, 12, 64)], {}, "batch seq 12 64"),
        ("reshape", [of("batch", 12, "seq", 64), ints(0, -1, 768)], {}, "batch seq 768"),
        ("reshape", [of("batch", "seq", 12, 64), ints(0, 0, -1)], {}, "batch seq 768"),
        ("reshape", [of("batch", "seq", 64), ints(-1, 64)], {}, "batch*seq 64"),
        ("reshape", [of("batch*seq", 64), sizes("batch", "seq", 8, 8)], {}, "batch seq 8 8"),
        ("reshape", [of("?1", 12, 64), ints(0, -1)], {}, "?1 768"),
        ("reshape", [of("?", 12, "?"), ints(0, -1)], {}, "? ?"),
        ("reshape", [of("batch", 3), ints(-1, 2)], {}, "? 2"),
        ("reshape", [of("batch", 3), ints(6)], {}, "6"),
        ("reshape", [of(2, 3), whole(3)], {}, "? ? ?"),
        ("reshape", [of(0, 3), ints(0, -1)], {}, "0 3"),
        ("squeeze", [of("batch", 1, 3), ints(1)], {}, "batch 3"),
        ("squeeze", [of("batch", "?", 3), ints(-2)], {}, "batch 3"),
        ("squeeze", [of("batch", 1, 3), whole(1)], {}, "? ?"),
        ("unsqueeze", [of("batch", 3), ints(-1, 0)], {}, "1 batch 3 1"),
        ("unsqueeze", [of("batch", 3), whole(1)], {}, "? ? ?"),
        ("concat", [of("past", 8), of("seq", 8)], {}, "past + seq 8"),
        ("concat", [of("?", 8), of(2, "?"), of(3, 8)], {"axis": 1}, "2 ?"),
        ("concat", [of("?1", 8), of("batch", 3)], {"axis": 1}, "batch 11"),
        ("split", [of(6, "2*batch")], {"axis": 1, "num_outputs": 2}, "6 batch"),
        ("split", [of(6, "batch")], {"axis": 1, "num_outputs": 2}, "6 ?"),
        ("split", [of("?", 6), ints(4, 2)], {}, "4 6"),
        ("slice", [of("batch", 9), ints(1), ints(FAR), ints(1), ints(2)], {}, "batch 4"),
        ("slice", [of("seq", 9), ints(0), ints(FAR)], {}, "seq 9"),
        ("slice", [of("seq + 1", 9), ints(1), ints(FAR)], {}, "seq 9"),
        ("slice", [of("seq + 1", 9), ints(0), ints(-1)], {}, "seq 9"),
        ("slice", [of("seq", 9), ints(0), ints(-1)], {}, "? 9"),
        ("slice", [of("past + seq"), sizes("past"), ints(FAR)], {}, "seq"),
        ("slice", [of("past + seq"), ints(0), sizes("seq")], {}, "seq"),
        ("slice", [of("seq"), ints(0), sizes("past + seq")], {}, "seq"),
        ("slice", [of(512), ints(0), sizes("seq")], {}, "?"),
        ("slice", [of("seq"), ints(0), ints(128)], {}, "?"),
        ("slice", [of("seq"), ints(-1), ints(-FAR), ints(0), ints(-1)], {}, "?"),
        ("slice", [of(4, 5), whole(1), whole(1), whole(1)], {}, "? ?"),
        ("expand", [of("batch", 1, 3), sizes("seq", 1)], {}, "batch seq 3"),
        ("expand", [of(5, 1), whole(2)], {}, "5 ?"),
        ("tile", [of("batch", 3), ints(2, 3)], {}, "2*batch 9"),
        ("tile", [of(2, 3), sizes("batch", 1)], {}, "2*batch 3"),
        ("tile", [of(2, 3), whole(2)], {}, "? ?"),
        ("pad", [of("height", 4), ints(1, 0, 2, -1)], {}, "height + 3 3"),
        ("pad", [of("?", 4), ints(1, 0, 2, 0)], {}, "? 4"),
        ("pad", [of(2, 4), whole(2), of(), ints(1)], {}, "2 ?"),
        ("pad", [of(2, 4), whole(2), of(), whole(1)], {}, "? ?"),
        ("range", [number(0), sizes("seq"), number(1)], {}, "seq"),
        ("range", [sizes("past"), sizes("past + seq"), number(1)], {}, "seq"),
        ("range", [number(1), sizes("seq"), number(1)], {}, "?"),
        ("range", [number(0), sizes("seq"), number(2)], {}, "?"),
        ("range", [number(0), whole(), number(1)], {}, "?"),
        ("constant_of_shape", [sizes("batch", 3)], {}, "batch 3"),
        ("constant_of_shape", [whole(2)], {}, "? ?"),
        ("gather", [of("words", 64), whole("batch", "seq")], {}, "batch seq 64"),
        ("gather_elements", [of("batch", 64), whole("batch", 3)], {"axis": 1}, "batch 3"),
        ("gather_nd", [of("batch", 5, 64), whole("batch", 2, 1)], {"batch_dims": 1}, "batch 2 64"),
        ("scatter_nd", [of("batch", 64), whole("n", 1), of("n", 64)], {}, "batch 64"),
        ("arg_max", [of("batch", 10)], {"axis": -1, "keepdims": 0}, "batch"),
        ("top_k", [of("batch", 10), ints(3)], {}, "batch 3"),
        ("top_k", [of("batch", 10), sizes("k")], {"axis": 0}, "k 10"),
        ("top_k", [of("batch", 10), whole(1)], {}, "batch ?"),
        ("non_zero", [of("batch", 10)], {}, "2 ?"),
        ("one_hot", [whole("batch"), number(10), of(2)], {}, "batch 10"),
        ("one_hot", [whole("batch"), whole(), of(2)], {"axis": 0}, "? batch"),
        ("depth_to_space", [of("n", 8, "h", 3)], {"blocksize": 2}, "n 2 2*h 6"),
        ("space_to_depth", [of("n", 2, "2*h", "w")], {"blocksize": 2}, "n 8 h ?"),
        ("cum_sum", [of("batch", 3), whole()], {}, "batch 3"),
        ("transpose", [of("batch", 3)], {}, "3 batch"),
    ],
)
def test_named_and_unknown_sizes(
    op: str, types: list[TensorType], attrs: dict[str, Any], shape: str
) -> None:
    first = OPS[op].infer(types, attrs)[0]
    told = [part.strip() for part in ",".join(map(str, first.shape)).split(",")]
    assert " ".join(told) == shape


EMPTY = known_type(np.empty(0, np.float32))


@pytest.mark.parametrize(
    ("x", "scales", "new", "attrs", "shape"),
    [
        (of("n", 3, "h", 7), [1, 1, 2, 1.5], None, {}, ("n", 3, "2*h", 10)),
        (of("n", 3, "h", 7), [1, 1, 0.5, 1], None, {}, ("n", 3, "?", 7)),
        (of("n", 3, "h", 7), None, [4, 5], {"axes": (2, 3)}, ("n", 3, 4, 5)),
        (of(6, 8), None, [3, 8], {"keep_aspect_ratio_policy": "not_larger"}, (3, 4)),
        (of(6, "w"), None, [3, 8], {"keep_aspect_ratio_policy": "not_smaller"}, ("?", "?")),
    ],
)
def test_sizes_of_resize(
    x: TensorType, scales: Any, new: Any, attrs: dict[str, Any], shape: tuple[Dim, ...]
) -> None:
    by = EMPTY if scales is None else known_type(np.array(scales, np.float32))
    to = ints(*(new or ()))
    (result,) = OPS["resize"].infer((x, EMPTY, by, to), attrs)
    assert result.shape == shape
    (result,) = OPS["resize"].infer((x, EMPTY, of(*by.shape), whole(*to.shape)), attrs)
    kept = x.ndim - 2 if "axes" in attrs else 0
    assert result.shape == (*x.shape[:kept], *["?"] * (x.ndim - kept))


@pytest.mark.parametrize(
    ("op", "types", "attrs", "known"),
    [
        ("shape", [of("batch", 12, "seq", 64)], {"start": 1}, (12, "seq", 64)),
        ("shape", [of("?", 64)], {}, None),
        ("size", [of("batch", 3, 4)], {}, ("12*batch",)),
        ("gather", [sizes("batch", "seq", 64), number(-2)], {}, ("seq",)),
        ("gather", [sizes("batch", "seq", 64), ints(2, 0)], {}, (64, "batch")),
        ("gather", [sizes("batch", 64), whole(1)], {}, None),
        ("concat", [sizes("batch"), ints(-1, 64)], {}, ("batch", -1, 64)),
        ("concat", [sizes("batch"), whole(2)], {}, None),
        ("slice", [sizes("batch", "seq", 64), ints(0), ints(2)], {}, ("batch", "seq")),
        (
            "slice",
            [sizes("a", "b", "c"), ints(-1), ints(-9), ints(0), ints(-1)],
            {},
            ("c", "b", "a"),
        ),
        ("slice", [sizes("a", "b"), sizes("n"), ints(2)], {}, None),
        ("split", [ints(1, 2, 3), ints(1, 2)], {}, (1,)),
        ("squeeze", [sizes("batch")], {}, ("batch",)),
        ("squeeze", [sizes("batch"), ints(0)], {}, ("batch",)),
        ("unsqueeze", [TensorType((), np.dtype("int64"), known=("seq",)), ints(0)], {}, ("seq",)),
        ("unsqueeze", [sizes("a", "b"), ints(0)], {}, None),
        ("reshape", [sizes("a", "b"), ints(-1)], {}, ("a", "b")),
        ("reshape", [sizes("a", "b"), ints(2, 1)], {}, None),
        ("reshape", [sizes("a"), ints()], {}, ("a",)),
        ("expand", [number(7), ints(3)], {}, (7, 7, 7)),
        ("tile", [ints(1, 2), ints(2)], {}, (1, 2, 1, 2)),
        ("range", [number(1), number(6), number(2)], {}, (1, 3, 5)),
        ("constant_of_shape", [ints(2)], {"value": 1, "dtype": "int64"}, (1, 1)),
        ("constant_of_shape", [ints(99)], {"value": 1, "dtype": "int64"}, None),
        ("identity", [sizes("a")], {}, ("a",)),
        ("transpose", [sizes("a", "b")], {}, ("a", "b")),
    ],
)
def test_what_is_known_is_passed_on(
    op: str, types: list[TensorType], attrs: dict[str, Any], known: tuple[Dim, ...] | None
) -> None:
    first = OPS[op].infer(types, attrs)[0]
    assert first.known == known
    if known is not None and first.ndim:
        assert first.shape == (len(known),)


def test_a_shape_that_a_model_computes_is_known() -> None:
    """As exporters write it: Shape, Gather, Unsqueeze, Concat, Reshape."""
    x = of("batch", "seq", 768)
    (shape,) = OPS["shape"].infer([x])
    batch, seq = (OPS["gather"].infer([shape, number(i)])[0] for i in (0, 1))
    parts = [OPS["unsqueeze"].infer([part, ints(0)])[0] for part in (batch, seq)]
    (wanted,) = OPS["concat"].infer([*parts, ints(12, 64)])
    (result,) = OPS["reshape"].infer([x, wanted])
    assert result.shape == ("batch", "seq", 12, 64)


X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("op", "operands", "attrs", "message"),
    [
        (
            "reshape",
            (X, [5, 5]),
            {},
            r"reshape \(C4\): X is \[2, 3, 4\], shape \[5, 5\]: shape mus",
        ),
        ("reshape", (X, [7, -1]), {}, r"reshape \(C4\).*as many elements as X"),
        ("squeeze", (X, [1]), {}, r"squeeze \(C4\): X is \[2, 3, 4\], axes \[1\]: every axis that"),
        (
            "expand",
            (X, [5, 4]),
            {},
            r"expand \(C4\): X is \[2, 3, 4\], shape \[5, 4\]: X and shape",
        ),
        ("split", (X, [1, 2]), {}, r"split \(C4\): axis 0 has 2 elements, split is \[1, 2\]"),
        ("pad", (X, [-3, 0, 0, 0, 0, 0]), {}, r"pad \(C5\): X is \[2, 3, 4\], pads \[-3,"),
        (
            "gather",
            (X, [[0, 1], [2, 0]]),
            {},
            r"gather \(C3\): indices\[1, 0\] is 2, but axis 0 has 2",
        ),
        (
            "gather",
            (X, [-4]),
            {"axis": 1},
            r"indices\[0\] is -4, but axis 1 has 3 elements: indices",
        ),
        (
            "gather_elements",
            (X, X.astype(int)),
            {},
            r"gather_elements \(C4\): indices\[0, 0, 2\] is 2",
        ),
        ("gather_elements", (X, np.zeros((2, 4, 4), int)), {}, r"gather_elements \(C2\): X is"),
        (
            "gather_nd",
            (X, [[1, 2], [0, 3]]),
            {},
            r"gather_nd \(C5\): indices\[1\] is 3, but axis 1",
        ),
        ("gather_nd", (X, np.zeros((3, 1), int)), {"batch_dims": 1}, r"gather_nd \(C3\): X is"),
        ("scatter_elements", (X, [[[2]]], [[[1.0]]]), {}, r"scatter_elements \(C5\).*axis 0 has 2"),
        (
            "scatter_elements",
            (X, [[[1]]], [[[1.0, 2.0]]]),
            {},
            r"scatter_elements \(C3\): indices is",
        ),
        (
            "scatter_nd",
            (X, [[-3]], X[:1]),
            {},
            r"scatter_nd \(C5\): indices\[0\] is -3, but axis 0",
        ),
        ("scatter_nd", (X, [[1]], X), {}, r"scatter_nd \(C3\): X is \[2, 3, 4\].*a part of X"),
        ("range", (0, 4, 0), {}, r"range \(C3\): from 0 to 4 by 0: start, limit and delta must be"),
        ("range", (0.0, 1e300, 1.0), {}, r"range \(C3\): from 0\.0 to 1e\+300 by 1\.0"),
        ("constant_of_shape", ([2, -1],), {}, r"constant_of_shape \(C3\): shape is \[2, -1\]"),
        ("top_k", (X, [5]), {}, r"top_k \(C4\): k is 5, X \[2, 3, 4\], axis 2: k must lie"),
        ("arg_max", (X[:, :0],), {"axis": 1}, r"arg_max \(C2\): X is \[2, 0, 4\], axis is 1"),
        ("one_hot", ([1], -1, [0.0, 1.0]), {}, r"one_hot \(C3\): depth is -1"),
        ("cum_sum", (X, 3), {}, r"cum_sum \(C3\): X is \[2, 3, 4\], axis 3: axis must name"),
        ("depth_to_space", (X[None],), {"blocksize": 2}, r"depth_to_space \(C3\): X is \[1, 2,"),
        ("space_to_depth", (X[None],), {"blocksize": 2}, r"space_to_depth \(C3\): X is \[1, 2,"),
    ],
)
def test_what_only_the_run_tells_is_checked_then(
    op: str, operands: tuple[Any, ...], attrs: dict[str, Any], message: str
) -> None:
    arrays = [np.asarray(x) for x in operands]
    with pytest.raises(ShapeError, match=message):
        OPS[op].dense(arrays, OPS[op].complete(attrs))


def test_indices_of_any_width_are_taken() -> None:
    x = np.arange(200)
    for dtype in ("uint8", "int8", "uint64", "int32"):
        indices = np.array([100, 3], dtype)
        np.testing.assert_array_equal(OPS["gather"].dense((x, indices), {"axis": 0}), [100, 3])
    with pytest.raises(ShapeError, match=f"is {2**64 - 1}, but axis 0 has 200 elements"):
        OPS["gather"].dense((x, np.array([1, 2**64 - 1], np.uint64)), {"axis": 0})
    with pytest.raises(DTypeError, match=r"gather \(C2\).*indices whole numbers"):
        OPS["gather"].infer([of(3), of(2)])


def test_what_moves_is_not_copied() -> None:
    for op, operands in (
        ("reshape", (X, np.array([6, 4]))),
        ("squeeze", (X[:1], np.array([0]))),
        ("unsqueeze", (X, np.array([0]))),
        ("identity", (X,)),
        ("expand", (X, np.array([5, 1, 1, 1]))),
        ("slice", (X, np.array([1]), np.array([2]))),
    ):
        assert np.shares_memory(X, OPS[op].dense(operands, OPS[op].complete({}))), op
    for part in OPS["split"].dense((X,), {"axis": 2, "num_outputs": 2}):
        assert np.shares_memory(X, part)


def test_resize_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch", reason='needs pip install "minisparse[torch]"')
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 7)).astype(np.float32)
    resize = OPS["resize"]
    none = np.empty(0, np.float32)
    for size in ((9, 4), (3, 15)):
        operands = (x, none, none, np.array([1, 2, *size]))
        for mode, name in (("linear", "bilinear"), ("cubic", "bicubic")):
            for antialias in (0, 1):
                # PyTorch leaves out what lies outside where it smoothes, and takes another kernel.
                attrs = {
                    "mode": mode,
                    "antialias": antialias,
                    "exclude_outside": antialias,
                    "cubic_coeff_a": -0.5 if antialias else -0.75,
                }
                got = resize.dense(operands, resize.complete(attrs))
                wanted = torch.nn.functional.interpolate(
                    torch.from_numpy(x), size, mode=name, antialias=bool(antialias)
                )
                np.testing.assert_allclose(got, wanted.numpy(), 1e-4, 1e-5)


def test_weights_add_up_to_one() -> None:
    for scale in (0.3, 1.7):
        for antialias in (False, True):
            for mode in ("linear", "cubic"):
                axis = Axis(11, int(11 * scale), scale)
                found = taps(axis, mode, "half_pixel", antialias=antialias)
                np.testing.assert_allclose(found.weights.sum(axis=1), 1, 1e-12)
