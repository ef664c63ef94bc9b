"""Optional dependencies: imported when first needed, and named exactly when missing."""

import importlib
import importlib.util
from types import ModuleType

from minisparse.core.errors import MissingExtraError


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import and return an optional module.

    Parameters
    ----------
    module : str
        The module's import name, such as ``"onnx"``.
    extra : str
        The extra of minisparse that installs it.
    purpose : str
        What it is needed for, as a noun phrase: ``"reading ONNX models"``.

    Raises
    ------
    MissingExtraError
        If the module cannot be imported; the message holds the exact ``pip install`` command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs the package '{module}', which is not installed: "
            f'pip install "minisparse[{extra}]"'
        ) from error


def is_installed(module: str) -> bool:
    """Tell whether a module could be imported, without importing it."""
    return importlib.util.find_spec(module) is not None
