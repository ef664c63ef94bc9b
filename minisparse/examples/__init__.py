"""Small real models and their data, shipped: handwritten digits, three pruned networks.

The models are minisparse's own files, weights stored dense with their zeros in place, so that
compiling has the pattern still to find. ``train_digits.py`` made them, and ``training.json``
keeps what it printed: accuracies before and after pruning, zeros per layer, seed, versions.

>>> names()
('digits_cnn', 'digits_mlp', 'digits_mlp_blocks')
>>> pixels, labels = test_set()
>>> pixels.shape, labels.shape
((360, 64), (360,))
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from minisparse.core.errors import UsageError

_FOLDER = Path(__file__).parent
_TEST_SET = "digits_test"


def names() -> tuple[str, ...]:
    """Return the names of the shipped models, sorted."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.npz") if file.stem != _TEST_SET))


def model_path(name: str) -> Path:
    """Return where a shipped model lies: ``ms.load(model_path("digits_mlp"))``.

    Raises
    ------
    UsageError
        If no model of that name is shipped; the message names those that are.
    """
    if name not in names():
        raise UsageError(f"no example model '{name}'; the shipped ones are: {', '.join(names())}")
    return _FOLDER / f"{name}.npz"


def test_set() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the images that no model was trained on, and the digits they show.

    Returns
    -------
    pixels : ndarray of float32 [360, 64]
        8x8 images row by row, 0 (background) to 1 (ink). The MLPs take them as they are,
        ``digits_cnn`` takes ``pixels.reshape(-1, 1, 8, 8)``.
    labels : ndarray of int64 [360]
        0 to 9.
    """
    with np.load(_FOLDER / f"{_TEST_SET}.npz", allow_pickle=False) as file:
        return file["x"].astype(np.float32) / np.float32(16), file["labels"].astype(np.int64)
