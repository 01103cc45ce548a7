from __future__ import annotations

import importlib.metadata

import pytest
from support.shell import call

from nsfwcaps.commands import doctor
from nsfwcaps.version import __version__


def test_report_names_versions_and_devices() -> None:
    report = call("doctor", "--json").json
    assert report["nsfwcaps"] == __version__
    assert report["packages"]["torch"] == importlib.metadata.version("torch")
    assert report["torch_device"].startswith(("cpu: ", "cuda: "))
    assert report["faiss_device"].startswith(("cpu: ", "cuda: "))
    assert report["minilm"] == "weights installed, load offline"
    assert report["cpus"] >= 1


def test_people_see_the_same() -> None:
    said = call("doctor")
    assert (said.code, said.err) == (0, "")
    assert f"nsfwcaps                 {__version__}" in said.out
    assert "torch_device" in said.out


def test_package_that_is_missing_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("no-such-package",))
    assert "no-such-package        not installed" in call("doctor").out


@pytest.mark.parametrize("hidden", ["", "-1", " "])
def test_hidden_gpu_is_told_from_an_absent_one(
    hidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.Path, "exists", lambda path: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert doctor._driver() == "CUDA_VISIBLE_DEVICES hides every GPU"


def test_absent_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.Path, "exists", lambda path: False)
    assert doctor._driver() == "no NVIDIA driver is loaded"
