"""A thread program: one function, to be compiled for a GPU or to be run thread by thread on a CPU.

Where the arrays lie says where it runs: arrays of CuPy are computed with on their card, arrays of
NumPy by the simulator. To define a program costs nothing: what rewrites and runs it is imported
when it first runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from minisparse.core.errors import UsageError
from minisparse.core.xp import namespace

if TYPE_CHECKING:
    from minisparse.gpu.simulator import Simulation

Dims = tuple[int, ...]
"""Numbers of blocks, or of threads in a block, by axis; up to three, x first."""


P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Program:
    """A function in the language of threads.

    Attributes
    ----------
    function : function
        As it was written.
    bound : mapping
        What :meth:`bind` has put in the place of free names.
    """

    function: FunctionType
    bound: dict[str, Any] = field(default_factory=dict)
    _bound: dict[Any, Self] = field(default_factory=dict, repr=False)
    _compiled: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The function's own."""
        return self.function.__name__

    def bind(self, **names: Any) -> Self:
        """Return the program with other values of some of its free names.

        Programs are remembered by these values, so that each is compiled once.

        Parameters
        ----------
        **names
            Hashable values.

        Raises
        ------
        UsageError
            If the program uses no such name.
        """
        key = tuple(sorted(names.items()))
        if key not in self._bound:
            unknown = sorted(set(names) - set(self.names))
            if unknown:
                raise UsageError(
                    f"{self.name} uses no name {unknown[0]!r}: it uses {', '.join(self.names)}"
                )
            self._bound[key] = type(self)(self.function, {**self.bound, **names})
        return self._bound[key]

    @cached_property
    def names(self) -> dict[str, Any]:
        """What its free names stand for, such as the dtype to sum in: constants when compiled."""
        from minisparse.gpu.rewrite import names_of

        return {**names_of(self.function), **self.bound}

    @cached_property
    def helpers(self) -> dict[str, "Program"]:
        """The device functions that it calls, by name."""
        return {n: x for n, x in self.names.items() if isinstance(x, Program)}

    @cached_property
    def waits(self) -> bool:
        """Whether a thread waits for others in it, or in a function that it calls."""
        from minisparse.gpu.rewrite import parsed, waits

        return waits(parsed(self.function), {n: p.waits for n, p in self.helpers.items()})


class ThreadProgram(Program):
    """A function that every thread of a grid runs.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.gpu import jit, thread_program
    >>> @thread_program
    ... def double(x, y):
    ...     i = jit.blockIdx.x * jit.blockDim.x + jit.threadIdx.x
    ...     if i < len(x):
    ...         y[i] = x[i] + x[i]
    >>> x, y = np.arange(5.0), np.zeros(5)
    >>> double((2,), (3,), (x, y))
    >>> y
    array([0., 2., 4., 6., 8.])
    """

    def __call__(self, grid: Dims, block: Dims, args: Sequence[Any]) -> None:
        """Run every thread: on the card where the arrays lie, else one by one.

        Parameters
        ----------
        grid : tuple of int
            Blocks along each axis.
        block : tuple of int
            Threads of a block along each axis.
        args : sequence
            Arrays and scalars of NumPy; or arrays of CuPy and scalars.
        """
        if namespace(*args).__name__ == "cupy":
            from minisparse.gpu.translate import launch

            launch(self, grid, block, args)
        else:
            self.simulate(grid, block, args)

    def simulate(
        self, grid: Dims, block: Dims, args: Sequence[Any], **options: Any
    ) -> "Simulation":
        """Run every thread on the CPU; see :func:`minisparse.gpu.simulator.simulate`."""
        from minisparse.gpu.simulator import simulate

        return simulate(self, grid, block, args, **options)


class DeviceFunction(Program, Generic[P, R]):
    """A function that threads call; CUDA's ``__device__``.

    Called elsewhere it is the plain function that was written.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function returns."""
        found: R = self.function(*args, **kwargs)
        return found


def thread_program(function: Callable[..., None]) -> ThreadProgram:
    """Make a thread program of a function; a decorator.

    Parameters
    ----------
    function : callable
        In the part of Python that ``cupyx.jit.rawkernel`` takes, with the names of
        :mod:`minisparse.gpu.jit`. It returns nothing.
    """
    assert isinstance(function, FunctionType)
    return ThreadProgram(function)


def device_function(function: Callable[P, R]) -> DeviceFunction[P, R]:
    """Make a function that thread programs may call; a decorator."""
    assert isinstance(function, FunctionType)
    return DeviceFunction(function)
