"""Settings of the whole suite: hypothesis profiles, the ``gpu`` marker, and forbidden skips.

``HYPOTHESIS_PROFILE`` chooses ``dev``, ``ci`` or ``nightly``; unset, it is ``ci`` where ``CI=true``
and ``dev`` elsewhere. ``MINISPARSE_FORBID_SKIPS=1`` fails a run that skips anything but ``gpu``
tests: for an environment where every extra is installed.
"""

import importlib.util
import os

import pytest

from tests.pretend_device import pretend_cupy  # noqa: F401 - a fixture

# Plans must not depend on what was calibrated where the tests run.
os.environ["MINISPARSE_PROFILE"] = "none"

FORBID_SKIPS = os.environ.get("MINISPARSE_FORBID_SKIPS") == "1"
GPU_TESTS = pytest.StashKey[set[str]]()


def _choose_hypothesis_profile() -> None:
    from hypothesis import settings

    # No deadlines: how long one example takes says more about the machine than about the code.
    settings.register_profile("dev", max_examples=50, deadline=None)
    settings.register_profile(
        "ci", max_examples=100, deadline=None, derandomize=True, print_blob=True
    )
    settings.register_profile("nightly", max_examples=5000, deadline=None, print_blob=True)
    default = "ci" if os.environ.get("CI") == "true" else "dev"
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", default))


if importlib.util.find_spec("hypothesis") is not None:
    _choose_hypothesis_profile()


def _why_no_gpu() -> str:
    """Return why tests marked ``gpu`` cannot run here, or nothing if they can."""
    if importlib.util.find_spec("cupy") is None:
        return 'CuPy is not installed: pip install "minisparse[gpu-cuda13]" (or gpu-cuda12)'
    import cupy

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy finds no CUDA device: {error}"
    return "" if count else "CuPy finds no CUDA device"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` where there is none, and say why."""
    marked = [item for item in items if item.get_closest_marker("gpu") is not None]
    config.stash[GPU_TESTS] = {item.nodeid for item in marked}
    reason = _why_no_gpu() if marked else ""
    if reason:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))


def _forbidden_skips(config: pytest.Config) -> list[str]:
    """Return what was skipped, module or test, although it is not marked ``gpu``."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not FORBID_SKIPS or reporter is None:
        return []
    skipped = [report.nodeid for report in reporter.stats.get("skipped", [])]
    return [name for name in skipped if name not in config.stash.get(GPU_TESTS, set())]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run with forbidden skips."""
    if _forbidden_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: "pytest.TerminalReporter", config: pytest.Config
) -> None:
    """Name the forbidden skips."""
    for name in _forbidden_skips(config):
        terminalreporter.write_line(f"FORBIDDEN SKIP {name}", red=True)
