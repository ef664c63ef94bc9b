"""``minisparse doctor``: what is here, what is missing, what refuses."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest

from minisparse.cli import doctor, main
from minisparse.core.errors import UnsupportedOpError
from minisparse.gpu.device import device_count
from minisparse.kernels import PROVIDERS


def pretend(monkeypatch: pytest.MonkeyPatch, **installed: bool) -> None:
    for name, p in PROVIDERS.items():
        here = installed.get(name, False)
        monkeypatch.setitem(PROVIDERS, name, replace(p, is_found=partial(bool, here)))


def test_one_screen_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.isascii()
    assert max(map(len, out.splitlines())) <= 80
    for name, p in PROVIDERS.items():
        assert (f"{name}: computes in " in out) == (p.place == "cpu" or device_count() > 0)
        assert (p.install in out) == (not p.is_installed)
        assert not p.is_installed or p.version in out
    for word in ("Python 3.", "NumPy 2.", "thread(s)", "cores", "spmm", "spmv", "blocks of 4x4"):
        assert word in out


def test_what_is_missing_is_said_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert 'scipy: not installed: pip install "minisparse[peers]"' in out
    assert 'mkl: not installed: pip install "minisparse[mkl]"' in out
    assert 'torch: not installed: pip install "minisparse[torch]"' in out


def test_a_library_that_cannot_be_used_is_found_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, scipy=True)

    def broken(a: object, columns: int = 1) -> None:
        raise UnsupportedOpError("it was built for another machine")

    offers = {
        key: replace(offer, level=replace(offer.level, prepare=broken))
        for key, offer in PROVIDERS["scipy"].offers.items()
    }
    monkeypatch.setitem(PROVIDERS, "scipy", replace(PROVIDERS["scipy"], offers=offers))
    assert main(["doctor"]) == 1
    assert "scipy: cannot be used: it was built for another machine" in capsys.readouterr().out


def test_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["machine", "libraries", "packages"]
    assert [library["name"] for library in found["libraries"]] == list(PROVIDERS)
    mkl = found["libraries"][0]
    assert mkl["offers"]["spmv"] == ["csr", "bsr"]
    assert mkl["dtypes"] == ["float32", "float64", "complex64", "complex128"]
    assert any("stored twice" in why for why in mkl["refuses"])
    assert "numpy" in found["machine"]


def test_packages_are_those_that_the_extras_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [
        "numpy>=2.0",
        'numpy>=1.0; extra == "io"',
        "no-such-package>=1.14; extra == 'peers'",
        "mkl>=2024; (platform_machine == 'x86_64') and extra == 'mkl'",
        'ruff; extra == "dev"',
        "minisparse[test]; extra == 'notebook'",
    ]
    monkeypatch.setattr(doctor, "requires", lambda name: asked)
    numpy, missing, mkl = doctor.find_packages()
    assert (numpy.name, numpy.extra, bool(numpy.version)) == ("numpy", "io", True)
    assert (missing.name, missing.version) == ("no-such-package", "")
    assert missing.install == 'pip install "minisparse[peers]"'
    assert mkl.extra == "mkl"


def test_nothing_is_imported_that_nobody_asks_for() -> None:
    program = (
        "import sys, minisparse as ms; ms.compile; import minisparse.kernels.library;"
        "found = {'scipy', 'torch'} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
