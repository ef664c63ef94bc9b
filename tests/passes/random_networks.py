"""Random networks with dead parts: every way in which channels depend on each other.

A network is made from a seed alone. Weights are float64, so that two graphs that mean the same
give the same numbers but for the last few digits.
"""

from collections.abc import Callable, Mapping

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import Matrix
from minisparse.graph import Graph, GraphBuilder


class Sketch:
    """A builder that makes up weights as it goes, some of them dead."""

    def __init__(self, name: str, seed: int, death: float) -> None:
        self.b = GraphBuilder(name)
        self.rng = np.random.default_rng(seed)
        self.death = death
        self.count = 0

    def pick(self, *choices: int) -> int:
        return int(self.rng.choice(choices))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def const(self, array: Array) -> str:
        self.count += 1
        return self.b.constant(f"c{self.count}", array)

    def dead(self, count: int) -> Array:
        return np.asarray(self.rng.random(count) < self.death)

    def weight(self, *shape: int) -> Array:
        """Return a weight of which some rows, and some columns, are zero."""
        w: Array = self.rng.standard_normal(shape)
        w /= np.sqrt(np.prod(shape[1:]))
        w[self.dead(shape[0])] = 0
        w[:, self.dead(shape[1])] = 0
        return w

    def vector(self, size: int) -> Array:
        """Return a bias: none of it, half of it or all of it zero."""
        v = self.rng.standard_normal(size)
        v[self.rng.random(size) < self.pick(0, 1, 2) / 2] = 0
        return v

    def size(self, value: str, axis: int) -> int:
        found = self.b.type_of(value).shape[axis]
        assert isinstance(found, int)
        return found

    def conv(self, x: str, channels: int, group: int = 1, stride: int = 1) -> str:
        """Return a convolution that keeps the size of the image unless it has a stride."""
        kernel = self.pick(1, 3)
        w = self.weight(channels, self.size(x, 1) // group, kernel, kernel)
        bias = [self.const(self.vector(channels))] if self.chance(0.6) else []
        pads, strides = (kernel // 2,) * 4, (stride, stride)
        return self.b.op("conv", x, self.const(w), *bias, pads=pads, strides=strides, group=group)

    def valid_conv(self, x: str, channels: int) -> str:
        """Return a convolution without padding."""
        kernel = min(self.size(x, 2), 3)
        w = self.weight(channels, self.size(x, 1), kernel, kernel)
        return self.b.op("conv", x, self.const(w), self.const(self.vector(channels)))

    def norm(self, x: str) -> str:
        count = self.size(x, 1)
        scale, bias = self.vector(count), self.vector(count)
        scale[self.dead(count)] = 0
        names = [self.const(a) for a in (scale, bias, self.vector(count))]
        variance = self.const(self.rng.random(count) + 0.5)
        return self.b.op("batch_normalization", x, *names, variance)

    def activation(self, x: str) -> str:
        return self.b.op(str(self.rng.choice(["relu", "gelu", "silu", "tanh", "clip"])), x)

    def linear(self, x: str, out: int, bias: bool = True) -> str:
        """Return a linear layer: a gemm for matrices, else a matmul and a sum."""
        inside = self.size(x, -1)
        w = self.weight(out, inside)
        v = [self.const(self.vector(out))] if bias else []
        if self.b.type_of(x).ndim == 2 and self.chance(0.7):
            turned = self.pick(0, 1)
            held = w if turned else np.ascontiguousarray(w.T)
            alpha = self.pick(1, 2)
            return self.b.op("gemm", x, self.const(held), *v, transB=turned, alpha=float(alpha))
        product = self.b.op("matmul", x, self.const(np.ascontiguousarray(w.T)))
        return self.b.op("add", product, *v) if v else product


def _residual(s: Sketch, x: str) -> str:
    branch = s.activation(s.norm(s.conv(x, s.pick(3, 4, 6))))
    branch = s.conv(branch, s.size(x, 1))
    return s.b.op("relu", s.b.op("add", branch, x))


def _concatenated(s: Sketch, x: str) -> str:
    parts = [s.activation(s.conv(x, s.pick(2, 3))) for _ in range(s.pick(1, 2))]
    return s.b.op("concat", x, *parts, axis=1)


def _grouped(s: Sketch, x: str) -> str:
    group = s.pick(2, 3)
    x = s.activation(s.conv(x, 2 * group))
    return s.activation(s.conv(x, s.pick(1, 2, 3) * group, group=group))


def _depthwise(s: Sketch, x: str) -> str:
    count = s.size(x, 1)
    x = s.activation(s.norm(s.conv(x, count * s.pick(1, 2), group=count)))
    return s.conv(x, s.pick(3, 4))


def _gated(s: Sketch, x: str) -> str:
    """Squeeze and excite: channels are multiplied with what their means say."""
    count = s.size(x, 1)
    means = s.b.op("reduce_mean", x, axes=(2, 3), keepdims=1)
    gate = s.b.op("sigmoid", s.conv(s.b.op("relu", s.conv(means, 2)), count))
    return s.b.op("multiply", x, gate)


def _split(s: Sketch, x: str) -> str:
    x = s.conv(x, 6)
    sizes = s.const(np.array([2, 4]))
    first = s.b.op("split", x, sizes, axis=1)
    second = s.activation(s.conv(f"{first}.1", 2))
    return s.b.op("concat", s.b.op("add", first, second), second, axis=1)


def _sliced(s: Sketch, x: str) -> str:
    x = s.activation(s.conv(x, 7))
    bounds = [s.const(np.array([n])) for n in (s.pick(0, 2), s.pick(4, -1), 1)]
    return s.b.op("slice", x, *bounds)


def _pooled(s: Sketch, x: str) -> str:
    if s.size(x, 2) < 4:
        return s.norm(x)
    if s.chance(0.5):
        return s.b.op("max_pool", x, kernel_shape=(2, 2), strides=(2, 2))
    pads, padded = (1, 1, 1, 1), s.pick(0, 1)
    return s.b.op(
        "average_pool", x, kernel_shape=(3, 3), strides=(2, 2), pads=pads, count_include_pad=padded
    )


def _valid(s: Sketch, x: str) -> str:
    return s.activation(s.valid_conv(x, s.pick(3, 5)))


def _mixed(s: Sketch, x: str) -> str:
    count = s.size(x, 1)
    scale, bias = s.const(s.vector(count)), s.const(s.vector(count))
    if s.chance(0.5):
        return s.b.op("instance_normalization", x, scale, bias)
    return s.b.op("group_normalization", x, scale, bias, num_groups=1)


BLOCKS: tuple[Callable[[Sketch, str], str], ...] = (
    _residual, _concatenated, _grouped, _depthwise, _gated, _split, _sliced, _pooled, _valid, _mixed
)  # fmt: skip


def image_network(seed: int, death: float = 0.3) -> Graph:
    """Return convolutions in random blocks, and a linear layer or two."""
    s = Sketch(f"image_{seed}", seed, death)
    x = s.activation(s.conv(s.b.input("x", ("batch", 2, 6, 6), "float64"), s.pick(4, 6)))
    for block in s.rng.choice(len(BLOCKS), s.pick(1, 2, 3)):
        x = BLOCKS[block](s, x)
    mean = s.chance(0.5)
    x = s.b.op("reduce_mean", x, axes=(2, 3), keepdims=0) if mean else s.b.op("flatten", x)
    if s.chance(0.5):
        x = s.activation(s.linear(x, 5))
    return s.b.build({"y": s.linear(x, 3)})


def _projections(s: Sketch, x: str, width: int) -> tuple[str, ...]:
    """Return queries, keys and values: of a weight each, or parts of one that holds all three."""
    if s.chance(0.5):
        return tuple(s.linear(x, width) for _ in range(3))
    first = s.b.op("split", s.linear(x, 3 * width), axis=-1, num_outputs=3)
    return first, f"{first}.1", f"{first}.2"


def _heads(s: Sketch, x: str, heads: int, each: int) -> str:
    shape = s.const(np.array([0, 0, heads, each]))
    return s.b.op("transpose", s.b.op("reshape", x, shape), perm=(0, 2, 1, 3))


def _attention(s: Sketch, x: str) -> str:
    heads, each, width = s.pick(2, 3), s.pick(1, 2), s.size(x, 2)
    q, k, v = (_heads(s, part, heads, each) for part in _projections(s, x, heads * each))
    scores = s.b.op("matmul", q, s.b.op("transpose", k, perm=(0, 1, 3, 2)))
    weights = s.b.op("softmax", s.b.op("div", scores, s.const(np.array(2.0))), axis=-1)
    mixed = s.b.op("transpose", s.b.op("matmul", weights, v), perm=(0, 2, 1, 3))
    merged = s.b.op("reshape", mixed, s.const(np.array([0, 0, heads * each])))
    out = s.weight(heads * each, width)
    if s.chance(0.7):
        out[:each] = 0  # nobody listens to the first head
    return s.b.op("add", s.b.op("matmul", merged, s.const(out)), x)


def _feed_forward(s: Sketch, x: str) -> str:
    return s.b.op("add", s.linear(s.activation(s.linear(x, 5)), s.size(x, 2)), x)


def _normalized(s: Sketch, x: str) -> str:
    scale, bias = (s.const(s.vector(s.size(x, 2))) for _ in range(2))
    return s.b.op("layer_normalization", x, scale, bias)


def sequence_network(seed: int, death: float = 0.3) -> Graph:
    """Return attention and linear layers, with normalization or without."""
    s = Sketch(f"sequence_{seed}", seed, death)
    tokens = s.b.input("tokens", ("batch", "seq"), "int64")
    x = s.b.op("gather", s.const(s.weight(7, 4)), tokens)
    x = s.linear(x, 4) if s.chance(0.5) else x
    for _ in range(s.pick(1, 2)):
        x = _attention(s, x)
        x = _normalized(s, x) if s.chance(0.5) else x
        x = _feed_forward(s, x)
    x = s.b.op("reduce_mean", x, axes=(1,), keepdims=0) if s.chance(0.5) else x
    return s.b.build({"y": s.linear(x, 3), "x": s.activation(s.linear(x, 2))})


def feeds_for(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """Return inputs, whole numbers for tokens."""
    rng = np.random.default_rng(seed)
    feeds: dict[str, Array] = {}
    for name, type in graph.inputs.items():
        shape = type.bind({"batch": 2, "seq": 3}).dims
        whole = type.dtype.kind == "i"
        feeds[name] = rng.integers(0, 7, shape) if whole else rng.standard_normal(shape)
    return feeds


def meaning(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return the outputs by the ops' dense meaning, one node after another."""
    values: dict[str, Array] = dict(feeds)
    for name, constant in graph.constants.items():
        values[name] = constant.to_dense() if isinstance(constant, Matrix) else constant
    for node in graph.nodes:
        found = node.op.dense([values[name] for name in node.inputs], node.attrs)
        results = found if isinstance(found, tuple) else (found,)
        values.update(zip(node.outputs, results, strict=True))
    return {name: values[value] for name, value in graph.outputs.items()}


def assert_same(before: Graph, after: Graph, seed: int = 0) -> None:
    """Compare what two graphs give for the same inputs."""
    feeds = feeds_for(before, seed)
    expected, found = meaning(before, feeds), meaning(after, feeds)
    assert list(found) == list(expected)
    for name, wanted in expected.items():
        assert found[name].dtype == wanted.dtype
        assert found[name].shape == wanted.shape
        size = max(1.0, np.abs(wanted).max())
        assert np.abs(found[name] - wanted).max() <= 1e-11 * size
