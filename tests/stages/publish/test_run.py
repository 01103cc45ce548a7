"""publish: a folder that others open as it is, split without leaks, equal wherever it is made."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.small_release import (
    WIDTH,
    Item,
    World,
    build,
    bytes_of,
    crowded_world,
    prepare,
    release,
    rows_of,
    tiny_world,
)

from nsfwcaps import freshness, schema
from nsfwcaps.artifacts import Shard, StageFolder
from nsfwcaps.captions.normalize import content_id, pair_id
from nsfwcaps.journals import JOURNAL
from nsfwcaps.stages import STAGE

Recipe = dict[str, dict[str, Any]]

SPLITS = ["train", "validation", "test"]


@pytest.fixture(scope="module")
def world() -> World:
    return crowded_world()


@pytest.fixture(scope="module")
def dataset(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two counterparts for each unsafe caption, so that targets are shared, in small files."""
    folder = tmp_path_factory.mktemp("crowded")
    return release(
        world,
        folder,
        mine={"k": 2, "rank": "cosine"},
        publish={"shard_rows": 25, "validation_share": 0.2, "test_share": 0.2},
    )


@pytest.fixture(scope="module")
def rows(dataset: Path) -> list[dict[str, Any]]:
    return rows_of(dataset)


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A tiny recipe, and a workdir with everything but the data set."""
    folder = tmp_path_factory.mktemp("tiny")
    recipe = prepare(tiny_world(), folder)
    build({name: recipe[name] for name in recipe if name != "publish"}, folder / "work")
    return recipe, folder / "work"


@pytest.fixture
def recipe(graded: tuple[Recipe, Path], tmp_path: Path) -> Recipe:
    """The tiny recipe, of which `work` and `other` have everything but the data set."""
    for name in ("work", "other"):
        shutil.copytree(graded[1], tmp_path / name)
    return graded[0]


def card_of(dataset: Path) -> dict[str, Any]:
    """Front matter of the card."""
    text = (dataset / "README.md").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return values


def manifest_of(dataset: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    return values


# What other tools make of the folder.


def test_datasets_opens_the_folder_and_finds_what_its_card_says(
    dataset: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    import datasets

    loaded = datasets.load_dataset(str(dataset), cache_dir=str(tmp_path / "cache"))
    info = card_of(dataset)["dataset_info"]
    assert list(loaded) == [split["name"] for split in info["splits"]] == SPLITS
    assert loaded.num_rows == {split["name"]: split["num_examples"] for split in info["splits"]}
    said = {feature["name"]: feature["dtype"] for feature in info["features"]}
    for split in loaded.values():
        assert {name: feature.dtype for name, feature in split.features.items()} == said
    found = [row for split in SPLITS for row in loaded[split]]
    assert sorted(found, key=lambda row: row["pair_id"]) == rows


def test_the_types_on_the_card_are_those_in_the_files(dataset: Path) -> None:
    spelt = {"float": "float32"}
    said = [(f["name"], f["dtype"]) for f in card_of(dataset)["dataset_info"]["features"]]
    for path in (dataset / "data").glob("*.parquet"):
        found = [(f.name, spelt.get(str(f.type), str(f.type))) for f in pq.read_schema(path)]
        assert found == said


def test_pandas_opens_the_folder(dataset: Path, rows: list[dict[str, Any]]) -> None:
    import pandas as pd

    frame = pd.read_parquet(dataset / "data").sort_values("pair_id")
    assert frame["pair_id"].tolist() == [row["pair_id"] for row in rows]
    assert list(frame.columns) == schema.PUBLISHED.names


def test_duckdb_opens_the_files(dataset: Path, rows: list[dict[str, Any]]) -> None:
    import duckdb

    query = "SELECT split, count(*) FROM read_parquet($1) GROUP BY split"
    found = duckdb.execute(query, [str(dataset / "data" / "*.parquet")]).fetchall()
    assert dict(found) == Counter(row["split"] for row in rows)


def test_pyarrow_opens_the_folder(dataset: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow.dataset as ds

    table = ds.dataset(dataset / "data").to_table()
    assert table.schema.equals(schema.PUBLISHED)
    assert sorted(table["pair_id"].to_pylist()) == [row["pair_id"] for row in rows]


def test_every_published_column_is_explained() -> None:
    assert list(schema.PUBLISHED_HELP) == schema.PUBLISHED.names
    assert all(schema.PUBLISHED_HELP.values())


# Rows.


def test_every_unsafe_caption_has_its_two_counterparts(
    rows: list[dict[str, Any]], world: World
) -> None:
    ranks = sorted((row["unsafe_caption"], row["rank"]) for row in rows)
    assert ranks == sorted((item.caption, rank) for item in world.unsafe for rank in (1, 2))
    assert len({row["pair_id"] for row in rows}) == len(rows) == 120


def test_ids_are_joined_to_their_own_caption_source_and_category(
    rows: list[dict[str, Any]], world: World
) -> None:
    for row in rows:
        for label, items in (("unsafe", world.unsafe), ("safe", world.safe)):
            item = next(item for item in items if item.caption == row[f"{label}_caption"])
            assert row[f"{label}_id"] == content_id(item.caption)
            assert row[f"{label}_source"] == item.source
            assert row[f"{label}_image_path"] is None
            assert row[f"{label}_image_sha256"] is None
        assert row["category"] == world.item(row["unsafe_caption"]).category
        assert row["pair_id"] == pair_id(row["unsafe_id"], row["safe_id"])
    assert {row["category"] for row in rows} == {"weapons", "fire", None}
    assert max(row["hub_count"] for row in rows) > 1


def test_counterparts_and_cosines_are_those_of_the_vectors(
    rows: list[dict[str, Any]], world: World
) -> None:
    unsafe, safe = unit([i.vector for i in world.unsafe]), unit([i.vector for i in world.safe])
    sims = unsafe @ safe.T
    for row in rows:
        number = [item.caption for item in world.unsafe].index(row["unsafe_caption"])
        best = np.argsort(-sims[number])[row["rank"] - 1]
        assert row["safe_caption"] == world.safe[best].caption
        assert row["sim_text"] == pytest.approx(sims[number, best], abs=1e-6)


def test_hub_count_is_the_number_of_pairs_of_the_target(rows: list[dict[str, Any]]) -> None:
    uses = Counter(row["safe_id"] for row in rows)
    assert [row["hub_count"] for row in rows] == [uses[row["safe_id"]] for row in rows]


def test_each_file_holds_its_own_split_and_says_which_of_how_many(dataset: Path) -> None:
    sizes: dict[str, list[int]] = {}
    for path in sorted((dataset / "data").glob("*")):
        table = pq.read_table(path)
        split, number, of, total = path.stem.split("-")
        assert set(table["split"].to_pylist()) == {split}
        assert (int(number), of) == (len(sizes.setdefault(split, [])), "of")
        sizes[split].append(table.num_rows)
        assert int(total) == -(-card_rows(dataset, split) // 25)
    assert {split: sum(found) for split, found in sizes.items()} == {
        split: card_rows(dataset, split) for split in SPLITS
    }
    assert all(size == 25 for found in sizes.values() for size in found[:-1])


def card_rows(dataset: Path, split: str) -> int:
    splits = card_of(dataset)["dataset_info"]["splits"]
    return int(next(item["num_examples"] for item in splits if item["name"] == split))


# Splits.


def unit(vectors: list[Any]) -> np.ndarray[Any, Any]:
    """Unit rows `[n, d]` as they are stored: half precision."""
    rows = np.stack(vectors)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16).astype(np.float64)


def near(captions: list[str], world: World, threshold: float) -> list[tuple[str, str]]:
    """Pairs of captions whose cosine reaches the threshold, from the whole matrix."""
    rows = unit([world.item(caption).vector for caption in captions])
    left, right = np.nonzero(np.triu(rows @ rows.T >= threshold, k=1))
    return [(captions[a], captions[b]) for a, b in zip(left, right, strict=True)]


def groups_of(rows: list[dict[str, Any]], links: list[tuple[str, str]]) -> list[set[str]]:
    """Sets of captions that hang together, joined one link after the other."""
    captions = {row[f"{label}_caption"] for row in rows for label in ("unsafe", "safe")}
    group = {caption: {caption} for caption in captions}
    pairs = [(row["unsafe_caption"], row["safe_caption"]) for row in rows]
    for left, right in [*pairs, *links]:
        joined = group[left] | group[right]
        group.update(dict.fromkeys(joined, joined))
    return list({id(item): item for item in group.values()}.values())


def test_no_caption_and_no_near_duplicate_is_in_two_splits(
    rows: list[dict[str, Any]], world: World, dataset: Path
) -> None:
    split = {row[f"{label}_caption"]: row["split"] for row in rows for label in ("unsafe", "safe")}
    links = near(sorted(split), world, 0.95)
    groups = groups_of(rows, links)
    for row in rows:
        assert split[row["unsafe_caption"]] == split[row["safe_caption"]] == row["split"]
    assert all(split[left] == split[right] for left, right in links)
    assert all(len({split[caption] for caption in group}) == 1 for group in groups)
    sizes = [sum(row["safe_caption"] in group for row in rows) for group in groups]
    facts = manifest_of(dataset)["stages"]["publish"]["facts"]
    assert facts["near_duplicates"] == len(links) > 100
    assert (facts["groups"], facts["largest_group"]) == (len(groups), max(sizes))


def test_near_duplicates_join_groups_that_pairs_leave_apart(
    rows: list[dict[str, Any]], world: World
) -> None:
    """Without them the test above would hold for pairs alone."""
    captions = sorted({row[f"{label}_caption"] for row in rows for label in ("unsafe", "safe")})
    assert len(groups_of(rows, near(captions, world, 0.95))) < len(groups_of(rows, []))


def test_the_smallest_unsafe_id_of_a_group_decides_its_split(
    rows: list[dict[str, Any]], world: World
) -> None:
    captions = sorted({row[f"{label}_caption"] for row in rows for label in ("unsafe", "safe")})
    assert {row["split"] for row in rows} == set(SPLITS)  # so no group was moved to an empty one
    for group in groups_of(rows, near(captions, world, 0.95)):
        own = [row for row in rows if row["unsafe_caption"] in group]
        text = f"0:{min(row['unsafe_id'] for row in own)}"
        number = int(hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:12], 16) / 16**12
        held_out = "test" if number < 0.2 else "validation" if number < 0.4 else "train"
        fits = len(own) <= round(0.2 * len(rows))
        assert {row["split"] for row in own} == {held_out if fits else "train"}


def test_a_looser_threshold_joins_more(tmp_path: Path, world: World) -> None:
    recipe = prepare(world, tmp_path)
    found = {}
    for threshold in (0.99, 0.9):
        changes = {"publish": {"near_duplicate": threshold}}
        facts = build(recipe, tmp_path / "work", **changes)["publish"].facts
        found[threshold] = facts["near_duplicates"], facts["groups"]
    assert found[0.99][0] < found[0.9][0]
    assert found[0.99][1] > found[0.9][1]


def test_the_seed_changes_the_splits_and_nothing_else(tmp_path: Path, world: World) -> None:
    recipe = prepare(world, tmp_path)
    found = []
    for seed in (0, 1):
        build(recipe, tmp_path / "work", publish={"seed": seed})
        found.append(rows_of(tmp_path / "work" / "dataset"))
    first, second = ({row["pair_id"]: row.pop("split") for row in rows} for rows in found)
    assert first != second
    assert found[0] == found[1]


@pytest.mark.parametrize("unsafe", [1, 2, 3])
def test_a_handful_of_pairs_is_published_with_something_to_train_on(
    tmp_path: Path, unsafe: int
) -> None:
    dataset = release(
        tiny_world(unsafe=unsafe),
        tmp_path,
        publish={"validation_share": 0.49, "test_share": 0.5},
    )
    counts = Counter(row["split"] for row in rows_of(dataset))
    assert counts["train"] >= 1
    assert counts.total() == unsafe
    splits = card_of(dataset)["dataset_info"]["splits"]
    assert {split["name"]: split["num_examples"] for split in splits} == counts


# Equal bytes.


def test_two_runs_in_different_folders_give_the_same_bytes(tmp_path: Path, world: World) -> None:
    first = release(world, tmp_path / "one", mine={"k": 2})
    second = release(world, tmp_path / "another" / "place", mine={"k": 2})
    assert bytes_of(first) == bytes_of(second)
    assert {"README.md", "manifest.json", "figures/stages.png"} < set(bytes_of(first))


def test_how_the_work_is_done_leaves_no_trace(tmp_path: Path, recipe: Recipe) -> None:
    how = {
        "embed": {"batch_tokens": 77, "batch_images": 3, "workers": 1, "device": "cpu"},
        "mine": {"memory": "512MiB", "device": "cpu"},
        "publish": {"memory": "512MiB"},
    }
    build(recipe, tmp_path / "work")
    build(recipe, tmp_path / "fresh", **how)
    assert bytes_of(tmp_path / "work" / "dataset") == bytes_of(tmp_path / "fresh" / "dataset")


def test_little_memory_gives_the_same_data_and_card(tmp_path: Path, world: World) -> None:
    recipe = prepare(world, tmp_path)
    build(recipe, tmp_path / "plain")
    little = {"memory": "64KiB"}
    build(recipe, tmp_path / "little", mine=little, publish=little)
    assert bytes_of(tmp_path / "plain" / "dataset") == bytes_of(tmp_path / "little" / "dataset")


def test_a_mining_block_without_pairs_loses_and_doubles_nothing(
    tmp_path: Path, world: World
) -> None:
    recipe = prepare(world, tmp_path)
    floor = {"min_similarity": 0.96}
    build(recipe, tmp_path / "plain", mine=floor)
    records = build(recipe, tmp_path / "little", mine={**floor, "memory": "64KiB"})
    plain, other = (rows_of(tmp_path / name / "dataset") for name in ("plain", "little"))
    assert plain == other
    assert build(recipe, tmp_path / "little", mine={**floor, "memory": "64KiB"}) == records


def test_the_size_of_files_changes_no_row(tmp_path: Path, world: World) -> None:
    recipe = prepare(world, tmp_path)
    dataset = tmp_path / "work" / "dataset"
    build(recipe, tmp_path / "work")
    plain = rows_of(dataset)
    for shard_rows in (1, 7, 60):
        build(recipe, tmp_path / "work", publish={"shard_rows": shard_rows})
        assert rows_of(dataset) == plain
        files = list((dataset / "data").iterdir())
        assert len(files) == sum(-(-card_rows(dataset, split) // shard_rows) for split in SPLITS)
        assert manifest_files(dataset) == {path.name for path in files}


def manifest_files(dataset: Path) -> set[str]:
    return {Path(file["path"]).name for file in manifest_of(dataset)["files"]}


# Runs that are interrupted, or follow another.


class Kill(BaseException):
    """Stands for a kill."""


def interrupt(monkeypatch: pytest.MonkeyPatch, stage: str, after: int) -> None:
    """Let a stage finish some shards, and then stop in the middle of the next."""
    append = StageFolder._append
    done = 0

    def stopping(self: StageFolder, *args: Any) -> Shard:
        nonlocal done
        if self.path.name == stage:
            done += 1
            if done > after:
                raise Kill
        return append(self, *args)

    monkeypatch.setattr(StageFolder, "_append", stopping)


@pytest.mark.parametrize("after", [1, 2, 3, 5, 7])
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Two shards of nodes, one of edges, four of a pair each, and the card."""
    changes = {"publish": {"shard_rows": 1, "test_share": 0.3}}
    build(recipe, tmp_path / "other", **changes)
    with monkeypatch.context() as patch:
        interrupt(patch, "publish", after)
        with pytest.raises(Kill):
            build(recipe, tmp_path / "work", **changes)
    assert len((tmp_path / "work" / "publish" / JOURNAL).read_bytes().splitlines()) == after
    assert not (tmp_path / "work" / "dataset").exists()
    build(recipe, tmp_path / "work", **changes)
    assert bytes_of(tmp_path / "work" / "dataset") == bytes_of(tmp_path / "other" / "dataset")


