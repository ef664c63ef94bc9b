"""Convolutions of 3x3 with sparse weights, beside three ways in which NumPy computes dense ones.

The whole column matrix at once (im2col), its tiles of output rows, and one product for each tap
of the window with a shifted image; the fastest of them is what promises are about.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np

from minisparse.bench.patterns import draw_csr, draw_values
from minisparse.bench.products import TORCH, dense_rows
from minisparse.bench.suite import (
    Answer,
    Cell,
    Contender,
    Operands,
    Promise,
    Ready,
    Suite,
    read_array,
)
from minisparse.core.dtypes import Array
from minisparse.core.extras import require

CHANNELS = ((64, 64), (128, 64), (128, 128), (256, 128), (256, 256))
"""Filters and channels, as in the four stages of ResNets."""
BATCHES = (1, 8)
SIDES = (14, 28, 56)
DENSITIES = (0.2, 0.1, 0.05)
PATTERNS = ("unstructured", "16x16", "rows")
PEERS = ("im2col", "tiled", "shifted")
_TILE_BYTES = 1 << 19
_PADS = ((0, 0), (0, 0), (1, 1), (1, 1))


def _cells() -> list[Cell]:
    return [
        Cell(pattern, density, (*channels, batch), side, "float32")
        for pattern, density, channels, batch, side in product(
            PATTERNS, DENSITIES, CHANNELS, BATCHES, SIDES
        )
    ]


def _problem(cell: Cell, rng: np.random.Generator) -> dict[str, Array]:
    """Draw W ``[M, C * 9]`` and images ``[batch, C, side, side]``; the side is ``columns``."""
    m, c, batch = cell.shape
    return {
        **draw_csr(rng, cell.pattern, (m, c * 9), cell.density, cell.dtype),
        "x": draw_values(rng, (batch, c, cell.columns, cell.columns), cell.dtype),
    }


def _weights(cell: Cell, operands: Operands) -> Array:
    """Return W as it is dense, ``[M, C, 3, 3]``."""
    m, c, _ = cell.shape
    return dense_rows(operands, 0, m, c * 9).astype(cell.dtype).reshape(m, c, 3, 3)


def shifted(x: Array, w: Array) -> Array:
    """Add up one product of matrices for each tap, with the image shifted to it."""
    batch, c, side, _ = x.shape
    padded = np.pad(x, _PADS)
    y = np.zeros((batch, w.shape[0], side * side), x.dtype)
    for i in range(3):
        for j in range(3):
            seen = padded[:, :, i : i + side, j : j + side].reshape(batch, c, -1)
            y += w[:, :, i, j] @ seen
    return y.reshape(batch, w.shape[0], side, side)


def im2col(x: Array, w: Array) -> Array:
    """Lay out the columns of all places, and multiply once an image."""
    return tiled(x, w, rows=x.shape[2])


def tiled(x: Array, w: Array, rows: int | None = None) -> Array:
    """Lay out the columns of some rows of places at a time, as many as a cache holds."""
    batch, c, side, _ = x.shape
    m = w.shape[0]
    rows = rows or max(1, _TILE_BYTES // (c * 9 * side * x.itemsize))
    flat, padded = w.reshape(m, -1), np.pad(x, _PADS)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    windows = windows.transpose(0, 1, 4, 5, 2, 3)
    y = np.empty((batch, m, side, side), x.dtype)
    for image in range(batch):
        for begin in range(0, side, rows):
            tile = windows[image, ..., begin : begin + rows, :]
            found = flat @ tile.reshape(c * 9, -1)
            y[image, :, begin : begin + rows] = found.reshape(m, -1, side)
    return y


def _answer(cell: Cell, operands: Operands) -> Answer:
    x, w = operands["x"].astype(np.float64), _weights(cell, operands).astype(np.float64)
    terms = np.max(np.diff(operands["indptr"]), initial=0)
    return Answer(shifted(x, w), float((terms + 12) * np.finfo(cell.dtype).eps))


def _numpy(way: Callable[[Array, Array], Array]) -> Callable[[Cell, Operands], Ready]:
    def make(cell: Cell, operands: Operands) -> Ready:
        x, w = operands["x"], _weights(cell, operands)
        return Ready(lambda: way(x, w))

    return make


def _plan(choose: bool) -> Callable[[Cell, Operands], Ready]:
    """Return a graph of one convolution: in the suited format, or as dispatch chooses."""

    def make(cell: Cell, operands: Operands) -> Ready:
        from minisparse.api import compile
        from minisparse.formats import CSR
        from minisparse.graph import GraphBuilder
        from minisparse.passes import PASSES

        m, c, _ = cell.shape
        weight: Any = _weights(cell, operands)
        attrs: dict[str, Any] = {"pads": (1, 1, 1, 1)}
        if not choose:
            weight = CSR(operands["data"], operands["indices"], operands["indptr"], (m, c * 9))
            if cell.pattern == "16x16":
                weight = weight.to("bsr", block=(16, 16))
            attrs["kernel_shape"] = (3, 3)
        graph, x = GraphBuilder("cell"), operands["x"]
        w = graph.constant("w", weight)
        y = graph.op("conv", graph.input("x", x.shape, x.dtype), w, **attrs)
        plan = compile(graph.build({"y": y}), skip=() if choose else tuple(PASSES))
        return Ready(lambda: plan(x), plan.steps[-1].chosen.name)

    return make


def _torch(cell: Cell, operands: Operands) -> Ready:
    torch = require("torch", "torch", "comparing with PyTorch")
    x, w = torch.from_numpy(operands["x"]), torch.from_numpy(_weights(cell, operands))
    return Ready(lambda: torch.conv2d(x, w, padding=1), "dense")


def _cost(cell: Cell) -> Mapping[str, float]:
    m, c, batch = cell.shape
    places = batch * cell.columns**2
    whole, columns = 2e-11 * 9 * m * c * places, 1.5e-9 * 9 * c * places
    ours = whole * cell.density * 4 + columns
    found = dict.fromkeys(PEERS, whole + columns)
    return {**found, "ours": ours, "dispatch": ours, "torch": whole}


def _setup(cell: Cell) -> float:
    m, c, batch = cell.shape
    return 0.1 + 1e-9 * 9 * m * c * 100 + 1e-10 * 9 * m * c * batch * cell.columns**2


CONV = Suite(
    "conv",
    "conv",
    "3x3 convolutions; shape is filters x channels x batch, columns the image's side",
    _cells,
    _cost,
    _setup,
    _problem,
    _answer,
    read_array,
    (
        Contender("ours", _plan(choose=False), weighed=True),
        Contender("dispatch", _plan(choose=True), weighed=True),
        Contender("im2col", _numpy(im2col)),
        Contender("tiled", _numpy(tiled)),
        Contender("shifted", _numpy(shifted)),
        Contender("torch", _torch, (TORCH,)),
    ),
    PEERS,
    tuple(Promise((p,), density, PEERS, 1.0) for p, density in product(PATTERNS, DENSITIES)),
)
