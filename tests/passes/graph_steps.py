"""Steps of which random graphs are made: each adds some nodes to what there is."""

from collections.abc import Callable

import numpy as np

from minisparse.formats import from_dense
from tests.passes.graph_draft import WIDTHS, Draft

Step = Callable[[Draft], object]

_SMOOTH = ("relu", "gelu", "silu", "tanh", "sigmoid", "hard_swish", "leaky_relu", "softplus")
_UNARY = (*_SMOOTH, "abs", "neg", "sin", "erf", "identity")
_JUMPING = ("sign", "floor", "ceil", "round")


def linear(d: Draft) -> None:
    """A linear layer on rows, in any spelling."""
    x = d.matrix()
    k, m = d.width(x), d.pick(*WIDTHS)
    how = d.pick("gemm", "gemm", "matmul", "spmm", "spmm", "dsmm", "spmm_t")
    if how == "gemm":
        y = _gemm(d, x, k, m)
    elif how == "matmul":
        y = d.op("matmul", x, d.weight(k, m))
    elif how == "dsmm":
        y = d.op("dsmm", x, d.pick(d.weight, d.stored)(k, m))
    else:
        y = _from_the_left(d, x, how, k, m)
    if d.chance(0.6):
        y = d.op("add", *d.pick((y, b := d.vector(m)), (b, y)))
    if d.chance(0.6):
        d.op(d.pick(*_SMOOTH), y)


def _gemm(d: Draft, x: str, k: int, m: int) -> str:
    turned = d.pick(0, 1)
    w = d.weight(m, k) if turned else d.weight(k, m)
    bias = d.pick((), (d.vector(m),), (d.vector(m),), (d.constant(d.numbers(1, m)),))
    scales = {"alpha": d.pick(1.0, 1.0, 1.0, 0.5), "beta": d.pick(1.0, 1.0, 1.0, 2.0)}
    if d.chance(0.2):
        x, scales["transA"] = d.op("transpose", x, perm=(1, 0)), 1
    return d.op("gemm", x, w, *bias, transB=turned, **scales)


def _from_the_left(d: Draft, x: str, op: str, k: int, m: int) -> str:
    """The weight on the left, and all turned before and after."""
    turned = d.op("transpose", x, perm=d.pick(None, (1, 0)))
    w = d.pick(d.weight, d.stored)(*((k, m) if op == "spmm_t" else (m, k)))
    y = d.op(op, w, turned)
    if d.chance(0.5):
        y = d.op("add_bias", y, d.vector(m))
    if d.chance(0.5):
        y = d.op(d.pick(*_SMOOTH), y)
    return d.op("transpose", y, perm=d.pick(None, (1, 0)))


def columns(d: Draft) -> None:
    """Products with the weight on the left that stay by columns."""
    x = d.column()
    for _ in range(d.pick(1, 2, 3)):
        m, k = d.pick(*WIDTHS), d.width(x, 0)
        x = d.op("spmm", d.pick(d.weight, d.stored)(m, k), x)
        if d.chance(0.6):
            x = d.op("add_bias", x, d.vector(m))
        if d.chance(0.4):
            x = d.op("add", x, d.constant(d.numbers(m, 1)))
        if d.chance(0.6):
            x = d.op(d.pick(*_SMOOTH), x)


def linear_on_tokens(d: Draft) -> None:
    """A linear layer on three axes: a product of stacks, or one of rows between reshapes."""
    x = d.sequence()
    k, m = d.width(x), d.pick(*WIDTHS)
    if d.chance(0.6):
        y = d.op("matmul", x, d.weight(k, m))
    else:
        flat = d.moved("reshape", x, d.ints(-1, k))
        turned = d.pick(0, 1)
        w = d.weight(m, k) if turned else d.weight(k, m)
        y = d.op("gemm", flat, w, *d.pick((), (d.vector(m),)), transB=turned)
        known = [n if isinstance(n, int) else -1 for n in d.shape(x)[:2]]
        if known.count(-1) > 1:
            return
        y = d.op("reshape", y, d.ints(*known, m))
    y = d.op("add", y, d.vector(m)) if d.chance(0.7) else y
    y = d.op(d.pick(*_SMOOTH), y) if d.chance(0.5) else y
    if d.width(y) == k and d.chance(0.6):
        d.op("add", *d.pick((x, y), (y, x)))


