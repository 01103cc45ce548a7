"""publish, the columns: NSFWCaps' names in front of ours, and all that reads ours reads on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.pictured_world import pictured
from support.shell import call
from support.small_release import World, build, prepare, release, rows_of, tiny_world

from nsfwcaps import schema
from nsfwcaps.captions.rows import Sample
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.captions.tables.columns import resolve
from nsfwcaps.captions.tables.roles import Named
from nsfwcaps.enums import Split
from nsfwcaps.evaluation.datasets.pairs import read_pairs
from nsfwcaps.progress import Silent
from nsfwcaps.review.pairs import ReviewPairs

NSFWCAPS = ["image_coco_url", "caption", "nsfw_caption", "chosen_category"]
NOTHING_HELD_OUT = {"validation_share": 0.0, "test_share": 0.0}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path, Path]:
    """The same pairs under our names, and under both."""
    world, folder = pictured(), tmp_path_factory.mktemp("columns")
    recipe = prepare(world, folder)
    for name in ("ours", "nsfwcaps"):
        build(recipe, folder / name, publish={**NOTHING_HELD_OUT, "columns": name})
    return world, folder / "ours" / "dataset", folder / "nsfwcaps" / "dataset"


def test_the_names_of_nsfwcaps_come_first_and_nothing_is_lost(
    both: tuple[World, Path, Path],
) -> None:
    _, ours, theirs = both
    names = pq.read_schema(next((theirs / "data").iterdir())).names
    assert names[:4] == NSFWCAPS
    assert names[4:] == pq.read_schema(next((ours / "data").iterdir())).names
    assert [{n: row[n] for n in names[4:]} for row in rows_of(theirs)] == rows_of(ours)


def test_they_say_what_they_say_in_nsfwcaps(both: tuple[World, Path, Path]) -> None:
    world, _, theirs = both
    for row in rows_of(theirs):
        safe = next(i for i in world.safe if i.image_path == row["image_coco_url"])
        assert row["caption"] == row["safe_caption"] == safe.caption
        assert row["nsfw_caption"] == row["unsafe_caption"]
        assert row["nsfw_caption"] in {item.caption for item in world.unsafe}
        assert row["chosen_category"] == row["category"]


def test_where_no_picture_is_named_the_url_is_null(tmp_path: Path) -> None:
    dataset = release(tiny_world(), tmp_path, publish={"columns": "nsfwcaps"})
    assert {row["image_coco_url"] for row in rows_of(dataset)} == {None}


def test_the_card_explains_them(both: tuple[World, Path, Path]) -> None:
    _, ours, theirs = both
    texts = [(dataset / "README.md").read_text() for dataset in (ours, theirs)]
    for name, repeated in schema.NSFWCAPS_COLUMNS.items():
        of_url = "address or path of the image of the safe caption"
        meaning = (
            of_url
            if name == "image_coco_url"
            else f"same as {repeated}, under its name in NSFWCaps"
        )
        line = f"| `{name}` | string | {meaning}"
        assert [line in text for text in texts] == [False, True]
    assert list(schema.NSFWCAPS_COLUMNS) == list(schema.NSFWCAPS_HELP) == NSFWCAPS


def test_datasets_opens_it_as_its_card_says(both: tuple[World, Path, Path], tmp_path: Path) -> None:
    import datasets

    world, _, theirs = both
    loaded = datasets.load_dataset(str(theirs), cache_dir=str(tmp_path / "cache"))["train"]
    assert list(loaded.features)[:4] == NSFWCAPS
    assert sorted(loaded["nsfw_caption"]) == sorted(item.caption for item in world.unsafe)


# What reads published sets.


def test_review_reads_it(both: tuple[World, Path, Path]) -> None:
    _, ours, theirs = both
    sets = [ReviewPairs(folder) for folder in (ours, theirs)]
    pairs = [[found.pair(name) for name in found.ids] for found in sets]
    assert pairs[0] == pairs[1]


def test_evaluation_reads_it(both: tuple[World, Path, Path]) -> None:
    _, ours, theirs = both
    one, other = (
        read_pairs("set", str(folder), Split.TRAIN, None, Silent()) for folder in (ours, theirs)
    )
    assert one.digest == other.digest
    assert one.counts == other.counts
    assert one.left_out == other.left_out


def test_a_published_set_is_a_pool_again(both: tuple[World, Path, Path], tmp_path: Path) -> None:
    """Both names stand in it, and mean the same."""
    world, _, theirs = both
    names = pq.read_schema(next((theirs / "data").iterdir())).names
    for label, side in ((Label.SAFE, "safe"), (Label.UNSAFE, "unsafe")):
        caption = resolve(Sample(names=names), label, where="set", named=Named()).caption
        assert caption in (f"{side}_caption", "nsfw_caption")
    out = ("--out", tmp_path / "run")
    said = call(
        "ingest",
        *out,
        "--safe",
        theirs,
        "--unsafe",
        theirs,
        "--no-images",
        "--json",
        "--split",
        "all",
    )
    assert said.code == 0
    facts = said.json["stages"][0]["facts"]
    assert facts["captions"]["unsafe"] == len(world.unsafe)
