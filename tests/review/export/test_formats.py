"""Files for other tools, held against what these tools check when they read them.

By the structure that Label Studio's documentation and Argilla's `from_disk` ask for; both were read
by label-studio-sdk 2.1 and argilla 2.8 once, which no test needs.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from support.small_review import accept, begin, fix, judge, pair_set, reject

from nsfwcaps.review.database import Database
from nsfwcaps.review.export import argilla, export, label_studio
from nsfwcaps.review.log.adjudication import settle

VALUES = {"Choices": "choices", "Rating": "rating", "TextArea": "text"}


@pytest.fixture
def folder(database: Database, tmp_path: Path) -> Path:
    pairs = pair_set(tmp_path / "set")
    begin(database, pairs)
    both = [("p-ann", accept(comment="a <b>broken</b> window")), ("p-bob", reject())]
    judge(database, "pair-1", both)
    judge(database, "pair-2", [("p-ann", fix("a cup", "a cigarette", category="weapons"))])
    with database.write() as connection:
        settle(connection, "p-lea", "pair-1", accept(meaning=2), 1e9)
    export.export(database, pairs, tmp_path / "out", resamples=5)
    return tmp_path / "out"


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.fixture
def tasks(folder: Path) -> dict[str, Any]:
    return {task["data"]["pair_id"]: task for task in read_json(folder / "label_studio.json")}


@pytest.fixture
def view(folder: Path) -> Xml.Element:
    return Xml.fromstring((folder / "label_studio_config.xml").read_text("utf-8"))


def test_every_region_fits_the_interface(tasks: dict[str, Any], view: Xml.Element) -> None:
    controls = {tag.get("name"): tag for tag in view if tag.get("toName")}
    objects = {tag.get("name"): tag for tag in view if tag.tag == "Text"}
    assert len(controls) == 8
    seen = set()
    for task in tasks.values():
        for item in objects.values():
            assert (item.get("value") or "").removeprefix("$") in task["data"]
        for region in (one for note in task["annotations"] for one in note["result"]):
            tag = controls[region["from_name"]]
            assert region["to_name"] == tag.get("toName")
            assert region["to_name"] in objects
            assert region["type"] == tag.tag.lower()
            [(key, value)] = region["value"].items()
            assert key == VALUES[tag.tag]
            if tag.tag == "Choices":
                assert value[0] in [choice.get("value") for choice in tag]
            elif tag.tag == "Rating":
                assert 1 <= value <= int(tag.get("maxRating") or 0)
            else:
                assert isinstance(value[0], str)
            seen.add(region["from_name"])
            assert region["id"]
    assert seen == set(controls)


def test_tasks_have_whoever_judged_them_beside_the_data(tasks: dict[str, Any]) -> None:
    """An annotator that Label Studio does not know would make it refuse the whole file."""
    task = tasks["pair-1"]
    assert [note["ground_truth"] for note in task["annotations"]] == [False, False, True]
    assert all("completed_by" not in note for note in task["annotations"])
    by = [(row["by"], row["kind"]) for row in task["data"]["verdicts"]]
    assert by == [("p-ann", "judge"), ("p-bob", "judge"), ("p-lea", "settle")]
    said = {
        region["from_name"]: next(iter(region["value"].values()))
        for region in tasks["pair-2"]["annotations"][0]["result"]
    }
    assert said == {
        "safe_is_safe": ["yes"], "unsafe_is_unsafe": ["yes"], "category": ["weapons"],
        "meaning": 4, "choice": ["fix"], "fixed_safe_caption": ["a cup"],
        "fixed_unsafe_caption": ["a cigarette"],
    }  # fmt: skip


def test_captions_are_shown_as_text(view: Xml.Element) -> None:
    texts = [tag for tag in view if tag.tag == "Text"]
    assert [tag.get("valueType") for tag in texts] == ["text", "text"]


def test_odd_categories_are_values_of_the_interface() -> None:
    odd = ['"quotes" & <tags>', "right", "schön"]
    view = Xml.fromstring(label_studio.config(odd))
    [tag] = [tag for tag in view if tag.get("name") == "category"]
    assert [choice.get("value") for choice in tag] == ["right", '"quotes" & <tags>', "schön"]


def test_argilla_has_the_keys_of_its_own_export(folder: Path) -> None:
    settings = read_json(folder / "argilla" / ".argilla" / "settings.json")
    assert set(settings) == {
        "guidelines", "questions", "fields", "vectors", "metadata", "allow_extra_metadata",
        "distribution", "mapping",
    }  # fmt: skip
    common = {"id", "inserted_at", "updated_at", "dataset_id", "name", "title", "settings"}
    asked = common | {"description", "required", "type"}
    assert all(set(one) == asked for one in (*settings["fields"], *settings["questions"]))
    assert all(set(one) == {*common, "visible_for_annotators"} for one in settings["metadata"])
    names = [one["name"] for kind in ("fields", "questions", "metadata") for one in settings[kind]]
    assert len(set(names)) == len(names)
    dataset = read_json(folder / "argilla" / ".argilla" / "dataset.json")
    assert dataset["name"] == "nsfwcaps-review"


def test_argilla_records_fit_the_settings(folder: Path) -> None:
    settings = read_json(folder / "argilla" / ".argilla" / "settings.json")
    questions = {one["name"]: one["settings"] for one in settings["questions"]}
    properties = {one["name"] for one in settings["metadata"]}
    records = read_json(folder / "argilla" / "records.json")
    assert sorted(record["id"] for record in records) == ["pair-1", "pair-2"]
    for record in records:
        assert set(record) == {
            "id", "fields", "metadata", "suggestions", "responses", "vectors", "status",
            "_server_id",
        }  # fmt: skip
        assert set(record["fields"]) == {one["name"] for one in settings["fields"]}
        assert set(record["metadata"]) <= properties
        for name, responses in record["responses"].items():
            options = [one["value"] for one in questions[name].get("options", [])]
            for response in responses:
                assert set(response) == {"value", "user_id", "status"}
                assert str(uuid.UUID(response["user_id"])) == response["user_id"]
                assert not options or response["value"] in options
    first = next(record for record in records if record["id"] == "pair-1")
    assert [one["value"] for one in first["responses"]["choice"]] == ["accept", "reject", "accept"]
    assert first["responses"]["comment"][0]["value"] == "a <b>broken</b> window"


def test_pseudonyms_are_the_same_users_in_every_export() -> None:
    assert argilla.user_of("p-ann") == argilla.user_of("p-ann")
    assert argilla.user_of("p-ann") != argilla.user_of("p-bob")


@pytest.mark.parametrize(("categories", "shown"), [(["smoking"], None), (["smoking", "fire"], 3)])
def test_argilla_folds_no_label_away(categories: list[str], shown: int | None) -> None:
    """The number of labels that are shown is 3 or more, or not given."""
    questions = argilla.settings(categories, overlap=2)["questions"]
    [category] = [one for one in questions if one["name"] == "category"]
    assert category["settings"]["visible_options"] == shown
