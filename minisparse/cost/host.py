"""The machine at hand: what it is recognized by, what it can, and where its profile lies."""

import os
import platform
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

VARIABLE = "MINISPARSE_PROFILE"
"""The environment variable that names the profile to use, or says ``none``."""
USUAL = "server-2core"
"""The shipped machine that stands for one that was not calibrated."""


def profile_path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where the profile of this machine lies, or would; None where none is wanted.

    ``MINISPARSE_PROFILE`` if it is set, ``none`` or nothing meaning none; else a file in the
    user's folder for caches: ``$XDG_CACHE_HOME`` or ``~/.cache``, ``~/Library/Caches`` on macOS,
    ``%LOCALAPPDATA%`` on Windows.

    Examples
    --------
    >>> print(profile_path({"MINISPARSE_PROFILE": "none"}))
    None
    >>> profile_path({"MINISPARSE_PROFILE": "my.json"}).name
    'my.json'
    """
    named = environ.get(VARIABLE)
    if named is not None:
        return None if named.strip().lower() in ("", "none") else Path(named).expanduser()
    return _cache_folder(environ) / "minisparse" / "machine.json"


def card_profile_path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where the profile of the graphics card here lies, or would; None where none is wanted.

    ``gpu.json`` in the user's folder for caches. ``MINISPARSE_PROFILE`` names a processor's file,
    and so says nothing of this one, unless it says ``none``.

    Examples
    --------
    >>> card_profile_path({"MINISPARSE_PROFILE": "my.json", "XDG_CACHE_HOME": "/c"}).as_posix()
    '/c/minisparse/gpu.json'
    """
    named = environ.get(VARIABLE)
    if named is not None and named.strip().lower() in ("", "none"):
        return None
    return _cache_folder(environ) / "minisparse" / "gpu.json"


def _cache_folder(environ: Mapping[str, str]) -> Path:
    asked = environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(asked):  # the specification wants others ignored
        return Path(asked)
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    return home / ".cache"


def identity() -> dict[str, str]:
    """Return what a profile has to fit: processor, cores, NumPy, its BLAS, and threads."""
    from minisparse.kernels.blas import thread_count

    return {**_fixed_identity(), "threads": str(thread_count())}


@cache
def _fixed_identity() -> dict[str, str]:
    return {
        "cpu": cpu_name(),
        "cores": str(os.cpu_count() or 1),
        "numpy": np.__version__,
        "blas": _blas(),
    }


def cpu_name() -> str:
    """Return the processor's name where the system tells it, else its architecture."""
    names = [value for key, value in _cpuinfo() if key in ("model name", "Model")]
    return names[0] if names and names[0] else platform.processor() or platform.machine() or "?"


def _cpuinfo() -> list[tuple[str, str]]:
    """Return the lines of Linux's ``/proc/cpuinfo``; none elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    pairs = (line.partition(":") for line in text.splitlines())
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def _blas() -> str:
    build: Any = np.show_config(mode="dicts")
    found = build.get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()


FLAGS = {
    "avx2_fma": {"avx2", "fma"},
    "avx512_fma": {"avx512f"},
    "avx512_vnni": {"avx512_vnni"},
    "neon_fma": {"asimd"},
    "neon_dot": {"asimddp"},
}
"""From instruction sets to what Linux calls them, all of which a processor must have."""


def instructions() -> frozenset[str]:
    """Return which instruction sets this processor has, as far as the system tells."""
    told = {
        flag for key, value in _cpuinfo() if key in ("flags", "Features") for flag in value.split()
    }
    found = {name for name, flags in FLAGS.items() if flags <= told}
    if platform.machine().lower() in ("arm64", "aarch64"):
        found.add("neon_fma")  # every one of 64 bits has it
    return frozenset({"scalar_fma", *found})


def misfit(told: Mapping[str, str]) -> str:
    """Return in what a profile's identity differs from this machine's; empty where it fits.

    Examples
    --------
    >>> misfit(identity())
    ''
    >>> misfit({**identity(), "numpy": "1.0"})[:27]
    'it was calibrated with nump'
    """
    here = identity()
    other = [f"{name} {told.get(name, '?')!r}, and this is {here[name]!r}" for name in here
             if told.get(name) != here[name]]  # fmt: skip
    return f"it was calibrated with {'; '.join(other)}" if other else ""
