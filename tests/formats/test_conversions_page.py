"""The pictures in docs/conversions.md are what the code draws, and no conversion is missing."""

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

import pytest

from minisparse.formats import FORMATS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "conversion_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_is_up_to_date(pictures: ModuleType) -> None:
    page = pictures.PAGE.read_text(encoding="utf-8")
    again = "python docs/conversion_pictures.py brings the pictures up to date"
    assert pictures.redraw(page) == page, again
    assert len(pictures.PICTURE.findall(page)) == page.count("<!--")


def test_every_conversion_has_its_picture(pictures: ModuleType) -> None:
    page = pictures.PAGE.read_text(encoding="utf-8")
    drawn = {(source, target) for _, source, target, *_ in pictures.PICTURE.findall(page)}
    assert set(itertools.permutations(FORMATS, 2)) <= drawn
    for source, target in drawn:
        assert f"### {source} to {target}" in page
