"""The card of a sparse matrix in a notebook."""

from minisparse.core.tensor_type import Layout
from minisparse.formats.base import Matrix
from minisparse.show import beside, card, facts, human_bytes, image, spy_png


def card_of(A: Matrix) -> str:
    """Return HTML: the facts of a matrix beside a spy picture of its stored entries."""
    row, col, _, shape = A.triplets()
    picture = image(spy_png(row, col, shape), f"where the entries of {A!r} are")
    title = f"{Layout(A.format, A.block)} {shape[0]}x{shape[1]} {A.dtype}"
    return card(title, beside(facts(_facts(A)), picture))


def _facts(A: Matrix) -> dict[str, str]:
    storage = A.storage
    order = "canonical" if A.has_canonical_format else "sorted" if A.has_sorted_indices else "any"
    return {
        "stored": f"{A.nnz} values, density {A.density:.3g}",
        "bytes": f"{human_bytes(storage.total)}, dense {human_bytes(storage.dense)}",
        "order": order,
        **{name: f"{a.dtype}{list(a.shape)}" for name, a in A.arrays.items()},
    }
