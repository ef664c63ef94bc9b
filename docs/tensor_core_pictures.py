"""Draw tensor_cores.md's pictures: ``python docs/tensor_core_pictures.py`` brings it up to date.

A picture is the text block after ``<!-- drawn: name -->``. A test redraws each and compares.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minisparse.gpu.tensor_cores import A, B, C, bank_conflicts, pack_metadata, swizzled
from minisparse.gpu.tensor_cores.drawing import fragment_text, swizzle_text, word_text
from minisparse.kernels.spmm.mma_tiles import shape_for
from minisparse.kernels.spmm.tiles import COLUMNS
from minisparse.show import table_text

PAGE = Path(__file__).parent / "tensor_cores.md"
PICTURE = re.compile(r"(<!-- drawn: (\w+) -->\n```text\n)(.*?)(```)", re.DOTALL)
CACHE = 5.5e12
"""Bytes a second that an H100 reads from its second-level cache, about, as others measured it."""
CORES = 0.63 * 989e12 / 2
"""Multiply-adds a second that mma.sync reaches of the whitepaper's peak, as others measured it."""


def fragment_a() -> str:
    """Return whose each place of A is."""
    return fragment_text(A)


def fragment_b() -> str:
    """Return whose each place of B is."""
    return fragment_text(B)


def fragment_c() -> str:
    """Return whose each place of C is."""
    return fragment_text(C)


def swizzle() -> str:
    """Return where the pieces of eight rows lie, and what that saves."""
    lanes = np.arange(32)
    turns = [4 + bank_conflicts(p) for p in (lanes % 16 * 8, swizzled(lanes % 16, lanes // 16, 8))]
    return (
        f"{swizzle_text(8, 8)}\n\nan ldmatrix takes {turns[0]} turns without it, {turns[1]} with it"
    )


def metadata() -> str:
    """Return one word, bit by bit."""
    rng = np.random.default_rng(0)
    kept = np.argsort(rng.random((32, 8, 4)), axis=-1)[..., :2]
    return word_text(pack_metadata(np.sort(kept, axis=-1).reshape(32, 16)), lane=5)


def traffic() -> str:
    """Return what a step fetches for each multiply-add, and which limit that makes."""
    rows = []
    for size, group in ((16, 1), (16, 16), (32, 1), (32, 8), (64, 1), (64, 4)):
        for density in (0.2, 1.0):
            width = shape_for((size, min(size, 32)), group, False, 4096, 4096).tile_n
            width = COLUMNS if size * group == 256 else width
            served = group * density / (1 - (1 - density) ** group)
            bytes_each = 2 / (size * served) + 2 / width
            cached = CACHE / bytes_each
            rows.append(
                (
                    f"{size}x{size}",
                    f"{group}",
                    f"{width}",
                    f"{density}",
                    f"{served:.2f}",
                    f"{bytes_each:.3f}",
                    f"{2e-12 * min(cached, CORES):.0f}",
                    "cache" if cached < CORES else "mma.sync",
                )
            )
    heads = ("tile", "group", "columns", "density", "tiles a step", "bytes", "TFLOP/s", "limit")
    return table_text(heads, rows)


DRAWN: dict[str, Callable[[], str]] = {
    f.__name__: f for f in (fragment_a, fragment_b, fragment_c, swizzle, metadata, traffic)
}


def redraw(page: str) -> str:
    """Return the page with every picture drawn anew."""
    return PICTURE.sub(lambda m: m[1] + _stripped(DRAWN[m[2]]()) + m[4], page)


def _stripped(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


if __name__ == "__main__":
    PAGE.write_text(redraw(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
