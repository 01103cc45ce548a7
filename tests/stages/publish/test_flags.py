"""publish, flags: those of both captions of each pair, only where a pair has one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_release import World, build, prepare, rows_of, tiny_world

from nsfwcaps import schema
from nsfwcaps.artifacts import FLAGGED, StageRecord
from nsfwcaps.captions.normalize import content_id
from nsfwcaps.cards import dataset as dataset_card
from nsfwcaps.encoders.imported import ImportedVectors
from nsfwcaps.stages.publish.flags import PairFlags

NOTHING_HELD_OUT = {"validation_share": 0.0, "test_share": 0.0}


class Written:
    """The files of a stage, as a record gives them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, list[Path]] = {}

    def add(self, group: str, table: pa.Table) -> Written:
        files = self._files.setdefault(group, [])
        path = self._folder / f"{group}-{len(files)}.parquet"
        pq.write_table(table, path)
        files.append(path)
        return self

    def paths(self, group: str) -> list[Path]:
        return self._files.get(group, [])


def flags_of(folder: Path, embed: Mapping[str, str], ingest: Mapping[str, list[str]]) -> PairFlags:
    """Flags by id: those of embed, and the column that ingest's screen of safe captions writes."""
    of_embed, of_ingest = (Written(folder / name) for name in ("embed", "ingest"))
    for name in ("embed", "ingest"):
        (folder / name).mkdir()
    if embed:
        columns = {"id": [*embed], "flag": [*embed.values()]}
        of_embed.add(FLAGGED, pa.table(columns, schema=schema.FLAGGED_IDS))
    kinds = {"id": pa.string(), "flags": pa.list_(pa.string())}
    of_ingest.add("unsafe", pa.table({"id": ["u1"], "flags": [[]]}, schema=pa.schema(kinds)))
    for part in (dict([item]) for item in ingest.items()):
        columns = {"id": [*part], "flags": [*part.values()]}
        of_ingest.add("safe", pa.table(columns, schema=pa.schema(kinds)))
    return PairFlags(cast(Mapping[str, StageRecord], {"embed": of_embed, "ingest": of_ingest}))


def pairs(*rows: tuple[str, str]) -> pa.Table:
    return pa.table({"unsafe_id": [u for u, _ in rows], "safe_id": [s for _, s in rows]})


def test_each_pair_has_the_flags_of_both_captions(tmp_path: Path) -> None:
    flags = flags_of(
        tmp_path,
        {"u1": "truncated", "s1": "truncated", "s2": "non_latin"},
        {"s1": ["hazard", "near_unsafe"], "s3": []},
    )
    found = flags.column(pairs(("u1", "s1"), ("u2", "s2"), ("u1", "s3"), ("u2", "s3")))
    assert [sorted(item) for item in found.to_pylist()] == [
        ["safe_hazard", "safe_near_unsafe", "safe_truncated", "unsafe_truncated"],
        ["safe_non_latin"],
        ["unsafe_truncated"],
        [],
    ]


@given(
    of=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["truncated", "non_latin"])),
    rows=st.lists(st.tuples(st.sampled_from("abcx"), st.sampled_from("defy")), max_size=12),
)
def test_flags_are_those_of_a_look_up_of_each_caption(
    tmp_path_factory: pytest.TempPathFactory, of: dict[str, str], rows: list[tuple[str, str]]
) -> None:
    flags = flags_of(tmp_path_factory.mktemp("flags"), of, {})
    expected = [
        sorted(
            f"{side}_{of[item]}"
            for side, item in (("unsafe", u), ("safe", s))
            if item in of
        )
        for u, s in rows
    ]  # fmt: skip
    column = flags.column(pairs(*rows)) if rows else pa.array([])
    assert [sorted(item) for item in column.to_pylist()] == expected


def test_only_kept_pairs_count(tmp_path: Path) -> None:
    flags = flags_of(tmp_path, {"u1": "truncated"}, {})
    (tmp_path / "grade").mkdir()
    grade = Written(tmp_path / "grade")
    grade.add("pairs", pairs(("u2", "s1"), ("u2", "s2"))).add("pairs", pairs(("u1", "s1")))
    record = cast(StageRecord, grade)
    assert flags.any(record, np.array([True, True, True]))
    assert not flags.any(record, np.array([True, True, False]))


def facts_of(dataset: Path) -> dict[str, Any]:
    manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    facts: dict[str, Any] = manifest["stages"]["publish"]["facts"]
    return facts


def windowed(monkeypatch: pytest.MonkeyPatch, words: int) -> None:
    """Let imported vectors come from an encoder of a known window."""

    def truncated(encoder: ImportedVectors, captions: list[str]) -> np.ndarray:
        return np.array([len(item.split()) > words for item in captions])

    monkeypatch.setattr(ImportedVectors, "truncated", truncated)


def longer(world: World) -> World:
    first = SimpleNamespace(**vars(world.unsafe[0]))
    first.caption = "a handgun in a drawer of the long table"
    return World(unsafe=[cast(Any, first), *world.unsafe[1:]], safe=world.safe)


def test_a_data_set_says_which_pairs_and_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windowed(monkeypatch, 5)
    world = longer(tiny_world())
    build(prepare(world, tmp_path), tmp_path / "work", publish=NOTHING_HELD_OUT)
    dataset = tmp_path / "work" / "dataset"
    flags = {row["unsafe_id"]: row["flags"] for row in rows_of(dataset)}
    long = content_id(world.unsafe[0].caption)
    assert flags == {name: ["unsafe_truncated"] if name == long else [] for name in flags}
    assert facts_of(dataset)["flags"] == {"unsafe_truncated": 1}
    card = (dataset / "README.md").read_text(encoding="utf-8")
    assert "| `unsafe_truncated` | 1 | the unsafe caption is longer than" in card
    assert "| `flags` | list of string | " in card

    import datasets

    loaded = datasets.load_dataset(str(dataset), cache_dir=str(tmp_path / "cache"))["train"]
    assert sorted(loaded["flags"]) == sorted(flags.values())


def test_without_flags_there_is_no_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    windowed(monkeypatch, 50)
    build(prepare(tiny_world(), tmp_path), tmp_path / "work", publish=NOTHING_HELD_OUT)
    dataset = tmp_path / "work" / "dataset"
    assert "flags" not in rows_of(dataset)[0]
    assert "flags" not in facts_of(dataset)
    assert "## Flags" not in (dataset / "README.md").read_text(encoding="utf-8")


def test_imported_vectors_leave_it_unknown(tmp_path: Path) -> None:
    records = build(prepare(tiny_world(), tmp_path), tmp_path / "work")
    assert records["embed"].facts["truncated"] == {"safe": None, "unsafe": None}
    card = (tmp_path / "work" / "dataset" / "README.md").read_text(encoding="utf-8")
    assert "Whether captions exceed its window is unknown, as the vectors were imported." in card


@pytest.mark.parametrize("flag", [*schema.FLAG_HELP])
@pytest.mark.parametrize("side", ["unsafe", "safe"])
def test_every_flag_has_its_words(side: str, flag: str) -> None:
    assert dataset_card._flag_help(f"{side}_{flag}").startswith(f"the {side} caption is ")
