"""From source to a function that pdb and tracebacks can show: compiled, remembered, registered.

The source is kept in :mod:`linecache` under a name of its own, as ``attrs`` and ``dataclasses``'
kin do, so that a debugger, a traceback and :func:`inspect.getsource` find it although no file has
it. Nothing but source written here is compiled: a model's names come in as identifiers, its numbers
as numbers (:mod:`.nest`).
"""

import hashlib
import linecache
import math
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np

from minisparse.core.dtypes import bfloat16
from minisparse.core.errors import InternalError, UsageError
from minisparse.core.tensor_type import Layout
from minisparse.kernels.gelu.dense import vectorized as gelu
from minisparse.kernels.scratch import scratch
from minisparse.kernels.sddmm.edges import fill_outside
from minisparse.kernels.sddmm.lines import gather, lines_of
from minisparse.kernels.silu.dense import vectorized as silu

REMEMBERED = 1024
"""Functions that are kept by their source."""
AT_ONCE = 1 << 17
"""Elements that a generated kernel gathers at once: of float32, half a megabyte."""


def expect(
    x: Any,
    format: str,
    shape: tuple[int | None, ...],
    dtype: str,
    block: tuple[int, int] | None = None,
) -> None:
    """Raise UsageError unless ``x`` is what a kernel was written for.

    Parameters
    ----------
    x : Matrix or ndarray
        An operand, or what was packed of one.
    format, dtype : str
        What was baked in.
    shape : tuple
        The same; None for a length that was left open.
    block : tuple of int, optional
        The same, of BSR and n:m.

    Examples
    --------
    >>> expect(np.zeros((2, 3)), "dense", (2, None), "float64")
    >>> expect(np.zeros((4, 3)), "dense", (2, None), "float64")
    Traceback (most recent call last):
    ...
    minisparse.core.errors.UsageError: this kernel was generated for dense float64 [2, any], ...
    """
    given = getattr(x, "format", "dense")
    if given == format and x.dtype.name == dtype and len(x.shape) == len(shape):
        fits = all(b is None or a == b for a, b in zip(x.shape, shape, strict=True))
        if fits and (block is None or x.block == block):
            return
    sizes = ", ".join("any" if s is None else str(s) for s in shape)
    found = Layout(given, x.block if given in ("bsr", "nm") else None)
    raise UsageError(
        f"this kernel was generated for {Layout(format, block)} {dtype} [{sizes}], but is given "
        f"{found} {x.dtype} {list(x.shape)}: write one for it with ms.generate"
    )


def _names() -> dict[str, Any]:
    """Return what generated source may use, and nothing else."""
    names = {
        "np": np,
        "math": math,
        "expect": expect,
        "gather": gather,
        "lines_of": lines_of,
        "scratch": scratch,
        "fill_outside": fill_outside,
        "gelu": gelu,
        "silu": silu,
        "AT_ONCE": AT_ONCE,
        "__name__": "minisparse.generated",
    }
    wide = bfloat16()
    return names if wide is None else {**names, "bfloat16": wide.type}


@lru_cache(maxsize=REMEMBERED)
def written(name: str, source: str) -> FunctionType:
    r"""Return the function of that name in ``source``; the same one for the same source.

    Examples
    --------
    >>> import inspect
    >>> twice = written("twice", "def twice(x):\n    return x + x\n")
    >>> twice(4), twice.__code__.co_filename, inspect.getsource(twice) == source_of(twice)
    (8, '<generated twice a0362722>', True)
    """
    return define(name, source, _names())


def define(name: str, source: str, names: dict[str, Any]) -> FunctionType:
    """Compile ``source`` in a namespace of its own, and register it with linecache."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    file = f"<generated {name} {digest}>"
    lines = source.splitlines(keepends=True)
    linecache.cache[file] = (len(source), None, lines, file)
    exec(compile(source, file, "exec", dont_inherit=True), names)
    found = names[name]
    if not isinstance(found, FunctionType):
        raise InternalError(f"generated source defines no function {name}")
    return found


def source_of(function: Any) -> str | None:
    """Return the source of a generated function, or of the kernel level that runs one.

    Parameters
    ----------
    function : callable
        A function, or a level's ``run``.

    Returns
    -------
    str or None
        None where it was not generated.
    """
    run = getattr(function, "run", function)
    code = getattr(run, "__code__", None)
    if code is None or not code.co_filename.startswith("<generated "):
        return getattr(run, "source", None)
    return "".join(linecache.getlines(code.co_filename))
