"""A stand-in for CuPy where there is no card: arrays that are not NumPy's, and a count of copies.

The arrays wrap NumPy's and refuse what CuPy's refuse: becoming an array of NumPy unasked, mixing
with one, functions and keywords that CuPy does not have (``tests/cupy_record.json``). What CuPy
does by copying over the bus is done and noted in :attr:`PretendCupy.transfers`: ``get``, ``item``,
``int(x)``, ``bool(x)`` to the host, ``asarray`` of a NumPy array or a list to the device, and the
few bytes that CuPy itself fetches to learn the size of a result (``nonzero``, a mask as an index,
``unique``, ``bincount``, ``repeat`` with an array).

Use the fixture ``pretend_cupy`` (``tests/conftest.py``): it is put where the library looks for
CuPy, and thread programs launched on its arrays run in the simulator.

Stricter than CuPy, since the library should not rely on it:

- an index beyond an axis is an error here; CuPy wraps it around;
- an array of NumPy as an index, or assigned to a part, is an error; CuPy copies it unasked;
- memory of ``empty`` is poisoned; float sums by ``ufunc.at``, in no fixed order there, are made
  from the last to the first.

Not imitated: rounding and the order of sums are NumPy's; streams, several cards and memory pools
are absent; of dtypes only those are refused that CuPy does not have at all; nothing is as fast, or
as slow, as on a card. array-api-strict with its second device could not take its place: its arrays
take no functions of NumPy's, by which the library speaks to CuPy.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest

from minisparse.core.errors import UsageError
from minisparse.gpu import ThreadProgram, simulate
from tests.pretend.array import Ndarray, bare
from tests.pretend.bus import RECORD, TRANSFERS, Transfer
from tests.pretend.functions import Ufunc, function

_CONSTANTS = {
    *"bool_ int8 uint8 int16 uint16 int32 uint32 int64 uint64 intp float16 float32 float64".split(),
    *"complex64 complex128 dtype finfo iinfo pi e inf nan newaxis".split(),
}
_CUDA = SimpleNamespace(
    get_device_id=lambda: 0,
    runtime=SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda number: {"name": b"Pretend H100"},
        CUDARuntimeError=RuntimeError,
    ),
    Device=lambda number=0: SimpleNamespace(id=number, synchronize=lambda: None),
)


class PretendCupy(ModuleType):
    """What stands for the module ``cupy``.

    Attributes
    ----------
    transfers : list of Transfer
        Copies over the bus, in order; a test may clear it.
    """

    transfers: list[Transfer]

    def __init__(self) -> None:
        super().__init__("cupy")
        self.__spec__ = ModuleSpec("cupy", None)  # found, when asked whether it is installed
        self.transfers = TRANSFERS
        self.ndarray = Ndarray
        self.cuda = _CUDA
        self.linalg = SimpleNamespace(norm=function("linalg.norm"))
        strides = ("as_strided", "sliding_window_view")
        tricks = {name: function(f"lib.stride_tricks.{name}") for name in strides}
        self.lib = SimpleNamespace(stride_tricks=SimpleNamespace(**tricks))
        self.__version__ = RECORD["version"]

    def __getattr__(self, name: str) -> Any:
        if name in RECORD["ufuncs"] and isinstance(getattr(np, name, None), np.ufunc):
            made: Any = Ufunc(name)
        elif name in _CONSTANTS:
            made = getattr(np, name)
        elif name in RECORD["functions"] and hasattr(np, name):
            made = function(name)
        else:
            raise AttributeError(f"module 'cupy' has no attribute {name!r}")
        setattr(self, name, made)
        return made

    def asnumpy(
        self,
        a: Any,
        stream: Any = None,
        order: Any = "C",
        out: Any = None,
        *,
        blocking: bool = True,
    ) -> Any:
        """Return an array on the host."""
        return a.get() if isinstance(a, Ndarray) else np.asarray(a)

    def get_array_module(self, *args: Any) -> ModuleType:
        """Return the module that the arrays are of."""
        return self if any(isinstance(a, Ndarray) for a in args) else np

    def is_available(self) -> bool:
        """Tell whether there is a card: so it seems."""
        return True

    def bytes_to(self, where: Literal["host", "device"]) -> int:
        """Return how much has been copied there."""
        return sum(t.nbytes for t in self.transfers if t.to == where)


def _launch(program: ThreadProgram, grid: Any, block: Any, args: Any) -> None:
    """Run a thread program in the simulator, on the memory of arrays of the device."""
    if any(isinstance(x, np.ndarray) and x.ndim for x in args):
        raise UsageError(f"{program.name}: some of its arrays are on the card and some are not")
    simulate(program, grid, block, [bare(x) for x in args])


@pytest.fixture
def pretend_cupy(monkeypatch: pytest.MonkeyPatch) -> PretendCupy:
    """Put the pretend device in the place of CuPy, with no transfers noted."""
    found = PretendCupy()
    found.transfers.clear()
    monkeypatch.setitem(sys.modules, "cupy", found)
    monkeypatch.setitem(sys.modules, "cupyx", None)
    monkeypatch.setattr("minisparse.gpu.translate.launch", _launch)
    return found
