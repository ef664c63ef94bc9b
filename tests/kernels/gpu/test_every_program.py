"""Every kernel with a thread program over its op's samples, checked, in shuffled order."""

import numpy as np
import pytest

from minisparse.formats import Matrix
from minisparse.gpu import checking
from minisparse.kernels import KERNELS, Kernel
from minisparse.oracle import exact_results, judge
from tests.kernels import test_every_kernel as table

THREADED = [kernel for kernel in KERNELS.values() if kernel.gpu is not None]
MOST = 300
"""Elements of the operands together: a checked run takes some 20 us for each access."""


@pytest.mark.parametrize("kernel", THREADED, ids=lambda kernel: kernel.name)
def test_samples_are_right_and_nothing_is_found(kernel: Kernel) -> None:
    """No race, no missed barrier, no index out of bounds, and right whatever the order is."""
    tried = 0
    for seed, (sample, operands) in enumerate(table.samples(kernel, level="gpu")):
        if sum(x.data.size if isinstance(x, Matrix) else np.size(x) for x in operands) > MOST:
            continue
        with checking(seed=seed):
            result = table.run(kernel, "gpu", operands, sample)
        for one, truth in zip(
            table.results_of(result), exact_results(kernel.op, operands, sample.attrs), strict=True
        ):
            found = judge(table.dense(one), truth)
            assert found.passed, f"{sample.label}: {found.message}"
        tried += 1
    assert tried >= 5
