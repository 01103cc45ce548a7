"""Splits share no picture: equal files, other files of one photograph, or one value of a column."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from support.photographs import photographed_world
from support.small_release import Item, World, build, prepare, rows_of

from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.stages import STAGE

SHARES = {"validation_share": 0.2, "test_share": 0.2}
SEEDS = range(4)


def released(world: World, folder: Path, **publish: Any) -> tuple[list[dict[str, Any]], Any]:
    """The published rows, and the facts of publish."""
    recipe = prepare(world, folder)
    for name in ("ingest", "publish"):
        recipe[name] = {
            **recipe[name],
            **({"image_root": str(folder / "pools")} if name == "ingest" else {}),
        }
    build(recipe, folder / "work", publish={**SHARES, **publish})
    dataset = folder / "work" / "dataset"
    facts = json.loads((dataset / "manifest.json").read_text())["stages"]["publish"]["facts"]
    return rows_of(dataset), facts


def items_of(row: dict[str, Any], world: World) -> list[Item]:
    sides = ("unsafe", "safe", *(["partner"] if row.get("partner_caption") else []))
    return [world.item(row[f"{side}_caption"]) for side in sides]


def split_of(
    rows: Iterable[dict[str, Any]], world: World, what: Callable[[Item], Any]
) -> dict[Any, set[str]]:
    """Splits in which a value of an item occurs."""
    found: dict[Any, set[str]] = {}
    for row in rows:
        for value in map(what, items_of(row, world)):
            if value is not None:
                found.setdefault(value, set()).add(row["split"])
    return found


def components(rows: list[dict[str, Any]], world: World, *whats: Callable[[Item], Any]) -> int:
    """Number of groups of pairs joined by equal values, one after the other."""
    label = list(range(len(rows)))
    seen: dict[Any, int] = {}
    for number, row in enumerate(rows):
        for place, what in enumerate(whats):
            for side in ("unsafe", "safe"):
                value = what(world.item(row[f"{side}_caption"]))
                if value is None:
                    continue
                other = seen.setdefault((place, value), number)
                old, new = label[number], label[other]
                label = [new if one == old else one for one in label]
    return len(set(label))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_photograph_is_in_two_splits(tmp_path: Path, seed: int) -> None:
    world = photographed_world(seed)
    rows, facts = released(world, tmp_path)
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    for what in (lambda item: item.image, lambda item: item.photograph):
        assert {len(splits) for splits in split_of(rows, world, what).values()} == {1}
    assert facts["overlap"]["pictures"] == facts["overlap"]["captions"] == 0
    assert facts["pictures"]["plain"] == facts["pictures"]["unreadable"] == 0
    assert facts["links"]["near_duplicate_pictures"]["joined"] > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_each_kind_of_link_is_counted(tmp_path: Path, seed: int) -> None:
    """Without partners, whose captions may join pairs too, brute force finds the same groups."""
    world = photographed_world(seed, partners=False)
    rows, facts = released(world, tmp_path)

    def caption(item: Item) -> str:
        return item.caption

    by_caption = components(rows, world, caption)
    by_picture = components(rows, world, caption, lambda item: item.image)
    by_photograph = components(rows, world, caption, lambda item: item.photograph)
    assert facts["links"]["near_duplicate_captions"] == {"links": 0, "joined": 0}
    assert facts["links"]["equal_pictures"]["joined"] == by_caption - by_picture
    assert facts["links"]["near_duplicate_pictures"]["joined"] == by_picture - by_photograph
    assert facts["groups"] == by_photograph
    nodes = {item.caption: item for row in rows for item in items_of(row, world)}.values()
    pictures = {item.image for item in nodes} - {None}
    shown = sum(item.image is not None for item in nodes)
    assert facts["links"]["equal_pictures"]["links"] == shown - len(pictures)
    assert facts["pictures"]["compared"] == len(pictures)
    assert facts["assigned"] == dict(Counter(row["split"] for row in rows))


def test_only_equal_files_are_joined_where_near_ones_are_not_looked_for(tmp_path: Path) -> None:
    world = photographed_world(0)
    rows, facts = released(world, tmp_path, near_image=0)
    assert {len(s) for s in split_of(rows, world, lambda item: item.image).values()} == {1}
    of_photographs = split_of(rows, world, lambda item: item.photograph).values()
    assert max(len(splits) for splits in of_photographs) > 1
    assert "near_duplicate_pictures" not in facts["links"]
    assert facts["pictures"] is None


def test_build_keeps_the_column_that_pairs_are_grouped_by(tmp_path: Path) -> None:
    """The column alone joins what neither hash joins: pools without pictures."""
    world = photographed_world(1)
    recipe = prepare(world, tmp_path)
    wanted = {**SHARES, "group_column": ["photograph"]}
    build(recipe, tmp_path / "work", ingest={"images": False}, publish=wanted)
    dataset = tmp_path / "work" / "dataset"
    rows = rows_of(dataset)
    for row in rows:
        for side in ("unsafe", "safe"):
            item = world.item(row[f"{side}_caption"])
            assert row[f"{side}_photograph"] == item.photograph
    assert {len(s) for s in split_of(rows, world, lambda item: item.photograph).values()} == {1}
    facts = json.loads((dataset / "manifest.json").read_text())["stages"]["publish"]["facts"]
    assert facts["links"]["equal_pictures"] == {"links": 0, "joined": 0}
    assert facts["links"]["group_column"]["joined"] > 0
    assert "their pools agree in `photograph`" in (dataset / "README.md").read_text()
    # No photograph of this world is in both pools.
    assert facts["group_columns"]["photograph"]["across"] == 0
    (note,) = [note for note in STAGE["publish"].notes(facts) if "group_column" in note]
    assert "photograph" in note
    assert "no value is in both pools" in note


def test_whole_floats_join_integers_and_columns_are_counted_by_pool(tmp_path: Path) -> None:
    """As pandas writes them: floats beside a null in one pool, integers or text in the other."""
    recipe = prepare(photographed_world(1, unsafe=20, safe=20, partners=False), tmp_path)
    given = {
        "unsafe": lambda n: {"shot": float(n) if n % 2 else None, "own": n, "padded": f"00{n}"},
        "safe": lambda n: {"shot": n if n < 10 else str(n), "padded": n},
    }
    for label, columns in given.items():
        path = tmp_path / "pools" / f"{label}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        text = "".join(json.dumps(row | columns(n)) + "\n" for n, row in enumerate(rows))
        path.write_text(text)
    wanted = {**SHARES, "group_column": ["shot,own", "padded"], "near_duplicate": 1.0}
    build(recipe, tmp_path / "work", ingest={"images": False}, publish=wanted)
    dataset = tmp_path / "work" / "dataset"
    rows = rows_of(dataset)
    facts = json.loads((dataset / "manifest.json").read_text())["stages"]["publish"]["facts"]

    def number(caption: str) -> int:
        return int(caption.rpartition(" ")[2])

    safe = {number(row["safe_caption"]) for row in rows}
    odd = {n for n in range(20) if n % 2}
    assert facts["group_columns"] == {
        "shot": {"unsafe": 10, "safe": len(safe), "across": len(safe & odd)},
        "own": {"unsafe": 20, "safe": 0, "across": 0},
        "padded": {"unsafe": 20, "safe": len(safe), "across": 0},
    }
    assert len(safe & odd) > 3
    notes = [note for note in STAGE["publish"].notes(facts) if "group_column" in note]
    assert [note.split(":")[0] for note in notes] == ["group_column padded"]
    card = (dataset / "README.md").read_text()
    assert "their pools agree in any of `shot`, `own`, `padded` |" in card
    assert "| `own` (in the unsafe pool only) | 20 | 0 | 0 |" in card
    splits: dict[int, set[str]] = {n: set() for n in odd}
    for row in rows:
        for n in odd & {number(row["unsafe_caption"]), number(row["safe_caption"])}:
            splits[n].add(row["split"])
    assert {len(found) for found in splits.values()} == {1}
    assert facts["links"]["group_column"]["joined"] > 0


def test_a_column_kept_under_another_case_is_found(tmp_path: Path) -> None:
    world = photographed_world(1, unsafe=10, safe=20)
    build(
        prepare(world, tmp_path),
        tmp_path / "work",
        ingest={"images": False, "keep_columns": ["Photograph"]},
        publish={**SHARES, "group_column": ["photograph"]},
    )
    assert "safe_Photograph" in rows_of(tmp_path / "work" / "dataset")[0]


def test_a_column_that_was_not_kept_is_named_with_the_way_out(tmp_path: Path) -> None:
    recipe = prepare(photographed_world(1, unsafe=4, safe=8), tmp_path)
    early = {name: recipe[name] for name in recipe if name != "publish"}
    build(early, tmp_path / "work", ingest={"images": False})
    with pytest.raises(InputError, match=r"'photograph' was not kept.*--keep-columns photograph"):
        build({"publish": {"group_column": ["photograph"]}}, tmp_path / "work")


def test_a_column_that_data_sets_have_already_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"publish.*group_column: 'caption' cannot be kept"):
        build({"publish": {"group_column": ["caption"]}}, tmp_path / "work")


@pytest.mark.parametrize(
    ("assigned", "said"),
    [
        ({"train": 100, "validation": 10, "test": 10}, []),
        ({"train": 111, "validation": 6, "test": 3}, ["test: 3 of 12 pairs"]),
        ({"train": 120}, ["validation: 0 of 12 pairs", "test: 0 of 12 pairs"]),
    ],
)
def test_a_split_that_groups_leave_small_is_named(
    assigned: dict[str, int], said: list[str]
) -> None:
    facts = {"assigned": assigned, "wanted": {"validation": 0.1, "test": 0.1}, "largest_group": 90}
    notes = [*STAGE["publish"].notes(facts)]
    assert [note.partition(",")[0] for note in notes] == said
    assert all("has 90 and stays in one split" in note for note in notes)
