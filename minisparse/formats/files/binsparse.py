"""Binsparse: a JSON descriptor that says how a matrix is stored, beside its arrays.

After the Binary Sparse Format Specification, version 0.1 (GraphBLAS; Brock, Davis, Kitchen, Welch,
Virshup, Ahrens). It names HDF5 and NetCDF as containers "but should include more"; here it is an
``.npz`` archive with the descriptor in a member ``binsparse`` (bytes of UTF-8). Where the
specification has no name, a vendor's one is used: formats ``minisparse:nm`` and the like, whose
arrays have our names; types ``float16``, and ``bfloat16``, whose bits are stored as uint16.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, as_dtype
from minisparse.core.errors import FormatError
from minisparse.core.npz import write_npz
from minisparse.formats.base import Matrix
from minisparse.formats.files.archive import member, named, read_archive, without_repeats
from minisparse.formats.intake import as_shape, on_cpu

DESCRIPTOR = "binsparse"
"""The member that holds the descriptor."""
_VERSION = "0.1"
_VENDOR = "minisparse:"
_COMPRESSED = {"pointers_to_1": "indptr", "indices_1": "indices", "values": "data"}


class _Layout(NamedTuple):
    """One of the specification's formats: our class for it, and our names of its arrays."""

    format: str
    names: dict[str, str]


_PREDEFINED = {
    "CSR": _Layout("csr", _COMPRESSED),
    "CSC": _Layout("csc", _COMPRESSED),
    "COO": _Layout("coo", {"indices_0": "row", "indices_1": "col", "values": "data"}),
    "COOR": _Layout("coo", {"indices_0": "row", "indices_1": "col", "values": "data"}),
}
_STORED_AS = {"bool": "uint8", "bfloat16": "uint16", "complex64": "float32"}
_STORED_AS["complex128"] = "float64"
_TYPE_NAMES = {
    "bool": "bint8",
    "complex64": "complex[float32]",
    "complex128": "complex[float64]",
}


def save_binsparse(path: str | Path, A: Matrix) -> None:
    """Write a matrix with its binsparse descriptor to an ``.npz`` file.

    Parameters
    ----------
    path : str or Path
        Where to; the file appears whole or not at all.
    A : Matrix
        Any format and dtype, as it is stored. Canonical COO, CSR and CSC become the
        specification's ``COO``, ``CSR`` and ``CSC``, which must be sorted and without duplicates;
        everything else a ``minisparse:`` format, which others will not read.

    Examples
    --------
    >>> import tempfile
    >>> from minisparse.formats import CSR
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_binsparse(f"{folder}/a.npz", CSR([True], [1], [0, 1], (1, 2)))
    ...     print(np.load(f"{folder}/a.npz")["binsparse"].item().decode())
    {"binsparse": {"version": "0.1", "format": "CSR", "shape": [1, 2],
    "number_of_stored_values": 1, "data_types": {"pointers_to_1": "int32", "indices_1": "int32",
    "values": "bint8"}}}
    """
    on_cpu(A, "save_binsparse")
    layout = _PREDEFINED.get(A.format.upper())
    if layout is None or not A.has_canonical_format:
        layout = _Layout(A.format, {name: name for name in A.roles})
        format = _VENDOR + A.format
    else:
        format = A.format.upper()
    arrays = {theirs: A.arrays[ours] for theirs, ours in layout.names.items()}
    said: dict[str, Any] = {
        "version": _VERSION,
        "format": format,
        "shape": list(A.shape),
        "number_of_stored_values": A.nnz,
        "data_types": {n: _TYPE_NAMES.get(a.dtype.name, a.dtype.name) for n, a in arrays.items()},
    }
    if format.startswith(_VENDOR):
        said["block"] = None if A.block is None else list(A.block)
    text = json.dumps({DESCRIPTOR: said}).encode()
    stored = {
        name: a.view(np.dtype(_STORED_AS.get(a.dtype.name, a.dtype))) for name, a in arrays.items()
    }
    write_npz(path, {DESCRIPTOR: np.array(text), **stored})


def load_binsparse(path: str | Path, *, largest: int | None = None) -> Matrix:
    """Read a matrix that :func:`save_binsparse` wrote, or another program in the same layout.

    Parameters
    ----------
    path : str or Path
        The file.
    largest : int, optional
        As for :func:`~minisparse.formats.load_npz`.

    Returns
    -------
    Matrix
        COO, CSR or CSC, or what a ``minisparse:`` format says.

    Raises
    ------
    FormatError
        If the file is missing or damaged, or what it holds is not what its descriptor says; the
        message names the member.
    """
    arrays, left = read_archive(path, largest)
    with named(path):
        return unpack(arrays, left)


