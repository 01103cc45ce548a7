"""illustrate by the icon world: pictures of edited captions, joined to their pairs to the end."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.illustrate_place import drawn, illustrate, images, record, rejects
from support.shell import call, tree
from support.small_release import rows_of

from nsfwcaps import schema
from nsfwcaps.captions.normalize import content_id
from nsfwcaps.errors import ConfigError
from nsfwcaps.pipeline import state
from nsfwcaps.recipes import parse
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.illustrate import ILLUSTRATED

CONSTRUCT: dict[str, Any] = {
    "editor": "world",
    "n": 12,
    "near_duplicate": 1.0,
    "element_share": 0.5,
}


@pytest.fixture(scope="module")
def icons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the safe pool of a small world."""
    folder = tmp_path_factory.mktemp("private") / "icons"
    assert call("world", "--scenes", 60, "--unsafe", 0, "-w", folder).code == 0
    return folder / "pools" / "safe"


@pytest.fixture(scope="module")
def made(icons: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run, which no test changes."""
    folder = tmp_path_factory.mktemp("made") / "run"
    said = illustrate(folder, {**CONSTRUCT, "pool": str(icons)}, painter="world")
    assert said.code == 0, said.err
    assert "12 images by world: 12 unsafe" in said.out
    return folder


def constructed(folder: Path) -> dict[str, dict[str, Any]]:
    table = pq.read_table(folder / "pools" / "unsafe", partitioning=None)
    return {row["caption"]: row for row in table.to_pylist()}


def test_every_caption_has_a_picture_with_a_label(made: Path) -> None:
    rows, written = images(made), constructed(made)
    assert {row["caption"] for row in rows} == written.keys()
    for row in rows:
        assert row["id"] == content_id(row["caption"], hashlib.sha256(row["image"]).hexdigest())
        own = written[row["caption"]]
        assert {name: row[name] for name in own if name != "id"} == {
            name: value for name, value in own.items() if name != "id"
        }
        assert (row["image_label"], row["image_tries"], row["painter"]) == ("unsafe", 1, "world")
        assert json.loads(row["image_scores"]) == {"world": 1.0}
        with Image.open(io.BytesIO(row["image"])) as picture:
            picture.load()
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    # A folder of Parquet alone: whoever reads it by its name gets it.
    table = pq.read_table(made / "pools" / "illustrated", partitioning=None)
    assert table.schema.equals(schema.ILLUSTRATED_UNSAFE)


def test_the_text_pool_stays_as_it_was(made: Path, icons: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"construct": {**CONSTRUCT, "pool": str(icons)}}))
    assert call("run", recipe, "-w", tmp_path / "run").code == 0
    for label in ("safe", "unsafe"):
        assert tree(tmp_path / "run" / "pools" / label) == tree(made / "pools" / label)


def test_facts_and_card_are_those_of_the_rows(made: Path) -> None:
    facts = record(made)["facts"]
    counts = Counter(row["category"] for row in images(made))
    assert facts["label_of_category"] == {name: {"unsafe": n} for name, n in counts.items()}
    card = (made / "pools" / "illustrated.md").read_text()
    for name, count in counts.items():
        assert f"| `{name}` | {count} | 0 | 0 |" in card
    assert "12 images were kept of 12 drawn, for 12 unsafe captions" in card
    assert "Images have their own labels" in card


def test_second_run_is_skipped(made: Path, icons: Path) -> None:
    before = tree(made)
    said = illustrate(made, {**CONSTRUCT, "pool": str(icons)}, painter="world")
    assert said.out.count("up to date") == 2
    assert tree(made) == before


def test_another_setting_draws_nothing_twice(made: Path, icons: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = {**CONSTRUCT, "pool": str(icons)}
    assert illustrate(folder, options, painter="world").code == 0
    before = drawn(folder)
    stamps = {path: path.stat().st_mtime_ns for path in (folder / "illustrate/pictures").iterdir()}
    assert illustrate(folder, options, painter="world", shard_rows=5).code == 0
    assert len([*(folder / "pools" / "illustrated").glob("*.parquet")]) == 3
    assert drawn(folder) == before
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}
    assert images(folder) == images(made)
    assert illustrate(folder, options, painter="world", seed=1).code == 0
    assert not {row["image"] for row in images(folder)} & {row["image"] for row in images(made)}


def test_captions_that_the_world_cannot_draw_are_told(tmp_path: Path) -> None:
    """The rules write English that the world has no picture of."""
    pool = tmp_path / "pool.jsonl"
    captions = ["A red vase sits on a table.", "A cat sleeps on a bed."]
    pool.write_text("".join(json.dumps({"caption": item}) + "\n" for item in captions))
    options = ["--set", f"construct.pool={pool}", "--set", "construct.n=2"]
    path = tmp_path / "only.json"
    path.write_text(json.dumps({"construct": {"min_alignment": 0.1}}))
    assert call("run", path, "-w", tmp_path / "run", *options).code == 0
    said = call("illustrate", "-w", tmp_path / "run", "--painter", "world")
    assert said.code == 3
    assert "none of 2 captions got an image (2 not_of_the_world); use another --painter" in said.err
    assert not (tmp_path / "run" / "pools" / "illustrated").exists()


def test_some_can_be_drawn_and_some_cannot(icons: Path, tmp_path: Path) -> None:
    """By an editor that knows nothing of the world, of a pool that is not of it alone."""
    folder = tmp_path / "run"
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    scenes = pq.read_table(icons, partitioning=None).select(["caption"]).slice(0, 30)
    pq.write_table(scenes, mixed / "scenes.parquet")
    options = {**CONSTRUCT, "pool": str(mixed)}
    assert illustrate(folder, options, painter="world").code == 0
    unsafe = next((folder / "construct").glob("*/unsafe/*.parquet"))
    _spoil_first_caption(unsafe, folder / "construct" / "stage.json")
    assert call("illustrate", "-w", folder, "--painter", "world").code == 0
    count = len(constructed(folder))
    assert len(images(folder)) == count - 1
    (row,) = rejects(folder)
    assert row["reason"] == "not_of_the_world"
    assert record(folder)["facts"]["rejects"] == {"not_of_the_world": 1}
    card = (folder / "pools" / "illustrated.md").read_text()
    assert "| `not_of_the_world` | 1 |" in card


def _spoil_first_caption(path: Path, stage: Path) -> None:
    """Reword a caption as an editor would that the world does not understand."""
    table = pq.read_table(path, partitioning=None)
    rows = table.to_pylist()
    rows[0]["caption"] += " near a dead bird"
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    values = json.loads(stage.read_text())
    values["output_digest"] = "another"
    stage.write_text(json.dumps(values))


def test_a_list_of_images_forbids_drawn_ones_too(made: Path, icons: Path, tmp_path: Path) -> None:
    """One of the first attempts is on the list of construct: another seed is drawn."""
    banned = images(made)[0]
    hashes = tmp_path / "hashes.txt"
    hashes.write_text(hashlib.sha256(banned["image"]).hexdigest() + "\n")
    options = {**CONSTRUCT, "pool": str(icons), "image_hashes": [str(hashes)]}
    assert illustrate(tmp_path / "run", options, painter="world").code == 0
    rows = {row["caption"]: row for row in images(tmp_path / "run")}
    assert rows[banned["caption"]]["image_seed"] != banned["image_seed"]
    assert len(rows) == 12
    assert banned["image"] not in drawn(tmp_path / "run").values()
    assert illustrate(tmp_path / "one", options, painter="world", image_tries=1).code == 0
    assert banned["caption"] not in {row["caption"] for row in images(tmp_path / "one")}
    assert record(tmp_path / "one")["rejects"] == {"excluded": 1}
    assert rejects(tmp_path / "one") == []


def test_a_list_that_comes_later_removes_what_was_drawn(icons: Path, tmp_path: Path) -> None:
    folder, options = tmp_path / "run", {**CONSTRUCT, "pool": str(icons)}
    assert illustrate(folder, options, painter="world").code == 0
    banned = images(folder)[3]["image"]
    hashes = tmp_path / "hashes.txt"
    hashes.write_text(hashlib.sha256(banned).hexdigest() + "\n")
    assert illustrate(folder, options, painter="world", image_hashes=[str(hashes)]).code == 0
    assert banned not in [*drawn(folder).values(), *(row["image"] for row in images(folder))]
    for name, data in tree(folder).items():
        assert banned not in data, name


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({}, 2, "add --painter"),
        ({"painter": "gpt"}, 2, "unknown painter 'gpt'"),
        ({"painter": "diffusers:nowhere"}, 5, "not the folder of a diffusers pipeline"),
        ({"painter": "world", "image_tries": 0}, 2, "illustrate.image_tries"),
        ({"painter": "world", "image_size": 100}, 2, "illustrate.image_size"),
        (
            {"painter": "world", "image_detector": ["nobody"]},
            2,
            "--image-detector: unknown image detector 'nobody'",
        ),
        ({"painter": "world", "image_hashes": ["nowhere.txt"]}, 3, "cannot be read"),
        ({"painter": "diffusers:x", "only_unsafe": True}, 2, "needs an image_detector"),
    ],
)
def test_what_cannot_work_is_said(
    settings: dict[str, Any], code: int, message: str, icons: Path, tmp_path: Path
) -> None:
    said = illustrate(tmp_path / "run", {**CONSTRUCT, "pool": str(icons), "n": 4}, **settings)
    assert said.code == code, said.err
    assert message in said.err
    assert "Traceback" not in said.err


def test_pools_of_somebody_else_are_not_replaced(icons: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "run" / "pools" / "illustrated" / "mine.parquet"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    said = illustrate(tmp_path / "run", {**CONSTRUCT, "pool": str(icons), "n": 4}, painter="world")
    assert said.code == 7
    assert "was not written by illustrate" in said.err
    assert theirs.read_bytes() == b"theirs"


def test_it_reads_what_construct_wrote(tmp_path: Path) -> None:
    said = call("illustrate", "-w", tmp_path / "run", "--painter", "world")
    assert said.code == 4
    assert "illustrate needs the output of construct" in said.err


# With the other stages.


@pytest.fixture(scope="module")
def published(icons: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the whole job."""
    folder = tmp_path_factory.mktemp("published") / "run"
    options = ["--pool", icons, "--editor", "world", "--n", 12, "--near-duplicate", 1.0]
    said = call("construct", *options, "--painter", "world", "-w", folder)
    assert said.code == 0, said.err
    return folder


def test_labels_reach_the_data_set(published: Path) -> None:
    rows, drawings = rows_of(published / "dataset"), {row["id"]: row for row in images(published)}
    assert {row["unsafe_id"] for row in rows} == drawings.keys()
    for row in rows:
        own = drawings[row["unsafe_id"]]
        assert row["safe_id"] == own["partner_id"]
        assert row["unsafe_image"]["bytes"] == own["image"]
        assert row["unsafe_image_label"] == own["image_label"] == "unsafe"
        assert row["unsafe_image_scores"] == own["image_scores"]
        assert row["unsafe_image_seed"] == own["image_seed"]
        assert row["unsafe_image_painter"] == "world"
        assert row["sim_image"] is not None
        for side in ("unsafe", "safe"):
            with Image.open(io.BytesIO(row[f"{side}_image"]["bytes"])) as picture:
                picture.load()


def test_card_and_manifest_of_the_data_set(published: Path) -> None:
    card = (published / "dataset" / "README.md").read_text()
    manifest = json.loads((published / "dataset" / "manifest.json").read_text())
    facts = manifest["stages"]["illustrate"]["facts"]
    count = len(rows_of(published / "dataset"))
    assert facts["label"] == {"unsafe": count}
    assert manifest["stages"]["publish"]["facts"]["unsafe_image_label"] == {"unsafe": count}
    assert "## How the unsafe images were drawn" in card
    assert f"| unsafe | {count} |" in card
    assert "| `unsafe_image_label` | string | unsafe, safe or unjudged" in card
    assert "a caption's label does not speak for its image" not in card
    assert "private" not in card + json.dumps(manifest)


def test_without_a_painter_nothing_is_said_of_images(icons: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ["--pool", icons, "--editor", "world", "--n", 12, "--near-duplicate", 1.0]
    assert call("construct", *options, "-w", folder).code == 0
    assert not (folder / "illustrate").exists()
    assert "unsafe_image_label" not in rows_of(folder / "dataset")[0]
    assert "How the unsafe images" not in (folder / "dataset" / "README.md").read_text()


def test_images_of_another_day_are_not_told(published: Path, icons: Path, tmp_path: Path) -> None:
    """The folder holds drawn images, and the text pool was ingested."""
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(published, folder)
    options = ["--pool", icons, "--editor", "world", "--n", 12, "--near-duplicate", 1.0]
    assert call("construct", *options, "-w", folder).code == 0
    assert "unsafe_image_label" not in rows_of(folder / "dataset")[0]
    manifest = json.loads((folder / "dataset" / "manifest.json").read_text())
    assert "illustrate" not in manifest["stages"]
    assert "construct" in manifest["stages"]


def test_options_of_images_need_a_painter(icons: Path, tmp_path: Path) -> None:
    said = call("construct", "--pool", icons, "--image-tries", 2, "-w", tmp_path / "run")
    assert said.code == 2
    assert "--image-tries requires --painter" in said.err


def test_a_recipe_that_does_not_read_its_images_is_refused() -> None:
    values = {"construct": {"pool": "x"}, "illustrate": {"painter": "world"}}
    pools = {"safe": "run:pools/safe", "unsafe": "run:pools/unsafe"}
    with pytest.raises(ConfigError, match=f"by illustrate; set ingest.unsafe={ILLUSTRATED}"):
        parse({**values, "ingest": pools}, where="recipe")
    parse({**values, "ingest": {**pools, "unsafe": ILLUSTRATED}}, where="recipe")


def test_lists_of_construct_hold_for_illustrate() -> None:
    values = {
        "construct": {"pool": "x", "image_hashes": ["a.txt"]},
        "illustrate": {"painter": "world", "image_hashes": ["b.txt"]},
    }
    assert parse(values, where="recipe")["illustrate"].image_hashes == ("a.txt", "b.txt")


def test_status_knows_the_stage(published: Path) -> None:
    assert state(STAGE["illustrate"], None, published).value == "up to date"
