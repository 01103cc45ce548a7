"""publish: near-duplicates of many captions, found by hashes instead of by comparing all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.small_release import World, build, bytes_of, crowded_world, prepare, release, rows_of

from nsfwcaps.stages.publish import near_captions
from nsfwcaps.vectors.bucket_join import join_buckets

SETTINGS: dict[str, dict[str, Any]] = {
    "mine": {"rank": "cosine"},
    "publish": {"validation_share": 0.2, "test_share": 0.2, "near_duplicate": 0.93},
}


@pytest.fixture(scope="module")
def world() -> World:
    return crowded_world()


@pytest.fixture(scope="module")
def exact(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release(world, tmp_path_factory.mktemp("exact"), **SETTINGS)


@pytest.fixture
def by_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_captions, "EXACT_NODES", 10)


def facts_of(dataset: Path) -> dict[str, Any]:
    manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    facts: dict[str, Any] = manifest["stages"]["publish"]["facts"]
    return facts


def test_pairs_and_splits_are_those_of_comparing_all(
    world: World, exact: Path, tmp_path: Path, by_hashes: None
) -> None:
    hashed = release(world, tmp_path, **SETTINGS)
    assert rows_of(hashed) == rows_of(exact)
    one, other = facts_of(exact), facts_of(hashed)
    joined = [of["links"]["near_duplicate_captions"]["joined"] for of in (one, other)]
    assert joined[0] == joined[1] > 5
    assert other["groups"] == one["groups"]
    # Only links that join something are counted.
    assert joined[1] <= other["near_duplicates"] < one["near_duplicates"]


def test_the_card_says_how_near_duplicates_were_found(
    world: World, exact: Path, tmp_path: Path, by_hashes: None
) -> None:
    hashed = release(world, tmp_path, **SETTINGS)
    search = facts_of(hashed)["near_duplicate_search"]
    assert search["by"] == "random hyperplanes"
    assert 0.999 <= search["probability"] < 1
    line = f"by {search['tables']} tables of {search['bits']} random hyperplanes"
    assert line in (hashed / "README.md").read_text(encoding="utf-8")
    assert "near_duplicate_search" not in facts_of(exact)
    assert "hyperplanes" not in (exact / "README.md").read_text(encoding="utf-8")


def test_a_killed_search_goes_on_with_the_next_table(
    world: World, tmp_path: Path, by_hashes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = release(world, tmp_path / "whole", **SETTINGS)
    tables = 0

    def stopping(*given: Any) -> Any:
        nonlocal tables
        tables += 1
        if tables == 4:
            raise KeyboardInterrupt
        return join_buckets(*given)

    monkeypatch.setattr(near_captions, "join_buckets", stopping)
    recipe = prepare(world, tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        build(recipe, tmp_path / "stopped" / "work", **SETTINGS)
    build(recipe, tmp_path / "stopped" / "work", **SETTINGS)
    assert tables == facts_of(whole)["near_duplicate_search"]["tables"] + 1
    assert bytes_of(tmp_path / "stopped" / "work" / "dataset") == bytes_of(whole)


def test_ids_are_numbered_in_their_order_over_several_columns() -> None:
    from nsfwcaps.stages.publish.nodes import numbered

    one = pa.chunked_array([["b", "d"], ["b"]])
    other = pa.chunked_array([pa.array([None, "a", "d"], pa.string())])
    names, (first, second) = numbered([one, other])
    assert names.to_pylist() == ["a", "b", "d"]
    assert first.tolist() == [1, 2, 1]
    assert second.tolist() == [-1, 0, 2]
