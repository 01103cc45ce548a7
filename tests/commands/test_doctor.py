from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from support.shell import call

from nsfwcaps.commands import doctor
from nsfwcaps.errors import StorageError
from nsfwcaps.machine import rates, timing
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
    monkeypatch.setattr(doctor, "_CORE", ("torch", "no-such-package"))
    said = call("doctor").out
    assert "no-such-package        not installed" in said
    assert said.splitlines()[-1].split(maxsplit=1) == [
        "verdict",
        "not ready: no-such-package not installed; run pip install nsfwcaps",
    ]


def test_either_faiss_will_do() -> None:
    report = call("doctor", "--json").json
    installed = [name for name in ("faiss-gpu", "faiss-cpu") if doctor._version(name)]
    assert [name for name in report["packages"] if name.startswith("faiss")] == installed
    assert list(report)[-1] == "verdict"
    assert report["verdict"].startswith("ready: ")


def test_nothing_is_measured_unless_asked() -> None:
    assert not {"rates", "limits"} & call("doctor", "--json").json.keys()


def test_measured_rates_and_what_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = call("doctor", "--measure", "--json").json
    rates = report["rates"]
    positive = {name for name, value in rates.items() if isinstance(value, float) and value > 0}
    assert positive >= {"single_flops", "half_flops", "captions", "pictures", "disk_read_bytes"}
    assert [one["work"] for one in report["limits"]] == [
        "captions, ViT-B-32",
        "captions, ViT-L-14",
        "pictures, ViT-B-32",
        "pictures, ViT-L-14",
        "training, ViT-B-32",
        "training, ViT-L-14",
        "search by 10,000 captions",
    ]
    assert not list(tmp_path.iterdir())  # its file is gone


def test_people_see_rates_and_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "SECONDS", 0.01)
    lines = call("doctor", "--measure").out.splitlines()
    at = lines.index("limits (estimates):")
    assert any(line.endswith(" GFLOP/s") for line in lines[:at])
    assert any(line.endswith(" MB/s") for line in lines[:at])
    assert lines[at + 1].startswith("  captions, ViT-B-32: ")
    assert " limits, about " in lines[at + 1]
    assert lines[-1].startswith("verdict ")


def test_a_folder_that_cannot_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(StorageError, match=r"cannot be written to \(No such file or directory\)"):
        rates.measure(gone)


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
