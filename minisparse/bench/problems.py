"""Problems of one op with a sparse weight, drawn at random.

What calibration fits to and what ``minisparse bench dispatch`` judges by are drawn alike, from
other seeds: shapes of layers, patterns of pruned ones, and everything in between.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minisparse.bench.patterns import PATTERNS, draw_values
from minisparse.core.dtypes import Array
from minisparse.formats import find_pattern, from_dense
from minisparse.graph import Graph, GraphBuilder

OPS_DRAWN = {"spmm": 0.4, "dsmm": 0.15, "spmv": 0.15, "conv": 0.2, "sddmm": 0.1}
"""How often each op is drawn."""
EPILOGUES = ("", "", "", "bias_relu")
"""What follows a product, each as often as the others."""
POINTWISE = ("add_bias", "relu", "gelu", "silu", "add", "clip")
"""Ops that may follow a product, drawn by name only."""
LARGEST = 1 << 22
"""Elements of a weight at most."""
FLOPS = 2e9
"""Floating-point operations at most that a dense product takes, unless said otherwise."""
SIDES = (7, 14, 28, 56)
"""Of images."""


def _diagonals(rng: np.random.Generator, m: int, k: int, density: float) -> Array:
    """Keep the main diagonal, or 3 or 5 around it, whatever the density."""
    far = np.arange(k) - np.arange(m)[:, None]
    return np.asarray(np.abs(far) <= rng.integers(3))


DRAWN = {**PATTERNS, "diagonals": _diagonals}
"""Patterns by name, each drawn as often as the others."""


class Problem(NamedTuple):
    """One op on one weight.

    Attributes
    ----------
    op : str
        Perhaps with an epilogue: ``"spmm_bias_relu"``.
    pattern : str
        How the zeros lie: a name in :data:`DRAWN`.
    density : float
        Stored over all elements, about.
    shape : tuple of int
        Of the weight as a matrix; of filters ``(M, C, k, k)``.
    columns : int
        N: columns of B, rows of what stands left of a weight, the depth of SDDMM's factors; of a
        convolution the images' side.
    batch, stride : int
        Of a convolution.
    dtype : str
        Of all operands.
    """

    op: str
    pattern: str
    density: float
    shape: tuple[int, ...]
    columns: int
    dtype: str
    batch: int = 1
    stride: int = 1

    @property
    def base(self) -> str:
        """The op without its epilogue."""
        return self.op if self.op in POINTWISE else self.op.partition("_")[0]

    def __str__(self) -> str:
        """Return it in a line of a table."""
        shape = "x".join(map(str, self.shape))
        return f"{self.op} {shape} N={self.columns} {self.pattern} {self.density:.3g} {self.dtype}"


def draw_problem(
    rng: np.random.Generator, op: str = "", fuse: bool = True, flops: float = FLOPS
) -> Problem:
    """Return a random problem.

    Parameters
    ----------
    rng : Generator
        What decides.
    op : str
        Which op; any if empty.
    fuse : bool
        Whether it may have an epilogue.
    flops : float
        Floating-point operations at most that a dense product takes.
    """
    op = op or str(rng.choice(list(OPS_DRAWN), p=list(OPS_DRAWN.values())))
    if op in POINTWISE:
        m, n = (_size(rng, 8, 1024) for _ in range(2))
        return Problem(op, "dense", 1.0, (m, n), n, "float32")
    pattern = str(rng.choice(list(DRAWN)))
    density = float(np.exp(rng.uniform(np.log(0.005), np.log(0.95))))
    dtype = "float64" if rng.random() < 0.2 else "float32"
    if op == "conv":
        return _draw_conv(rng, pattern, density, dtype, flops)
    m, k = (_size(rng, 32, 2304) for _ in range(2))
    while m * k > LARGEST:
        m, k = (_size(rng, 32, 2304) for _ in range(2))
    most = flops / (2 * m * k)
    n = 1 if op == "spmv" else _size(rng, 1, int(min(1024, max(2, most))), 1)
    if op == "sddmm":
        n = _size(rng, 8, 256, 8)
    ending = str(rng.choice(EPILOGUES)) if op == "spmm" and fuse else ""
    return Problem(f"{op}_{ending}" if ending else op, pattern, density, (m, k), n, dtype)


def _draw_conv(
    rng: np.random.Generator, pattern: str, density: float, dtype: str, flops: float
) -> Problem:
    """Return a random convolution of a size that networks have."""
    side, kernel = int(rng.choice(SIDES)), int(rng.choice((1, 3, 3, 3)))
    while True:
        m, c = _size(rng, 16, 512), _size(rng, 3, 512, 1)
        batch = int(rng.choice((1, 1, 4, 8)))
        if 2 * m * c * kernel**2 * side**2 * batch <= flops:
            break
    stride = 2 if rng.random() < 0.2 else 1
    return Problem("conv", pattern, density, (m, c, kernel, kernel), side, dtype, batch, stride)


def _size(rng: np.random.Generator, least: int, most: int, multiple: int = 0) -> int:
    """Return a size, log-uniform; most are multiples of 16, as those of layers are."""
    size = float(np.exp(rng.uniform(np.log(least), np.log(most))))
    multiple = multiple or int(rng.choice((1, 8, 16, 64)))
    if multiple == 1 and size > 8:
        multiple = int(rng.choice((1, 8)))
    return int(np.clip(round(size / multiple) * multiple, least, most))


def build(problem: Problem, rng: np.random.Generator) -> tuple[Graph, list[Any]]:
    """Return a graph of one node with the weight's pattern, and its operands in their order."""
    if problem.base in POINTWISE:
        return _pointwise(problem, rng)
    m = problem.shape[0]
    k = int(np.prod(problem.shape[1:]))
    mask = DRAWN[problem.pattern](rng, m, k, problem.density)
    weight = np.where(mask, draw_values(rng, (m, k), problem.dtype), 0).astype(problem.dtype)
    shapes, at, attrs = _others(problem)
    others = [draw_values(rng, shape, problem.dtype) for shape in shapes]
    b = GraphBuilder("one")
    names = [b.input(f"x{i}", x.shape, x.dtype) for i, x in enumerate(others)]
    operands: list[Any] = list(others)
    sampled = problem.base == "sddmm"  # whose result is stored as its weight is
    operands.insert(at, from_dense(weight, "csr") if sampled else weight.reshape(problem.shape))
    names.insert(at, b.constant("w", operands[at]))
    graph = b.build({"y": b.op(problem.op, *names, name="node", **attrs)})
    return replace(graph, patterns={"w": find_pattern(weight)}), operands