def convolution(d: Draft) -> None:
    """A convolution, grouped or not, with what stands behind one."""
    x = d.image()
    c, m, side = d.width(x, 1), d.pick(4, 8), d.pick(1, 3)
    group = d.pick(*(g for g in (1, 1, 2, c) if c % g == 0 and m % g == 0))
    w = d.zeroed(m, c // group * side**2).reshape(m, c // group, side, side)
    bias = d.pick((), (d.vector(m),))
    stride = d.pick(1, 1, 2)
    small = min(d.width(x, 2), d.width(x, 3)) < 4
    pads = (side // 2,) * 4 if small else d.pick((0,) * 4, (side // 2,) * 4)
    y = d.op("conv", x, d.constant(w), *bias, pads=pads, strides=(stride,) * 2, group=group)
    y = _normalized(d, y) if d.chance(0.6) else y
    y = d.op("add", y, d.like(y)) if d.chance(0.3) else y
    if d.chance(0.6):
        d.op(d.pick(*_SMOOTH), y)


def _normalized(d: Draft, x: str) -> str:
    size = d.width(x, 1)
    facts = (d.vector(size), d.vector(size), d.vector(size), d.positive(size))
    return d.op("batch_normalization", x, *facts)


def batch_norm(d: Draft) -> None:
    """Batch normalization of what there is, after a layer or not."""
    _normalized(d, d.pick(d.matrix, d.image)())


def pooling(d: Draft) -> None:
    """Pools, and means over a whole image."""
    x = d.image()
    if d.width(x, 2) < 2 or d.width(x, 3) < 2 or d.chance(0.4):
        d.op("reduce_mean", x, axes=(2, 3), keepdims=d.pick(0, 1))
        return
    op = d.pick("max_pool", "average_pool")
    d.op(op, x, kernel_shape=(2, 2), strides=d.pick((1, 1), (2, 2)), pads=(0,) * 4)


def attention(d: Draft) -> None:
    """Attention of several heads, spelled out, with a mask that is added or none."""
    x = d.sequence()
    k = d.width(x)
    heads = d.pick(*(n for n in (1, 2, 4) if k % n == 0))
    q, v, keys = (
        d.op("reshape", d.op("matmul", x, d.weight(k, k)), d.ints(0, 0, heads, k // heads))
        for _ in range(3)
    )
    q, v = (d.op("transpose", part, perm=(0, 2, 1, 3)) for part in (q, v))
    scores = d.op("matmul", q, d.op("transpose", keys, perm=(0, 2, 3, 1)))
    scores = d.op(*d.pick(("div", scores, d.number(2.0)), ("multiply", d.number(0.5), scores)))
    if d.chance(0.4):
        scores = d.op("add", scores, d.number(-1.0))
    mixed = d.op("matmul", _softmax(d, scores), v)
    flat = d.op("reshape", d.op("transpose", mixed, perm=(0, 2, 1, 3)), d.ints(0, 0, k))
    y = d.op("matmul", flat, d.weight(k, k))
    if d.chance(0.7):
        d.op("add", d.op("add", y, d.vector(k)), x)


def _softmax(d: Draft, x: str) -> str:
    """The softmax of the last axis, as one op or spelled out."""
    if d.chance(0.6):
        return d.op("softmax", x, axis=-1)
    moved = d.op("sub", x, d.op("reduce_max", x, axes=(-1,), keepdims=1))
    powers = d.op("exp", moved)
    return d.op("div", powers, d.op("reduce_sum", powers, axes=(-1,), keepdims=1))


def sparse_attention(d: Draft) -> None:
    """Attention over the entries of a sparse mask."""
    rows, depth = 8, 4
    x = d.value(lambda t: t.shape == (rows, depth), (rows, depth))
    mask = (d.rng.random((rows, rows)) < 0.4).astype(d.dtype)
    held = d.constant(from_dense(mask, d.pick("csr", "coo")))
    q = d.op("multiply", x, d.number(0.5)) if d.chance(0.5) else x
    keys = d.op("transpose", d.like(x), perm=d.pick(None, (1, 0)))
    weights = d.hidden("softmax", d.hidden("sddmm", held, q, keys), axis=d.pick(1, -1))
    d.op("spmm", weights, d.like(x))


def pointwise(d: Draft) -> None:
    """A few ops in a row that work on each element by itself."""
    x = d.any()
    for _ in range(d.pick(1, 2, 4)):
        if d.chance(0.6):
            x = d.op(d.pick(*_UNARY), x)
        elif d.chance(0.5):
            x = d.op("clip", x, min=d.pick(None, -0.5, 0.0), max=d.pick(None, 0.5, 6.0))
        else:
            x = _beside(d, x)


def _beside(d: Draft, x: str) -> str:
    """An op of a value and a constant along some of its axes."""
    last = d.shape(x)[-1]
    vectors = (d.vector(last), d.positive(last)) if isinstance(last, int) and last else ()
    other = d.pick(d.number(float(d.pick(0.0, 1.0, 2.0, -0.0))), *vectors)
    op = d.pick("add", "multiply", "sub", "max", "min")
    return d.op(op, *d.pick((x, other), (other, x)))


def spelled(d: Draft) -> None:
    """A function that exporters write in small ops."""
    x = d.any()
    KINDS[d.pick(*KINDS)](d, x)


def _gelu(d: Draft, x: str) -> None:
    inner = d.op("erf", d.op("div", x, d.number(float(np.sqrt(2)))))
    both = d.op("multiply", x, d.op("add", inner, d.number(1.0)))
    d.op("multiply", both, d.number(0.5))


def _silu(d: Draft, x: str) -> None:
    gate = d.op("sigmoid", x) if d.chance(0.5) else d.op(
        "reciprocal", d.op("add", d.op("exp", d.op("neg", x)), d.number(1.0))
    )  # fmt: skip
    d.op("multiply", *d.pick((x, gate), (gate, x)))


def _layer_norm(d: Draft, x: str) -> None:
    """Normalization of the last axis, with scale and shift or without."""
    away = d.op("sub", x, d.op("reduce_mean", x, axes=(-1,), keepdims=1))
    power = d.op("multiply", away, away) if d.chance(0.5) else d.op("pow", away, d.number(2.0))
    var = d.op("reduce_mean", power, axes=(-1,), keepdims=1)
    y = d.op("div", away, d.op("sqrt", d.op("add", var, d.number(0.01))))
    last = d.shape(x)[-1]
    if isinstance(last, int) and last:
        d.op("add", d.op("multiply", y, d.vector(last)), d.vector(last))


KINDS: dict[str, Callable[[Draft, str], object]] = {
    "gelu": _gelu,
    "silu": _silu,
    "relu": lambda d, x: d.op("max", x, d.number(0.0)),
    "layer_norm": _layer_norm,
    "softmax": _softmax,
    "hard_swish": lambda d, x: d.op(
        "multiply",
        x,
        d.op("div", d.op("clip", d.op("add", x, d.number(3.0)), min=0.0, max=6.0), d.number(6.0)),
    ),
}


def norm(d: Draft) -> None:
    """Normalization of rows as one op."""
    x = d.pick(d.matrix, d.sequence)()
    size = d.width(x)
    if d.chance(0.5):
        d.op("layer_normalization", x, d.vector(size), d.vector(size), epsilon=0.01)
    else:
        d.op("rms_normalization", x, d.vector(size), epsilon=0.01)


def merge(d: Draft) -> None:
    """Two values of one shape, or one value twice."""
    x = d.any()
    d.op(d.pick("add", "add", "multiply", "sub", "max"), x, d.like(x))


def useless(d: Draft) -> None:
    """What gives back what it is given."""
    USELESS[d.pick(*USELESS)](d, d.any())


def _turned_back(d: Draft, x: str) -> None:
    perm = d.rng.permutation(len(d.shape(x)))
    turned = d.moved("transpose", x, perm=tuple(map(int, perm)))
    d.moved("transpose", turned, perm=tuple(map(int, np.argsort(perm))))


def _axis_and_back(d: Draft, x: str) -> None:
    longer = d.moved("unsqueeze", x, d.ints(at := d.pick(0, len(d.shape(x)))))
    d.moved("squeeze", longer, d.ints(at))


def _nothing_added(d: Draft, x: str) -> None:
    op, zero = d.pick(("add", -0.0), ("add", 0.0), ("sub", 0.0))
    d.moved(op, x, d.number(zero))


def _twice(d: Draft, x: str) -> None:
    op = d.pick("relu", "abs", "neg")
    d.op(op, d.op(op, x))


USELESS: dict[str, Callable[[Draft, str], object]] = {
    "identity": lambda d, x: d.moved("identity", x),
    "cast": lambda d, x: d.moved("cast", x, to=d.dtype),
    "one": lambda d, x: d.moved(d.pick("multiply", "div", "pow"), x, d.number(1.0)),
    "zero": _nothing_added,
    "axis": _axis_and_back,
    "turns": _turned_back,
    "pad": lambda d, x: d.moved("pad", x, d.ints(*(0, 0) * len(d.shape(x)))),
    "concat": lambda d, x: d.moved("concat", x, axis=0),
    "clip": lambda d, x: d.moved("clip", x),
    "twice": _twice,
}


def turn(d: Draft) -> None:
    """A permutation of axes, and another one later or not."""
    x = d.any()
    for _ in range(d.pick(1, 2)):
        perm = tuple(int(i) for i in d.rng.permutation(len(d.shape(x))))
        x = d.moved("transpose", x, perm=perm)
        if d.chance(0.4):
            x = d.op(d.pick(*_UNARY), x)


def fold(d: Draft) -> None:
    """Reshapes between two, three and four axes, and maybe back."""
    x = d.any()
    shape = d.shape(x)
    last = shape[-1]
    if not isinstance(last, int) or last % 2 or last == 0:
        return
    y = d.moved("reshape", x, d.pick(d.ints(-1, last), d.ints(-1, last // 2), d.ints(-1, 1, last)))
    if d.chance(0.5):
        y = d.op(d.pick(*_UNARY), y)
    known = [n if isinstance(n, int) else -1 for n in shape]
    if known.count(-1) <= 1 and d.chance(0.6):
        d.op("reshape", y, d.ints(*known))


def flat(d: Draft) -> None:
    """An image as a row."""
    d.moved("flatten", d.image(), axis=1)


def again(d: Draft) -> None:
    """What was computed before, once more: some step with the same choices."""
    x = d.matrix()
    seed, state = int(d.rng.integers(100)), d.rng
    w, b = d.weight(d.width(x), 8), d.vector(8)
    for _ in range(2):
        d.rng = np.random.default_rng(seed)
        y = d.op("add", *d.pick((p := d.op("matmul", x, w), b), (b, p)))
        d.op(d.pick("relu", "tanh"), y)
    d.rng = state


def computed_weight(d: Draft) -> None:
    """A layer whose weight is computed from constants alone."""
    x = d.matrix()
    k = d.width(x)
    if d.chance(0.5):
        w = d.hidden("transpose", d.weight(8, k), perm=(1, 0))
    else:
        whole = d.rng.integers(-3, 4, (k, 8)).astype(np.int8)
        scale = d.constant(np.asarray(0.125, d.dtype))
        w = d.hidden("dequantize_linear", d.constant(whole), scale)
    d.op("matmul", x, w)


def parts(d: Draft) -> None:
    """Slices, splits and gathered columns, put together again."""
    x = d.matrix()
    k = d.width(x)
    how = d.pick("split", "slice", "gather")
    if how == "split" and k % 2 == 0 and k:
        first = d.hidden("split", x, axis=1, num_outputs=2)
        d.op("concat", *d.pick((first, f"{first}.1"), (f"{first}.1", first)), axis=1)
    elif how == "slice":
        end = d.pick(k, max(1, k // 2))
        d.moved("slice", x, d.ints(0), d.ints(end), d.ints(1), d.ints(1))
    else:
        order = d.rng.permutation(k)[: max(1, k - d.pick(0, 1))]
        d.moved("gather", x, d.constant(order.astype(np.int64)), axis=1)


def jump(d: Draft) -> None:
    """What is not continuous, of exact values: elsewhere a rounding would decide."""
    found = [v for v in d.values if v in d.exact]
    x = d.pick(*found) if found else d.matrix()
    if x not in d.exact:
        return
    if d.chance(0.5):
        op = d.pick(*_JUMPING)
        y = d.moved(op, x)
        if d.chance(0.5):
            d.moved(op, y)
    else:
        d.op("where", d.hidden("greater", x, d.number(0.0)), x, d.pick(d.number(0.5), d.like(x)))


def like_shape(d: Draft) -> None:
    """A reshape to a shape that is computed from another value's."""
    x = d.matrix()
    k = d.width(x)
    rows = d.hidden("shape", x, start=0, end=1)
    whole = d.hidden("concat", rows, d.ints(k), axis=0)
    d.op("reshape", d.op("tanh", x), whole)


STEPS: dict[str, Step] = {
    step.__name__: step
    for step in (
        linear, columns, linear_on_tokens, convolution, batch_norm, pooling, attention,
        sparse_attention, pointwise, spelled, norm, merge, useless, turn, fold, flat, again,
        computed_weight, parts, jump, like_shape,
    )
}  # fmt: skip
"""By name, so that a graph that fails can be made again."""
