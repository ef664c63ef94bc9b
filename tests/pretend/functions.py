"""Functions of the pretend device: those that CuPy has, with what they take, computed by NumPy."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tests.pretend.array import Ndarray, as_index, bare, check_index, known, poisoned, sent, wrap
from tests.pretend.bus import RECORD, note

COUNTS = {"nonzero", "flatnonzero", "argwhere", "unique", "compress", "bincount", "extract"}
"""What asks a card how large its result will be."""
MAKES = {
    "array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite",
}  # fmt: skip
"""What takes arrays of NumPy, and copies them to the card."""
STAYS = {"allclose", "array_equal", "array_equiv", "count_nonzero"}
"""Answers that are Python's with NumPy, and arrays without dimensions with CuPy."""


_NOT_ATOMIC = ("int8", "uint8", "int16", "uint16", "int64", "bool", "bfloat16")
"""What CUDA cannot add to as one step, or CuPy does not ask it to."""


class Ufunc:
    """What stands for a ``cupy.ufunc``: less can be asked of it than of NumPy's."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self._f: Any = getattr(np, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if wrong := set(kwargs) - {"out", "dtype", "casting"}:
            raise TypeError(f"Wrong arguments {wrong}")
        if any(isinstance(x, tuple | list) for x in args):
            raise TypeError(f"{self.__name__}: Unsupported type list")
        refuse_host(self.__name__, [*args, kwargs.get("out")])
        made = self._f(*map(bare, args), **{n: bare(x) for n, x in kwargs.items()})
        given = kwargs["out"] if kwargs.get("out") is not None else (args[self._f.nin :] or None)
        return wrap(made) if given is None else (given[0] if isinstance(given, tuple) else given)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        if not RECORD["ufuncs"][self.__name__]:
            raise NotImplementedError(f"`cupy_{self.__name__}.at` is not supported yet")
        kinds = "iu" if "bitwise" in self.__name__ else "iuf"
        if a.dtype.kind not in kinds or a.dtype.name in _NOT_ATOMIC:
            raise TypeError(f"{self.__name__}.at does not support {a.dtype} as data type")
        refuse_host(f"{self.__name__}.at", [a, indices, b])
        place, _ = as_index(a.shape, indices)
        value = np.broadcast_to(bare(b), a._a[place].shape)
        whole = np.arange(a.size).reshape(a.shape)[place].reshape(-1)[::-1]
        total = a._a.reshape(-1).copy()
        self._f.at(total, whole, value.astype(a.dtype).reshape(-1)[::-1])
        a._a[...] = total.reshape(a.shape)

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        method = {"add": "sum", "multiply": "prod"}.get(self.__name__)
        if method is None:
            raise NotImplementedError(f"`cupy_{self.__name__}.reduce` is not supported yet")
        return getattr(array, method)(axis, dtype, out, keepdims)

    def accumulate(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        method = {"add": "cumsum", "multiply": "cumprod"}.get(self.__name__)
        if method is None:
            raise NotImplementedError(f"`cupy_{self.__name__}.accumulate` is not supported yet")
        return getattr(array, method)(axis, dtype, out)

    def reduceat(
        self, array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None
    ) -> Any:
        if self.__name__ != "add":
            raise NotImplementedError(f"`cupy_{self.__name__}.reduceat` is not supported yet")
        refuse_host("add.reduceat", [array, indices, out])
        return wrap(np.add.reduceat(array._a, indices._a, axis, dtype, bare(out)))

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:
        refuse_host(f"{self.__name__}.outer", [A, B])
        return wrap(self._f.outer(bare(A), bare(B), **kwargs))


def refuse_host(name: str, args: Any) -> None:
    """Raise TypeError for an array of NumPy among arguments, as CuPy does."""
    for x in args:
        if isinstance(x, tuple | list):
            refuse_host(name, x)
        elif isinstance(x, np.ndarray):
            raise TypeError(f"{name}: Unsupported type {type(x)}")


def _bind(name: str, parameters: str, kwargs: dict[str, Any], count: int) -> None:
    """Raise TypeError for arguments that CuPy's function does not take."""
    words = parameters.split()
    known = {w for w in words if not w.startswith("*")}
    wrong = [] if any(w.startswith("**") for w in words) else sorted(set(kwargs) - known)
    if wrong:
        raise TypeError(f"{name}() got an unexpected keyword argument {wrong[0]!r}")
    first = words[: words.index("*")] if "*" in words else words
    if not any(w.startswith("*") for w in first) and count > len(first):
        raise TypeError(f"{name}() takes {len(first)} arguments but {count} were given")


