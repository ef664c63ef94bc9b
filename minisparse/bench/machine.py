"""What a figure was measured on: without it, it says little."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from minisparse import __version__
from minisparse.core.extras import is_installed, require


def describe_machine(packages: Sequence[str] = ()) -> dict[str, str]:
    """Return the processor, the libraries and the threads, each in a few words.

    Parameters
    ----------
    packages : sequence of str
        Further ones whose versions matter.

    Examples
    --------
    >>> list(describe_machine())
    ['cpu', 'cores', 'python', 'minisparse', 'numpy', 'scipy', 'blas']
    """
    return {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "minisparse": __version__,
        "numpy": np.__version__,
        "scipy": _version("scipy"),
        "blas": _blas(),
        **{package: _version(package) for package in packages},
    }


def _cpu() -> str:
    """Return the processor's name where the system tells it, else its architecture."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        told = []
    names = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _blas() -> str:
    """Return the BLAS that NumPy calls, and on how many threads where threadpoolctl can tell."""
    if is_installed("threadpoolctl"):
        control = require("threadpoolctl", "peers", "counting the threads of BLAS")
        pools: list[dict[str, Any]] = control.threadpool_info()
        found = [p for p in pools if p["user_api"] == "blas"]
        if found:
            return f"{found[0]['internal_api']}, {found[0]['num_threads']} thread(s)"
    build: Any = np.show_config(mode="dicts")
    name = build.get("Build Dependencies", {}).get("blas", {}).get("name", "unknown")
    threads = os.environ.get("OMP_NUM_THREADS") or os.environ.get("OPENBLAS_NUM_THREADS")
    return f"{name}, {threads or os.cpu_count()} thread(s)"
