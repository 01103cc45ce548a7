"""embed: captions that an encoder reads only in part are counted and named, vectors unchanged."""

from __future__ import annotations

import pytest
from support.chosen_vectors import ChosenVectors, Project, at
from support.ingest_place import Place, table

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.encoders.languages import Languages
from nsfwcaps.pipeline import headline

LONG = "a handgun on a very long shelf"
CHINESE = "桌上有一把手枪"
UNSAFE = [LONG, CHINESE, "a handgun"]
SAFE = ["a vase", "花瓶", "a vase on the same long shelf", "a vase on the other long shelf"]
VECTORS = {caption: at(7 * number) for number, caption in enumerate([*UNSAFE, *SAFE])}


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(place, monkeypatch)
    project.ingest(UNSAFE, SAFE, shard_rows=2)
    return project


def flagged(project: Project, record: StageRecord) -> set[tuple[str, str]]:
    """Caption and flag of everything that is named."""
    captions = project.captions()
    rows = table(record, "flagged").to_pylist()
    return {(captions[row["id"]], row["flag"]) for row in rows}


def test_cut_captions_and_foreign_scripts_are_counted_by_side(project: Project) -> None:
    record = project.embed(ChosenVectors(VECTORS, window=5))
    assert record.facts["truncated"] == {"safe": 2, "unsafe": 1}
    assert record.facts["non_latin"] == {"safe": 1, "unsafe": 1}
    assert flagged(project, record) == {
        *((caption, "truncated") for caption in (LONG, SAFE[2], SAFE[3])),
        *((caption, "non_latin") for caption in (CHINESE, SAFE[1])),
    }
    assert (record.rows_in, record.rows_out) == (7, 7)  # names of rows are not rows
    said = headline(record)
    assert "truncated at 77 tokens: 2 safe, 1 unsafe" in said
    assert "not in Latin script, though it reads English: 1 safe, 1 unsafe" in said


def test_without_flags_nothing_is_written_or_said(project: Project) -> None:
    project.ingest(["a handgun"], ["a vase"])
    record = project.embed(ChosenVectors(VECTORS))
    assert record.facts["truncated"] == record.facts["non_latin"] == {"safe": 0, "unsafe": 0}
    assert {file.group for file in record.files} == {"safe", "unsafe"}
    assert headline(record) == "2 vectors by chosen"


def test_unknown_is_not_none_at_all(project: Project) -> None:
    record = project.embed(ChosenVectors(VECTORS, window=None))
    assert record.facts["truncated"] == {"safe": None, "unsafe": None}
    assert "truncated" not in headline(record)


def test_a_multilingual_encoder_reads_other_scripts(project: Project) -> None:
    record = project.embed(ChosenVectors(VECTORS, languages=Languages.MULTILINGUAL))
    assert record.facts["encoder"]["languages"] == "multilingual"
    assert record.facts["non_latin"] == {"safe": None, "unsafe": None}
    assert record.paths("flagged") == []


def test_reused_vectors_are_counted_and_their_files_stay(project: Project) -> None:
    before = project.embed(ChosenVectors(VECTORS, window=5))
    project.ingest(UNSAFE, [*SAFE, "a third vase on the long shelf"], shard_rows=2)
    encoder = ChosenVectors(VECTORS | {"a third vase on the long shelf": at(80)}, window=5)
    record = project.embed(encoder)
    assert encoder.asked == ["a third vase on the long shelf"]
    assert record.facts["truncated"] == {"safe": 3, "unsafe": 1}
    files = {(file.group, file.sha256) for file in before.files if file.group == "unsafe"}
    assert files <= {(file.group, file.sha256) for file in record.files}
