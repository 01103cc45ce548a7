"""The card of a world: its numbers recounted from the pools."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from jinja2 import UndefinedError
from support.shell import call

from nsfwcaps import schema
from nsfwcaps.cards import world as world_card
from nsfwcaps.world import distance
from nsfwcaps.world.picture import drawn_with
from nsfwcaps.world.vocabulary import HAZARDS, OBJECTS

OPTIONS = ("--scenes", 50, "--unsafe", 0.6, "--looseness", 1, "--split", "test", "--seed", 5)

FACTS = {
    "safe": 12345,
    "unsafe": 6789,
    "held_out": 4321,
    "category": {"weapon": 6000, "alcohol": 789},
    "edit": {"replaced": 5000, "added": 1789},
    "partner_distance": 2.125,
    "drawn_with": {"pillow": "1.2", "fontawesomefree": "3.4"},
}
SETTINGS = {"scenes": 19134, "unsafe": 0.35, "looseness": 1.5, "split": "validation", "seed": 9}


def draw(folder: Path, *options: object) -> Path:
    """Draw a world, and return its pools."""
    assert call("world", "--out", folder, *options).code == 0
    return folder / "pools"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the pools of a small world of the test split."""
    return draw(tmp_path_factory.mktemp("card") / "world", *OPTIONS)


@pytest.fixture(scope="module")
def card(world: Path) -> str:
    return (world / "README.md").read_text()


def rows(world: Path, label: str) -> list[dict[str, Any]]:
    return [
        row
        for path in sorted((world / label).glob("*.parquet"))
        for row in pq.read_table(path, partitioning=None).to_pylist()
    ]


def cells(card: str) -> dict[str, str]:
    """Second cell of every row of a table, by its first."""
    return dict(re.findall(r"^\| (.+?) \| (.+) \|$", card, flags=re.MULTILINE))


def test_numbers_are_those_of_the_pools(world: Path, card: str) -> None:
    safe, unsafe = rows(world, "safe"), rows(world, "unsafe")
    assert (len(safe), len(unsafe)) == (20, 30)
    assert f"{len(safe)} safe and {len(unsafe)} unsafe scenes" in card
    said = cells(card)
    held_out = sum(row["held_out"] for row in (*safe, *unsafe))
    assert held_out > 0
    assert said["scenes with held-out objects, hazards or phrasings"] == str(held_out)
    mean = sum(row["partner_distance"] for row in unsafe) / len(unsafe)
    shown = said["mean distance of an unsafe scene to its fixed partner"]
    assert float(shown) == pytest.approx(mean, abs=0.0006)
    assert said["split"] == "test"
    assert said["requested looseness"] == "1.0"


def test_categories_are_those_of_the_pools(world: Path, card: str) -> None:
    said = {name: int(count) for name, count in re.findall(r"\| category `(.+)` \| (\d+) \|", card)}
    assert said == Counter(row["category"] for row in rows(world, "unsafe"))
    assert [*said] == sorted(said)
    edits = Counter(row["edit"] for row in rows(world, "unsafe"))
    assert set(edits) == {"added", "replaced"}
    assert {edit: int(cells(card)[f"hazard {edit}"]) for edit in edits} == edits


def test_every_column_is_explained(card: str) -> None:
    said = cells(card)
    for column in schema.WORLD_UNSAFE.names:
        assert said[f"`{column}`"] == schema.WORLD_HELP[column]


def test_command_draws_this_world(world: Path, card: str, tmp_path: Path) -> None:
    line = next(line for line in card.splitlines() if line.startswith("nsfwcaps world"))
    arguments = shlex.split(line.replace("FOLDER", str(tmp_path)))[1:]
    assert call(*arguments).code == 0
    for name in ("README.md", "sheet.jpg"):
        assert (tmp_path / "pools" / name).read_bytes() == (world / name).read_bytes()
    for label in ("safe", "unsafe"):
        assert rows(tmp_path / "pools", label) == rows(world, label)


def test_command_that_mines_it_finds_the_pools(world: Path, card: str, tmp_path: Path) -> None:
    line = next(line for line in card.splitlines() if line.startswith("nsfwcaps build"))
    assert "FOLDER/pools/" in line
    line = line.replace("FOLDER/pools", str(world)).replace("RUN", str(tmp_path / "run"))
    plan = call(*shlex.split(line)[1:], "--dry-run", "--json").json["plan"]
    assert plan["ingest"]["pool_files"] == 2


def test_costs_and_vocabulary(card: str) -> None:
    assert f"{len(OBJECTS)} safe objects and {len(HAZARDS)} hazards" in card
    for name in ("thing", "noun", "category", "colour", "relation", "place"):
        assert f"{name} {getattr(distance, f'COST_{name.upper()}')}" in card


def test_attribution(card: str) -> None:
    licence = card.split("## Licence")[1]
    for words in ("Font Awesome Free", "CC BY 4.0", "SIL OFL 1.1", "Fonticons, Inc."):
        assert words in licence


def test_versions_that_drew_it(card: str) -> None:
    for name, version in drawn_with().items():
        assert f"{name} {version}" in card


def test_picture_that_it_shows_is_there(world: Path, card: str) -> None:
    shown = re.findall(r"!\[.*\]\((.+)\)", card)
    assert shown == ["sheet.jpg"]
    assert (world / shown[0]).read_bytes()[:2] == b"\xff\xd8"


def test_no_caption_is_on_it(world: Path, card: str) -> None:
    for label in ("safe", "unsafe"):
        assert not [row["id"] for row in rows(world, label) if row["caption"] in card]


def test_render_says_what_it_is_given() -> None:
    text = world_card.render(SETTINGS, FACTS)
    assert "12,345 safe and 6,789 unsafe" in text
    assert "--scenes 19134 --unsafe 0.35 --looseness 1.5 --split validation --seed 9" in text
    said = cells(text)
    assert said["scenes with held-out objects, hazards or phrasings"] == "4,321"
    assert said["category `weapon`"] == "6,000"
    assert said["category `alcohol`"] == "789"
    assert said["hazard added"] == "1,789"
    assert said["mean distance of an unsafe scene to its fixed partner"] == "2.125"
    assert "pillow 1.2, fontawesomefree 3.4." in text
    assert "{" not in text


def test_world_without_unsafe_scenes(tmp_path: Path) -> None:
    pools = draw(tmp_path, "--scenes", 6, "--unsafe", 0)
    text = (pools / "README.md").read_text()
    assert "6 safe and 0 unsafe scenes" in text
    assert cells(text)["split"] == "train"
    for words in (
        "None",
        "sheet.jpg",
        "requested looseness",
        "mean distance",
        "category `",
        "| hazard",
    ):
        assert words not in text
    assert sorted(path.name for path in pools.iterdir()) == ["README.md", "safe"]


def test_fact_that_is_missing_is_an_error() -> None:
    facts = {name: value for name, value in FACTS.items() if name != "partner_distance"}
    with pytest.raises(UndefinedError, match="partner_distance"):
        world_card.render(SETTINGS, facts)


def test_changed_words_change_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    before = world_card.template_digest()
    assert world_card.template_digest() == before
    monkeypatch.setattr(world_card, "WORLD_HELP", {**schema.WORLD_HELP, "id": "another text"})
    assert world_card.template_digest() != before
