"""Arrays of the pretend device: NumPy's, wrapped, with what CuPy's arrays can do and no more."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np

from tests.pretend.bus import RECORD, note

Host = np.ndarray[Any, Any]
_COMPARISONS = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
}  # fmt: skip
_ARITHMETIC = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide",
    "mod": "remainder", "floordiv": "floor_divide", "pow": "power", "and": "bitwise_and",
    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip


@dataclass(frozen=True)
class Flags:
    """How an array lies in memory; more is not known of CuPy's, and none can be set."""

    c_contiguous: bool
    f_contiguous: bool
    owndata: bool


class Ndarray:
    """What stands for ``cupy.ndarray``; methods and operators are attached below."""

    __slots__ = ("_a",)
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]
    _a: Host

    def __init__(self, shape: Any, dtype: Any = float) -> None:
        self._a = poisoned(np.empty(shape, known(dtype)))

    # -- what becomes of it on the host ----------------------------------------------------------

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct "
            "a NumPy array explicitly."
        )

    def get(
        self, stream: Any = None, order: Any = "C", out: Any = None, blocking: bool = True
    ) -> Any:
        if out is None:
            return fetched(self, "get")
        out[...] = fetched(self, "get")
        return out

    def item(self) -> Any:
        return fetched(self, "item").item()

    def tolist(self) -> Any:
        return fetched(self, "tolist").tolist()

    def tobytes(self, order: Any = "C") -> bytes:
        return fetched(self, "tobytes").tobytes(order)

    def set(self, arr: Any, stream: Any = None) -> None:
        self._a[...] = sent(np.asarray(arr), "set")

    def __bool__(self) -> bool:
        return bool(fetched(self, "bool"))

    def __int__(self) -> int:
        return int(fetched(self, "int"))

    def __float__(self) -> float:
        return float(fetched(self, "float"))

    def __complex__(self) -> complex:
        return complex(fetched(self, "complex"))

    def __repr__(self) -> str:
        return repr(fetched(self, "repr"))

    def __str__(self) -> str:
        return str(fetched(self, "str"))

    def __format__(self, spec: str) -> str:
        return format(fetched(self, "format"), spec)

    def __reduce__(self) -> Any:
        return _on_device, (fetched(self, "pickle"),)

    def __copy__(self) -> Any:
        return wrap(self._a.copy())

    def __deepcopy__(self, memo: Any) -> Any:
        return wrap(self._a.copy())

    # -- shape and memory ------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Iterator["Ndarray"]:
        return (self[i] for i in range(len(self)))

    @property
    def shape(self) -> Any:
        return self._a.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        self._a = self._a.reshape(shape, copy=False)

    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    itemsize = property(lambda self: self._a.itemsize)
    nbytes = property(lambda self: self._a.nbytes)
    strides = property(lambda self: self._a.strides)
    base = property(lambda self: self._a.base)
    T = property(lambda self: wrap(self._a.T))
    mT = property(lambda self: wrap(self._a.mT))  # noqa: N815 - CuPy's name
    real = property(lambda self: wrap(self._a.real))
    imag = property(lambda self: wrap(self._a.imag))

    @property
    def flags(self) -> Any:
        f = self._a.flags
        return Flags(f.c_contiguous, f.f_contiguous, f.owndata)

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self._a.ctypes.data)

    @property
    def device(self) -> Any:
        return SimpleNamespace(id=0)

    @property
    def flat(self) -> NoReturn:
        raise AssertionError("pretend device: flat is not imitated; write reshape(-1)")

    # -- parts -----------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        plain, advanced = as_index(self._a.shape, index)
        if advanced:
            return wrap(self._a[plain])
        return wrap(self._a[plain if any(i is ... for i in plain) else (*plain, ...)])

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError("pretend device: a NumPy array is assigned: CuPy would copy it unasked")
        self._a[as_index(self._a.shape, index)[0]] = bare(value)

    # -- NumPy's functions, CuPy's way -----------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        known = ufunc.__name__ in RECORD["ufuncs"] or ufunc.__name__ in RECORD["functions"]
        if method != "__call__" or not known:
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        if ufunc.__name__ in _COMPARISONS.values():
            inputs = tuple(
                x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs
            )
        return getattr(sys.modules["cupy"], ufunc.__name__)(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        path = ".".join([*func.__module__.split(".")[1:], func.__name__])
        if path not in RECORD["functions"] or not set(types) <= {Ndarray, np.ndarray}:
            return NotImplemented
        found: Any = reduce(getattr, path.split("."), sys.modules["cupy"])
        return found(*args, **kwargs)


def wrap(x: Any) -> Any:
    """Return NumPy's arrays and scalars as arrays of the device; of a tuple, each of its parts."""
    if isinstance(x, np.ndarray | np.generic):
        made = Ndarray.__new__(Ndarray)
        made._a = np.asarray(x)
        known(made._a.dtype)
        return made
    if isinstance(x, tuple) and type(x) is not tuple:  # such as what unique_all returns
        return type(x)(*map(wrap, x))
    return type(x)(map(wrap, x)) if isinstance(x, tuple | list) else x


def bare(x: Any) -> Any:
    """Return the opposite: what NumPy can compute with."""
    if isinstance(x, tuple | list):
        return type(x)(map(bare, x))
    return x._a if isinstance(x, Ndarray) else x


def fetched(x: Ndarray, by: str) -> Host:
    note("host", x._a.nbytes, by)
    return x._a.copy()


def sent(x: Any, by: str) -> Any:
    note("device", x.nbytes, by)
    return x


def _on_device(x: Any) -> Ndarray:
    made: Ndarray = wrap(sent(x, "pickle"))
    return made


def known(dtype: Any) -> np.dtype[Any]:
    """Return a dtype that CuPy has, or raise ValueError as it does."""
    found: np.dtype[Any] = np.dtype(dtype)
    if (found.kind not in "?biufc" or found.itemsize > 8 * (1 + (found.kind == "c"))) and (
        found.name != "bfloat16"
    ):
        raise ValueError(f"Unsupported dtype {found}")
    return found


def poisoned(x: Host) -> Host:
    x.fill(np.nan if x.dtype.kind in "fcV" else 85)
    return x


def as_index(shape: tuple[int, ...], index: Any) -> tuple[tuple[Any, ...], bool]:
    """Return an index for NumPy, and whether it has arrays; lists are copied, masks are counted."""
    plain, advanced = [], False
    parts = index if isinstance(index, tuple) else (index,)
    axis = 0
    taken = sum(_axes(part) for part in parts)
    for part in parts:
        if isinstance(part, np.ndarray):
            raise TypeError("pretend device: a NumPy array as an index: CuPy would copy it unasked")
        if isinstance(part, list):
            part = wrap(sent(np.asarray(part, None if part else np.intp), "index"))
        if isinstance(part, Ndarray):
            advanced = True
            check_index(part._a, shape[axis : axis + 1])
        plain.append(bare(part))
        axis += len(shape) - taken if part is ... else _axes(part)
    return tuple(plain), advanced


def _axes(part: Any) -> int:
    if part is None or part is ...:
        return 0
    mask = isinstance(part, Ndarray) and part.dtype == bool
    return part.ndim if mask else 1


def check_index(index: Host, size: tuple[int, ...]) -> None:
    """Count what a mask asks for; refuse what CuPy would wrap around."""
    if index.dtype == bool:
        note("host", 4 if index.size else 0, "mask")
    elif index.dtype.kind not in "iu":
        raise IndexError(
            f"arrays used as indices must be of integer or boolean type: {index.dtype}"
        )
    elif index.size and size and not (-size[0] <= index.min() and index.max() < size[0]):
        raise AssertionError(
            f"pretend device: index {index.min()} to {index.max()} beyond {size[0]}: CuPy would "
            f"wrap it around"
        )


def _binary(name: str, ufunc: str, swapped: bool = False) -> Callable[..., Any]:
    function: Any = getattr(np, ufunc)

    def call(self: Ndarray, other: Any) -> Any:
        if getattr(other, "__array_ufunc__", 0) is None:
            return NotImplemented
        if isinstance(other, str | bytes | type(None)):
            return NotImplemented
        return function(other, self) if swapped else function(self, other)

    call.__name__ = name
    return call


def _in_place(name: str, ufunc: str) -> Callable[..., Any]:
    function: Any = getattr(np, ufunc)

    def call(self: Ndarray, other: Any) -> Any:
        function(self, other, out=self)
        return self

    call.__name__ = name
    return call


def _unary(name: str, ufunc: str) -> Callable[..., Any]:
    function: Any = getattr(np, ufunc)

    def call(self: Ndarray) -> Any:
        return function(self)

    call.__name__ = name
    return call


def _attach_operators() -> None:
    for short, ufunc in {"neg": "negative", "abs": "absolute", "invert": "invert"}.items():
        setattr(Ndarray, f"__{short}__", _unary(f"__{short}__", ufunc))
    for short, ufunc in _COMPARISONS.items():
        setattr(Ndarray, f"__{short}__", _binary(f"__{short}__", ufunc))
    for short, ufunc in {**_ARITHMETIC, "matmul": "matmul"}.items():
        setattr(Ndarray, f"__{short}__", _binary(f"__{short}__", ufunc))
        setattr(Ndarray, f"__r{short}__", _binary(f"__r{short}__", ufunc, swapped=True))
    for short, ufunc in _ARITHMETIC.items():
        setattr(Ndarray, f"__i{short}__", _in_place(f"__i{short}__", ufunc))


_attach_operators()
