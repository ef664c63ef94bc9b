"""``ms.generate``: a kernel written for one op, one format, one epilogue and known sizes."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, as_dtype
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.tensor_type import Layout, TensorType, dense_type
from minisparse.core.xp import namespace
from minisparse.formats import Matrix, Pattern
from minisparse.kernels.call import Prepared
from minisparse.kernels.counts import Counts
from minisparse.kernels.generate.asked import by_hand, fused_op, stored_type, usual_types
from minisparse.kernels.generate.expression import expression_of
from minisparse.kernels.generate.gpu import why_not, write_gpu
from minisparse.kernels.generate.launch import launch
from minisparse.kernels.generate.loops import write_loops
from minisparse.kernels.generate.nest import Nest, describe
from minisparse.kernels.generate.runs import Packed, bake, baked, own_axis, pack, sizes_of
from minisparse.kernels.generate.stated import stated_counts
from minisparse.kernels.generate.vectorized import write_vectorized
from minisparse.kernels.generate.work import generated_work
from minisparse.kernels.generate.written import written
from minisparse.kernels.kernel import LEVELS, Kernel, Level
from minisparse.ops import Op
from minisparse.ops.constraints import are_ints
from minisparse.show import card

_WRITERS = {"loops": write_loops, "vectorized": write_vectorized, "gpu": write_gpu}


_LEVELS = ", ".join(LEVELS)


@dataclass(frozen=True, eq=False)
class Generated:
    """A kernel that was written, in three forms.

    Attributes
    ----------
    op : Op
        What it computes, epilogue included.
    nest : Nest
        The description from which all forms are written.
    attrs : mapping
        Of the epilogue: baked in.
    level : str
        Which form :attr:`source` is, and :meth:`run` runs.
    matrix : Matrix or ndarray or None
        What it was generated from, if that was a matrix.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> A = from_dense(np.array([[1.0, 0.0], [2.0, 3.0]]), "csr")
    >>> made = generate("spmm", A, epilogue=("relu",), columns=1)
    >>> made.run(A, np.array([[1.0], [-1.0]]))
    array([[1.],
           [0.]])
    >>> print(made.source.splitlines()[-6])
                    c[m, n] += a.data[p] * b[k, n]
    """

    op: Op
    nest: Nest
    attrs: Mapping[str, Any]
    level: str
    matrix: Any = None

    @property
    def source(self) -> str:
        """The source at :attr:`level`."""
        return self.source_at(self.level)

    def source_at(self, level: str) -> str:
        """Return the source of one of the forms.

        Raises
        ------
        UsageError
            If there is no such level.
        UnsupportedOpError
            If there is no thread program for this op, format and dtype; the message says why.
        """
        if level not in _WRITERS:
            raise UsageError(f"generate: there is no level {level!r:.40}; levels: {_LEVELS}")
        # Lengths of rows are for array code alone: a loop finds them in the pointers.
        nest = self.nest if level == "vectorized" else self.nest.without_pattern
        return _WRITERS[level](nest)

    @cached_property
    def kernel(self) -> Kernel:
        """It as a kernel, with every level that there is; it takes only what it was written for."""
        whole = dict(self.attrs) if self.op.epilogue else None
        beneath = by_hand(self.op, self.nest.layout.format)
        loops = written(self.nest.name, self.source_at("loops"))
        vectorized = written(self.nest.name, self.source_at("vectorized"))
        dense = self.nest.layout.format == "dense"
        plain, work = self.nest.without_pattern, partial(generated_work, self.op.base.name)
        return Kernel(
            self.op,
            beneath.format,
            beneath.bytes_moved,
            loops=Level(loops, whole=whole),
            vectorized=Level(vectorized, None if dense else self._pack, work, whole=whole),
            gpu=None if why_not(plain) else Level(partial(launch, plain), whole=whole),
            counts=None if self.op.epilogue else self._counts,
            name=f"generated_{self.nest.name}",
        )

    def run(self, *operands: Any) -> Any:
        """Compute at :attr:`level`.

        Parameters
        ----------
        *operands : Matrix or ndarray
            Those of the op, in its order, and then those of the epilogue.

        Raises
        ------
        UsageError
            If they are not what the kernel was written for.
        ShapeError, DTypeError
            If they break the op's constraints.
        """
        if len(operands) != len(self.op.operands):
            wanted = ", ".join(self.op.operands)
            raise UsageError(f"{self.nest.name}: {len(operands)} operands given, it takes {wanted}")
        at = self.op.base.weight or 0
        given = [_as_given(x) for x in operands]
        self._check_stored(given[at])
        if self.op.epilogue:  # a size that was left open is the same everywhere
            types = [x.type if isinstance(x, Matrix) else dense_type(x) for x in given]
            self.op.infer(types, self.attrs)
        level = self.kernel.levels.get(self.level)
        if level is None:
            raise UnsupportedOpError(f"{self.nest.name} at level gpu: {why_not(self.nest)}")
        if level.prepare is not None:
            same = given[at] is self.matrix
            given[at] = self._packed if same else level.prepare(given[at], 0)
        with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
            return level.run(*given)

    def prepare(self, a: Matrix | Array | None = None) -> Prepared:
        """Return the matrix packed for this kernel, to be called with the other operands.

        Parameters
        ----------
        a : Matrix or ndarray, optional
            By default the one it was generated from.

        Raises
        ------
        UsageError
            If there is none, or it does not fit.
        """
        given = self.matrix if a is None else a
        if given is None:
            raise UsageError(f"{self.nest.name} was generated from a type: give it a matrix")
        self._check_stored(given)
        return Prepared(self.op, self.kernel, self.level, given, 0, self.attrs)

    def __str__(self) -> str:
        """Return the source."""
        return self.source

    def __repr__(self) -> str:
        """Return what it is in one line."""
        return f"Generated({self.nest.name}, {self.level}, {len(self.source.splitlines())} lines)"

    def _repr_html_(self) -> str:
        """Return the source as a card."""
        return card(repr(self), f"<pre>{html.escape(self.source)}</pre>")

    @cached_property
    def _packed(self) -> Packed:
        return self._pack(self.matrix)

    def _pack(self, a: Any, columns: int = 256) -> Packed:
        self._check_stored(a)
        return pack(self.nest, a)

    def _check_stored(self, a: Any) -> None:
        format = a.format if isinstance(a, Matrix) else "dense"
        if format != self.nest.layout.format:
            raise UsageError(
                f"{self.nest.name} was generated for {self.nest.layout}, but is given {format}: "
                f"write one for it with ms.generate, or convert with A.to(...)"
            )

    def _counts(self, *operands: Any) -> Counts:
        return stated_counts(self.nest, by_hand(self.op, self.nest.layout.format), operands)


def _as_given(x: Any) -> Any:
    """Return an operand as it is, or as an array of NumPy if it is neither matrix nor array."""
    return x if isinstance(x, Matrix) or namespace(x) is not np else np.asarray(x)


def generate(
    op: str | Op,
    A: Matrix | Array | TensorType | Pattern,
    *,
    epilogue: Sequence[str] = (),
    level: str = "loops",
    columns: int | None = None,
    dtype: Any = None,
    layout: str | Layout | None = None,
    attrs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Generated:
    """Write a kernel for one op and one matrix, or one type of matrix, as readable source.

    Parameters
    ----------
    op : str or Op
        ``"spmm"``, ``"spmv"``, ``"spmm_t"``, ``"dsmm"``, ``"sddmm"``, or one of them fused.
    A : Matrix, ndarray, TensorType or Pattern
        What is known of the matrix. Of a Matrix everything is baked in but its values: shape,
        dtype, block, how many rows have how many entries.
    epilogue : sequence of str
        What is done to each element before it is written: ``"bias"``, ``"relu"``, ``"gelu"``,
        ``"silu"``, ``"clip"``, ``"add"``.
    level : str
        ``"loops"``, ``"vectorized"`` or ``"gpu"``: which form :attr:`Generated.source` is.
    columns : int, optional
        The length of the letter that A does not have: N, or D of sddmm. Left open if None.
    dtype : dtype-like, optional
        Of the dense operands; by default A's.
    layout : str or Layout, optional
        How to store a matrix of which only the Pattern is given.
    attrs : mapping, optional
        Of the epilogue: ``{"min": 0, "max": 6}``.
    name : str, optional
        What to call the function. Whatever it is made of, an identifier becomes of it.

    Raises
    ------
    UnsupportedOpError
        If the op has no index expression, or the epilogue or the level is not possible for it.
    UsageError
        If an argument is of no use.
    ShapeError, DTypeError
        If the op's constraints are broken.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> A = from_dense(np.eye(4, dtype="float32"), "nm", n=1, m=4)
    >>> print(generate("spmv", A, level="vectorized").source.partition("float32)")[2])
    <BLANKLINE>
        y = np.multiply(a.diagonals[0], x[0:4])  # main diagonal
        return y
    <BLANKLINE>
    """
    if level not in _WRITERS:
        raise UsageError(f"generate: there is no level {level!r:.40}; levels: {_LEVELS}")
    whole = fused_op(op, epilogue)
    expression_of(whole.base.name)
    stored = stored_type(A, layout, dtype)
    if columns is not None and not are_ints((columns,), 1, 0):
        raise UsageError(
            f"generate: columns is {columns!r:.40}: it must be an integer of at least 0"
        )
    other = stored.dtype if dtype is None else as_dtype(dtype, "generate: dtype")
    types = usual_types(whole, stored, "N" if columns is None else int(columns), other)
    types.insert(whole.base.weight or 0, stored)
    complete = whole.complete(attrs or {})
    nest = _with_pattern(describe(whole, types, complete, name), A)
    matrix = A if isinstance(A, Matrix | np.ndarray) else None
    made = Generated(whole, nest, complete, level, matrix)
    made.source_at(level)  # what cannot be written is said now
    return made


def _with_pattern(nest: Nest, A: Any) -> Nest:
    """Return the nest with what is known of the pattern in it."""
    if isinstance(A, Matrix):
        return bake(nest, A)
    by_entries = nest.layout.format in ("csr", "csc", "coo") and nest.expression.scale is None
    if isinstance(A, Pattern) and by_entries:
        return baked(nest, sizes_of(A.row_counts if own_axis(nest) == 0 else A.col_counts))
    return nest
