"""Find kernels: those of an op, and the one for a format and a level."""

from functools import cache

from minisparse.core.errors import UnsupportedOpError
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import Op


def kernels_for(op: Op) -> list[Kernel]:
    """Return the kernels of an op; for a fused op those of its base.

    Examples
    --------
    >>> from minisparse.ops import SPMM_RELU
    >>> [kernel.name for kernel in kernels_for(SPMM_RELU)][-3:]
    ['spmm_csr', 'spmm_dense', 'spmm_nm']
    """
    return list(_kernels_of(op.base.name))


@cache
def _kernels_of(op: str) -> tuple[Kernel, ...]:
    from minisparse.kernels import KERNELS

    return tuple(kernel for kernel in KERNELS.values() if kernel.op.name == op)


def find_level(op: Op, format: str, level: str) -> tuple[Kernel, Level]:
    """Return the kernel of an op for a format, and one of its levels.

    Raises
    ------
    UnsupportedOpError
        If there is none; the message names the formats or levels that there are.
    """
    kernels = {kernel.format_name: kernel for kernel in kernels_for(op)}
    if format not in kernels:
        raise UnsupportedOpError(
            f"{op.name}: there is no kernel for {format}; formats: {', '.join(kernels)}: "
            f"convert with A.to(...)"
        )
    levels = kernels[format].levels
    if level not in levels:
        raise UnsupportedOpError(
            f"{op.name}: the kernel for {format} has no level '{level}'; levels: "
            f"{', '.join(levels)}"
        )
    return kernels[format], levels[level]