def _pointwise(problem: Problem, rng: np.random.Generator) -> tuple[Graph, list[Any]]:
    """Return a graph of one op that takes each element by itself."""
    shapes = [problem.shape] * (2 if problem.op == "add" else 1)
    shapes += [problem.shape[:1]] * (problem.op == "add_bias")
    operands: list[Any] = [draw_values(rng, shape, problem.dtype) for shape in shapes]
    b = GraphBuilder("one")
    names = [b.input(f"x{i}", x.shape, x.dtype) for i, x in enumerate(operands)]
    return b.build({"y": b.op(problem.op, *names, name="node")}), operands


def _others(problem: Problem) -> tuple[list[tuple[int, ...]], int, dict[str, Any]]:
    """Return the shapes of the other operands, where the weight stands, and the attributes."""
    n, (m, k) = problem.columns, problem.shape[:2]
    if problem.base == "conv":
        pad = problem.shape[2] // 2
        attrs = {"pads": (pad,) * 4, "strides": (problem.stride,) * 2}
        return [(problem.batch, k, n, n)], 1, attrs
    bias = [(m,)] if "bias" in problem.op else []
    if problem.base == "spmm":
        return [(k, n), *bias], 0, {}
    if problem.base == "dsmm":
        return [(n, m)], 1, {}
    if problem.base == "spmv":
        return [(k,)], 0, {}
    return [(m, n), (n, k)], 0, {}
