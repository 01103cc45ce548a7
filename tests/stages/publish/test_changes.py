"""What became of the pairs of a data set that another replaces, against counting by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_release import World, build, prepare, rows_of, tiny_world

from nsfwcaps import pipeline, recipes
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.pipeline import StageOutcome
from nsfwcaps.progress import Silent
from nsfwcaps.stage_delivery import LEDGER
from nsfwcaps.stages.publish import replaced
from nsfwcaps.stages.publish.changes import compare

Pair = tuple[str, str, int, str, str]


def table(*pairs: Pair) -> pa.Table:
    names = ("unsafe_id", "safe_id", "rank", "split", "stage")
    types = [pa.int64() if name == "rank" else pa.string() for name in names]
    schema = pa.schema(zip(names, types, strict=True))
    return pa.Table.from_pylist([dict(zip(names, pair, strict=True)) for pair in pairs], schema)


def counts(*values: int) -> dict[str, int]:
    names = ("pairs", "kept", "gone", "new", "to_another_target", "to_another_split")
    return dict(zip((*names, "to_another_level"), values, strict=True))


def test_one_pair_each() -> None:
    old = table(
        ("u1", "s1", 1, "train", "easy"),
        ("u2", "s2", 1, "train", "easy"),
        ("u3", "s3", 1, "test", "hard"),
        ("u4", "s4", 1, "test", "hard"),
    )
    new = table(
        ("u4", "s9", 1, "train", "easy"),  # another target, split and level
        ("u1", "s1", 1, "train", "easy"),  # as it was
        ("u3", "s3", 1, "test", "easy"),  # another level
        ("u5", "s2", 1, "train", "easy"),  # new; u2 is gone
    )
    assert compare(old, new) == counts(4, 3, 1, 1, 1, 1, 2)
    assert compare(old, old) == counts(4, 4, 0, 0, 0, 0, 0)
    assert compare(old, old.slice(0, 0)) == counts(4, 0, 4, 0, 0, 0, 0)
    assert compare(old.slice(0, 0), old) == counts(0, 0, 0, 4, 0, 0, 0)


def test_several_pairs_each_match_by_target_and_then_by_rank() -> None:
    old = table(
        ("u1", "s1", 1, "train", "easy"),
        ("u1", "s2", 2, "train", "medium"),
        ("u1", "s3", 3, "train", "hard"),
        ("u2", "s1", 1, "train", "easy"),
    )
    new = table(
        ("u1", "s2", 1, "train", "medium"),  # the same pair at another rank
        ("u1", "s8", 2, "train", "hard"),  # for s1, the better of the other two: another level
        ("u2", "s1", 1, "train", "easy"),
        ("u2", "s2", 2, "train", "easy"),  # new
    )
    assert compare(old, new) == counts(4, 3, 1, 1, 1, 0, 1)


pairs = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")),
    st.tuples(st.sampled_from(["train", "test"]), st.sampled_from(["easy", "hard"])),
    max_size=12,
)


def ranked(found: dict[tuple[str, str], tuple[str, str]]) -> list[Pair]:
    seen: dict[str, int] = {}
    out = []
    for (unsafe, safe), (split, stage) in found.items():
        seen[unsafe] = seen.get(unsafe, 0) + 1
        out.append((unsafe, safe, seen[unsafe], split, stage))
    return out


@given(before=pairs, after=pairs)
def test_counts_agree_with_going_through_the_captions_one_by_one(
    before: dict[tuple[str, str], tuple[str, str]], after: dict[tuple[str, str], tuple[str, str]]
) -> None:
    old, new = ranked(before), ranked(after)
    kept, targets, splits, levels = 0, 0, 0, 0
    for unsafe in "abcd":
        was = [pair for pair in old if pair[0] == unsafe]
        now = [pair for pair in new if pair[0] == unsafe]
        same = [(a, b) for a in was for b in now if a[1] == b[1]]
        matched = [a for a, _ in same], [b for _, b in same]
        others = [
            sorted((p for p in of if p not in known), key=lambda pair: pair[2])
            for of, known in zip((was, now), matched, strict=True)
        ]
        moved = [*zip(*others, strict=False)]
        kept += len(same) + len(moved)
        targets += len(moved)
        splits += sum(a[3] != b[3] for a, b in [*same, *moved])
        levels += sum(a[4] != b[4] for a, b in [*same, *moved])
    expected = counts(len(old), kept, len(old) - kept, len(new) - kept, targets, splits, levels)
    assert compare(table(*old), table(*new)) == expected


def test_the_line_names_what_is_not_zero() -> None:
    said = {name: replaced({"changes": found}) for name, found in LINES.items()}
    assert said == {
        "all": "replaces 1,174 pairs: 1,153 kept (45 to another target, 3 to another split, 81 to "
        "another level), 21 gone, 1,021 new",
        "gone": "replaces 10 pairs: 9 kept, 1 gone, 0 new",
        "moved": "replaces 10 pairs: 10 kept (2 to another level), 0 gone, 0 new",
        "same": "replaces 10 pairs by the same ones",
    }
    assert replaced({}) is None


LINES = {
    "all": counts(1174, 1153, 21, 1021, 45, 3, 81),
    "gone": counts(10, 9, 1, 0, 0, 0, 0),
    "moved": counts(10, 10, 0, 0, 0, 0, 2),
    "same": counts(10, 10, 0, 0, 0, 0, 0),
}


# In a run.


@pytest.fixture
def recipe(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return prepare(tiny_world(unsafe=12, safe=20), tmp_path)


def without(recipe: dict[str, dict[str, Any]], count: int) -> None:
    """Take the last unsafe captions out of the pool."""
    path = Path(recipe["ingest"]["unsafe"][0])
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-count]))


def changed(work: Path) -> dict[str, int] | None:
    record = StageFolder(work / "publish").record()
    assert record is not None
    found: dict[str, int] | None = record.facts.get("changes")
    return found


def test_the_first_data_set_replaces_none(tmp_path: Path, recipe: dict[str, Any]) -> None:
    build(recipe, tmp_path / "work")
    assert changed(tmp_path / "work") is None
    build(recipe, tmp_path / "work")
    assert changed(tmp_path / "work") is None


def test_counts_are_those_of_the_two_data_sets(tmp_path: Path, recipe: dict[str, Any]) -> None:
    work = tmp_path / "work"
    build(recipe, work)
    before = rows_of(work / "dataset")
    without(recipe, 3)
    build(recipe, work)
    after = {row["unsafe_id"]: row for row in rows_of(work / "dataset")}
    kept = [(row, after[row["unsafe_id"]]) for row in before if row["unsafe_id"] in after]
    assert len(kept) == len(after) == 9
    assert changed(work) == counts(
        len(before),
        9,
        3,
        0,
        sum(a["safe_id"] != b["safe_id"] for a, b in kept),
        0,
        sum(a["stage"] != b["stage"] for a, b in kept),
    )


def test_neither_card_nor_manifest_nor_digest_depends_on_what_was_there(
    tmp_path: Path, recipe: dict[str, Any]
) -> None:
    build(recipe, tmp_path / "work")
    without(recipe, 3)
    one = build(recipe, tmp_path / "work")["publish"]
    other = build(recipe, tmp_path / "fresh")["publish"]
    assert one.output_digest == other.output_digest
    assert "changes" in one.facts
    assert "changes" not in other.facts
    for name in ("README.md", "manifest.json"):
        places = (tmp_path / run / "dataset" / name for run in ("work", "fresh"))
        assert len({path.read_bytes() for path in places}) == 1


class Kill(BaseException):
    """The end of the process."""


@pytest.mark.parametrize(
    "place",
    [
        "nsfwcaps.stages.publish.run._write_papers",
        "nsfwcaps.artifacts.StageFolder._remove_superseded",
        "nsfwcaps.stage_delivery.copy",
        "nsfwcaps.pipeline.deliver",
    ],
)
def test_a_killed_run_compares_with_what_users_had(
    tmp_path: Path, recipe: dict[str, Any], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    build(recipe, work)
    without(recipe, 3)

    def stop(*args: object, **named: object) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(place, stop)
        with pytest.raises(Kill):
            build(recipe, work)
    found = build(recipe, work)["publish"].facts["changes"]
    assert (found["pairs"], found["kept"], found["gone"]) == (12, 9, 3)


def test_a_data_set_that_was_never_delivered_is_not_compared_with(
    tmp_path: Path, recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 pairs are delivered, a run of 9 is killed before delivery, then come 7."""
    work = tmp_path / "work"
    build(recipe, work)
    without(recipe, 3)

    def stop(*args: object) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr("nsfwcaps.pipeline.deliver", stop)
        with pytest.raises(Kill):
            build(recipe, work)
    without(recipe, 2)
    found = build(recipe, work)["publish"].facts["changes"]
    assert (found["pairs"], found["kept"], found["gone"]) == (12, 7, 5)


