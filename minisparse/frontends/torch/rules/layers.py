"""Linear layers, products of matrices, normalizations, softmax and embeddings."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minisparse.core.errors import UnsupportedOpError
from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.table import Table


def rows(g: Lowering, x: str) -> str:
    """Return ``[..., K]`` as a matrix, each of whose rows is one place."""
    if g.ndim(x) == 2:
        return x
    if x not in g.rows:
        g.rows[x] = g.reshape(x, [-1, g.extent(x, -1)], part="rows")
    return g.rows[x]


def layer(g: Lowering, x: str, weight: str, bias: str | None, turned: bool) -> str:
    """Return ``x @ W + bias``, of x's last dimension, W being given transposed or not.

    A plain weight gives a ``gemm``. A sparse one is stored ``[M, K]`` or ``[K, M]`` and stays so:
    it stands on the left of an ``spmm`` or on the right of a ``dsmm``.
    """
    g.check_alike(x, weight)
    flat = rows(g, x)
    if g.matrix(weight) is None:
        y = g.op("gemm", flat, weight, *([bias] if bias else []), transB=int(turned))
    elif turned:
        product = g.op("spmm", weight, g.op("transpose", flat, part="in"))
        biased = g.op("add_bias", product, bias, part="bias") if bias else product
        y = g.op("transpose", biased, part="out")
    else:
        y = g.op("dsmm", flat, weight)
        y = g.op("add", y, bias, part="bias") if bias else y
    return g.reshape(y, [*g.extents(x)[:-1], g.extent(y, -1)], part="shaped")


def linear(g: Lowering, x: str, weight: str, bias: str | None = None) -> str:
    """``aten.linear``: ``x @ weight.T + bias``."""
    return layer(g, g.dense(x), weight, bias, turned=True)


def mm(g: Lowering, a: str, b: str) -> str:
    """``aten.mm``, the product of two matrices, of which one may be sparse."""
    if g.matrix(a) is not None:
        return g.op("spmm", a, g.dense(b))
    return layer(g, a, b, None, turned=False)


def matmul(g: Lowering, a: str, b: str) -> str:
    """``aten.matmul`` of any numbers of dimensions; with a constant matrix it is a layer."""
    if g.matrix(a) is not None and g.ndim(b) == 2:
        return g.op("spmm", a, g.dense(b))
    if g.matrix(a) is not None and g.ndim(b) == 1:
        return g.op("spmv", a, g.dense(b))
    a = g.dense(a)
    if b in g.constants and g.ndim(b) == 2 and g.ndim(a) > 1:
        return layer(g, a, b, None, turned=False)
    return g.op("matmul", a, g.dense(b))


def addmm(g: Lowering, bias: str, a: str, b: str, beta: float = 1, alpha: float = 1) -> str:
    """``aten.addmm``: ``beta * bias + alpha * a @ b``."""
    is_sparse = g.matrix(a) is not None or g.matrix(b) is not None
    if not is_sparse:
        return g.op("gemm", a, b, g.dense(bias), alpha=float(alpha), beta=float(beta))
    product = _scaled(g, mm(g, a, b), alpha)
    if beta == 0:
        return product
    return g.op("add", product, _scaled(g, g.dense(bias), beta), part="add")


def sparse_mm(g: Lowering, a: str, b: str) -> str:
    """``torch.sparse.mm`` by a matrix."""
    return mm(g, a, b)


def _scaled(g: Lowering, x: str, by: float) -> str:
    return x if by == 1 else g.op("multiply", x, g.number(by, g.type(x).dtype), part="scaled")


def baddbmm(g: Lowering, bias: str, a: str, b: str, beta: float = 1, alpha: float = 1) -> str:
    """``aten.baddbmm``: the same for stacks of matrices."""
    product = _scaled(g, g.op("matmul", a, b), alpha)
    return product if beta == 0 else g.op("add", product, _scaled(g, bias, beta), part="add")


def product(g: Lowering, a: str, b: str) -> str:
    """``aten.bmm``, ``aten.mv`` and ``aten.dot``: NumPy's ``matmul`` has all of them."""
    return g.op("matmul", a, b)


def einsum(g: Lowering, equation: str, operands: Sequence[str], path: Any = None) -> str:
    """``aten.einsum``; in what order the operands are multiplied is free."""
    dtype = g.dtype
    return g.op("einsum", *(g.cast(x, dtype) for x in operands), equation=equation)


def bilinear(g: Lowering, a: str, b: str, weight: str, bias: str | None = None) -> str:
    """``aten.bilinear``: ``y[o] = sum_ij a[i] W[o, i, j] b[j] + bias[o]``."""
    y = g.op("einsum", a, weight, b, equation="...i,oij,...j->...o")
    return g.op("add", y, bias, part="bias") if bias else y


def _filled(g: Lowering, value: str | None, x: str, count: int, by: float) -> str:
    """Return a parameter, or where a layer has none what changes nothing."""
    return value or g.number([by] * count, g.type(x).dtype)


def _channels(g: Lowering, x: str) -> int:
    found = g.extent(x, 1)
    if isinstance(found, int):
        return found
    raise UnsupportedOpError(f"the number of channels, {found.dim}, must be fixed")


def batch_norm(
    g: Lowering,
    x: str,
    weight: str | None,
    bias: str | None,
    mean: str | None,
    var: str | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn: bool = False,
) -> str:
    """``aten.batch_norm`` with running statistics."""
    if training or mean is None or var is None:
        raise UnsupportedOpError(
            "batch normalization by the batch's own statistics: track_running_stats"
        )
    count = _channels(g, x)
    scale, shift = _filled(g, weight, x, count, 1.0), _filled(g, bias, x, count, 0.0)
    return g.op("batch_normalization", x, scale, shift, mean, var, epsilon=eps)


