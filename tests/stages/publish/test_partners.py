"""publish, the partners: the right ones, in the right columns, and none of another split."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.pictured_world import pictured
from support.small_release import (
    World,
    build,
    crowded_world,
    prepare,
    release,
    rows_of,
)

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, StageFolder
from nsfwcaps.captions.normalize import content_id

SHARES = {"validation_share": 0.2, "test_share": 0.2}
NEAR = 0.95
COLUMNS = ["partner_id", "partner_caption", "partner_image_path", "partner_image_sha256"]

Row = dict[str, Any]


def partnered(seed: int = 0) -> World:
    """Partners by id, by caption, of no pool, and none, at random."""
    world = crowded_world()
    random = np.random.default_rng(seed)

    def named(number: int) -> str | None:
        caption = world.safe[random.integers(len(world.safe))].caption
        return [content_id(caption), caption, "a vase that nobody has", None][number % 4]

    unsafe = [replace(item, partner=named(number)) for number, item in enumerate(world.unsafe)]
    return World(unsafe=unsafe, safe=world.safe)


def facts_of(dataset: Path) -> Row:
    manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    facts: Row = manifest["stages"]["publish"]["facts"]
    return facts


def card_of(dataset: Path) -> str:
    return (dataset / "README.md").read_text(encoding="utf-8")


def partner_of(world: World, row: Row) -> str | None:
    """Caption of the partner that the pool names, if the safe pool has it."""
    named = world.item(row["unsafe_caption"]).partner
    captions = {item.caption for item in world.safe}
    return {**{content_id(c): c for c in captions}, **{c: c for c in captions}}.get(named or "")


def near(captions: Sequence[str], world: World) -> set[tuple[str, str]]:
    """Near-duplicates among captions, from the whole matrix of what is stored."""
    vectors = np.stack([world.item(caption).vector for caption in captions])
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = vectors.astype(np.float16).astype(np.float64)
    left, right = np.nonzero(np.triu(rows @ rows.T >= NEAR, k=1))
    return {(captions[a], captions[b]) for a, b in zip(left, right, strict=True)}


def expected_partners(rows: list[Row], world: World) -> list[str | None]:
    """The rule, one pair at a time: rows come in the order of their ids."""
    named = [partner_of(world, row) for row in rows]
    pairs = [(row["unsafe_caption"], row["safe_caption"]) for row in rows]
    nodes = sorted({*itertools.chain(*pairs), *(name for name in named if name)})
    group = {node: {node} for node in nodes}
    for left, right in [*pairs, *near(nodes, world)]:
        joined = group[left] | group[right]
        group.update(dict.fromkeys(joined, joined))
    split = {id(group[row["unsafe_caption"]]): row["split"] for row in rows}
    for row, name in zip(rows, named, strict=True):
        if name is not None:
            split.setdefault(id(group[name]), row["split"])
    return [
        name if name is not None and split[id(group[name])] == row["split"] else None
        for row, name in zip(rows, named, strict=True)
    ]


@pytest.fixture(scope="module", params=range(4))
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[World, Path]:
    """Random partners, with two counterparts for each unsafe caption."""
    world, k = partnered(request.param), 1 + request.param % 2
    folder = tmp_path_factory.mktemp("partnered")
    return world, release(world, folder, mine={"k": k, "rank": "cosine"}, publish=SHARES)


def test_nothing_of_a_split_is_in_another_or_nearly_so(case: tuple[World, Path]) -> None:
    """Safe items, unsafe ones and partners, with their near-duplicates."""
    world, dataset = case
    splits: dict[str, set[str]] = {}
    for row in rows_of(dataset):
        for side in ("unsafe", "safe", "partner"):
            if row[f"{side}_caption"] is not None:
                splits.setdefault(row[f"{side}_caption"], set()).add(row["split"])
    assert {name for found in splits.values() for name in found} == {"train", "validation", "test"}
    assert all(len(found) == 1 for found in splits.values())
    links = near(sorted(splits), world)
    assert links
    assert all(splits[left] == splits[right] for left, right in links)


def test_partners_are_those_of_the_rule_and_counted(case: tuple[World, Path]) -> None:
    world, dataset = case
    rows = rows_of(dataset)
    expected = expected_partners(rows, world)
    assert [row["partner_caption"] for row in rows] == expected
    ids = [content_id(caption) if caption else None for caption in expected]
    assert [row["partner_id"] for row in rows] == ids
    named = [world.item(row["unsafe_caption"]).partner is not None for row in rows]
    found = [partner_of(world, row) is not None for row in rows]
    kept = sum(caption is not None for caption in expected)
    counts = {
        "kept": kept,
        "in_another_split": sum(found) - kept,
        "not_found": sum(named) - sum(found),
    }
    assert facts_of(dataset)["partners"] == counts
    assert all(count > 0 for count in counts.values())
    assert (
        f"{counts['kept']} pairs have one; {counts['in_another_split']} were omitted because "
        f"they are in another split, {counts['not_found']} because they are not in the safe pool"
    ) in card_of(dataset)


def test_a_partner_is_no_edge_between_pairs(case: tuple[World, Path], tmp_path: Path) -> None:
    """They could all name one, and would be one group."""
    world, _ = case
    same = replace(
        world,
        unsafe=[replace(item, partner=world.safe[0].caption) for item in world.unsafe],
    )
    facts = facts_of(release(same, tmp_path, publish=SHARES))
    assert facts["groups"] > 1
    assert facts["largest_group"] < facts["pairs"] / 2
    assert set(facts["split"]) == {"train", "validation", "test"}


def test_columns_come_before_the_pictures_and_are_explained(case: tuple[World, Path]) -> None:
    _, dataset = case
    for path in (dataset / "data").glob("*.parquet"):
        found = pq.read_schema(path)
        assert found.equals(schema.published(with_pictures=False, with_partners=True))
        assert found.names == [*schema.PUBLISHED.names, *COLUMNS]
    pictures = schema.published(with_pictures=True, with_partners=True).names
    assert pictures[-7:] == [*COLUMNS, "unsafe_image", "safe_image", "partner_image"]
    text = card_of(dataset)
    for name in COLUMNS:
        assert f"| `{name}` | string | {schema.PARTNERS_HELP[name]} |" in text
    assert list(schema.PARTNERS_HELP) == [*COLUMNS, "partner_image"]


@pytest.mark.parametrize("named", [None, "a vase that nobody has", "0" * 32])
def test_without_a_partner_that_is_found_there_is_no_column(
    named: str | None, tmp_path: Path
) -> None:
    world = crowded_world()
    world = replace(world, unsafe=[replace(item, partner=named) for item in world.unsafe])
    dataset = release(world, tmp_path)
    assert all(
        pq.read_schema(path).equals(schema.PUBLISHED) for path in (dataset / "data").iterdir()
    )
    lacking = 0 if named is None else len(world.unsafe)
    counts = {"kept": 0, "in_another_split": 0, "not_found": lacking}
    assert facts_of(dataset)["partners"] == counts
    assert ("**Partners**" in card_of(dataset)) == bool(named)


def test_partners_that_no_pair_needs_change_no_split(tmp_path: Path) -> None:
    """Dangling ones, and the mined counterparts themselves."""
    world = crowded_world()
    plain = rows_of(release(world, tmp_path / "plain", publish=SHARES))
    target = {row["unsafe_caption"]: row["safe_caption"] for row in plain}
    own = [
        replace(item, partner="nobody's vase" if number % 2 else target[item.caption])
        for number, item in enumerate(world.unsafe)
    ]
    rows = rows_of(release(replace(world, unsafe=own), tmp_path / "own", publish=SHARES))
    for row, other in zip(plain, rows, strict=True):
        assert {name: other[name] for name in row} == row
        assert other["partner_id"] in (None, row["safe_id"])
    assert sum(row["partner_id"] is not None for row in rows) == 30


def test_files_shards_and_memory_change_no_row(tmp_path: Path) -> None:
    world = partnered()
    one = replace(world, unsafe=[replace(item, source="unsafe.jsonl") for item in world.unsafe])
    found = []
    for name, given, changes in (
        ("two files", world, {}),
        ("one file", one, {}),
        (
            "small",
            world,
            {
                "ingest": {"shard_rows": 7},
                "mine": {"memory": "64KiB"},
                "publish": {"shard_rows": 5, "memory": "64KiB"},
            },
        ),
    ):
        build(prepare(given, tmp_path / name), tmp_path / name / "work", **changes)
        rows = rows_of(tmp_path / name / "work" / "dataset")
        found.append([{**row, "unsafe_source": None} for row in rows])
    assert found[0] == found[1] == found[2]
    assert any(row["partner_id"] for row in found[0])


def test_a_partner_without_a_vector_counts_as_not_found(tmp_path: Path) -> None:
    """What it is a near-duplicate of is not known."""
    world, lamp = crowded_world(), "a lamp of which there is no vector"
    unsafe = [replace(world.unsafe[0], partner=lamp), *world.unsafe[1:]]
    recipe = prepare(replace(world, unsafe=unsafe), tmp_path)
    with Path(recipe["ingest"]["safe"][0]).open("a") as pool:
        pool.write(json.dumps({"caption": lamp}) + "\n")
    build(recipe, tmp_path / "work")
    counts = facts_of(tmp_path / "work" / "dataset")["partners"]
    assert counts == {"kept": 0, "in_another_split": 0, "not_found": 1}


# With pictures.


@pytest.fixture(scope="module")
def with_pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    world = pictured()
    nothing_held_out = {"validation_share": 0.0, "test_share": 0.0}
    folder = tmp_path_factory.mktemp("pictured")
    return world, release(world, folder, publish=nothing_held_out)


def test_partners_bring_their_pictures(with_pictures: tuple[World, Path]) -> None:
    world, dataset = with_pictures
    rows = {row["unsafe_caption"]: row for row in rows_of(dataset)}
    by_caption, by_id, without = (rows[item.caption] for item in world.unsafe)
    # Of a text under two pictures it is the first in the order of ids.
    first = min(
        world.safe[:2],
        key=lambda item: content_id(item.caption, hashlib.sha256(item.image or b"").hexdigest()),
    )
    assert world.safe[0].caption == world.safe[1].caption
    for row, item in ((by_caption, first), (by_id, world.safe[3])):
        sha256 = hashlib.sha256(item.image or b"").hexdigest()
        assert row["partner_id"] == content_id(item.caption, sha256)
        assert row["partner_caption"] == item.caption
        assert (row["partner_image_path"], row["partner_image_sha256"]) == (item.image_path, sha256)
        assert row["partner_image"] == {"bytes": item.image, "path": None}
    assert all(without[name] is None for name in (*COLUMNS, "partner_image"))


def test_datasets_decodes_the_partners(with_pictures: tuple[World, Path], tmp_path: Path) -> None:
    import datasets

    world, dataset = with_pictures
    rows = list(datasets.load_dataset(str(dataset), cache_dir=str(tmp_path / "cache"))["train"])
    assert list(rows[0]) == schema.published(with_pictures=True, with_partners=True).names
    for row in rows:
        named = world.item(row["unsafe_caption"]).partner is not None
        assert (row["partner_image"] is not None) == named


def test_a_file_all_of_whose_partners_are_missing(tmp_path: Path) -> None:
    """One pair a file: that of the third has a row of nulls."""
    shares = {"validation_share": 0.0, "test_share": 0.0}
    dataset = release(pictured(), tmp_path, publish={**shares, "shard_rows": 1})
    files = sorted((dataset / "data").iterdir())
    assert len(files) == 3
    columns = schema.published(with_pictures=True, with_partners=True)
    assert all(pq.read_schema(path).equals(columns) for path in files)
    assert sum(row["partner_id"] is None for row in rows_of(dataset)) == 1


class Kill(BaseException):
    """Stands for a kill."""


def test_what_an_interrupted_run_knew_of_other_partners_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The captions and the pairs stay, so embed and mine have nothing new to tell."""
    recipe, other = (
        prepare(partnered(seed), tmp_path / name) for seed, name in enumerate(("one", "two"))
    )
    with monkeypatch.context() as patch:
        append, done = StageFolder._append, itertools.count()

        def stopping(folder: StageFolder, *args: Any) -> Shard:
            if folder.path.name == "publish" and next(done) == 3:  # after nodes and edges
                raise Kill
            return append(folder, *args)

        patch.setattr(StageFolder, "_append", stopping)
        with pytest.raises(Kill):
            build(recipe, tmp_path / "one" / "work", publish=SHARES)
    for pool in other["ingest"]["unsafe"]:
        (tmp_path / "one" / "pools" / Path(pool).name).write_bytes(Path(pool).read_bytes())
    build(recipe, tmp_path / "one" / "work", publish=SHARES)
    build(other, tmp_path / "two" / "work", publish=SHARES)
    one, two = (rows_of(tmp_path / name / "work" / "dataset") for name in ("one", "two"))
    assert one == two
