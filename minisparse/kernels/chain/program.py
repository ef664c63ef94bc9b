"""A body as calls on arrays, run piece by piece.

What depends on the inputs' shapes and dtypes alone is found once and kept for the next run, which
most often brings the same: where to cut, and of which shapes and dtypes the values of a piece are.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from threading import get_ident
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.xp import asarray
from minisparse.kernels.chain.cuts import Axes, find_cuts, is_pointwise, pieces_of
from minisparse.kernels.execute import execute
from minisparse.kernels.kernel import Level
from minisparse.kernels.lookup import find_level
from minisparse.kernels.scratch import scratch
from minisparse.kernels.threads import share, usable_threads
from minisparse.ops import Op
from minisparse.ops.body import Body

PIECE = 1 << 16
"""Elements of a value in a piece, where every op works on each element by itself."""
LARGE_PIECE = 1 << 17
"""The same where threads share the pieces, that they wait less for each other between the calls;
and where some ops work on rows."""
BLOCK = (1 << 18) - 1
"""Elements of the largest value in a piece, where there are products: BLAS wants large calls. From
one more on the kernel of softmax would take threads of its own."""
SHARED = 1 << 18
"""Elements of the largest value from which threads share the pieces."""
SHARED_ELEMENTS = 1 << 22
"""The same where each op is one short call on elements: threads that take turns at the interpreter
lose more than they win until memory is what all wait for."""
LONG = frozenset({"elu", "erf", "gelu", "sigmoid", "silu", "softplus"})
"""Functions of elements that are many passes over a piece."""

Index = tuple[slice, ...]


class Step(NamedTuple):
    """A node of the body, ready to run.

    Attributes
    ----------
    run : callable
        From the operands to the result.
    takes_out : bool
        Whether it can be told where the result goes.
    reads : tuple of int
        Places of the values read, inputs first.
    slot : int
        In which of the buffers that take turns the result of a piece goes.
    """

    run: Callable[..., Any]
    takes_out: bool
    reads: tuple[int, ...]
    slot: int


class Pieces(NamedTuple):
    """How a body is run on inputs of some shapes and dtypes.

    Attributes
    ----------
    flat : bool
        Whether inputs are seen as one long row.
    places : tuple
        For each piece, which part of each input it reads, and which part of the result it is.
    full : tuple of (shape, dtype)
        What every step gives for the first piece, and for all that are as large.
    shape : tuple of int
        Of the result.
    threads : int
        How many threads share the pieces.
    """

    flat: bool
    places: tuple[tuple[tuple[Index, ...], Index], ...]
    full: tuple[tuple[tuple[int, ...], DType], ...]
    shape: tuple[int, ...]
    threads: int


class Program:
    """A body with one output, to be called on its inputs again and again."""

    def __init__(self, body: Body, device: bool = False) -> None:
        self._body = body = _live(body)
        self._steps = _steps(body, device)
        self._device = device
        self._pointwise = all(is_pointwise(node.op) for node in body.nodes)
        self._multiplies = any(node.op.sums_products for node in body.nodes)
        short = self._pointwise and not any(node.op.name in LONG for node in body.nodes)
        self._shared = SHARED_ELEMENTS if short else SHARED
        self._met: tuple[Any, Pieces | None] | None = None

    def __call__(self, *inputs: Array, out: Array | None = None) -> Array:
        """Return the output, in ``out`` if it is given."""
        if self._device or not self._steps or not all(isinstance(x, np.ndarray) for x in inputs):
            return self._as_a_whole(inputs, out)
        told = [(x.shape, x.dtype, x.flags.c_contiguous) for x in inputs]
        key = (told, out is None or out.flags.c_contiguous)
        met = self._met
        if met is None or met[0] != key:
            met = self._met = key, self._cut(inputs, key[1])
        pieces = met[1]
        if pieces is None:
            return self._as_a_whole(inputs, out)
        y = np.empty(pieces.shape, pieces.full[-1][1]) if out is None else out
        self._by_pieces(inputs, pieces, y)
        return y

    def _as_a_whole(self, inputs: Sequence[Array], out: Array | None) -> Array:
        """Compute one node after another."""
        found = self._through(inputs, out) if self._steps else []
        result = found[-1] if found else inputs[self._body.inputs.index(self._body.outputs[0])]
        if out is None:
            shared = any(np.may_share_memory(result, x) for x in inputs)
            return result.copy() if shared else result
        if result is not out:
            out[...] = result
        return out

    def _through(self, given: Sequence[Array], out: Array | None = None) -> list[Array]:
        """Return what each step gives, the last one perhaps in ``out``."""
        values = list(given)
        for step in self._steps:
            operands = [values[i] for i in step.reads]
            into = step is self._steps[-1] and step.takes_out and out is not None
            found = step.run(*operands, out=out) if into else step.run(*operands)
            values.append(found if into else asarray(found))
        return values[len(given) :]

    def _cut(self, inputs: Sequence[Array], out_is_contiguous: bool) -> Pieces | None:
        """Return how to run on such inputs; None where they are better left whole."""
        found = find_cuts(self._body, self._shapes(inputs))
        if found is None:
            return None
        shape = found.shapes[self._body.outputs[0]]
        flat = self._pointwise and out_is_contiguous and _lies_alike(inputs, shape)
        if flat:
            inputs = _as_rows(inputs)
            found = find_cuts(self._body, self._shapes(inputs))
            assert found is not None  # the same nodes, in another shape
        cuts = found
        largest = max(prod(cuts.shapes[node.output]) for node in self._body.nodes)
        threads = usable_threads() if largest >= self._shared else 1
        alone = self._pointwise and threads == 1
        length = BLOCK if self._multiplies else PIECE if alone else LARGE_PIECE
        parts = pieces_of(self._body, cuts, length)
        if len(parts) < 2:
            return None
        of = [cuts.of.get(name, frozenset()) for name in self._body.inputs]
        places = tuple(
            (
                tuple(_index(own, x.ndim, part) for own, x in zip(of, inputs, strict=True)),
                _index(cuts.axes, 1 if flat else len(shape), part),
            )
            for part in parts
        )
        first = self._through([x[i] for x, i in zip(inputs, places[0][0], strict=True)])
        full = tuple((x.shape, x.dtype) for x in first)
        return Pieces(flat, places, full, shape, threads)

    def _shapes(self, inputs: Sequence[Array]) -> dict[str, tuple[int, ...]]:
        return {name: x.shape for name, x in zip(self._body.inputs, inputs, strict=True)}

    def _by_pieces(self, inputs: Sequence[Array], pieces: Pieces, whole: Array) -> None:
        """Compute piece by piece, the values of each in the buffers of the one before it."""
        given = _as_rows(inputs) if pieces.flat else inputs
        y = whole.reshape(-1) if pieces.flat else whole
        steps, (extent, _) = self._steps[:-1], pieces.full[-1]
        last = self._steps[-1]
        held: dict[int, list[Array | None]] = {}  # by thread

        def compute(place: tuple[tuple[Index, ...], Index]) -> None:
            values = [x[i] for x, i in zip(given, place[0], strict=True)]
            into = y[place[1]]
            buffers = held.get(get_ident())
            if buffers is None:
                buffers = held[get_ident()] = self._buffers(pieces)
            if into.shape != extent:
                into[...] = self._through(values)[-1]
                return
            for step, buffer in zip(steps, buffers, strict=True):
                operands = [values[i] for i in step.reads]
                found = step.run(*operands) if buffer is None else step.run(*operands, out=buffer)
                values.append(found)
            operands = [values[i] for i in last.reads]
            if last.takes_out:
                last.run(*operands, out=into)
            else:
                into[...] = last.run(*operands)

        share(compute, pieces.places, pieces.threads)

    def _buffers(self, pieces: Pieces) -> list[Array | None]:
        """Return where this thread puts what is between; None where a step makes its own array."""
        return [
            scratch(f"chain {step.slot}", *told) if step.takes_out else None
            for step, told in zip(self._steps[:-1], pieces.full, strict=False)
        ]


def _steps(body: Body, device: bool) -> list[Step]:
    """Return the nodes, and a buffer for each that no later one disturbs while it is needed."""
    last = {name: i for i, node in enumerate(body.nodes) for name in node.inputs}
    last[body.outputs[0]] = len(body.nodes)
    place = {name: i for i, name in enumerate(body.inputs)}
    steps: list[Step] = []
    busy: dict[int, int] = {}  # which node is the last to need a buffer
    for i, node in enumerate(body.nodes):
        slot = next(s for s in itertools.count() if busy.get(s, -1) < i)
        busy[slot] = last.get(node.output, i)
        run, takes_out = _call_of(node.op, device)
        attrs = {**node.op.attrs, **node.attrs}
        reads = tuple(place[name] for name in node.inputs)
        steps.append(Step(partial(run, **attrs) if attrs else run, takes_out, reads, slot))
        place[node.output] = len(place)
    return steps


def _live(body: Body) -> Body:
    """Return the body without nodes that the output does not need; the last one defines it."""
    needed = set(body.outputs)
    kept = []
    for node in reversed(body.nodes):
        if node.output in needed:
            needed.update(node.inputs)
            kept.append(node)
    return replace(body, nodes=tuple(reversed(kept)))


def _call_of(op: Op, device: bool) -> tuple[Callable[..., Any], bool]:
    """Return what computes an op on pieces, and whether it takes ``out=``."""
    level = find_level(op, "dense", "vectorized")[1].on(device)
    if op.parts:
        return partial(_fused, op, level), True
    return (partial(_matmul, level), True) if op.name == "matmul" else (level.run, level.takes_out)


def _fused(op: Op, level: Level, *operands: Array, out: Array | None = None, **attrs: Any) -> Any:
    return execute(op, level, operands, attrs, out)


def _matmul(level: Level, a: Array, b: Array, out: Array | None = None) -> Array:
    """Multiply stacks of matrices on this thread alone: the others have pieces of their own."""
    if a.dtype == b.dtype and a.dtype.char in "fd" and out is not None and out.dtype == a.dtype:
        return asarray(np.matmul(a, b, out=out))
    return asarray(level.run(a, b, out=out))


def _lies_alike(inputs: Sequence[Array], shape: tuple[int, ...]) -> bool:
    """Tell whether elements that meet lie at the same place in memory, or are single ones."""
    return len(shape) > 1 and all(
        x.size == 1 or (x.shape == shape and x.flags.c_contiguous) for x in inputs
    )


def _as_rows(inputs: Sequence[Array]) -> list[Array]:
    return [x.reshape(()) if x.size == 1 else x.reshape(-1) for x in inputs]


def _index(cut: Axes, ndim: int, part: Mapping[int, slice]) -> Index:
    """Return where a part lies in a value of so many dimensions."""
    return tuple(part.get(a, _ALL) if a in cut else _ALL for a in range(-ndim, 0))


_ALL = slice(None)
