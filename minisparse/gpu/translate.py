"""From a thread program to CUDA C and to a kernel on a card: all that we use of CuPy's inside.

CuPy's ``jit.rawkernel`` translates a function when it is first called with arrays, for which it
needs a card. Its translator itself needs none, and so is called directly here: then CUDA C can be
read and compiled anywhere, and a launch costs no more than finding the compiled kernel. What is
private to CuPy is used in this file alone; ``tests/gpu/test_translate.py`` fails if it changes.
"""

import ast
import linecache
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from minisparse.core.errors import UsageError
from minisparse.core.extras import require
from minisparse.gpu.jit import FULL, WARP
from minisparse.gpu.rewrite import parsed

if TYPE_CHECKING:
    from minisparse.gpu.program import Program, ThreadProgram

ELEMENTWISE = ("exp", "log", "sqrt", "tanh")
"""Functions of one element that CuPy itself has."""
_LAUNCHED: ContextVar["list[ThreadProgram] | None"] = ContextVar("_LAUNCHED", default=None)
"""Programs that were launched with products rounded; None where they need not be."""


@dataclass(frozen=True, slots=True)
class ArrayType:
    """What a translated program knows of an array.

    Attributes
    ----------
    dtype : str
        Its name.
    ndim : int
        Dimensions.
    contiguous : bool
        Whether it lies in C order.
    small : bool
        Whether 32 bits index all of it.
    """

    dtype: str
    ndim: int = 1
    contiguous: bool = True
    small: bool = True


@dataclass(frozen=True, slots=True)
class Translated:
    """A thread program in CUDA C.

    Attributes
    ----------
    name : str
        Of the kernel in it.
    code : str
        The source.
    options : tuple of str
        That the compiler must be given.
    """

    name: str
    code: str
    options: tuple[str, ...]


def translate(program: "Program", types: Sequence[Any]) -> Translated:
    """Return a thread program as CUDA C; no card is needed.

    Parameters
    ----------
    program : ThreadProgram
        What to translate.
    types : sequence
        Of the arguments: an :class:`ArrayType`, or a NumPy dtype for a scalar.

    Raises
    ------
    MissingExtraError
        If CuPy is not installed.
    TypeError, ValueError, NotImplementedError
        CuPy's own, with the line, if it cannot translate the program.
    """
    translator = require("cupyx.jit._compile", "gpu-cuda13", "thread programs in CUDA C")
    cuda = require("cupyx.jit._cuda_types", "gpu-cuda13", "thread programs in CUDA C")
    arguments = tuple(
        cuda.CArray(t.dtype, t.ndim, t.contiguous, t.small)
        if isinstance(t, ArrayType)
        else cuda.Scalar(t)
        for t in types
    )
    with _known_warps():
        made = translator.transpile(
            _for_cupy(program), ['extern "C"', "__global__"], "cuda", arguments, cuda.void
        )
    return Translated(made.func_name, made.code, tuple(made.options))


def launch(
    program: "ThreadProgram", grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any]
) -> None:
    """Run a thread program on the card where its arrays lie, compiled at the first call.

    Parameters
    ----------
    program : ThreadProgram
        What to run.
    grid, block : tuple of int
        Blocks of the grid, and threads of a block, along each axis.
    args : sequence
        Arrays of CuPy, and scalars of NumPy, ``int`` (taken as int32) or ``float`` (as float32).

    Raises
    ------
    UsageError
        If some arrays are NumPy's: nothing is copied to the card unasked.
    """
    if any(isinstance(x, np.ndarray) for x in args):
        raise UsageError(
            f"{program.name}: some of its arrays are on the card and some are not: move them with "
            f'cupy.asarray(x), and matrices with A.to_device("gpu")'
        )
    cupy = require("cupy", "gpu-cuda13", "running on a GPU")
    given = [_scalar(x) if isinstance(x, int | float) else x for x in args]
    launched = _LAUNCHED.get()
    key = (launched is not None, cupy.cuda.get_device_id(), *[_key(x) for x in given])
    kernel = program._compiled.get(key)
    if kernel is None:
        more = () if launched is None else ("--fmad=false",)
        translated = translate(program, [type_of(x) for x in given])
        kernel = program._compiled[key] = compiled(translated, more)
    if launched is not None:
        launched.append(program)
    kernel(grid, block, tuple(given))


