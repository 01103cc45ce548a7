"""The card: every number on it recounted from the data, and no name that can break its tables."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from support.small_release import (
    World,
    build,
    crowded_world,
    prepare,
    release,
    rows_of,
    tiny_world,
)

from nsfwcaps import schema
from nsfwcaps.cards import dataset as dataset_card
from nsfwcaps.config import as_dict, digest
from nsfwcaps.delivery import own_section
from nsfwcaps.stages.publish.settings import PublishSettings

Table = list[list[str]]

STAGES = ["easy", "medium", "hard"]


def split_card(text: str) -> tuple[dict[str, Any], str]:
    """Front matter and body."""
    nothing, front, body = text.split("---\n", 2)
    assert nothing == ""
    values: dict[str, Any] = yaml.safe_load(front)
    return values, body


def parse(body: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(body)


def tables(body: str) -> dict[str, Table]:
    """Cells of every table, header first, under the text of its first header cell."""
    found: dict[str, Table] = {}
    rows: Table = []
    for token in parse(body):
        if token.type == "table_open":
            rows = []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and token.level >= 4 and rows:
            rows[-1].append(token.content)
        elif token.type == "table_close":
            found[rows[0][0]] = rows
            rows = []
    return found


def figures(table: Table) -> dict[str, str]:
    return {row[0].strip("`"): row[1] for row in table[1:]}


class Published:
    """A data set folder, its rows, its card in parts."""

    def __init__(self, dataset: Path) -> None:
        self.dataset = dataset
        self.rows = rows_of(dataset)
        self.text = (dataset / "README.md").read_text(encoding="utf-8")
        self.front, self.body = split_card(self.text)
        self.tables = tables(self.body)


@pytest.fixture(scope="module")
def world() -> World:
    return crowded_world()


@pytest.fixture(scope="module")
def published(world: World, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A run in which something is counted everywhere: copies, rejects, conflicts, missing pairs."""
    folder = tmp_path_factory.mktemp("published")
    recipe = prepare(world, folder)
    again = {"caption": world.safe[0].caption}
    also_unsafe = {"caption": world.unsafe[0].caption}
    with Path(recipe["ingest"]["safe"][0]).open("a") as pool:
        for row in (again, again, also_unsafe, {"caption": ""}, {"caption": "a" * 300}):
            pool.write(json.dumps(row) + "\n")
    with Path(recipe["ingest"]["safe"][1]).open("a") as pool:
        pool.write(json.dumps({"caption": "a lamp of which there is no vector"}) + "\n")
    build(
        recipe,
        folder / "work",
        ingest={"max_chars": 200},
        mine={"k": 2, "min_similarity": 0.93},
        grade={"density_weight": 0.5},
        publish={"shard_rows": 30, "title": "Drawers & tables", "license": "cc-by-4.0"},
    )
    return Published(folder / "work" / "dataset")


# Numbers.


def test_the_totals_are_those_of_the_data(published: Published, world: World) -> None:
    counts = Counter(row["split"] for row in published.rows)
    assert figures(published.tables[""]) == {
        "pairs": str(len(published.rows)),
        **{split: str(counts[split]) for split in ("train", "validation", "test")},
        "unsafe captions in the pools": str(len(world.unsafe)),
        "safe captions in the pools": str(len(world.safe) + 1),
        "distinct safe targets": str(len({row["safe_id"] for row in published.rows})),
    }


def test_the_table_of_pools_counts_their_rows(published: Published, world: World) -> None:
    rows = Counter(item.source for item in (*world.unsafe, *world.safe))
    expected = [
        [f"`{name}`", name.split("-")[0], str(count), str(count), "0"]
        for name, count in sorted(rows.items())
    ]
    # Two copies, one unsafe caption and two unusable rows were added to it.
    expected[0] = ["`safe-0.jsonl`", "safe", "52", "50", "1 empty, 1 too_long"]
    expected[1] = ["`safe-1.jsonl`", "safe", "48", "48", "0"]
    assert [rows["safe-0.jsonl"], rows["safe-1.jsonl"]] == [47, 47]
    assert published.tables["pool"][1:] == expected
    assert "2 copies were folded; 1 safe captions were dropped" in published.body


def test_the_table_of_stages_is_that_of_the_data(published: Published) -> None:
    expected = []
    for stage in STAGES:
        sims = [row["sim_text"] for row in published.rows if row["stage"] == stage]
        quartiles = np.round(np.quantile(sims, [0.25, 0.5, 0.75]), 4)
        expected.append([stage, str(len(sims)), *(str(float(value)) for value in quartiles)])
    assert published.tables["level"][1:] == expected


def test_the_borders_on_the_card_part_the_stages(published: Published) -> None:
    line = next(line for line in published.body.splitlines() if line.startswith("4. "))
    named = re.search(r"Easy up to (0\.\d{3}), medium up to (0\.\d{3})\.", line)
    assert named is not None
    easy, medium = map(float, named.groups())
    highest = {
        stage: max(row["difficulty"] for row in published.rows if row["stage"] == stage)
        for stage in STAGES
    }
    assert highest["easy"] <= easy + 0.0005
    assert easy - 0.0005 < highest["medium"] <= medium + 0.0005
    assert medium - 0.0005 < highest["hard"]
    assert "similarity (weight 1.0)" in line
    assert "density (weight 0.5)" in line


