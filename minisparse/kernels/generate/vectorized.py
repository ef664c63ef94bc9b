"""The vectorized form: the same nest with its inner loops as array operations of NumPy.

The loop over rows and the one over a row's entries become a gather and a batched product over all
rows of similar length (:mod:`.runs`); letters that the matrix does not have are the last axis of
every array; what is dense inside of a block is two axes of the batched product. A sampled product
is a gather of both factors and a dot for each slot.

Where the pattern is known, each group of rows has its lines, with its sizes as numbers, and rows
that lie side by side are a slice. A diagonal is a product of slices, and gathers nothing.
"""

from minisparse.kernels.generate.finish import array_lines
from minisparse.kernels.generate.lines import (
    Lines,
    dtype_text,
    expectations,
    header,
    parameters,
)
from minisparse.kernels.generate.nest import Nest
from minisparse.kernels.generate.runs import Diagonal, Run, own_axis
from minisparse.kernels.generate.written import AT_ONCE


def write_vectorized(nest: Nest) -> str:
    """Return the source of a function of the packed matrix and the other operands.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.core.tensor_type import TensorType
    >>> from minisparse.kernels.generate.nest import describe
    >>> from minisparse.ops import SPMV
    >>> f4 = np.dtype("float32")
    >>> nest = describe(SPMV, (TensorType((4, 6), f4, "csr", 7), TensorType((6,), f4)))
    >>> print(write_vectorized(nest).partition("meets zeros")[2])
    <BLANKLINE>
        x = lines
        y = np.zeros((4, 1), np.float32)
        for rows, columns, values in a.runs:  # rows of similar length
            step = max(1, AT_ONCE // max(1, columns.shape[1]))
            for lo in range(0, len(rows), step):  # what stays in a cache
                near = x.take(columns[lo : lo + step])
                y[rows[lo : lo + step], 0] = np.einsum("rl,rl->r", values[lo : lo + step, 0], near)
        y = y.reshape(4)
        return y
    <BLANKLINE>
    """
    lines = Lines()
    header(lines, nest, parameters(nest), *_remarks(nest))
    expectations(lines, nest)
    if nest.expression.scale is not None:
        _write_sampled(lines, nest)
    elif nest.layout.format == "dense":
        _write_dense(lines, nest)
    else:
        _write_product(lines, nest)
    c = nest.expression.result.name
    if nest.wide != nest.base:
        lines.add(f"{c} = {c}.astype({dtype_text(nest.base)})", "the one rounding of a sum")
    for line in array_lines(nest):
        lines.add(line)
    sampled = nest.expression.scale is not None and nest.layout.format != "dense"
    lines.add(f"return a.matrix.with_data({c})" if sampled else f"return {c}")
    return str(lines)


def _remarks(nest: Nest) -> list[str]:
    """Return what the header says of the pattern."""
    dense = nest.layout.format == "dense" or bool(nest.diagonals)
    if dense or nest.expression.scale is not None:
        return []
    return ["Rows of similar length are taken together."]


def _write_dense(lines: Lines, nest: Nest) -> None:
    """Write the product of plain arrays: every level is dense, and BLAS has that nest."""
    wide = dtype_text(nest.wide)
    left, right = nest.expression.factors
    for name in (left.name, right.name):
        lines.add(f"{name} = {name}.astype({wide}, copy=False)")
    turned = ".T" if left.letters[0] in nest.expression.summed else ""
    lines.add(f"{nest.expression.result.name} = np.matmul({left.name}{turned}, {right.name})")


def _write_product(lines: Lines, nest: Nest) -> None:
    """Write gathers and batched products, a group of rows after another."""
    axis, expression = own_axis(nest), nest.expression
    own, other = expression.stored.letters[axis], expression.stored.letters[1 - axis]
    b, c = expression.plain[0], expression.result.name
    if expression.free and not (len(nest.diagonals) == 1 and _covering(nest)):
        size, place = nest.size(expression.free[0]), b.letters.index(expression.free[0])
        lines.add(f"n = {b.name}.shape[{place}]" if size is None else f"n = {size}")
    _write_lines_of(lines, nest, other)
    if nest.diagonals:
        _write_diagonals(lines, nest, own)
    else:
        _write_groups(lines, nest, own, _extent(nest, axis))
    if expression.free and expression.result.letters[0] != own:
        lines.add(f"{c} = lines_of({c}.T, {c}.dtype)")


def _write_groups(lines: Lines, nest: Nest, own: str, height: int) -> None:
    """Write the product of each group of rows, and how block rows become rows."""
    c, blocks = nest.expression.result.name, _blocks_text(nest, own, height)
    covered = str(sum(run.rows for run in nest.runs)) == blocks
    cells = f"({blocks}, {height}{', n' if nest.expression.free else ''})"
    maker = "np.empty" if covered else "np.zeros"
    lines.add(f"{c} = {maker}({cells}, {dtype_text(nest.wide)})")
    for number, run in enumerate(nest.runs):
        _write_run(lines, nest, number, run)
    if not nest.runs:
        lines.open("for rows, columns, values in a.runs", "rows of similar length")
        _write_parts(lines, nest, None)
        lines.depth -= 1
    _write_shape(lines, nest, own, height)


