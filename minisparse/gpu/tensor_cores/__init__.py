"""A model of tensor cores, lane by lane: who holds what, and what an instruction does with it.

``fragments.py`` says which lane's register holds which element, ``metadata.py`` how a 2:4 matrix
says where its values stood, ``shared.py`` where a tile lies in shared memory, and ``warp.py`` what
a warp's instructions do. ``instructions.cuh`` has the same instructions for a card. Packers are
made of these tables, and the model multiplies from packed fragments alone: so both are tested on a
CPU.
"""

from minisparse.gpu.tensor_cores.fragments import A, B, C, Fragment, SparseB
from minisparse.gpu.tensor_cores.metadata import pack_metadata, unpack_metadata
from minisparse.gpu.tensor_cores.shared import PIECE, bank_conflicts, swizzled
from minisparse.gpu.tensor_cores.warp import ldmatrix_trans, mma, mma_sp

__all__ = [
    "PIECE",
    "A",
    "B",
    "C",
    "Fragment",
    "SparseB",
    "bank_conflicts",
    "ldmatrix_trans",
    "mma",
    "mma_sp",
    "pack_metadata",
    "swizzled",
    "unpack_metadata",
]
