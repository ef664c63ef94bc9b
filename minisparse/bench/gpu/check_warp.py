"""Checks: one warp's tensor core instruction, beside the model of its lanes.

The rule by which ``mma.sp`` reads its metadata was found by reading; if it is wrong here, it is
wrong in every sparse kernel, and nowhere is that seen as plainly.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.bench.gpu.part import FailedItem, Item, Part
from minisparse.core.dtypes import Array
from minisparse.core.xp import to_device
from minisparse.gpu.cuda_source import CudaSource
from minisparse.gpu.jit import WARP
from minisparse.gpu.tensor_cores import C, mma, mma_sp, pack_metadata

SOURCE = CudaSource("one_warp", Path(__file__).with_name("one_warp.cu"))


def operands(rng: np.random.Generator, sparse: bool) -> tuple[Array, Array, Array, Array]:
    """Return the registers of A, of B, metadata and sums: small integers, so that none is rounded.

    Returns
    -------
    tuple of ndarray
        float16 ``[32, 8]`` twice, of B the first four alone where it is dense; uint32 ``[32]``;
        float32 ``[32, 4]``.
    """
    a, b = (rng.integers(-3, 4, (WARP, 8)).astype(np.float16) for _ in range(2))
    pairs = rng.permuted(np.tile(np.arange(4), (32 * 8, 1)), axis=1)[:, :2]
    words = pack_metadata(np.sort(pairs, axis=1).reshape(32, 16))
    sums = rng.integers(-9, 10, (WARP, 4)).astype(np.float32)
    return a, b, words, sums


def check_instruction(sparse: bool, selector: int) -> Mapping[str, Any]:
    """Run one instruction with a few operands, on the card and in the model."""
    for seed in range(8):
        a, b, words, sums = operands(np.random.default_rng(seed), sparse)
        c = to_device(sums.copy(), "gpu")
        given = [to_device(x, "gpu") for x in (a, b, words)]
        constants = {"BFLOAT": 0, "SPARSE": int(sparse), "SELECTOR": selector}
        SOURCE.launch((1,), (WARP,), (*given, c), constants)
        wanted = mma_sp(sums, a, b, words, selector) if sparse else mma(sums, a, b[:, :4])
        found = to_device(c, "cpu")
        if not np.array_equal(found, wanted):
            lane, place = np.argwhere(found != wanted)[0]
            raise FailedItem(
                f"{int((found != wanted).sum())} of {found.size} sums differ from the model, first "
                f"in lane {lane}, element {place} (row {C.rows[lane, place]}, column "
                f"{C.cols[lane, place]}): {found[lane, place]} instead of {wanted[lane, place]}"
            )
    return {"warps": 8}


def _items(quick: bool) -> Iterator[Item]:
    yield Item("mma.m16n8k16", partial(check_instruction, False, 0))
    for selector in (0, 1):
        name = f"mma.sp.m16n8k32, selector {selector}"
        yield Item(name, partial(check_instruction, True, selector))


WARPS = Part("warps", "one tensor core instruction of one warp", 15, _items, order=20)