def _write_diagonals(lines: Lines, nest: Nest, own: str) -> None:
    """Write one product of slices for each diagonal: its indices are no more than an offset."""
    c, b = nest.expression.result.name, nest.expression.plain[0].name
    made = _covering(nest)
    # One that meets every row is written where the others are added.
    numbered = sorted(enumerate(nest.diagonals), key=lambda pair: pair[1] not in made)
    if not made:
        cells = f"({_blocks_text(nest, own, 1)}, n)" if nest.expression.free else nest.length(own)
        lines.add(f"{c} = np.zeros({cells}, {dtype_text(nest.wide)})")
    if len(numbered) > len(made[:1]):
        most = max(d.stop - d.start for _, d in numbered)
        cells = f"({most}, n)" if nest.expression.free else f"({most},)"
        lines.add(f'near = scratch("near", {cells}, {b}.dtype)')
    for number, (offset, start, stop) in numbered:
        factors = f"a.diagonals[{number}], {b}[{start + offset}:{stop + offset}]"
        target = f"{c} = np.multiply({factors})"
        if not made:
            target = f"{c}[{start}:{stop}] += np.multiply({factors}, near[: {stop - start}])"
        lines.add(target, f"diagonal {offset:+d}" if offset else "main diagonal")
        made = ()


def _covering(nest: Nest) -> tuple[Diagonal, ...]:
    """Return the diagonals that meet every row."""
    size = nest.size(nest.expression.stored.letters[own_axis(nest)])
    return tuple(d for d in nest.diagonals if d.stop - d.start == size)


def _extent(nest: Nest, axis: int) -> int:
    """Return how long a block is along an axis; 1 where the format has no blocks."""
    return nest.block[axis] if any(level.kind == "inside" for level in nest.levels) else 1