def native_batch_norm(
    g: Lowering, x: str, weight: str | None, bias: str | None, mean: str, var: str, *rest: float
) -> tuple[str | None, ...]:
    """``aten._native_batch_norm_legit_no_training``; nobody reads its saved statistics."""
    y = batch_norm(g, x, weight, bias, mean, var, False, rest[0], rest[1])
    return (y, None, None)


def layer_norm(
    g: Lowering,
    x: str,
    shape: Sequence[int],
    weight: str | None = None,
    bias: str | None = None,
    eps: float = 1e-5,
    cudnn: bool = False,
) -> str:
    """``aten.layer_norm`` over the last dimensions."""
    scale = weight or g.constant(f"{g.base}:scale", np.ones(tuple(shape), g.type(x).dtype))
    rest = [bias] if bias else []
    return g.op("layer_normalization", x, scale, *rest, axis=-len(shape), epsilon=eps)


def native_layer_norm(g: Lowering, *args: Any) -> tuple[str | None, ...]:
    """``aten.native_layer_norm``; mean and deviation are not given."""
    return (layer_norm(g, *args), None, None)


def rms_norm(
    g: Lowering, x: str, shape: Sequence[int], weight: str | None = None, eps: float | None = None
) -> str:
    """``aten.rms_norm``; without an eps it is the dtype's machine epsilon."""
    scale = weight or g.constant(f"{g.base}:scale", np.ones(tuple(shape), g.type(x).dtype))
    if eps is None:
        eps = float(g.torch.finfo(g.result.dtype).eps)
    return g.op("rms_normalization", x, scale, axis=-len(shape), epsilon=eps)


def group_norm(
    g: Lowering,
    x: str,
    groups: int,
    weight: str | None = None,
    bias: str | None = None,
    eps: float = 1e-5,
    cudnn: bool = True,
) -> str:
    """``aten.group_norm``."""
    count = _channels(g, x)
    scale, shift = _filled(g, weight, x, count, 1.0), _filled(g, bias, x, count, 0.0)
    return g.op("group_normalization", x, scale, shift, num_groups=groups, epsilon=eps)


def native_group_norm(
    g: Lowering, x: str, weight: str | None, bias: str | None, *sizes: Any
) -> tuple[str | None, ...]:
    """``aten.native_group_norm(x, weight, bias, N, C, HxW, group, eps)``."""
    return (group_norm(g, x, sizes[3], weight, bias, sizes[4]), None, None)


def instance_norm(
    g: Lowering,
    x: str,
    weight: str | None,
    bias: str | None,
    mean: str | None,
    var: str | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn: bool = False,
) -> str:
    """``aten.instance_norm``; with tracked statistics it is a batch normalization."""
    if not use_input_stats:
        return batch_norm(g, x, weight, bias, mean, var, False, momentum, eps)
    count = _channels(g, x)
    scale, shift = _filled(g, weight, x, count, 1.0), _filled(g, bias, x, count, 0.0)
    return g.op("instance_normalization", x, scale, shift, epsilon=eps)


def softmax(g: Lowering, x: str, axis: int, dtype: Any = None) -> str:
    """``aten.softmax``, in another dtype where one is given."""
    return g.op("softmax", g.cast(x, g.dtype), axis=axis)


def log_softmax(g: Lowering, x: str, axis: int, dtype: Any = None) -> str:
    """``aten.log_softmax``."""
    return g.op("log_softmax", g.cast(x, g.dtype), axis=axis)


def embedding(g: Lowering, weight: str, indices: str, *rest: Any) -> str:
    """``aten.embedding``: rows of a table."""
    return g.op("gather", weight, indices, axis=0)


def dropout(g: Lowering, x: str, p: float, train: bool) -> str:
    """``aten.dropout``, which does nothing in eval mode."""
    if train and p:
        raise UnsupportedOpError(
            "dropout that is on in eval mode is random: call it with training=self.training"
        )
    return x


PRODUCTS = Table(
    {
        "aten.linear.default": linear,
        "aten.mm.default": mm,
        "aten.matmul.default": matmul,
        "aten.addmm.default": addmm,
        "aten._sparse_mm.default": sparse_mm,
        "aten._sparse_addmm.default": addmm,
    },
    takes_sparse=True,
)

LAYERS = Table(
    {
        "aten.bmm.default": product,
        "aten.mv.default": product,
        "aten.dot.default": product,
        "aten.baddbmm.default": baddbmm,
        "aten.einsum.default": einsum,
        "aten.bilinear.default": bilinear,
        "aten.batch_norm.default": batch_norm,
        "aten._native_batch_norm_legit_no_training.default": native_batch_norm,
        "aten.layer_norm.default": layer_norm,
        "aten.native_layer_norm.default": native_layer_norm,
        "aten.rms_norm.default": rms_norm,
        "aten.group_norm.default": group_norm,
        "aten.native_group_norm.default": native_group_norm,
        "aten.instance_norm.default": instance_norm,
        "aten.softmax.int": softmax,
        "aten._softmax.default": softmax,
        "aten.log_softmax.int": log_softmax,
        "aten._log_softmax.default": log_softmax,
        "aten.embedding.default": embedding,
        "aten.dropout.default": dropout,
        "aten.feature_dropout.default": dropout,
        "aten.alpha_dropout.default": dropout,
    }
)