def test_the_table_of_categories_is_that_of_the_data(published: Published) -> None:
    counts = Counter(row["category"] or "none" for row in published.rows)
    assert figures(published.tables["category"]) == {
        name: str(count) for name, count in counts.items()
    }
    assert set(counts) == {"weapons", "fire", "none"}


def test_the_most_used_target_is_that_of_the_data(published: Published) -> None:
    uses = Counter(row["safe_id"] for row in published.rows)
    largest = max(uses.values())
    share = largest / len(published.rows)
    assert f"The most used target is in {largest} pairs ({share:.1%} of all)" in published.body
    low_first = np.sort(list(uses.values()))
    gaps = np.abs(low_first[:, None] - low_first[None, :]).sum()
    gini = gaps / (2 * len(low_first) * low_first.sum())
    assert f"Gini coefficient of target use {gini:.3f}." in published.body


def test_unsafe_captions_without_a_pair_are_counted(published: Published, world: World) -> None:
    without = len(world.unsafe) - len({row["unsafe_id"] for row in published.rows})
    assert without > 0
    assert f"Unsafe captions without a pair: {without} below_min_similarity." in published.body
    missing = 2 * len(world.unsafe) - len(published.rows)
    assert missing > 2 * without
    assert f"Counterparts short of 2 per unsafe caption: {missing}." in published.body
    said = (
        f"Pairs below a similarity of 0.93 were set aside: {missing}; no other pair changed by it."
    )
    assert said in published.body
    assert min(row["sim_text"] for row in published.rows) >= 0.93


def test_captions_without_a_vector_are_counted(published: Published) -> None:
    assert "Captions without a vector: 1 not_in_source." in published.body


def test_what_did_not_happen_is_not_on_the_card(odd: Published) -> None:
    assert "Captions without a vector" not in odd.body
    assert "Pairs below a similarity" not in odd.body
    assert "Unsafe captions without a pair: none." in odd.body
    assert "Counterparts short of 1 per unsafe caption: 0." in odd.body


def test_every_column_is_on_the_card_with_its_type_and_meaning(published: Published) -> None:
    found = pq.read_schema(next((published.dataset / "data").glob("*.parquet")))
    spelt = {"float": "float32"}
    assert published.tables["column"][1:] == [
        [
            f"`{field.name}`",
            spelt.get(str(field.type), str(field.type)),
            schema.PUBLISHED_HELP[field.name],
        ]
        for field in found
    ]


def test_the_picture_on_the_card_is_there(published: Published) -> None:
    sources = [
        child.attrs["src"]
        for token in parse(published.body)
        for child in token.children or []
        if child.type == "image"
    ]
    assert sources == ["figures/stages.png"]
    assert (published.dataset / str(sources[0])).read_bytes()[:4] == b"\x89PNG"


def test_the_card_speaks_of_harm_and_limits(published: Published) -> None:
    headings = [line for line in published.body.splitlines() if line.startswith("## ")]
    assert headings[-3:] == ["## HarmCheck", "## Limits", "## Notes"]
    assert published.body.endswith(f"\n\n{own_section.EMPTY}\n")
    assert published.front["extra_gated_fields"]["Intended use"] == "text"


# Front matter.


def test_the_front_matter_says_what_the_hub_needs(published: Published) -> None:
    front = published.front
    assert front["pretty_name"] == "Drawers & tables"
    assert front["license"] == "cc-by-4.0"
    assert front["size_categories"] == ["n<1K"]
    assert "not-for-all-audiences" in front["tags"]
    splits = ["train", "validation", "test"]
    manifest = json.loads((published.dataset / "manifest.json").read_bytes())
    content = digest([file["sha256"] for file in manifest["files"]])
    assert front["configs"] == [
        {
            "config_name": "default",
            "description": f"Content {content[:16]}.",
            "data_files": [{"split": s, "path": f"data/{s}-*.parquet"} for s in splits],
        }
    ]


def test_the_front_matter_counts_rows_and_bytes(published: Published) -> None:
    files = {
        split: sorted((published.dataset / "data").glob(f"{split}-*.parquet"))
        for split in ("train", "validation", "test")
    }
    info = published.front["dataset_info"]
    assert info["splits"] == [
        {
            "name": split,
            "num_examples": sum(pq.read_metadata(path).num_rows for path in paths),
            "num_bytes": sum(path.stat().st_size for path in paths),
        }
        for split, paths in files.items()
    ]
    total = sum(path.stat().st_size for paths in files.values() for path in paths)
    assert (info["download_size"], info["dataset_size"]) == (total, total)


