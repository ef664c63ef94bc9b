"""docs/tensor_cores.md: its pictures are what the code draws, and its files exist."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np

from minisparse.gpu.tensor_cores import A, pack_metadata
from minisparse.gpu.tensor_cores.drawing import fragment_text, word_text

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "tensor_cores.md").read_text(encoding="utf-8")


def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "tensor_core_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_what_the_code_draws() -> None:
    again = "python docs/tensor_core_pictures.py brings the pictures up to date"
    drawing = pictures()
    assert drawing.redraw(PAGE) == PAGE, again
    assert {m[2] for m in drawing.PICTURE.finditer(PAGE)} == set(drawing.DRAWN)


def test_files_that_the_page_names_exist() -> None:
    named = re.findall(r"`((?:minisparse|tests|tutorials)/[\w./]+)`", PAGE)
    assert len(named) > 3
    for name in named:
        assert (ROOT / name).exists(), name


def test_a_fragment_is_drawn_as_it_is() -> None:
    lines = fragment_text(A).splitlines()
    assert lines[0].split() == [str(k) for k in range(16)]
    assert lines[10].split() == ["9", *"4.2 4.3 5.2 5.3 6.2 6.3 7.2 7.3".split(),
                                 *"4.6 4.7 5.6 5.7 6.6 6.7 7.6 7.7".split()]  # fmt: skip


def test_a_word_is_drawn_as_it_is() -> None:
    positions = np.tile(np.array([1, 3], np.uint8), (32, 8))
    positions[13, 8:] = [0, 2] * 4
    lines = word_text(pack_metadata(positions), 21).splitlines()
    assert lines[0] == "lane 21: " + "1000" * 4 + "1101" * 4
    assert lines[1].split() == ["row", "5,", "columns", "16-31:", *["1101", "1,3"] * 4]
    assert lines[2].split() == ["row", "13,", "columns", "16-31:", *["1000", "0,2"] * 4]