@cache
def function(path: str) -> Callable[..., Any]:
    """Return a function of CuPy, computed by NumPy's of that name."""
    name = path.rsplit(".", 1)[-1]
    target: Any = np
    for part in path.split("."):
        target = getattr(target, part)

    def call(*args: Any, **kwargs: Any) -> Any:
        _bind(name, RECORD["functions"][path], kwargs, len(args))
        if name in MAKES and not isinstance(args[0], Ndarray):
            return _made(target, args, kwargs)
        refuse_host(name, [*args, *kwargs.values()])
        if name in {"sort", "argsort"}:
            kwargs["kind"] = _stable(kwargs.get("kind"))
        _count_size(name, args)
        if name == "take":
            _check_taken(*args, **{k: v for k, v in kwargs.items() if k != "out"})
        if name == "lexsort" and isinstance(args[0], tuple | list):
            raise TypeError("cupy.lexsort takes an array [k, n], no sequence of keys")
        made = target(*map(bare, args), **{n: bare(x) for n, x in kwargs.items()})
        if kwargs.get("out") is not None:
            return kwargs["out"]
        if name.startswith("empty") and isinstance(made, np.ndarray):
            made = poisoned(made)
        return wrap(np.asarray(made) if name in STAYS else made)

    return call


def _made(target: Any, args: Any, kwargs: Any) -> Any:
    """Return an array of the device made of what lies on the host."""
    kwargs.pop("blocking", None)
    if isinstance(args[0], list | tuple) and any(isinstance(x, Ndarray) for x in args[0]):
        return wrap(np.stack([bare(x) for x in args[0]]).astype(kwargs.get("dtype")))
    made = np.array(target(*args, **kwargs))
    return wrap(sent(made, target.__name__))


def _stable(kind: Any) -> str:
    if kind not in (None, "stable"):
        raise ValueError("CuPy sorts are stable: kind must be None or 'stable'")
    return "stable"


def _count_size(name: str, args: Any) -> None:
    asks = name in COUNTS or (name == "where" and len(args) == 1)
    if asks or (name == "repeat" and isinstance(args[1], Ndarray)):
        note("host", 8 if args[0].size else 0, name)
    if name == "bincount":  # whether there are negative numbers
        note("host", 1 if args[0].size else 0, name)


def _check_taken(a: Any, indices: Any, axis: Any = None, out: Any = None) -> None:
    if isinstance(indices, Ndarray):
        check_index(indices._a, (a.size,) if axis is None else (a.shape[axis],))


def _method(name: str) -> Callable[..., Any]:
    """Return a method of CuPy's arrays, computed by NumPy's of that name."""

    def call(self: Ndarray, *args: Any, **kwargs: Any) -> Any:
        _bind(name, RECORD["methods"][name], kwargs, len(args))
        refuse_host(name, [*args, *kwargs.values()])
        if name in {"sort", "argsort"}:
            kwargs["kind"] = _stable(kwargs.get("kind"))
        if name == "take":
            _check_taken(self, *args, **kwargs)
        _count_size(name, (self, *args))
        if name == "view":
            kwargs.pop("type", None)
        made = getattr(self._a, name)(*map(bare, args), **{n: bare(x) for n, x in kwargs.items()})
        if made is self._a:
            return self
        return kwargs["out"] if kwargs.get("out") is not None else wrap(made)

    call.__name__ = name
    return call


def _astype(
    self: Ndarray,
    dtype: Any,
    order: Any = "K",
    casting: Any = None,
    subok: Any = None,
    copy: bool = True,
) -> Ndarray:
    if casting is not None or subok is not None:
        raise TypeError("astype: casting and subok are not supported yet")
    made = self._a.astype(known(dtype), order=order, copy=copy)
    return self if made is self._a else wrap(made)


def _attach_methods() -> None:
    for name in RECORD["methods"]:
        if name not in vars(Ndarray) and hasattr(np.ndarray, name):
            setattr(Ndarray, name, _method(name))
    Ndarray.astype = _astype  # type: ignore[attr-defined]


_attach_methods()
