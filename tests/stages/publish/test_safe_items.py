"""Safe items for preservation: of the whole pool, beside the pairs, nothing of a held-out pair."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from support.photographs import photographed_world
from support.small_release import Item, World, build, prepare, release, rows_of

import nsfwcaps
from nsfwcaps import schema
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.sources import expand
from nsfwcaps.evaluation.datasets.pairs import read_pairs
from nsfwcaps.evaluation.datasets.splits import AskedSplit
from nsfwcaps.progress import Silent
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.stages.train.dataset import data_files

SHARES = {"validation_share": 0.2, "test_share": 0.2}
HELD_OUT = ("validation", "test")


def items_of(dataset: Path) -> list[dict[str, Any]]:
    tables = [pq.read_table(path) for path in sorted((dataset / "safe").glob("*.parquet"))]
    return pa.concat_tables([schema.SAFE_ITEMS.empty_table(), *tables]).to_pylist()  # type: ignore[no-any-return]


def facts_of(dataset: Path) -> dict[str, Any]:
    manifest = json.loads((dataset / "manifest.json").read_text())
    facts: dict[str, Any] = manifest["stages"]["publish"]["facts"]["safe_items"]
    return facts


def held_out_items(dataset: Path, world: World) -> list[Item]:
    rows = [row for row in rows_of(dataset) if row["split"] in HELD_OUT]
    named = {row.get(f"{side}_caption") for row in rows for side in ("unsafe", "safe", "partner")}
    return [world.item(caption) for caption in named - {None}]


def cosine(one: Item, other: Item) -> float:
    lengths = np.linalg.norm(one.vector) * np.linalg.norm(other.vector)
    return float(one.vector @ other.vector / lengths)


def close_world(seed: int) -> World:
    """Some safe captions say nearly the same as an unsafe or another safe one."""
    made = photographed_world(seed, photographs=400)
    random = np.random.default_rng(seed)
    safe = list(made.safe)
    for number in range(0, len(safe), 4):
        other = (*made.unsafe, *made.safe)[int(random.integers(180))]
        near = other.vector + random.normal(scale=0.05, size=len(other.vector))
        safe[number] = replace(safe[number], vector=near.astype(np.float32))
    return World(unsafe=made.unsafe, safe=safe)


@pytest.fixture(scope="module")
def world() -> World:
    return close_world(0)


@pytest.fixture(scope="module")
def dataset(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release(world, tmp_path_factory.mktemp("photographs"), publish=SHARES)


@pytest.mark.parametrize("seed", range(4))
def test_they_are_the_whole_pool_but_what_held_out_pairs_have_or_nearly_have(
    tmp_path: Path, seed: int
) -> None:
    world = close_world(seed)
    dataset = release(world, tmp_path, publish=SHARES)
    held = held_out_items(dataset, world)
    captions = {item.caption for item in held}
    files, photographs = {item.image for item in held}, {item.photograph for item in held}

    def shares(item: Item) -> bool:
        return item.caption in captions or item.image in files

    def is_near(item: Item) -> bool:
        return item.photograph in photographs or max(cosine(item, one) for one in held) >= 0.95

    wanted = {item.caption for item in world.safe if not shares(item) and not is_near(item)}
    items = items_of(dataset)
    assert {row["safe_caption"] for row in items} == wanted
    assert len(items) == len(wanted)
    assert 0 < len(wanted) < len(world.safe)
    assert facts_of(dataset) == {
        "count": len(wanted),
        "pool": len(world.safe),
        "without_image": 0,
        "flagged": 0,
        "shared_with_held_out": sum(map(shares, world.safe)),
        "near_held_out": sum(is_near(item) and not shares(item) for item in world.safe),
        "unreadable": 0,
        "without_vector": 0,
    }


def test_columns_are_those_of_their_captions(dataset: Path, world: World) -> None:
    paths = sorted((dataset / "safe").glob("*.parquet"))
    assert [path.name for path in paths] == ["train-00000-of-00001.parquet"]
    assert pq.read_schema(paths[0]).equals(schema.SAFE_ITEMS)
    ids = {row["safe_id"]: row["safe_caption"] for row in rows_of(dataset)}
    for row in items_of(dataset):
        item = world.item(row["safe_caption"])
        assert row["safe_image"]["bytes"] == item.image
        assert row["safe_source"] == item.source
        assert row["safe_image_path"].endswith(str(item.image_path))
        assert ids.get(row["safe_id"], item.caption) == item.caption


def test_datasets_loads_the_pairs_or_the_safe_items(
    dataset: Path, world: World, tmp_path: Path
) -> None:
    import datasets

    cache = str(tmp_path / "cache")
    pairs = datasets.load_dataset(str(dataset), cache_dir=cache)
    assert sum(pairs.num_rows.values()) == len(rows_of(dataset))
    assert "unsafe_caption" in pairs["train"].features
    safe = datasets.load_dataset(str(dataset), "safe", cache_dir=cache)["train"]
    matter = yaml.safe_load((dataset / "README.md").read_text().split("---\n")[1])
    info = {item["config_name"]: item for item in matter["dataset_info"]}
    assert [{"name": "train", "num_examples": len(safe)}] == [
        {key: split[key] for key in ("name", "num_examples")} for split in info["safe"]["splits"]
    ]
    for row in safe:
        with Image.open(io.BytesIO(world.item(row["safe_caption"]).image or b"")) as expected:
            assert row["safe_image"].tobytes() == expected.tobytes()


def test_the_card_and_the_manifest_name_them(dataset: Path) -> None:
    text = (dataset / "README.md").read_text()
    count = len(items_of(dataset))
    assert f"`safe/` holds {count} with their images" in text
    files = json.loads((dataset / "manifest.json").read_text())["files"]
    assert [file["rows"] for file in files if file["path"].startswith("safe/")] == [count]


def test_readers_of_pairs_do_not_read_them(dataset: Path) -> None:
    count = len(rows_of(dataset))
    assert nsfwcaps.Run(dataset.parent).pairs.num_rows == count
    assert len(ReviewPairs(dataset).ids) == count
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in data_files(dataset)]
    assert ReviewPairs(dataset).digest == hashlib.sha256("\n".join(sums).encode()).hexdigest()
    assert {path.parent.name for path in data_files(dataset)} == {"data"}
    read = read_pairs("set", str(dataset), AskedSplit.ALL, None, Silent())
    assert len(read.ids) == count
    shown = sum(row["unsafe_image_sha256"] is not None for row in rows_of(dataset))
    assert read.left_out == {"unsafe_image_not_named": count - shown}
    as_pool = expand(str(dataset), ReadOptions(split="all"))
    assert {Path(url).parent.name for url in as_pool} == {"data"}
    safe = expand(str(dataset), ReadOptions(config="safe"))
    assert [Path(url).parent.name for url in safe] == ["safe"]


def test_a_smaller_number_is_the_start_of_a_larger_one(
    dataset: Path, world: World, tmp_path: Path
) -> None:
    few = release(world, tmp_path, publish={**SHARES, "safe_items": 7})
    drawn = [row["safe_id"] for row in items_of(dataset)]
    assert [row["safe_id"] for row in items_of(few)] == drawn[:7]


def test_the_seed_draws_others(dataset: Path, world: World, tmp_path: Path) -> None:
    held = held_out_items(dataset, world)
    other = release(world, tmp_path, publish={**SHARES, "safe_items": 7, "seed": 1})
    first = [row["safe_id"] for row in items_of(dataset)][:7]
    assert held
    assert {row["safe_id"] for row in items_of(other)} != {*first}


@pytest.mark.parametrize("changes", [{"safe_items": 0}, {"carry_images": False}])
def test_without_any_there_is_no_folder_and_no_configuration(
    world: World, tmp_path: Path, changes: dict[str, Any]
) -> None:
    recipe = prepare(world, tmp_path)
    build(recipe, tmp_path / "work", publish=SHARES)
    dataset = tmp_path / "work" / "dataset"
    assert items_of(dataset)
    build(recipe, tmp_path / "work", publish={**SHARES, **changes})
    assert not items_of(dataset)
    assert not (dataset / "safe").exists()
    matter = yaml.safe_load((dataset / "README.md").read_text().split("---\n")[1])
    assert [config["config_name"] for config in matter["configs"]] == ["default"]


def test_flagged_captions_and_unreadable_pictures_are_left_out(tmp_path: Path) -> None:
    made = photographed_world(3, photographs=400, copies=False)
    safe = [
        replace(item, caption=f"a knife and a gun in drawer {number}") if number % 10 == 0 else item
        for number, item in enumerate(made.safe)
    ]
    broken = safe[5]
    safe[5] = replace(broken, image=b"not a picture", image_path="photographs/broken.jpg")
    world = World(unsafe=made.unsafe, safe=safe)
    dataset = release(world, tmp_path, publish=SHARES)
    drawn = {row["safe_caption"] for row in items_of(dataset)}
    flagged = {item.caption for item in safe if item.caption.startswith("a knife")}
    assert drawn
    assert not drawn & (flagged | {broken.caption})
    assert facts_of(dataset)["flagged"] == len(flagged) == 12


class Kill(BaseException):
    """Stands for a kill."""


@pytest.mark.parametrize("after", [1, 3, 4, 5, 6, 8])
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    tmp_path: Path, dataset: Path, world: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Shards of nodes, edges, hashes of pictures, their edges, pairs, hashes, safe items."""
    recipe = prepare(world, tmp_path)
    append = StageFolder._append
    done = 0

    def stopping(self: StageFolder, *args: Any) -> Any:
        nonlocal done
        done += self.path.name == "publish"
        if done > after:
            raise Kill
        return append(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(StageFolder, "_append", stopping)
        with pytest.raises(Kill):
            build(recipe, tmp_path / "work", publish=SHARES)
    build(recipe, tmp_path / "work", publish=SHARES)
    again = [row["safe_id"] for row in items_of(tmp_path / "work" / "dataset")]
    assert again == [row["safe_id"] for row in items_of(dataset)]
    assert [row["split"] for row in rows_of(tmp_path / "work" / "dataset")] == [
        row["split"] for row in rows_of(dataset)
    ]