@pytest.mark.parametrize("stage", ["ingest", "embed", "mine", "grade"])
def test_a_run_interrupted_in_an_earlier_stage_goes_on_to_the_same_bytes(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    build(recipe, tmp_path / "work")
    with monkeypatch.context() as patch:
        interrupt(patch, stage, 1)
        with pytest.raises(Kill):
            build(recipe, tmp_path / "fresh")
    build(recipe, tmp_path / "fresh")
    assert bytes_of(tmp_path / "fresh" / "dataset") == bytes_of(tmp_path / "work" / "dataset")


def test_what_was_published_stays_while_a_new_run_is_interrupted(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(recipe, tmp_path / "work")
    before = bytes_of(tmp_path / "work" / "dataset")
    with monkeypatch.context() as patch:
        interrupt(patch, "publish", 1)
        with pytest.raises(Kill):
            build(recipe, tmp_path / "work", publish={"title": "Other"})
    assert bytes_of(tmp_path / "work" / "dataset") == before
    assert StageFolder(tmp_path / "work" / "publish").damaged(publish_record(tmp_path)) is None


def publish_record(tmp_path: Path) -> Any:
    record = StageFolder(tmp_path / "work" / "publish").record()
    assert record is not None
    return record


def test_an_interrupted_delivery_is_finished_by_the_next_run(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(source: Path, path: Path) -> None:
        raise Kill

    build(recipe, tmp_path / "other")
    with monkeypatch.context() as patch:
        patch.setattr("nsfwcaps.stage_delivery.copy", stopping)
        with pytest.raises(Kill):
            build(recipe, tmp_path / "work")
    build(recipe, tmp_path / "work")
    assert bytes_of(tmp_path / "work" / "dataset") == bytes_of(tmp_path / "other" / "dataset")


def test_a_rerun_removes_stale_files_and_keeps_those_of_the_user(
    tmp_path: Path, recipe: Recipe
) -> None:
    dataset = tmp_path / "work" / "dataset"
    build(recipe, tmp_path / "work", publish={"shard_rows": 1})
    assert len(list((dataset / "data").iterdir())) == 4
    own = ["notes.txt", "data/notes.txt", "extra.parquet", "mine/rows.parquet"]
    for name in own:
        (dataset / name).parent.mkdir(exist_ok=True)
        (dataset / name).write_text("my own")
    build(recipe, tmp_path / "work", publish={"shard_rows": 100})
    build(recipe, tmp_path / "other", publish={"shard_rows": 100})
    found = bytes_of(dataset)
    assert [found.pop(name) for name in own] == [b"my own"] * 4
    assert found == bytes_of(tmp_path / "other" / "dataset")


def test_a_lost_or_damaged_file_comes_back(tmp_path: Path, recipe: Recipe) -> None:
    build(recipe, tmp_path / "work")
    dataset = tmp_path / "work" / "dataset"
    before = bytes_of(dataset)
    next((dataset / "data").iterdir()).unlink()
    (dataset / "README.md").write_text("scribbled over")
    build(recipe, tmp_path / "work")
    assert bytes_of(dataset) == before | {"README.edited.md": b"scribbled over"}


def test_the_same_recipe_again_does_nothing(tmp_path: Path, recipe: Recipe) -> None:
    build(recipe, tmp_path / "work")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.*")}
    build(recipe, tmp_path / "work")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.*")} == before


def add_unusable_row(recipe: Recipe) -> dict[str, Any]:
    pool = Path(recipe["ingest"]["safe"][0])
    pool.write_text(pool.read_text() + json.dumps({"caption": " "}) + "\n")
    return {}


@pytest.mark.parametrize(
    ("change", "others"),
    [
        (add_unusable_row, ["croissant.json"]),
        (lambda recipe: {"mine": {"min_similarity": -0.99}}, []),
    ],
    ids=["an unusable row in a pool", "a setting that drops no pair"],
)
def test_the_card_is_written_anew_where_only_what_it_quotes_has_changed(
    tmp_path: Path,
    change: Callable[[Recipe], dict[str, Any]],
    others: list[str],
) -> None:
    recipe = prepare(tiny_world(), tmp_path)
    build(recipe, tmp_path / "work")
    before = bytes_of(tmp_path / "work" / "dataset")
    changes = change(recipe)
    build(recipe, tmp_path / "work", **changes)
    build(recipe, tmp_path / "other", **changes)
    after = bytes_of(tmp_path / "work" / "dataset")
    assert after == bytes_of(tmp_path / "other" / "dataset")
    assert sorted(name for name in after if after[name] != before[name]) == [
        "README.md",
        *others,
        "manifest.json",
    ]
    stage = STAGE["publish"]
    assert freshness.state(stage, None, tmp_path / "work") is freshness.StageState.CURRENT


# The manifest.


def test_the_manifest_lists_the_data_files_as_they_are(dataset: Path) -> None:
    listed = {file["path"]: file for file in manifest_of(dataset)["files"]}
    found = {f"data/{path.name}": path.read_bytes() for path in (dataset / "data").iterdir()}
    assert set(listed) == set(found)
    for name, data in found.items():
        assert listed[name]["sha256"] == hashlib.sha256(data).hexdigest()
        assert listed[name]["bytes"] == len(data)
        assert listed[name]["rows"] == pq.read_metadata(pa.BufferReader(data)).num_rows


def test_the_manifest_counts_the_rows(dataset: Path, rows: list[dict[str, Any]]) -> None:
    facts = manifest_of(dataset)["stages"]["publish"]["facts"]
    assert facts["pairs"] == len(rows)
    assert facts["split"] == Counter(row["split"] for row in rows)
    assert facts["stage"] == Counter(row["stage"] for row in rows)
    assert facts["category"] == Counter(row["category"] or "none" for row in rows)


def test_the_manifest_names_every_stage_it_came_from(dataset: Path) -> None:
    stages = manifest_of(dataset)["stages"]
    assert set(stages) == {"ingest", "embed", "mine", "grade", "publish"}
    for name in ("ingest", "embed", "mine", "grade"):
        record = StageFolder(dataset.parent / name).record()
        assert record is not None
        assert stages[name]["output_digest"] == record.output_digest
        assert stages[name]["rejects"] == record.rejects


def test_neither_card_nor_manifest_tells_paths_or_times(dataset: Path, world: World) -> None:
    for name in ("README.md", "manifest.json"):
        text = (dataset / name).read_text(encoding="utf-8")
        assert str(dataset.parent.parent) not in text
        assert "seconds" not in text
    keys = [key for key, _ in leaves(manifest_of(dataset))]
    assert not {"seconds", "device", "workers", "memory", "batch_tokens", "source"} & set(keys)
    values = [value for _, value in leaves(manifest_of(dataset)) if isinstance(value, str)]
    assert not [value for value in values if value.startswith(("/", "~")) or "://" in value]
    pools = {item.source for item in (*world.unsafe, *world.safe)}
    assert pools < set(values)


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value of a nested one, with the key nearest to it."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, key)
    else:
        yield key, value


# Pictures.


def pictured_world() -> World:
    """Half of the captions with a picture; two safe captions share one."""
    world = tiny_world(unsafe=4, safe=6)
    random = np.random.default_rng(8)

    def with_picture(number: int, item: Item, picture: int) -> Item:
        if number % 2:
            return item
        return replace(
            item,
            image_path=f"img/{item.caption.split()[1]}-{picture}.bin",
            image=f"picture {item.caption.split()[1]} {picture}".encode(),
            image_vector=random.normal(size=WIDTH).astype(np.float32),
        )

    shared = with_picture(0, world.safe[0], 0)
    safe = [with_picture(n, item, n) for n, item in enumerate(world.safe)]
    safe[2] = replace(
        safe[2],
        image_path=shared.image_path,
        image=shared.image,
        image_vector=safe[0].image_vector,
    )
    unsafe = [with_picture(n, item, n) for n, item in enumerate(world.unsafe)]
    return World(unsafe=unsafe, safe=safe)


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, list[dict[str, Any]]]:
    world = pictured_world()
    dataset = release(world, tmp_path_factory.mktemp("pictured"), mine={"k": 6})
    return world, rows_of(dataset)


def test_pictures_are_named_as_their_pool_names_them_with_their_digest(
    pictured: tuple[World, list[dict[str, Any]]],
) -> None:
    world, rows = pictured
    assert len(rows) == 24
    for row in rows:
        for label in ("unsafe", "safe"):
            item = world.item(row[f"{label}_caption"])
            sha256 = None if item.image is None else hashlib.sha256(item.image).hexdigest()
            assert row[f"{label}_image_path"] == item.image_path
            assert row[f"{label}_image_sha256"] == sha256
            assert row[f"{label}_id"] == content_id(item.caption, sha256)


def test_cosines_of_pictures_are_those_of_their_vectors(
    pictured: tuple[World, list[dict[str, Any]]],
) -> None:
    world, rows = pictured
    for row in rows:
        unsafe, safe = (world.item(row[f"{label}_caption"]) for label in ("unsafe", "safe"))
        assert row["sim_cross"] == cosine(unsafe.vector, safe.image_vector)
        assert row["sim_image"] == cosine(unsafe.image_vector, safe.image_vector)
    assert Counter(row["sim_image"] is None for row in rows) == {True: 18, False: 6}


def cosine(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    return pytest.approx(float(unit([left])[0] @ unit([right])[0]), abs=1e-6)
