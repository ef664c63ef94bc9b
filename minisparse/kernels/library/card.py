"""What libraries for graphics cards have in common: where operands lie, and a first small product.

Which ops such a library computes in which dtype changes with its version and with the card: the
cuSPARSE of CUDA 13.1 and 13.2 refuses products in float16 that those before and after compute
(CUDA.jl, pull request 3253). So each op is tried once in each dtype, with a product whose result is
known exactly, and what the library answers is the reason for which it is refused. Nothing is tried,
and CuPy is not imported, where there is no card.

Not yet run on a GPU.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import InternalError, MinisparseError, UnsupportedOpError
from minisparse.core.extras import is_installed, require
from minisparse.core.xp import namespace
from minisparse.formats import Matrix, from_dense
from minisparse.gpu.device import device_count
from minisparse.kernels.kernel import Level
from minisparse.kernels.library.provider import Offer
from minisparse.ops.op import Types

EXTRA = "gpu-cuda13"
LIBRARIES = "gpu-libraries-cuda13"
ROWS, COLUMNS, DEPTH = 64, 32, 16
"""Sizes of the product that is tried: A is ``ROWS`` x ``ROWS``, as every library takes it."""
BLOCK = 16
FAILURES = (
    MinisparseError,
    InternalError,
    RuntimeError,  # and with it CUDA's errors as CuPy raises them, and libraries not found
    ImportError,
    OSError,
    AttributeError,  # a function that this version does not have
    ValueError,
    TypeError,
    AssertionError,
)
"""What may be raised where a library does not compute; more would hide mistakes of ours."""


def found(*modules: str) -> Callable[[], bool]:
    """Return what tells whether there is a card, and some modules, none of which is imported."""
    return lambda: all(map(is_installed, modules)) and device_count() > 0


def cupy_here(title: str) -> Any:
    """Return CuPy."""
    return require("cupy", EXTRA, title)


def must_lie_on_card(title: str, *arrays: Any) -> None:
    """Raise an error unless arrays lie on a card.

    Raises
    ------
    UnsupportedOpError
        If one lies in the host's memory: nothing is copied over the bus unasked.
    """
    if any(namespace(x) is np for x in arrays):
        raise UnsupportedOpError(
            f"{title} computes with what lies on a graphics card, and an operand lies in the "
            f"host's memory: bring it there with A.to_device('gpu')"
        )


def offer(
    title: str,
    is_found: Callable[[], bool],
    ways: tuple[str, str],
    level: Level,
    refuses: Callable[[Types], str],
) -> Offer:
    """Return an offer that is tried once in each dtype before it is made.

    Parameters
    ----------
    title : str
        The library's.
    is_found : callable
        Tells whether the library, and a card, are here.
    ways : tuple of str
        Names of op and format.
    level : Level
        What computes.
    refuses : callable
        What is known without trying.
    """

    def refused(types: Types) -> str:
        if not device_count():
            return f"{title} computes on a graphics card, and none is found here"
        known = refuses(types)
        if known or not is_found():
            return known
        return tried(title, level, *ways, types[0].dtype.name)

    return Offer(level, refused)


@cache
def tried(title: str, level: Level, op: str, format: str, dtype: str) -> str:
    """Return what a library's level answers to a small product; nothing where that is right."""
    try:
        operands, wanted = small_product(op, format, dtype)
        result = computed(level, [_put(x) for x in operands])
    except FAILURES as error:
        said = " ".join(str(error).split()) or type(error).__name__
        return f"{title} refuses {op} of {format} in {dtype} here: {said}"
    if not np.array_equal(np.asarray(result, wanted.dtype), wanted):
        worst = float(np.abs(np.nan_to_num(result - wanted, nan=np.inf)).max(initial=0))
        return (
            f"{title} computes {op} of {format} in {dtype} wrongly here: a small product whose "
            f"result is exact is off by {worst:.3g}"
        )
    return ""


def computed(level: Level, operands: list[Any]) -> Array:
    """Return a level's result on operands on the card, brought to the host.

    What it writes to is filled with NaN before, so that a library that adds to it is found out.
    """
    cupy = cupy_here("the level that is tried")
    packed = operands[0] if level.prepare is None else level.prepare(operands[0], COLUMNS)
    if level.takes_out:
        out = cupy.full((ROWS, *operands[1].shape[1:]), np.nan, operands[1].dtype)
        result = level.run(packed, *operands[1:], out=out)
    else:
        result = level.run(packed, *operands[1:])
    if isinstance(result, Matrix):
        here: Any = result
        brought: Array = here.to_device("cpu").to_dense()
        return brought
    fetched: Array = cupy.asnumpy(result)
    return fetched


def small_product(op: str, format: str, dtype: str) -> tuple[list[Any], Array]:
    """Return the operands of a small product, and its exact result as a plain array.

    All values are small integers, so that no sum of products is rounded in any dtype.

    Examples
    --------
    >>> (a, b), c = small_product("spmm", "nm", "float16")
    >>> a.format, b.shape, c.dtype.name, bool(abs(c).max() < 2048)
    ('nm', (64, 32), 'float64', True)
    """
    rng = np.random.default_rng(0)
    groups = rng.permuted(np.tile(np.array([1, 1, 0, 0]), (ROWS * ROWS // 4, 1)), axis=1)
    dense = (groups.reshape(ROWS, ROWS) * rng.choice([-2, -1, 1, 2], (ROWS, ROWS))).astype(dtype)
    layouts: dict[str, dict[str, Any]] = {"bsr": {"block": (BLOCK, BLOCK)}, "nm": {"n": 2, "m": 4}}
    layout = layouts.get(format, {})
    a: Any = dense if format == "dense" else from_dense(dense, format, **layout)
    exact = dense.astype(np.result_type(dtype, "float64"))
    if op == "spgemm":
        return [a, a], exact @ exact
    if op == "sddmm":
        x, y = _integers(rng, (ROWS, DEPTH), dtype), _integers(rng, (DEPTH, ROWS), dtype)
        return [a, x, y], exact * (x.astype(exact.dtype) @ y.astype(exact.dtype))
    b = _integers(rng, (ROWS,) if op == "spmv" else (ROWS, COLUMNS), dtype)
    return [a, b], exact @ b.astype(exact.dtype)


def _integers(rng: "np.random.Generator", shape: tuple[int, ...], dtype: str) -> Array:
    return rng.integers(-2, 3, shape).astype(dtype)


def _put(x: Any) -> Any:
    if isinstance(x, Matrix):
        here: Any = x
        return here.to_device("gpu")
    return cupy_here("a library that is tried").asarray(x)