def unpack(arrays: dict[str, Array], left: int) -> Matrix:
    """Return the matrix of an archive with a descriptor; ``left`` bytes may be unpacked."""
    said = _read_descriptor(member(arrays, DESCRIPTOR))
    from minisparse.formats import FORMATS

    format = said["format"]
    vendor = format.startswith(_VENDOR) and format.removeprefix(_VENDOR) in FORMATS
    if vendor:
        target = FORMATS[format.removeprefix(_VENDOR)]
        layout = _Layout(target.format, {name: name for name in target.roles})
    elif format in _PREDEFINED:
        layout = _PREDEFINED[format]
        target = FORMATS[layout.format]
    else:
        raise FormatError(
            f"member '{DESCRIPTOR}': format {format!r} is not among {', '.join(_PREDEFINED)}"
        )
    shape = as_shape(said["shape"], f"member '{DESCRIPTOR}'")
    types, count = said["data_types"], said["number_of_stored_values"]
    slots = 0 if vendor else member(arrays, "indices_1").size
    found = {
        ours: _decode(member(arrays, theirs), types.get(theirs), theirs, (slots, left))
        for theirs, ours in layout.names.items()
    }
    block = said.get("block") if vendor else None
    A = target.from_arrays(found, shape, _as_pair(block))
    if A.nnz != count:
        raise FormatError(f"{A.nnz} values are stored, but the descriptor says {count}")
    if not vendor and not A.has_canonical_format:
        raise FormatError(f"format {format!r} must be sorted and without duplicates")
    return A


def _read_descriptor(array: Array) -> dict[str, Any]:
    """Return what stands under ``binsparse``, with every type checked."""
    where = f"member '{DESCRIPTOR}'"
    if array.ndim != 0 or array.dtype.kind != "S":
        raise FormatError(f"{where} is no text: {array.dtype} of shape {array.shape}")
    try:
        said = json.loads(array.item().decode("utf-8"), object_pairs_hook=without_repeats)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not JSON: {error}") from error
    said = said.get(DESCRIPTOR) if isinstance(said, dict) else None
    if not isinstance(said, dict):
        raise FormatError(f"{where} has no entry '{DESCRIPTOR}'")
    kinds = {"version": str, "format": str, "shape": list, "number_of_stored_values": int}
    for name, kind in {**kinds, "data_types": dict}.items():
        if not isinstance(said.get(name), kind) or isinstance(said[name], bool):
            raise FormatError(
                f"{where}: '{name}' is {said.get(name)!r}: it must be {kind.__name__}"
            )
    if said["version"].split(".")[0] != "0":
        raise FormatError(f"{where}: version {said['version']!r}; this release reads {_VERSION}")
    for name in ("structure", "fill", "custom"):
        if said.get(name):
            raise FormatError(f"{where}: '{name}' is {said[name]!r}, which minisparse cannot read")
    return said


def _as_pair(block: Any) -> tuple[int, int] | None:
    """Return a descriptor's block."""
    if block is None:
        return None
    if not isinstance(block, list) or len(block) != 2 or any(type(n) is not int for n in block):
        raise FormatError(f"member '{DESCRIPTOR}': block is {block!r}: it must be two integers")
    return block[0], block[1]


def _decode(stored: Array, type_name: Any, name: str, room: tuple[int, int]) -> Array:
    """Return an array as the type that the descriptor gives it.

    ``iso`` means one value for all slots; ``room`` is how many there are, and in how many bytes.
    """
    where = f"member '{name}'"
    said = type_name if isinstance(type_name, str) else "?"
    one = said.startswith("iso[") and said.endswith("]")
    said = said[4:-1] if one else said
    dtype = next((ours for ours, theirs in _TYPE_NAMES.items() if theirs == said), said)
    if stored.dtype.name != _STORED_AS.get(dtype, dtype):
        raise FormatError(f"{where} holds {stored.dtype}, but data_types says {type_name!r}")
    if dtype == "bool" and stored.size and stored.max() > 1:
        raise FormatError(f"{where} holds bools that are neither 0 nor 1")
    if dtype in _STORED_AS:
        found = as_dtype(dtype, where)
        if stored.ndim == 0 or stored.shape[-1] * stored.itemsize % found.itemsize:
            raise FormatError(f"{where} has shape {stored.shape}: not pairs of numbers")
        stored = np.ascontiguousarray(stored).view(found)
    if one:
        if stored.shape != (1,):
            raise FormatError(f"{where} has shape {stored.shape}: 'iso' means one value")
        slots, left = room
        if slots * stored.itemsize > left:
            raise FormatError(f"{where} stands for {slots} values, more than {left} bytes")
        stored = np.broadcast_to(stored, (slots,))
    return stored
