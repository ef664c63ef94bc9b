"""CUDA graphs: a sequence of launches that is recorded once, and launched as a whole after.

To launch a kernel from Python takes some microseconds, and a small layer computes for fewer. A
graph holds the launches with their arguments: which memory they read and write is settled, and the
card goes from one to the next by itself (CUDA C++ Programming Guide, "CUDA Graphs"; CuPy's
``Stream.begin_capture``). So inputs are copied to where the graph reads them, and outputs lie where
it writes them, until the next launch overwrites them.

Everything that is computed in between lies in a memory pool of the graph's own, which nobody else
is given memory from: CuPy's usual pool would hand out again what a recorded call gave back.

Not yet run on a GPU.
"""

from collections.abc import Callable, Sequence
from typing import Any

from minisparse.core.errors import MinisparseError, UsageError
from minisparse.core.extras import require
from minisparse.core.xp import namespace

WARM_UP = 2
"""Calls before the one that is recorded: they compile kernels, take memory and make handles."""


class CaptureError(MinisparseError, RuntimeError):
    """A call cannot be recorded as a CUDA graph; the message says why, and what to do."""


class Captured:
    """A recorded call; made by :func:`capture`.

    Attributes
    ----------
    inputs : tuple of array
        What the graph reads: write to them, or give others when calling.
    outputs : object
        What the recorded call returned, its arrays being those that each launch overwrites.
    """

    def __init__(
        self, graph: Any, stream: Any, pool: Any, inputs: tuple[Any, ...], outputs: Any
    ) -> None:
        self.inputs, self.outputs = inputs, outputs
        self._graph, self._stream, self._pool = graph, stream, pool

    def __call__(self, *values: Any) -> Any:
        """Copy values to the inputs, if there are any, launch, and return the outputs.

        All of it is queued on the current stream; the outputs hold their values when that has come
        so far, and only until the next call.

        Parameters
        ----------
        *values : array
            One for each input, of its shape and dtype; or none, to compute with what is there.

        Raises
        ------
        UsageError
            If there are too many or too few, or one does not fit.
        """
        if values and len(values) != len(self.inputs):
            raise UsageError(f"the graph reads {len(self.inputs)} inputs, not {len(values)}")
        for i, (here, value) in enumerate(zip(self.inputs, values, strict=False)):
            if (here.shape, here.dtype) != (value.shape, value.dtype):
                raise UsageError(
                    f"input {i} is {value.dtype}{list(value.shape)}, but the graph was recorded "
                    f"with {here.dtype}{list(here.shape)}: capture another for other sizes"
                )
            if here is not value:
                here[...] = value
        self._graph.launch()
        return self.outputs


def capture(call: Callable[..., Any], inputs: Sequence[Any] = ()) -> Captured:
    """Record what a call launches.

    Parameters
    ----------
    call : callable
        ``call(*inputs)``, which computes on a card and waits for it nowhere. It is called three
        times, the last of them recorded and not computed.
    inputs : sequence of array
        Of CuPy, with values that the call can compute with. Copies of them are what the graph
        reads.

    Raises
    ------
    UsageError
        If an input does not lie on a card.
    CaptureError
        If the call waits for the card, or copies to the host, or does what a graph cannot hold.
    """
    cupy: Any = require("cupy", "gpu-cuda13", "CUDA graphs")
    for i, x in enumerate(inputs):
        if namespace(x) is not cupy:
            raise UsageError(f"input {i} lies in the host's memory, and a graph reads the card's")
    pool = cupy.cuda.MemoryPool()
    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.get_current_stream().synchronize()  # the inputs may still be on their way
    with stream, cupy.cuda.using_allocator(pool.malloc):
        own = tuple(x.copy() for x in inputs)
        for _ in range(WARM_UP):
            call(*own)
        stream.synchronize()
        stream.begin_capture()
        failure: Exception | None = None
        outputs = None
        try:
            outputs = call(*own)
        except (RuntimeError, ValueError) as error:
            failure = error
        graph = _ended(stream, failure)
    graph.launch(stream)  # so that the outputs hold what they should from the first
    stream.synchronize()
    return Captured(graph, stream, pool, own, outputs)


def _ended(stream: Any, failure: Exception | None) -> Any:
    """Return the graph that a stream has recorded; what went wrong while it did is told here."""
    try:
        graph = stream.end_capture()
    except RuntimeError as error:
        raise CaptureError(_why(failure or error)) from (failure or error)
    if failure is not None:
        raise CaptureError(_why(failure)) from failure
    return graph


def _why(error: Exception) -> str:
    return (
        f"the call cannot be recorded as a CUDA graph: {' '.join(str(error).split())}. While a "
        f"stream records, nothing may wait for the card or bring values to the host: no x.get(), "
        f"float(x), bool(x) or print of an array, no result whose size depends on values (nonzero, "
        f"masks as indices, spgemm), no first use of a kernel or a library. Run such a part of a "
        f"plan by itself, and capture what lies before and after it"
    )
