"""Profiles: what an implementation may choose, and what is then right.

Sparse libraries differ in what they mean, without being wrong. A profile names one choice on each
axis, and a verdict is always one by a profile. In a TOML file it is the axes that differ from the
default, by the names of :class:`Profile`'s attributes, optionally after another profile::

    name = "ours"
    like = "scipy"
    duplicates = "last"
    index_dtypes = ["int32"]

To *reject* duplicates or unsorted rows means that an implementation need not say what they mean to
it: then it is given the same inputs without them, and neither an answer nor an error is asked for.
"""

import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from minisparse.core.errors import UsageError


@dataclass(frozen=True)
class Profile:
    """A choice of meaning where sparse libraries differ.

    The order of a sum is always free, and so is the payload of a NaN.

    Attributes
    ----------
    name : str
        How it is asked for.
    implicit_zeros : {"skip", "compute"}
        Whether an element that is not stored takes part in a product: computed with, it makes NaN
        beside an infinity or NaN, as in the dense matrix. Softmax is over stored entries anyway.
    explicit_zeros : {"keep", "drop"}
        Kept, a stored zero is computed with, and a conversion keeps it. Dropped, it counts as not
        stored: it makes no NaN, and a conversion may leave it out.
    duplicates : {"sum", "last", "reject"}
        What several entries of one cell mean; ``"last"`` is the last in stored order. In SDDMM
        and softmax each entry has a value of its own.
    cancelled : {"keep", "drop", "either"}
        Whether a cell of a sparse product whose terms cancel is stored.
    empty_softmax_row : {"empty", "zero", "nan"}
        What a row without weight gives. A row without entries has no value in ``softmax_csr``,
        whatever is chosen. One whose entries are all -inf has NaN by the formula (``"empty"`` and
        ``"nan"``), or 0.
    signed_zero : {"ignored", "kept"}
        Whether conversions must keep the sign of a stored -0.0. A sum may always start with +0.
    flush_to_zero : bool
        Whether subnormal operands and results may be taken as 0.
    accumulator : {"wide", "own"}
        Whether float16 and bfloat16 are summed in float32 and rounded once, or may be rounded at
        every step.
    integer_overflow : {"wrap", "saturate"}
        Modulo a power of two, or the exact sum of products cut to what the dtype holds, and again
        after what is added to it.
    result_dtype : {"result_type", "first"}
        NumPy's promotion of the operands', or that of the first matrix's values.
    unsorted : {"accept", "reject"}
        Whether the indices of a row may stand in any order.
    index_dtypes : tuple of str
        Which dtypes pointers and indices may have, then both the same; empty for any, also mixed.
    source : str
        Where this is written: a page and a version.
    """

    name: str
    implicit_zeros: Literal["skip", "compute"] = "skip"
    explicit_zeros: Literal["keep", "drop"] = "keep"
    duplicates: Literal["sum", "last", "reject"] = "sum"
    cancelled: Literal["keep", "drop", "either"] = "either"
    empty_softmax_row: Literal["empty", "zero", "nan"] = "empty"
    signed_zero: Literal["ignored", "kept"] = "ignored"
    flush_to_zero: bool = False
    accumulator: Literal["wide", "own"] = "wide"
    integer_overflow: Literal["wrap", "saturate"] = "wrap"
    result_dtype: Literal["result_type", "first"] = "result_type"
    unsorted: Literal["accept", "reject"] = "accept"
    index_dtypes: tuple[str, ...] = ()
    source: str = ""

    @classmethod
    def from_toml(cls, path: str | PathLike[str]) -> "Profile":
        """Read a profile from a file; see the module's description.

        Raises
        ------
        UsageError
            If there is no such file, it is no TOML, or it names an axis or a value that there is
            not. The message says what could stand there.
        """
        try:
            content = tomllib.loads(Path(path).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"profile {path}: {error}") from error
        like = _text(content.pop("like", "default"), "like", path)
        if like not in PROFILES:
            raise UsageError(
                f"profile {path}: like is {like!r}; it must be one of {', '.join(PROFILES)}"
            )
        for axis, value in content.items():
            content[axis] = _checked(axis, value, path)
        named: dict[str, Any] = {"name": Path(path).stem, "source": str(path), **content}
        return replace(PROFILES[like], **named)

    def alternatives(self) -> list["Profile"]:
        """Return the profiles that differ in one axis, each named after it: ``duplicates = last``.

        Examples
        --------
        >>> [p.name for p in DEFAULT.alternatives()][:3]
        ['implicit_zeros = compute', 'explicit_zeros = drop', 'duplicates = last']
        """
        found = []
        for axis, values in AXES.items():
            for value in values:
                if value != getattr(self, axis):
                    text = str(value).lower() if isinstance(value, bool) else value
                    changed: dict[str, Any] = {axis: value, "name": f"{axis} = {text}"}
                    found.append(replace(self, **changed))
        return found


