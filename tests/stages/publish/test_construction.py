"""publish, a constructed set: its card says how it was written, by numbers of the data alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_release import World, build, crowded_world, prepare, rows_of

from nsfwcaps import recipes, resources
from nsfwcaps.artifacts import ShardFiles, StageFolder, StageResult
from nsfwcaps.captions.normalize import content_id
from nsfwcaps.freshness import StageState, state
from nsfwcaps.pipeline import run
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.publish.construction import _without_place

PARTNER = {"mine": {"pairing": "partner"}}

Facts = dict[str, Any]


# Pools that the construct stage wrote: every number on the card recounted from them.


class Constructed:
    """A run of the bundled recipe: the pools, the data set, and its card."""

    def __init__(self, work: Path) -> None:
        self.unsafe = pa.concat_tables(
            map(pq.read_table, sorted((work / "pools" / "unsafe").glob("*.parquet")))
        ).to_pylist()
        self.rows = rows_of(work / "dataset")
        self.card = (work / "dataset" / "README.md").read_text()
        self.manifest = json.loads((work / "dataset" / "manifest.json").read_text())

    def table(self, first: str) -> dict[str, list[str]]:
        """Rows of the table whose first header cell this is, by their first cell."""
        lines = self.card.split(f"\n| {first} |")[1].split("\n\n")[0].splitlines()[2:]
        cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
        return {row[0]: row[1:] for row in cells}


@pytest.fixture(scope="module")
def constructed(tmp_path_factory: pytest.TempPathFactory) -> Constructed:
    work = tmp_path_factory.mktemp("constructed")
    changes = ["construct.n=12", "construct.tries=6", "publish.columns=nsfwcaps"]
    recipe = recipes.placed(recipes.load(str(resources.recipe("construct")), changes), work)
    run(recipe, work, Silent())
    return Constructed(work)


def test_every_constructed_pair_is_published_as_it_was_written(constructed: Constructed) -> None:
    written = {row["id"]: row for row in constructed.unsafe}
    assert {row["unsafe_id"] for row in constructed.rows} == written.keys()
    for row in constructed.rows:
        assert row["safe_id"] == written[row["unsafe_id"]]["partner_id"]
        assert row["nsfw_caption"] == written[row["unsafe_id"]]["caption"]
        assert row["chosen_category"] == written[row["unsafe_id"]]["category"]


def test_alignment_on_the_card_is_that_of_the_pools(constructed: Constructed) -> None:
    sims = np.array([row["alignment"] for row in constructed.unsafe])
    assert f"by `minilm`: {sims.mean():.3f} on average" in constructed.card
    names = ("least", "tenth percentile", "median", "ninetieth percentile", "greatest")
    expected = np.quantile(sims, [0, 0.1, 0.5, 0.9, 1])
    found = constructed.table("alignment")
    assert list(found) == list(names)
    assert [float(found[name][0]) for name in names] == pytest.approx(expected, abs=0.0006)
    assert "gives 0.81 for its pairs and 0.62 for those of ViSU-Text" in constructed.card
    assert "so the numbers are not comparable" in constructed.card


def test_categories_on_the_card_are_those_of_the_data(constructed: Constructed) -> None:
    counts = Counter(row["category"] for row in constructed.rows)
    asked = constructed.table("requested category")
    assert {name: int(row[1]) for name, row in asked.items() if int(row[1])} == counts
    assert sum(int(row[0]) for row in asked.values()) == 12
    published = constructed.table("category")
    assert {name: int(row[0]) for name, row in published.items()} == counts


def test_the_yield_of_each_step_falls_to_the_pairs_of_the_data(constructed: Constructed) -> None:
    found = constructed.table("step")
    steps = {name: int(row[0].replace(",", "")) for name, row in found.items()}
    assert list(steps)[-1] == "pairs chosen"
    assert steps["pairs chosen"] == len(constructed.rows) == len(constructed.unsafe)
    made = [steps[f"edits {what}"] for what in ("asked for", "that came back")]
    assert made[0] >= made[1] >= steps["edits that passed every check"] >= len(constructed.rows)
    rejects = constructed.manifest["stages"]["construct"]["facts"]["rejects"]
    assert made[0] - steps["edits that passed every check"] == sum(rejects["edits"].values())


def test_elements_and_editor_on_the_card_are_those_of_the_pools(constructed: Constructed) -> None:
    assert {row["editor"] for row in constructed.unsafe} == {"rules"}
    assert "Editor: `rules` (`grammar" in constructed.card
    elements = re.search(r"\. (\d+) distinct elements", constructed.card)
    assert elements is not None
    assert 1 < int(elements[1]) <= len({row["element"] for row in constructed.unsafe})


# A stand-in for the record, of any shape that a test wants.


def facts_of(**changes: Any) -> Facts:
    """What the stage says of itself, with numbers that tell each other apart."""
    return {
        "pairs": 60,
        "steps": {
            "rows": 9000,
            "captions": 8000,
            "usable": 7000,
            "requests": 1500,
            "proposals": 600,
            "candidates": 300,
            "pairs": 60,
        },
        "rejects": {"pool": {"empty": 3}, "safe": {}, "edits": {"refused": 900}},
        "alignment": {"mean": 0.8125, "min": 0.7, "p10": 0.75, "p50": 0.8, "p90": 0.9, "max": 0.95},
        "category": {"violence": {"quota": 70, "selected": 60, "missing": 10}},
        "elements": {"distinct": 17, "most": 5},
        "editor": {"name": "rules", "version": "grammar 1", "models": [], "only_inserts": True},
        "aligner": {"name": "minilm", "digest": "ab" * 32},
        "detectors": [],
        "edit_detectors": [],
        "benchmark_captions": 0,
        **changes,
    }


def record(work: Path, pool: Path, facts: Facts, urls: Mapping[str, str] | None = None) -> None:
    """Leave the record of a construct stage that wrote this pool."""
    folder = StageFolder(work / "construct")
    folder.prepare()
    files = {("dataset", f"{'0' * 12}/safe/{pool.name}"): pool.read_bytes()}
    if urls is not None:
        table = pa.table({"id": [*urls], "image_coco_url": [*urls.values()]})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        files["dataset", f"{'0' * 12}/safe/urls.parquet"] = sink.getvalue().to_pybytes()
    shard = folder.make_shard("key", lambda: ShardFiles(contents=files))
    folder.finish(
        stage="construct",
        fingerprint="0",
        version="1",
        settings={"editor": "local:/home/somebody/model", "pool": ["/home/somebody/pool.json"]},
        inputs={},
        result=StageResult(shards=[shard], facts=facts),
        seconds=0,
    )


def partnered() -> World:
    world = crowded_world()
    return replace(
        world,
        unsafe=[
            replace(item, partner=world.safe[number].caption)
            for number, item in enumerate(world.unsafe)
        ],
    )


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[dict[str, Any], Path, Path]:
    """Recipe, workdir, and one of the pools."""
    recipe = prepare(partnered(), tmp_path)
    return recipe, tmp_path / "work", Path(recipe["ingest"]["safe"][0])


def published(work: Path) -> tuple[str, dict[str, Any]]:
    manifest = json.loads((work / "dataset" / "manifest.json").read_text())
    return (work / "dataset" / "README.md").read_text(), manifest


def test_numbers_of_the_card_are_those_of_the_manifest(
    prepared: tuple[dict[str, Any], Path, Path],
) -> None:
    recipe, work, pool = prepared
    record(work, pool, facts_of())
    build(recipe, work, **PARTNER)
    card, manifest = published(work)
    assert manifest["stages"]["construct"]["facts"] == facts_of()
    for line in (
        "| rows of the pool that were read | 9,000 |",
        "| edits asked for | 1,500 |",
        "| pairs chosen | 60 |",
        "| pool | `empty` | 3 |",
        "| edits | `refused` | 900 |",
        "| median | 0.800 |",
        "| `violence` | 70 | 60 |",
    ):
        assert line in card.splitlines()
    assert "by `minilm`: 0.812 on average" in card
    assert "17 distinct elements, the most frequent one in 5 pairs." in card
    assert "and an unsafe caption written from it" in card
    assert "not by people" in card


def test_what_has_changed_in_the_record_changes_the_card(
    prepared: tuple[dict[str, Any], Path, Path],
) -> None:
    recipe, work, pool = prepared
    record(work, pool, facts_of())
    build(recipe, work, **PARTNER)
    assert state(STAGE["publish"], None, work) is StageState.CURRENT
    record(work, pool, facts_of(elements={"distinct": 18, "most": 5}))
    assert state(STAGE["publish"], None, work) is StageState.STALE
    build(recipe, work, **PARTNER)
    assert "18 distinct elements" in published(work)[0]


def test_places_and_settings_of_the_construction_are_not_published(
    prepared: tuple[dict[str, Any], Path, Path],
) -> None:
    recipe, work, pool = prepared
    editor = {"name": "local:/home/somebody/chat", "version": "p1", "models": ["chat-8b"]}
    record(work, pool, facts_of(editor=editor, cache="/home/somebody/cache"))
    build(recipe, work, **PARTNER)
    card, manifest = published(work)
    assert "somebody" not in card + json.dumps(manifest)
    assert "Editor: `local:chat` (`p1`); answers came from `chat-8b`." in card


def test_a_record_of_other_pools_is_not_told(
    prepared: tuple[dict[str, Any], Path, Path], tmp_path: Path
) -> None:
    """Somebody has built another set in the same folder."""
    recipe, work, _ = prepared
    other = tmp_path / "other.jsonl"
    other.write_text('{"caption": "a kite"}\n')
    record(work, other, facts_of())
    build(recipe, work, **PARTNER)
    card, manifest = published(work)
    assert "construct" not in manifest["stages"]
    assert "written" not in card
    assert "Alignment" not in card


def test_constructed_captions_that_were_mined_anew_are_called_mined(
    prepared: tuple[dict[str, Any], Path, Path],
) -> None:
    recipe, work, pool = prepared
    record(work, pool, facts_of())
    build(recipe, work)
    card, _ = published(work)
    assert "a safe counterpart close to it, mined from" in card
    assert "How the unsafe captions were written" in card


def test_addresses_of_images_that_were_not_downloaded_are_published(
    prepared: tuple[dict[str, Any], Path, Path],
) -> None:
    recipe, work, pool = prepared
    address = {partnered().safe[n].caption: f"http://images.example/{n}.jpg" for n in range(30)}
    urls = {content_id(caption): url for caption, url in address.items()}
    record(work, pool, facts_of(), urls)
    build(recipe, work, **PARTNER, publish={"columns": "nsfwcaps"})
    rows = rows_of(work / "dataset")
    assert [row["image_coco_url"] for row in rows] == [
        address.get(row["safe_caption"]) for row in rows
    ]
    assert sum(row["image_coco_url"] is not None for row in rows) == 30


@pytest.mark.parametrize(
    ("name", "published_name"),
    [
        ("rules", "rules"),
        ("openai:http://host:8000/v1#llama-3", "openai:llama-3"),
        ("local:/home/somebody/chat/", "local:chat"),
    ],
)
def test_an_editor_is_named_without_its_place(name: str, published_name: str) -> None:
    assert _without_place(name) == published_name
