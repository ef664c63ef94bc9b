"""A machine as data: how fast it multiplies, moves bytes, gathers, and calls.

The figures of a shipped machine were measured on one of its kind, single process, NumPy 2.4 with
OpenBLAS; :attr:`Machine.source` says where. They predict which of two ways is faster, not how
many microseconds the reader's own machine takes; ``plan.explain()`` shows both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from minisparse.core.dtypes import DType
from minisparse.core.errors import UsageError
from minisparse.cost.library_speeds import SERVER_2CORE_LIBRARIES, Speeds


@dataclass(frozen=True)
class Machine:
    """What the cost model knows of a machine.

    Attributes
    ----------
    name : str
        As given to ``ms.compile(..., target=name)``.
    source : str
        Where the figures come from.
    matmul : mapping
        From dtype names to the peak of a large matrix multiplication, flop/s.
    other_matmul : float
        The same for dtypes that no library multiplies, such as integers, flop/s.
    elementwise : float
        Simple operations on data that is near, element/s.
    gather : float
        Elements fetched through an index, rows at a time, element/s.
    bandwidth : float
        Bytes per second between memory and core for data that is not near.
    call : float
        Seconds for one call into the array library on nothing.
    step : float
        Seconds for one multiply-add of a Python loop over array elements.
    libraries : mapping
        From names of provider, op and format to how fast that library was.
    """

    name: str
    source: str
    matmul: Mapping[str, float]
    other_matmul: float
    elementwise: float
    gather: float
    bandwidth: float
    call: float
    step: float
    libraries: Speeds = field(default_factory=dict)

    def matmul_rate(self, dtype: DType) -> float:
        """Return the peak of a large matrix multiplication in ``dtype``, flop/s."""
        return self.matmul.get(dtype.name, self.other_matmul)


SERVER_2CORE = Machine(
    name="server-2core",
    source="measured on a 2-core AVX-512 server, NumPy 2.4, OpenBLAS on 2 threads",
    matmul={"float32": 185e9, "float64": 90e9, "complex64": 90e9, "complex128": 45e9},
    other_matmul=1.5e9,
    elementwise=3e9,
    gather=4e9,
    bandwidth=12e9,
    call=1.5e-6,
    step=0.35e-6,
    libraries=SERVER_2CORE_LIBRARIES,
)

MACHINES: dict[str, Machine] = {m.name: m for m in (SERVER_2CORE,)}


def find_machine(name: str) -> Machine:
    """Return the machine of a target name; ``"cpu"`` is the machine at hand.

    Raises
    ------
    UsageError
        If there is no such target; the known ones are named.
    """
    if name == "cpu":
        return SERVER_2CORE
    if name not in MACHINES:
        raise UsageError(f"there is no target '{name}'; targets: {', '.join(['cpu', *MACHINES])}")
    return MACHINES[name]
