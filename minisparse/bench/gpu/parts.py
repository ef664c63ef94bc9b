"""Every part, found in the files of this folder."""

from functools import cache

import minisparse.bench.gpu as folder
from minisparse.bench.gpu.part import Part
from minisparse.core.discover import declared


@cache
def parts() -> dict[str, Part]:
    """Return every part by its name, in the order in which they run."""
    found = declared(folder.__name__, folder.__path__, Part).values()
    return {part.name: part for part in sorted(found, key=lambda part: part.order)}
