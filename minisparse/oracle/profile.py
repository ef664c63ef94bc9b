"""Profiles: what an implementation may choose, and what is then right."""

from dataclasses import dataclass
from typing import Literal

from minisparse.core.errors import UsageError


@dataclass(frozen=True)
class Profile:
    """A choice of meaning where sparse libraries differ.

    Attributes
    ----------
    name : str
        How it is asked for.
    implicit_zeros : {"skip", "compute"}
        Whether an element that is not stored takes part: computed with, it makes NaN beside an
        infinity or NaN, as in the dense matrix.
    duplicates : {"sum"}
        What several entries of one cell mean.
    """

    name: str
    implicit_zeros: Literal["skip", "compute"] = "skip"
    duplicates: Literal["sum"] = "sum"


DEFAULT = Profile("default")
"""minisparse's own: stored entries are computed with, implicit zeros are skipped (rule S1)."""
IEEE = Profile("ieee", implicit_zeros="compute")
"""As the dense matrix would: ``0 * inf`` is NaN whether or not the 0 is stored."""

PROFILES = {profile.name: profile for profile in (DEFAULT, IEEE)}


def find_profile(profile: str | Profile | None) -> Profile:
    """Return a profile by name; None is ``"default"``.

    Raises
    ------
    UsageError
        If there is none of that name.

    Examples
    --------
    >>> find_profile("ieee").implicit_zeros
    'compute'
    """
    if isinstance(profile, Profile):
        return profile
    if profile is None:
        return DEFAULT
    if profile not in PROFILES:
        raise UsageError(f"there is no profile {profile!r}; known profiles: {', '.join(PROFILES)}")
    return PROFILES[profile]