def outcomes(recipe: dict[str, Any], work: Path) -> dict[str, list[str]]:
    """What each stage says, by name."""
    found: list[StageOutcome] = []
    pipeline.run(recipes.parse(recipe, where="test"), work, Silent(), found.append)
    return {item.record.stage: pipeline.notes(item) for item in found}


def test_the_line_is_said_once(tmp_path: Path, recipe: dict[str, Any]) -> None:
    work = tmp_path / "work"
    assert "replaces" not in str(outcomes(recipe, work))
    without(recipe, 3)
    said = outcomes(recipe, work)["publish"]
    assert said[0].startswith("replaces 12 pairs: 9 kept")
    assert "replaces" not in str(outcomes(recipe, work))


def test_it_is_said_after_a_kill_before_delivery(
    tmp_path: Path, recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    build(recipe, work)
    without(recipe, 3)

    def stop(*args: object) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr("nsfwcaps.pipeline.deliver", stop)
        with pytest.raises(Kill):
            build(recipe, work)
    assert outcomes(recipe, work)["publish"][0].startswith("replaces 12 pairs: 9 kept")


def test_a_run_of_an_earlier_version_is_compared_with_too(
    tmp_path: Path, recipe: dict[str, Any]
) -> None:
    """It has hard links, and no list of what was delivered."""
    work = tmp_path / "work"
    record = build(recipe, work)["publish"]
    (work / "publish" / LEDGER).unlink()
    for file in record.files:
        path = work.joinpath("dataset", *Path(file.path).parts[1:])
        path.unlink()
        os.link(work / "publish" / file.path, path)
    without(recipe, 3)
    said = outcomes(recipe, work)["publish"]
    assert said[0].startswith("replaces 12 pairs: 9 kept")
    assert not any("edited" in line for line in said)


@pytest.mark.parametrize(
    "harm", ["moved away", "no Parquet", "other columns", "fewer rows", "one gone"]
)
def test_a_data_set_that_was_edited_is_counted_by_what_was_delivered(
    tmp_path: Path, recipe: dict[str, Any], harm: str
) -> None:
    work = tmp_path / "work"
    build(recipe, work)
    files = sorted((work / "dataset" / "data").iterdir())
    if harm == "moved away":
        (work / "dataset").rename(tmp_path / "archive")
    elif harm == "one gone":
        files[0].unlink()
    else:
        for path in files:
            if harm == "no Parquet":
                path.write_text("?")
            elif harm == "fewer rows":
                pq.write_table(pq.read_table(path, partitioning=None).slice(1), path)
            else:
                pq.write_table(pa.table({"caption": ["a vase"]}), path)
    without(recipe, 3)
    said = outcomes(recipe, work)["publish"]
    assert said[0].startswith("replaces 12 pairs: 9 kept")


def test_edited_files_are_named_where_nothing_else_is_left(
    tmp_path: Path, recipe: dict[str, Any]
) -> None:
    work = tmp_path / "work"
    build(recipe, work)
    train = next((work / "dataset" / "data").glob("train-*"))
    kept = pq.read_table(train, partitioning=None).slice(1)
    pq.write_table(kept, train)
    for path in (work / "publish").glob("*/data/*"):
        path.unlink()
    without(recipe, 3)
    said = outcomes(recipe, work)["publish"]
    assert said[0].startswith("replaces 11 pairs of your edited files: ")


def test_several_counterparts_each(tmp_path: Path, recipe: dict[str, Any]) -> None:
    work = tmp_path / "work"
    build(recipe, work, mine={"k": 2, "rank": "cosine"})
    build(recipe, work, mine={"k": 1, "rank": "cosine"})
    found = changed(work)
    assert found is not None
    assert (found["pairs"], found["kept"], found["gone"], found["new"]) == (24, 12, 12, 0)
    assert found["to_another_target"] == 0


def test_worlds_are_as_this_file_takes_them() -> None:
    world: World = tiny_world(unsafe=12, safe=20)
    assert (len(world.unsafe), len(world.safe)) == (12, 20)
