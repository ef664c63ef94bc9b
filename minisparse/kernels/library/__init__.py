"""The level ``library``: other libraries behind the contract of our own kernels, one file each.

A provider says by which library, for which ops and formats, and what it refuses; it is looked for
when someone asks, and imported when it first computes.
"""

from minisparse.core.discover import declared
from minisparse.core.errors import MissingExtraError, UnsupportedOpError
from minisparse.kernels.library.provider import Held, Offer, Provider
from minisparse.ops.op import Types

PREFERENCE = ("mkl", "torch", "scipy")
"""In which order ``level="library"`` asks: fastest first, as measured; see docs/libraries.md."""

PROVIDERS: dict[str, Provider] = {
    p.name: p
    for p in sorted(
        declared(__name__, __path__, Provider).values(),
        key=lambda p: PREFERENCE.index(p.name) if p.name in PREFERENCE else len(PREFERENCE),
    )
}
"""Every provider by name, installed or not, the preferred ones first."""


def choose(op: str, format: str, level: str, types: Types = ()) -> str:
    """Return the name of the provider that will compute an op.

    Parameters
    ----------
    op, format : str
        What to compute, and the format of its weight.
    level : str
        A provider's name, or ``"library"`` for the first that is installed and does not refuse.
    types : sequence of TensorType
        Of the op's operands, those of a fused op's base only, as far as they are known.

    Raises
    ------
    MissingExtraError
        If none is installed that would take it; the message says how to install those that would.
    UnsupportedOpError
        If all refuse; the message says why.
    """
    asked = PROVIDERS.values() if level == "library" else (PROVIDERS[level],)
    reasons, missing = [], []
    for provider in asked:
        why = provider.why_not(op, format, types)
        if why:
            reasons.append(why)
        elif provider.is_installed:
            return provider.name
        else:
            missing.append(provider.missing)
    text = f"{op} of {format} at level '{level}': {'; '.join(missing + reasons)}"
    raise MissingExtraError(text) if missing else UnsupportedOpError(text)


__all__ = ["PREFERENCE", "PROVIDERS", "Held", "Offer", "Provider", "choose"]
