"""Sparse storage formats: one class a file, their invariants, and the ways from one to another."""

from inspect import isabstract

from minisparse.core.discover import declared_classes
from minisparse.core.triplets import Triplets
from minisparse.formats.base import Matrix
from minisparse.formats.bsr import BSR
from minisparse.formats.conversion import convert, from_dense, from_triplets
from minisparse.formats.coo import COO
from minisparse.formats.csc import CSC
from minisparse.formats.csr import CSR
from minisparse.formats.nm import NM
from minisparse.formats.pattern import Pattern, stored_bytes
from minisparse.formats.recognition import find_pattern
from minisparse.formats.scipy_interop import from_scipy
from minisparse.formats.storage import Storage

__all__ = [
    "BSR",
    "COO",
    "CSC",
    "CSR",
    "FORMATS",
    "NM",
    "Matrix",
    "Pattern",
    "Storage",
    "Triplets",
    "convert",
    "find_pattern",
    "from_dense",
    "from_scipy",
    "from_triplets",
    "stored_bytes",
]

FORMATS: dict[str, type[Matrix]] = {
    found.format: found
    for found in declared_classes(__name__, __path__, Matrix)  # type: ignore[type-abstract]
    if not isabstract(found)
}
"""Every format's class by its short name."""
