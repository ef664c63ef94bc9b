"""Exact answers of the ops whose result or scores live at stored positions, as plain matrices.

``sddmm`` and ``softmax`` give what ``to_dense`` makes of the right sparse result; every cell of a
plain operand is an entry.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.oracle import choices
from minisparse.oracle.attention import exact_attention
from minisparse.oracle.cells import in_cells
from minisparse.oracle.profile import Profile
from minisparse.oracle.sampled import exact_sddmm
from minisparse.oracle.softmax import exact_softmax
from minisparse.oracle.truth import Truth

Operand = Array | Matrix | Triplets


def entries_of(a: Operand, profile: Profile) -> Triplets:
    """Return the entries that are computed with; of a plain array, every cell.

    Examples
    --------
    >>> from minisparse.oracle.profile import DEFAULT
    >>> entries_of(np.array([[0, 7]]), DEFAULT).col
    array([0, 1])
    """
    if isinstance(a, Matrix):
        a = a.triplets()
    if not isinstance(a, Triplets):
        row, col = np.indices(a.shape).reshape(2, -1)
        return Triplets(row, col, a.reshape(-1), (a.shape[0], a.shape[1]))
    return choices.meant(a, profile)


def sddmm(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Truth:
    """Return ``a * (x @ y)`` at the stored positions of a."""
    mask, x, y = entries_of(operands[0], profile), _plain(operands[1]), _plain(operands[2])
    truth = choices.sampled(exact_sddmm(mask, x, y, profile), mask, x, y, profile)
    return in_cells(mask, truth)


def softmax(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Truth:
    """Return the softmax of each row over its entries; of a plain array, along an axis."""
    a = operands[0]
    if isinstance(a, np.ndarray):
        rows = np.moveaxis(a, attrs["axis"], -1)
        flat = rows.reshape(-1, a.shape[attrs["axis"]] or 1)
        entries = entries_of(flat, profile)
        truth = choices.softmax(exact_softmax(entries, profile), entries, profile)
        return truth.map(lambda y: np.moveaxis(y.reshape(rows.shape), -1, attrs["axis"]))
    a = entries_of(a, profile)
    return in_cells(a, choices.softmax(exact_softmax(a, profile), a, profile))


def attention(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Truth:
    """Return ``softmax(scale * mask * (q @ k.T)) @ v``."""
    mask = entries_of(operands[0], profile)
    q, k, v = map(_plain, operands[1:])
    return exact_attention(mask, q, k, v, attrs["scale"], profile)


def _plain(x: Operand) -> Array:
    return x.to_dense() if isinstance(x, Matrix | Triplets) else x
