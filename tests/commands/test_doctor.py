from __future__ import annotations

import importlib.metadata
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.shell import call

from nsfwcaps.commands import doctor
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
    assert call("doctor", "--json").code == 5
    ran = call("doctor")
    assert ran.code == 5
    said = ran.out
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
    assert not any(line.split(maxsplit=1)[0] == "disk" for line in lines)
    at = lines.index("limits (estimates):")
    assert any(line.endswith(" GFLOP/s") for line in lines[:at])
    assert any(line.endswith(" MB/s") for line in lines[:at])
    assert lines[at + 1].startswith("  captions, ViT-B-32: ")
    assert " limits, about " in lines[at + 1]
    assert lines[-1].startswith("verdict ")


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder in which no file may grow beyond a megabyte."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "SECONDS", 0.01)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
def test_all_but_a_disk_that_takes_no_file_is_measured(tmp_path: Path) -> None:
    said = call("doctor", "--measure", "--json")
    assert said.code == 0
    rates = said.json["rates"]
    assert rates["disk"] == (
        f"not measured: {tmp_path} cannot be written to (File too large); "
        "run doctor --measure in another folder"
    )
    assert (rates["disk_write_bytes"], rates["disk_read_bytes"]) == (None, None)
    assert min(rates["single_flops"], rates["captions"], rates["pictures"]) > 0
    steps = {one["work"]: set(one["steps"]) for one in said.json["limits"]}
    assert steps["pictures, ViT-B-32"] >= {"decoding", "the device"}
    assert not any("reading" in names for names in steps.values())


@pytest.mark.usefixtures("small_disk")
def test_people_read_why_in_one_line() -> None:
    lines = [line.split(maxsplit=1) for line in call("doctor", "--measure").out.splitlines()]
    assert ["disk_read_bytes", "not measured"] in lines
    assert next(rest[0] for name, *rest in lines if name == "disk").startswith("not measured: /")
    assert sum("File too large" in " ".join(line) for line in lines) == 1


def test_a_folder_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SECONDS", 0.01)
    found = rates.measure(tmp_path / "gone")
    assert "gone cannot be written to (No such file or directory)" in str(found.disk)
    assert found.disk_read_bytes is None


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
