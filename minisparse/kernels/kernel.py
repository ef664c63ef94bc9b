"""What a kernel is: one op on one format, at up to three levels, with its bytes moved.

A kernel is a plain value. Nothing in it checks shapes or dtypes: the op did that, once. The fourth
level, ``library``, is not written here but lent: see :mod:`minisparse.kernels.library`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix
from minisparse.kernels.counts import Counts
from minisparse.ops import Op

LEVELS = ("loops", "vectorized", "gpu")
"""The levels that are ours, slowest first."""
HOST_LEVELS = ("loops", "vectorized")
"""Those of them that a CPU computes in earnest: threads are only simulated there."""
GENERATED = "generated"
"""What plans call the array code that was written for one matrix: see ``kernels/generate``."""


class Finish(Protocol):
    """The epilogue of a fused op: bias and activation, applied in place while a tile is warm."""

    def __call__(self, tile: Array, index: tuple[slice, ...]) -> None:
        """Finish ``tile`` in place: it is ``C[index]``, a slice for each axis of the result."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one call of a kernel does, as far as time depends on it.

    Attributes
    ----------
    flops : float
        Floating-point operations that are executed, useful or spent on padding.
    bytes : float
        Bytes read and written, each access counted.
    gathered : float
        Elements fetched through an index, one row of B at a time or one by one.
    calls : float
        Calls into NumPy (or launches on a GPU); for ``loops`` 0: there it is interpreted steps,
        which flops count.
    efficiency : float
        Fraction of the machine's matrix-multiply peak that the inner call reaches when its data is
        near: below 1 for batches of thin matrices.
    unit : {"matmul", "elementwise"}
        What does the arithmetic: the library's matrix multiplication, or one pass per operation.
    indices : float
        How many of the bytes are indices and pointers.
    rows : float
        Runs that are begun, whatever they hold: rows that are summed one by one, or products of a
        batch.
    entries : float
        Elements that are gone through once, whatever they meet: lines that are gathered, elements
        of a factor that a library packs before it multiplies.
    way : str
        Which of its ways a kernel takes, where it has several; kernels that share one share this.
    """

    flops: float
    bytes: float
    gathered: float = 0.0
    calls: float = 1.0
    efficiency: float = 1.0
    unit: str = "matmul"
    indices: float = 0.0
    rows: float = 0.0
    entries: float = 0.0
    way: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a kernel.

    Attributes
    ----------
    run : callable
        ``run(*operands, **attrs) -> result``; the sparse operand is what ``prepare`` returned.
        Optional keywords: ``out=`` where :attr:`takes_out`, and ``finish=`` (a :class:`Finish`)
        where :attr:`fuses`. It returns a new array, or a view of an operand for ops that only
        say how elements lie.
    prepare : callable, optional
        ``prepare(a, columns) -> packed``: what is done once per matrix, where ``columns`` says
        about how many columns it will meet. None: the matrix itself is used.
    work : callable, optional
        ``work(pattern, types, attrs=None) -> Work``, where the executed work differs from the
        op's flops and the kernel's bytes, because of padding or many small calls.
    fuses : bool
        Whether ``run`` takes ``finish=`` and applies it tile by tile; it then takes ``out=`` too.
    takes_out : bool
        Whether ``run`` takes ``out=``, an array of the result's shape and dtype to write to. It is
        apart from all operands, or one of them where
        :func:`~minisparse.kernels.execute.in_place_operands` says so.
    prepare_once : callable, optional
        As ``prepare``, for a matrix that is used in a single call: what is cheap to make.
    settle : callable, optional
        ``settle(**attrs)`` returns what does as ``run`` with these attributes would, again and
        again: what depends on attributes alone is found once.
    whole : mapping, optional
        Of a level that computes a fused op as a whole, its epilogue inlined: the attributes that
        are baked in. ``run`` takes the epilogue's operands too then, and no attributes.
    why_not : callable, optional
        ``why_not(types) -> str``: why the level cannot compute with operands of the base of these
        types, or nothing if it can. None: it takes whatever the op takes.
    device : Level, optional
        How the same is computed where operands lie on a device, if another way is better there
        than what is fast on a CPU; see :meth:`on`. None: this very code serves both.
    """

    run: Callable[..., Any]
    prepare: Callable[..., Any] | None = None
    work: Callable[..., Work] | None = None
    fuses: bool = False
    takes_out: bool = False
    prepare_once: Callable[..., Any] | None = None
    settle: Callable[..., Callable[..., Any]] | None = None
    whole: Mapping[str, Any] | None = None
    why_not: Callable[[Sequence[TensorType]], str] | None = None
    device: "Level | None" = None

    def __post_init__(self) -> None:
        """Whoever can finish tiles of a result can be told where it goes."""
        if self.fuses:
            object.__setattr__(self, "takes_out", True)

    def on(self, device: bool) -> "Level":
        """Return the level for operands that lie on a device, or for those that do not.

        It is asked once, where a matrix is packed or a plan is made, and not in each call.
        """
        return self.device if device and self.device is not None else self


@dataclass(frozen=True)
class Kernel:
    """How one op is computed on one format of its sparse operand.

    Attributes
    ----------
    op : Op
        What is computed.
    format : type of Matrix, or None
        The class of the sparse operand; None where every operand is a plain array.
    bytes_moved : callable
        From the operands' types, one argument each, to bytes read and written once per call.
    loops, vectorized, gpu : Level or callable, optional
        The levels. A plain callable is a Level that needs no preparation.
    counts : callable, optional
        ``counts(*operands, **attrs) -> Counts``: from the operands themselves, what the loops do,
        exactly. None only where there are no loops.
    name : str
        ``"spmm_csr"`` unless given; the name under which plans and explanations know it.
    """

    op: Op
    format: type[Matrix] | None
    bytes_moved: Callable[..., int]
    loops: Level | Callable[..., Array | Matrix] | None = None
    vectorized: Level | Callable[..., Array | Matrix] | None = None
    gpu: Level | Callable[..., Array] | None = None
    counts: Callable[..., Counts] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """Fill in the name."""
        if not self.name:
            object.__setattr__(self, "name", f"{self.op.name}_{self.format_name}")

    @property
    def format_name(self) -> str:
        """``"csr"`` … or ``"dense"``."""
        return "dense" if self.format is None else self.format.format

    @property
    def levels(self) -> dict[str, Level]:
        """The levels that this kernel has, by name, slowest first."""
        have = {name: getattr(self, name) for name in LEVELS}
        return {
            name: level if isinstance(level, Level) else Level(level)
            for name, level in have.items()
            if level is not None
        }
