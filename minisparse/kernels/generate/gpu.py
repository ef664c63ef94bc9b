"""The thread program: the same nest in the part of Python that ``cupyx.jit.rawkernel`` compiles.

Who computes what follows from the levels. Where the outermost level is one of the result's letters
a thread owns what it writes: it sums in a register and finishes the element before it writes it
once. Where that level is summed over, threads meet in the same element, and add atomically. Letters
that the matrix does not have lie across the threads of a block, so that neighbors read neighboring
elements of b: the row split of Yang, Buluc and Owens, "Design principles for sparse matrix
multiplication on the GPU", Euro-Par 2018.

The function is plain Python: :mod:`minisparse.gpu` runs it thread by thread on a CPU, or has it
compiled. It has not run on a GPU.
"""

from minisparse.core.dtypes import DType
from minisparse.core.errors import UnsupportedOpError
from minisparse.kernels.generate.finish import element_lines
from minisparse.kernels.generate.lines import Lines, dtype_text, header
from minisparse.kernels.generate.loops import write_statement
from minisparse.kernels.generate.nest import Nest
from minisparse.kernels.generate.walk import Language, Loop, Statement, walk

DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64")
"""What threads compute with; the jit has neither bfloat16 nor complex numbers."""
ATOMIC = ("float32", "float64", "int32")
"""In which sums several threads can meet."""
ARRAYS = {
    "dense": ("data",),
    "csr": ("indptr", "indices", "data"),
    "csc": ("indptr", "indices", "data"),
    "coo": ("row", "col", "data"),
    "bsr": ("indptr", "indices", "data"),
    "nm": ("positions", "data"),
}
"""The arrays of a matrix as the program takes them."""


def owns(nest: Nest) -> bool:
    """Tell whether a thread owns what it writes, rather than to share it with others."""
    if nest.expression.scale is not None:
        return True
    first = nest.expression.stored.letters[nest.levels[0].axis]
    return first in nest.expression.result.letters and nest.levels[0].kind == "dense"


def threads_along(nest: Nest) -> str | None:
    """Return the letter that lies across the threads of a block; None if none does."""
    across = [x for x in nest.expression.free if x in nest.expression.result.letters]
    return across[0] if across else None


def parameters(nest: Nest) -> tuple[str, ...]:
    """Return the program's parameters: arrays, then the lengths that are open."""
    beside = (operand.name for operand in (*nest.operands, *nest.beside))
    arrays = (*ARRAYS[nest.layout.format], *beside, nest.expression.result.name)
    return (*arrays, *(letter.upper() for letter, size in nest.sizes if size is None))


def why_not(nest: Nest) -> str:
    """Return why there is no thread program for a nest, or nothing."""
    used = {nest.dtype, nest.wide, nest.base, *(o.dtype for o in (*nest.operands, *nest.beside))}
    odd = sorted(dtype.name for dtype in used if dtype.name not in DTYPES)
    if odd:
        return f"threads do not compute with {', '.join(odd)}"
    if any(operand.shape == () for operand in nest.beside):
        return "the jit indexes no array without dimensions: give the residual one"
    if not owns(nest):
        if nest.wide.name not in ATOMIC:
            return f"threads would meet in sums of {nest.wide}, and none can be added atomically"
        if nest.steps:
            return (
                "its epilogue needs complete sums, and threads add to the same ones until all have "
                "ended: store the matrix by the other letter"
            )
    return ""


def write_gpu(nest: Nest) -> str:
    """Return the source of a thread program; see :mod:`minisparse.kernels.generate.launch`.

    Raises
    ------
    UnsupportedOpError
        If there is none for the nest.
    """
    refused = why_not(nest)
    if refused:
        raise UnsupportedOpError(f"generate: {nest.name} at level gpu: {refused}")
    lines = Lines()
    own = "Each thread owns what it writes." if owns(nest) else "Threads add atomically."
    header(lines, nest, ", ".join(parameters(nest)), own, "Not yet run on a GPU.")
    across = threads_along(nest)
    axis = "x" if across is None else "y"
    if across is not None:
        lines.add(f"{across} = {_thread('x')}")
    lines.add(f"first = {_thread(axis)}")
    lines.add(f"step = np.int32(jit.gridDim.{axis} * jit.blockDim.{axis})")
    if across is not None:
        lines.open(f"if {across} < {_length(nest, across)}")
    _write_nest(lines, nest)
    return str(lines)


