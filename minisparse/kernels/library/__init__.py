"""The level ``library``: other libraries behind the contract of our own kernels, one file each.

A provider says by which library, for which ops and formats, and what it refuses; it is looked for
when someone asks, and imported when it first computes.
"""

from minisparse.core.discover import declared
from minisparse.core.errors import MissingExtraError, UnsupportedOpError
from minisparse.kernels.library.provider import Held, Offer, Provider
from minisparse.ops.op import Types

PREFERENCE = ("mkl", "torch", "scipy", "cusparselt", "cusparse", "cupyx", "cublas", "tiles")
"""In which order ``level="library"`` asks: fastest first, as measured; see docs/libraries.md. Those
for graphics cards come last, and in an order that was not yet measured."""

PROVIDERS: dict[str, Provider] = {
    p.name: p
    for p in sorted(
        declared(__name__, __path__, Provider).values(),
        key=lambda p: PREFERENCE.index(p.name) if p.name in PREFERENCE else len(PREFERENCE),
    )
}
"""Every provider by name, installed or not, the preferred ones first."""


def choose(op: str, format: str, level: str, types: Types = (), place: str = "") -> str:
    """Return the name of the provider that will compute an op.

    Parameters
    ----------
    op, format : str
        What to compute, and the format of its weight.
    level : str
        A provider's name, or ``"library"`` for the first that is installed and does not refuse.
    types : sequence of TensorType
        Of the op's operands, those of a fused op's base only, as far as they are known.
    place : str
        Where the operands lie, ``"cpu"`` or ``"gpu"``; nothing where that is not known, and then
        ``"library"`` is one for the CPU.

    Raises
    ------
    MissingExtraError
        If none is installed that would take it; the message says how to install those that would.
    UnsupportedOpError
        If all refuse; the message says why.
    """
    if level == "library":
        asked = [p for p in PROVIDERS.values() if p.place == (place or "cpu")]
    else:
        asked = [PROVIDERS[level]]
    reasons, missing = [], []
    for provider in asked:
        why = _elsewhere(provider, place) or provider.why_not(op, format, types)
        if why:
            reasons.append(why)
        elif provider.is_installed:
            return provider.name
        else:
            missing.append(provider.missing)
    text = f"{op} of {format} at level '{level}': {'; '.join(missing + reasons)}"
    raise MissingExtraError(text) if missing else UnsupportedOpError(text)


def _elsewhere(provider: Provider, place: str) -> str:
    """Return why a provider cannot be given operands that lie at a place; empty where it can."""
    if place in ("", provider.place):
        return ""
    where = "on a graphics card" if provider.place == "gpu" else "in the host's memory"
    return (
        f"{provider.title} computes with what lies {where}: bring operands there with "
        f"A.to_device('{provider.place}')"
    )


__all__ = ["PREFERENCE", "PROVIDERS", "Held", "Offer", "Provider", "choose"]