@contextmanager
def rounded_products() -> "Iterator[list[ThreadProgram]]":
    """Let programs round products before they add them, as the simulator does; yield which ran.

    A card otherwise multiplies and adds in one step with one rounding, which is faster and nearer
    to the exact sum, and differs from the simulator in the last bits.
    """
    launched: list[ThreadProgram] = []
    token = _LAUNCHED.set(launched)
    try:
        yield launched
    finally:
        _LAUNCHED.reset(token)


def compiled(translated: Translated, options: tuple[str, ...] = ()) -> Any:
    """Return CUDA C as a function of the current card: ``f(grid, block, arguments)``.

    Parameters
    ----------
    translated : Translated
        The source, and the options that it needs.
    options : tuple of str
        Further ones, as NVRTC takes them.
    """
    core = require("cupy._core.core", "gpu-cuda13", "running on a GPU")
    module = core.compile_with_cache(
        source=translated.code,
        options=(*translated.options, *options),
        backend="nvrtc",
        jitify=False,
    )
    return module.get_function(translated.name)


def source_of(translated: Translated) -> str:
    """Return CUDA C as CuPy gives it to the compiler: with headers of its own in front."""
    core: Any = require("cupy._core.core", "gpu-cuda13", "thread programs in CUDA C")
    return "".join(f"#include <{name}>\n" for name in core._cupy_header_list) + translated.code


def type_of(x: Any) -> Any:
    """Return what :func:`translate` wants to know of an array, CuPy's or NumPy's, or a scalar."""
    if getattr(x, "ndim", 0) == 0 and isinstance(x, np.generic):
        return x.dtype
    small = getattr(x, "_index_32_bits", x.size * x.itemsize <= np.iinfo(np.int32).max)
    return ArrayType(x.dtype.name, x.ndim, x.flags.c_contiguous, small)


def _scalar(x: Any) -> Any:
    if isinstance(x, bool):
        return np.bool_(x)
    return np.int32(x) if isinstance(x, int) else np.float32(x)


def _key(x: Any) -> Any:
    if isinstance(x, np.generic):
        return x.dtype.char
    return (x.dtype.char, x.ndim, x._c_contiguous, x._index_32_bits)


def _for_cupy(program: "Program") -> FunctionType:
    """Return the function with CuPy's names for ours, and with a source that CuPy can find."""
    tree = parsed(program.function)
    if isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant):
        del tree.body[0]
    source = ast.unparse(tree) + "\n"
    file = f"<thread program {program.name} at {id(program):x}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    rawkernel = require("cupyx.jit", "gpu-cuda13", "running on a GPU").rawkernel
    helpers = {n: rawkernel(device=True)(_for_cupy(p)) for n, p in program.helpers.items()}
    names = {
        **program.names,
        **helpers,
        "jit": _language(),
        "__name__": program.function.__module__,
    }
    exec(compile(source, file, "exec", dont_inherit=True), names)
    found: FunctionType = names[program.name]
    return found


@contextmanager
def _known_warps() -> Iterator[None]:
    """Tell CuPy's translator how wide a warp is, for which it would ask a card."""
    core: Any = require("cupy._core", "gpu-cuda13", "thread programs in CUDA C")
    kept = core._get_warpsize, core._full_mask
    core._get_warpsize, core._full_mask = lambda: WARP, lambda: FULL
    try:
        yield
    finally:
        core._get_warpsize, core._full_mask = kept


def _language() -> SimpleNamespace:
    """Return what ``jit`` is when CuPy translates: its own, and functions of one element."""
    cupy = require("cupy", "gpu-cuda13", "running on a GPU")
    jit = require("cupyx.jit", "gpu-cuda13", "running on a GPU")
    special = require("cupyx.scipy.special", "gpu-cuda13", "running on a GPU")
    functions = {name: getattr(cupy, name) for name in ELEMENTWISE}
    public = {name: x for name, x in vars(jit).items() if not name.startswith("_")}
    return SimpleNamespace(**public, **functions, erfc=special.erfc, WARP=WARP, FULL=FULL)
