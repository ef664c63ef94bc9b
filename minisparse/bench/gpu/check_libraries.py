"""Checks: what each library for cards computes here, in which dtypes, and why not in others."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from minisparse.bench.gpu.operands import types_of
from minisparse.bench.gpu.part import FailedItem, Item, Part, SkippedItem
from minisparse.kernels import PROVIDERS
from minisparse.kernels.library import Provider
from minisparse.kernels.library.card import small_product

DTYPES = ("float16", "float32", "float64", "complex64", "complex128")


def check_offer(provider: Provider, op: str, format: str) -> Mapping[str, Any]:
    """Try an offer in each dtype; a refusal is an answer, a wrong result is not."""
    if not provider.is_installed:
        raise SkippedItem(provider.missing)
    answers = {d: provider.why_not(op, format, _types(op, format, d)) for d in DTYPES}
    wrong = [why for why in answers.values() if "wrongly" in why]
    if wrong:
        raise FailedItem("\n".join(wrong))
    taken = [dtype for dtype, why in answers.items() if not why]
    refused = {dtype: why for dtype, why in answers.items() if why}
    if not taken:
        raise SkippedItem("; ".join(refused.values()))
    return {"right in": taken, "refused": refused}


def _types(op: str, format: str, dtype: str) -> Any:
    return types_of(small_product(op, format, dtype)[0])


def _items(quick: bool) -> Iterator[Item]:
    for provider in PROVIDERS.values():
        if provider.place == "gpu":
            for op, format in provider.offers:
                what = f"{provider.name}: {op} of {format}"
                yield Item(what, partial(check_offer, provider, op, format))


LIBRARIES = Part("libraries", "what each library computes, and refuses", 20, _items, order=10)