def test_a_split_without_pairs_is_not_named(tmp_path: Path) -> None:
    dataset = release(tiny_world(), tmp_path, publish={"validation_share": 0.0, "test_share": 0.25})
    found = Published(dataset)
    assert [item["split"] for item in found.front["configs"][0]["data_files"]] == ["train", "test"]
    assert [item["name"] for item in found.front["dataset_info"]["splits"]] == ["train", "test"]
    assert "validation" not in figures(found.tables[""])


@pytest.mark.parametrize(
    ("pairs", "size"),
    [
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (10_000, "10K<n<100K"),
        (999_999, "100K<n<1M"),
        (10**7, "10M<n<100M"),
        (10**8, "n>100M"),
    ],
)
def test_the_size_class_is_that_of_the_hub(published: Published, pairs: int, size: str) -> None:
    manifest = json.loads((published.dataset / "manifest.json").read_text())
    manifest["stages"]["publish"]["facts"]["split"] = {"train": pairs}
    front, _ = split_card(
        dataset_card.render(as_dict(PublishSettings()), manifest, schema.PUBLISHED)
    )
    assert front["size_categories"] == [size]


@pytest.mark.parametrize(
    "title", ["Colons: and # signs", "'quoted' \"twice\"", "- a list", "{{ braces }}", "ünïcode 图"]
)
def test_any_title_leaves_the_front_matter_valid(published: Published, title: str) -> None:
    manifest = json.loads((published.dataset / "manifest.json").read_text())
    text = dataset_card.render(as_dict(PublishSettings(title=title)), manifest, schema.PUBLISHED)
    front, body = split_card(text)
    assert front["pretty_name"] == title
    assert f"# {title}\n" in body


def test_a_fact_that_is_missing_is_an_error_and_no_empty_cell(published: Published) -> None:
    import jinja2

    manifest = json.loads((published.dataset / "manifest.json").read_text())
    del manifest["stages"]["mine"]["facts"]["hubs"]["gini"]
    with pytest.raises(jinja2.UndefinedError, match="gini"):
        dataset_card.render(as_dict(PublishSettings()), manifest, schema.PUBLISHED)


# Names from pools.

ODD_NAMES = [
    "a | b",
    "`code`",
    "``",
    "<script>alert(1)</script>",
    "<!-- gone",
    "[link](x) **bold** _it_",
    "back\\slash\\",
    "{{ settings }} {% raw %}",
    "| --- | --- |",
    "&lt; &amp;",
]


def odd_world() -> World:
    """Odd categories, and odd file names: a line break in one, a carriage return in another."""
    world = tiny_world(unsafe=len(ODD_NAMES), safe=12)
    files = ["pipe | tick ` <b>.jsonl", "line\nbreak.jsonl", "carriage\rreturn.jsonl"]
    return World(
        unsafe=[
            replace(item, category=name, source="[x](y) <!--.jsonl")
            for item, name in zip(world.unsafe, ODD_NAMES, strict=True)
        ],
        safe=[
            replace(item, source=files[number % len(files)])
            for number, item in enumerate(world.safe)
        ],
    )


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return Published(release(odd_world(), tmp_path_factory.mktemp("odd")))


def as_code(name: str) -> str:
    return "`" + name.replace("`", "'").replace("|", "/") + "`"


def test_odd_categories_stay_in_their_cells(odd: Published) -> None:
    assert [len(row) for row in odd.tables["category"]] == [2] * (1 + len(ODD_NAMES))
    assert sorted(row[0] for row in odd.tables["category"][1:]) == sorted(map(as_code, ODD_NAMES))
    assert {row[1] for row in odd.tables["category"][1:]} == {"1"}


def test_odd_file_names_stay_in_their_cells(odd: Published) -> None:
    assert odd.tables["pool"][1:] == [
        ["`carriage return.jsonl`", "safe", "4", "4", "0"],
        ["`line break.jsonl`", "safe", "4", "4", "0"],
        ["`pipe / tick ' <b>.jsonl`", "safe", "4", "4", "0"],
        ["`[x](y) <!--.jsonl`", "unsafe", "10", "10", "0"],
    ]


def test_odd_names_are_shown_and_not_obeyed(odd: Published, published: Published) -> None:
    kinds = [
        Counter(child.type for token in parse(item.body) for child in token.children or [])
        for item in (odd, published)
    ]
    blocks = [
        [token.content for token in parse(item.body) if token.type == "html_block"]
        for item in (odd, published)
    ]
    for kind in ("html_inline", "link_open", "strong_open", "em_open", "image"):
        assert kinds[0][kind] == kinds[1][kind]
    ours = [f"{own_section.START}\n", f"{own_section.END}\n"]
    assert blocks == [ours, ours]
    assert list(odd.tables) == list(published.tables)


def test_odd_names_are_kept_as_they_are_in_the_data(odd: Published) -> None:
    assert sorted(row["category"] for row in odd.rows) == sorted(ODD_NAMES)
    assert {row["unsafe_source"] for row in odd.rows} == {"[x](y) <!--.jsonl"}
    assert {row["safe_source"] for row in odd.rows} <= {item.source for item in odd_world().safe}
