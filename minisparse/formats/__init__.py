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
from minisparse.formats.cupy_interop import from_cupy, to_cupy
from minisparse.formats.expected_pattern import expected_pattern
from minisparse.formats.files.binsparse import load_binsparse, save_binsparse
from minisparse.formats.files.matrix_market import read_mtx
from minisparse.formats.files.matrix_market_writer import write_mtx
from minisparse.formats.files.npz import load_npz, save_npz
from minisparse.formats.files.safetensors import read_safetensors
from minisparse.formats.near_structure import (
    NearBlocks,
    NearGroups,
    find_near_blocks,
    find_near_groups,
)
from minisparse.formats.nm import NM
from minisparse.formats.onnx_interop import from_onnx, to_onnx
from minisparse.formats.pattern import Pattern, stored_bytes
from minisparse.formats.pattern_card import bytes_by_format
from minisparse.formats.recognition import find_pattern
from minisparse.formats.routes import Route, Step, route
from minisparse.formats.scipy_interop import from_scipy
from minisparse.formats.storage import Storage
from minisparse.formats.structure.comparison import equal
from minisparse.formats.structure.reordering import (
    by_length,
    by_similarity,
    reverse_cuthill_mckee,
)
from minisparse.formats.structure.stacking import block_diag, hstack, vstack
from minisparse.formats.torch_interop import from_torch
from minisparse.formats.views import View

__all__ = [
    "BSR",
    "COO",
    "CSC",
    "CSR",
    "FORMATS",
    "NM",
    "Matrix",
    "NearBlocks",
    "NearGroups",
    "Pattern",
    "Route",
    "Step",
    "Storage",
    "Triplets",
    "View",
    "block_diag",
    "by_length",
    "by_similarity",
    "bytes_by_format",
    "convert",
    "equal",
    "expected_pattern",
    "find_near_blocks",
    "find_near_groups",
    "find_pattern",
    "from_cupy",
    "from_dense",
    "from_onnx",
    "from_scipy",
    "from_torch",
    "from_triplets",
    "hstack",
    "load_binsparse",
    "load_npz",
    "read_mtx",
    "read_safetensors",
    "reverse_cuthill_mckee",
    "route",
    "save_binsparse",
    "save_npz",
    "stored_bytes",
    "to_cupy",
    "to_onnx",
    "vstack",
    "write_mtx",
]

FORMATS: dict[str, type[Matrix]] = {
    found.format: found
    for found in declared_classes(__name__, __path__, Matrix)  # type: ignore[type-abstract]
    if not isabstract(found)
}
"""Every format's class by its short name."""