def _thread(axis: str) -> str:
    return f"np.int32(jit.blockIdx.{axis} * jit.blockDim.{axis} + jit.threadIdx.{axis})"


def _length(nest: Nest, letter: str) -> str:
    size = nest.size(letter)
    return letter.upper() if size is None else str(size)


def _write_nest(lines: Lines, nest: Nest) -> None:
    language = Language(lambda name: name, lambda x: _length(nest, x), "np.int32")
    found = walk(nest, language)
    outer, *others = found.statements
    assert isinstance(outer, Loop)
    lines.open(f"for {outer.letter} in range(first, {outer.stop}, step)", outer.note)
    sampled, left = nest.expression.scale is not None, list(others)
    if owns(nest) and not sampled:
        # The result's own letters first: then one element is summed at a time.
        left = [s for s in others if s.axis == outer.axis]
        others = [s for s in others if s.axis != outer.axis]
        _write_all(lines, left)
        _write_owned(lines, nest, others, found.slot)
    elif sampled:
        _write_all(lines, others)
        _write_sampled(lines, nest, found.slot)
    else:
        _write_all(lines, others)
        c = nest.expression.result
        target = ", ".join(c.letters)
        index = f"({target})" if len(c.letters) > 1 else target
        lines.add(f"jit.atomic_add({c.name}, {index}, {_product(nest, found.slot)})")


def _write_all(lines: Lines, statements: list[Statement]) -> None:
    for statement in statements:
        write_statement(lines, statement)


def _product(nest: Nest, slot: str) -> str:
    """Return a product of the two factors, each widened before it is multiplied."""
    wide = dtype_text(nest.wide)
    texts = (f"data[{slot}]" if r.name == "a" else str(r) for r in nest.expression.factors)
    return " * ".join(f"{wide}({text})" for text in texts)


def _write_owned(lines: Lines, nest: Nest, statements: list[Statement], slot: str) -> None:
    """Write the sum of one element in a register, its epilogue, and its one store."""
    depth = lines.depth
    lines.add(f"total = {dtype_text(nest.wide)}(0)")
    _write_all(lines, statements)
    lines.add(f"total += {_product(nest, slot)}")
    lines.depth = depth
    _write_store(lines, nest, str(nest.expression.result), "total")


def _write_sampled(lines: Lines, nest: Nest, slot: str) -> None:
    depth, wide = lines.depth, dtype_text(nest.wide)
    summed = nest.expression.summed[0]
    lines.add(f"total = {wide}(0)")
    lines.open(f"for {summed} in range({_length(nest, summed)})")
    lines.add(f"total += {_product(nest, slot)}")
    lines.depth = depth
    target = f"{nest.expression.result.name}[{slot}]"
    _write_store(lines, nest, target, f"total * {wide}(data[{slot}])")


def _write_store(lines: Lines, nest: Nest, target: str, value: str) -> None:
    """Write the epilogue and the store. Half precision is finished in single, as the jit has it."""
    if not nest.steps:
        narrowed = nest.dtype_out.kind in "iu" and nest.dtype_out != nest.wide
        lines.add(
            f"{target} = {dtype_text(nest.dtype_out)}({value})"
            if narrowed
            else f"{target} = {value}"
        )
        return
    kept = nest.base if nest.base.name != "float16" else nest.wide
    lines.add(f"value = {dtype_text(_carrier(nest, kept))}({value})")
    for line in element_lines(nest, gpu=True):
        lines.add(line)
    lines.add(f"{target} = value")


def _carrier(nest: Nest, kept: DType) -> DType:
    """Return the dtype of the element while it is finished: the jit gives a variable only one."""
    return nest.dtype_out if nest.dtype_out.itemsize > kept.itemsize else kept
