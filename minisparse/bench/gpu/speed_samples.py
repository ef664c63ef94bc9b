"""Timings: sampled dense products, beside cuSPARSE."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from minisparse.bench.gpu.contest import Call, Duel, contest, library_maker, on_card, our_makers
from minisparse.bench.gpu.part import Item, Part, SkippedItem
from minisparse.bench.gpu.speed_products import SIZE, stored, weight
from minisparse.bench.patterns import draw_values
from minisparse.gpu.device import device_count
from minisparse.kernels import PROVIDERS
from minisparse.kernels.library.descriptors import SamplePlan

DENSITIES, DEPTHS = (0.1, 0.01), (64, 128, 256)


def time_samples(density: float, depth: int) -> Mapping[str, Any]:
    """Time ``A * (X @ Y)`` at A's entries, in float32."""
    rng = np.random.default_rng(2)
    # Of ones, so that the library's own SDDMM, which knows no values of A, gives the same.
    dense = (weight("unstructured", density, "float32") != 0).astype("float32")
    x = draw_values(rng, (SIZE, depth), "float32")
    y = draw_values(rng, (depth, SIZE), "float32")
    a, given = stored(dense, "csr"), (on_card(x), on_card(y))
    makers = our_makers("sddmm", "csr", a, *given)
    makers["their cusparse"] = library_maker("cusparse", "sddmm", "csr", a, *given)
    makers["their cusparse, unscaled"] = partial(_unscaled, a, *given)
    rows, columns = np.nonzero(dense)
    full = on_card(x).astype("float64") @ on_card(y).astype("float64")
    wanted = full[on_card(rows), on_card(columns)]
    return contest(makers, wanted, [Duel("SDDMM over cuSPARSE", "our .*", "their .*", 1.0)])


def _unscaled(a: Any, x: Any, y: Any) -> Call:
    """Return cuSPARSE's call alone, without the pass that multiplies with A's values."""
    if not PROVIDERS["cusparse"].is_installed:
        raise SkippedItem(PROVIDERS["cusparse"].missing)
    values = on_card(np.zeros(a.nnz, "float32"))
    plan = SamplePlan(a, x, y, values)

    def call() -> Any:
        plan(x, y, values)
        return values

    return call


def _items(quick: bool) -> Iterator[Item]:
    if not device_count():
        raise SkippedItem("there is no card")
    for count, (density, depth) in enumerate(product(DENSITIES, DEPTHS)):
        if not quick or count < 2:
            yield Item(f"density {density}, D {depth}", partial(time_samples, density, depth))


SDDMM_SPEED = Part("sddmm", "SDDMM float32, beside cuSPARSE", 20, _items, order=130)