def _blocks_text(nest: Nest, letter: str, length: int) -> str:
    """Return how many blocks of a length a letter has."""
    size = nest.size(letter)
    if size is not None:
        return str(-(-size // length))
    place = f"a.shape[{nest.expression.stored.letters.index(letter)}]"
    return place if length == 1 else f"-(-{place} // {length})"


def _write_lines_of(lines: Lines, nest: Nest, letter: str) -> None:
    """Write how b is laid out: line by line, as many in one as a block is wide, zeros behind."""
    size, b, free = nest.size(letter), nest.expression.plain[0], nest.expression.free
    wide, width = dtype_text(nest.wide), _extent(nest, 1 - own_axis(nest))
    turned = ".T" if free and b.letters[0] != letter else ""
    filled = not nest.diagonals and (not nest.runs or any(run.filled for run in nest.runs))
    blocks = _blocks_text(nest, letter, width)
    last = ", n" if free else ""
    if filled or size is None or size % width:
        rows = f"{blocks} + 1" if filled else blocks
        if width > 1:
            rows = f"({rows}) * {width}" if filled else f"{rows} * {width}"
        end = nest.length(letter) if size is None else str(size)
        lines.add(f'lines = scratch("lines", ({rows},{last[1:]}), np.dtype({wide}))')
        lines.add(f"lines[:{end}] = {b.name}{turned}")
        lines.add(f"lines[{end}:] = 0", "what is filled up meets zeros")
        lines.add(f"{b.name} = lines")
    elif turned:
        lines.add(f"{b.name} = lines_of({b.name}.T, np.dtype({wide}))")
    else:
        lines.add(f"{b.name} = np.ascontiguousarray({b.name}, {wide})")
    if width > 1:
        count = f"{blocks} + 1" if filled else blocks
        cells = f"{width} * n" if free else str(width)
        lines.add(f"{b.name} = {b.name}.reshape({count}, {cells})", f"{width} rows in one")


def _write_run(lines: Lines, nest: Nest, number: int, run: Run) -> None:
    """Write one group of rows with its sizes."""
    what = "blocks" if nest.layout.format == "bsr" else "entries"
    most = "at most " if run.filled else ""
    note = f"rows: {run.rows}, and {what} in each: {most}{run.length}"
    lines.add(f"rows, columns, values = a.runs[{number}]", note)
    _write_parts(lines, nest, run)


def _write_parts(lines: Lines, nest: Nest, run: Run | None) -> None:
    """Write the gather and the product of rows, in parts that stay in a cache where need be."""
    part, depth = "", lines.depth
    n = nest.size(nest.expression.free[0]) if nest.expression.free else 1
    width = _extent(nest, 1 - own_axis(nest))
    step = "step"
    if run is not None and n is not None:
        step = str(max(1, AT_ONCE // max(1, run.length * width * n)))
    else:
        factors = ["columns.shape[1]" if run is None else str(run.length)]
        factors += [str(width)] if width > 1 else []
        factors += ["n"] if nest.expression.free else []
        lines.add(f"step = max(1, AT_ONCE // max(1, {' * '.join(factors)}))")
    if run is None or step == "step" or run.rows > int(step):
        count = "len(rows)" if run is None else str(run.rows)
        lines.open(f"for lo in range(0, {count}, {step})", "what stays in a cache")
        part = f"[lo : lo + {step}]"
    _write_product_of(lines, nest, run, part)
    lines.depth = depth


def _write_product_of(lines: Lines, nest: Nest, run: Run | None, part: str) -> None:
    """Write the gather and the product of some rows, each of which is in no other group."""
    b, width = nest.expression.plain[0].name, _extent(nest, 1 - own_axis(nest))
    c = nest.expression.result.name
    if nest.expression.free:
        lines.add(f'near = gather("near", {b}, columns{part}, {b}.dtype)')
    else:
        lines.add(f"near = {b}.take(columns{part}{', 0' if width > 1 else ''})")
    if width > 1:
        last = ", n" if nest.expression.free else ""
        lines.add(f"near = near.reshape(len(near), {_length(run, width)}{last})")
    product, cell = f"np.matmul(values{part}, near)", ""
    if not nest.expression.free:
        product = f'np.einsum("rhl,rl->rh", values{part}, near)'
        if _extent(nest, own_axis(nest)) == 1:
            values = f"values{part[:-1]}, 0]" if part else "values[:, 0]"
            product, cell = f'np.einsum("rl,rl->r", {values}, near)', ", 0"
    target = f"{c}[rows{part}{cell}]"
    if run is not None and run.start is not None and not part:
        target = f"{c}[{run.start}:{run.start + run.rows}{cell}]"
    lines.add(f"{target} = {product}")


def _length(run: Run | None, width: int) -> str:
    """Return how many rows of b a run meets."""
    return f"columns.shape[1] * {width}" if run is None else str(run.length * width)


def _write_shape(lines: Lines, nest: Nest, own: str, height: int) -> None:
    """Write how block rows become rows, of which the last may lie beyond the matrix."""
    c, size = nest.expression.result.name, nest.size(own)
    rows = _blocks_text(nest, own, height) + (f" * {height}" if height > 1 else "")
    cells = f"{rows}, n" if nest.expression.free else rows
    cut = ""
    if height > 1 and (size is None or size % height):
        place = nest.expression.stored.letters.index(own)
        cut = f"[: a.shape[{place}]]" if size is None else f"[:{size}]"
    lines.add(f"{c} = {c}.reshape({cells}){cut}")


def _write_sampled(lines: Lines, nest: Nest) -> None:
    """Write the gather of both factors and their dots, slot by slot."""
    (x, y), wide = nest.expression.factors, dtype_text(nest.wide)
    c, depth = nest.expression.result.name, nest.length(nest.expression.summed[0])
    if nest.layout.format == "dense":
        for r in (x, y):
            lines.add(f"{r.name} = {r.name}.astype({wide}, copy=False)")
        lines.add(f"{c} = np.matmul({x.name}, {y.name})", "every level is dense")
        lines.add(f"{c} *= a")
        return
    lines.add(f"{x.name} = np.ascontiguousarray({x.name}, {wide})")
    lines.add(f"{y.name} = np.ascontiguousarray({y.name}.T, {wide})", "columns as rows, to gather")
    lines.add(f"{c} = np.empty(a.values.shape, {wide})")
    depth = depth if depth.isdigit() else f"{x.name}.shape[1]"
    cells = sum(nest.block) if nest.layout.format == "bsr" else 2
    lines.add(f"step = max(1, AT_ONCE // max(1, {cells} * {depth}))", "what stays in a cache")
    lines.open(f"for p in range(0, len({c}), step)")
    for name, index in ((x.name, "row"), (y.name, "col")):
        near = f'gather("{name}", {name}, a.{index}[p : p + step], {name}.dtype)'
        lines.add(f"{name}_near = {near}")
    left, right = f"{x.name}_near", f"{y.name}_near"
    if nest.layout.format == "bsr":
        lines.add(f"{c}[p : p + step] = np.matmul({left}, {right}.transpose(0, 2, 1))")
    else:
        lines.add(f'{c}[p : p + step] = np.einsum("pd,pd->p", {left}, {right})')
    lines.depth -= 1
    lines.add(f"{c} *= a.values")
    if nest.layout.format == "nm":
        lines.add(f"{c} = {c}.reshape(a.matrix.data.shape)")
    if _has_cells_beyond(nest):
        lines.add(f"fill_outside(a.matrix, {c}, 0)", "what is stored beyond the matrix stays zero")


def _has_cells_beyond(nest: Nest) -> bool:
    """Tell whether the format may store cells beyond the matrix."""
    if nest.layout.block is None:
        return False
    steps = nest.block if nest.layout.format == "bsr" else (1, nest.block[1])
    sizes = [nest.size(letter) for letter in nest.expression.stored.letters]
    return any(size is None or size % step for size, step in zip(sizes, steps, strict=True))