def _values(hint: Any) -> tuple[Any, ...]:
    return (False, True) if hint is bool else typing.get_args(hint)


_HINTS = typing.get_type_hints(Profile)
AXES: Mapping[str, tuple[Any, ...]] = {
    axis.name: _values(_HINTS[axis.name])
    for axis in fields(Profile)
    if axis.name not in ("name", "source", "index_dtypes")
}
"""The axes with finitely many values, and these."""
_INDEX_DTYPES = tuple(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u"))


def _checked(axis: str, value: Any, path: Any) -> Any:
    """Return what a file says of an axis, or say what is wrong with it."""
    if axis in ("name", "source"):
        return _text(value, axis, path)
    if axis == "index_dtypes":
        if isinstance(value, list) and all(x in _INDEX_DTYPES for x in value):
            return tuple(value)
        raise UsageError(
            f"profile {path}: index_dtypes is {value!r}; it must be a list of some of "
            f"{', '.join(_INDEX_DTYPES)}"
        )
    if axis not in AXES:
        known = ", ".join(["name", "like", "source", *AXES, "index_dtypes"])
        raise UsageError(f"profile {path}: there is no axis {axis!r}; known: {known}")
    for known_value in AXES[axis]:
        if type(value) is type(known_value) and value == known_value:
            return value
    choices = ", ".join(str(x).lower() if isinstance(x, bool) else repr(x) for x in AXES[axis])
    raise UsageError(f"profile {path}: {axis} is {value!r}; it must be one of {choices}")


def _text(value: Any, axis: str, path: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise UsageError(f"profile {path}: {axis} is {value!r}; it must be a text")


DEFAULT = Profile("default", source="docs/language.md, S1 to S14")
"""minisparse's own: stored entries are computed with, implicit zeros are skipped (rule S1)."""
IEEE = Profile(
    "ieee", implicit_zeros="compute", source="IEEE 754-2019, section 7.2; dense matrix products"
)
"""As the dense matrix would: ``0 * inf`` is NaN whether or not the 0 is stored."""
SCIPY = Profile(
    "scipy",
    cancelled="drop",
    source="SciPy 1.17, scipy.sparse.csr_array (duplicates are summed, indices need not be "
    "sorted); sparsetools/csr.h, csr_matmat (what is 0 is not stored)",
)
"""SciPy: index arrays of other integer dtypes are converted."""
TORCH = Profile(
    "torch",
    duplicates="reject",
    unsorted="reject",
    index_dtypes=("int32", "int64"),
    source="PyTorch 2.13, torch.sparse: invariants of compressed layouts (indices of a row are "
    "sorted and distinct; pointers and indices are int32 or int64 alike)",
)
"""PyTorch's compressed layouts; the invariants are not checked unless that is asked for."""
CUSPARSE = Profile(
    "cusparse",
    duplicates="reject",
    index_dtypes=("int32", "int64"),
    source="cuSPARSE 12, storage formats: CSR (indices of a row may be unsorted, and must be "
    "unique for a right answer; CUSPARSE_INDEX_32I or 64I)",
)
"""cuSPARSE's generic functions; float16 with the compute type CUDA_R_32F."""
ONNX = Profile(
    "onnx",
    duplicates="reject",
    unsorted="reject",
    index_dtypes=("int64",),
    source="ONNX 1.23, onnx.proto, SparseTensorProto (indices ascend, without duplicates, int64)",
)
"""ONNX's sparse initializers; what runs them computes with the dense matrix or skips the zeros."""
GRAPHBLAS = Profile(
    "graphblas",
    duplicates="reject",
    cancelled="keep",
    index_dtypes=("uint64",),
    source="GraphBLAS C API 2.1: GrB_Index (64 bits, unsigned); GrB_Matrix_build (duplicates are "
    "an error without an operator for them); GrB_mxm (every entry that has a term is stored)",
)
"""GraphBLAS: a missing entry has no value at all, and what was computed stays stored."""

PROFILES = {p.name: p for p in (DEFAULT, IEEE, SCIPY, TORCH, CUSPARSE, ONNX, GRAPHBLAS)}
"""The presets by name."""


def find_profile(profile: str | Profile | None) -> Profile:
    """Return a profile by name, or read it from a file whose name ends in ``.toml``.

    None is ``"default"``.

    Raises
    ------
    UsageError
        If there is none of that name; see also :meth:`Profile.from_toml`.

    Examples
    --------
    >>> find_profile("ieee").implicit_zeros
    'compute'
    """
    if isinstance(profile, Profile):
        return profile
    if profile is None:
        return DEFAULT
    if profile.endswith(".toml"):
        return Profile.from_toml(profile)
    if profile not in PROFILES:
        raise UsageError(
            f"there is no profile {profile!r}; known profiles: {', '.join(PROFILES)}, and files "
            "whose names end in .toml"
        )
    return PROFILES[profile]
