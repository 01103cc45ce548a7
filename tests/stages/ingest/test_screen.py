"""Safe captions that look unsafe by their words, and captions of benchmarks."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support.ingest_place import Place, copies, rejects, table

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.enums import Screen
from nsfwcaps.errors import InputError
from nsfwcaps.pipeline import headline
from nsfwcaps.stages.ingest import read

UNSAFE = ["A woman holding a red knife next to a blue cup.", "A handgun on a table."]
SAFE = {
    "A vase on a table.": None,
    "A woman holding a red vase next to a blue cup.": None,
    "Two cups and a handgun.": ["hazard"],
    "A red cup, a blue woman, knives held": None,
    "The blue cup: a WOMAN holds a red knife outside": ["near_unsafe"],
    "A small handgun on the tables": ["hazard", "near_unsafe"],
    "A man smoking outside.": ["hazard"],
}


def flags(record: StageRecord) -> dict[str, Any]:
    return {row["caption"]: row["flags"] for row in table(record, "safe").to_pylist()}


@pytest.fixture
def pools(place: Place) -> dict[str, Any]:
    """The captions above, one of them twice."""
    return {
        "safe": (place.pool("safe.jsonl", [*SAFE, "Two cups and a handgun."]),),
        "unsafe": (place.pool("unsafe.jsonl", UNSAFE),),
    }


def test_by_default_captions_are_flagged_and_kept(place: Place, pools: dict[str, Any]) -> None:
    record = place.ingest(**pools)
    assert flags(record) == SAFE
    assert {row["flags"] for row in table(record, "unsafe").to_pylist()} == {None}
    assert record.facts["safe_side"] == {
        "screen": "flag",
        "screened": 7,
        "flagged": 4,
        "hazard": 3,
        "near_unsafe": 2,
        "detectors": [],
    }
    assert headline(record) == (
        "7 safe and 2 unsafe captions; 4 safe flagged (3 hazard, 2 near_unsafe)"
    )


def test_dropped_captions_are_rejects_with_every_copy(place: Place, pools: dict[str, Any]) -> None:
    record = place.ingest(**pools, screen=Screen.DROP)
    assert flags(record) == {caption: None for caption, found in SAFE.items() if not found}
    assert record.rejects == {"hazard": 4, "near_unsafe": 1}
    assert headline(record) == ("3 safe and 2 unsafe captions; set aside: 4 hazard, 1 near_unsafe")
    assert sorted(rejects(record)) == [
        ("safe.jsonl", 2, "hazard", "safe", b"Two cups and a handgun."),
        (
            *("safe.jsonl", 4, "near_unsafe", "safe"),
            b"The blue cup: a WOMAN holds a red knife outside",
        ),
        ("safe.jsonl", 5, "hazard", "safe", b"A small handgun on the tables"),
        ("safe.jsonl", 6, "hazard", "safe", b"A man smoking outside."),
        ("safe.jsonl", 7, "hazard", "safe", b"Two cups and a handgun."),
    ]
    assert record.facts["safe_side"]["flagged"] == 4
    assert record.facts["copies_folded"] == 0


def test_screen_can_be_off(place: Place, pools: dict[str, Any]) -> None:
    record = place.ingest(**pools, screen=Screen.OFF)
    assert {*map(str, flags(record).values())} == {"None"}
    assert (record.facts["safe_side"]["screen"], record.facts["safe_side"]["screened"]) == (
        "off",
        0,
    )
    assert headline(record) == "7 safe and 2 unsafe captions"


def test_copy_of_few_words_is_known_by_its_fold_key(place: Place) -> None:
    safe = place.pool("safe.jsonl", ["A KNIFE!", "a vase", "The knife"])
    unsafe = place.pool("unsafe.jsonl", ["a knife"])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,))
    assert flags(record) == {"A KNIFE!": ["near_unsafe"], "a vase": None, "The knife": None}


def test_mixed_pool_is_screened_too(place: Place) -> None:
    rows = [{"caption": text, "nsfw": text in UNSAFE} for text in (*SAFE, *UNSAFE)]
    pool = place.pool("pool.jsonl", rows)
    assert flags(place.ingest(pool=(pool,), label_column="nsfw")) == SAFE


@pytest.mark.parametrize("screen", [Screen.FLAG, Screen.DROP])
def test_order_files_and_shards_do_not_matter(
    place: Place, pools: dict[str, Any], monkeypatch: pytest.MonkeyPatch, screen: Screen
) -> None:
    whole = place.ingest("whole", **pools, screen=screen)
    rows = [*SAFE, "Two cups and a handgun."]
    random.Random(3).shuffle(rows)
    unsafe = place.pool("u.jsonl", UNSAFE[::-1])
    parts = tuple(place.pool(f"{n}.jsonl", rows[n::3]) for n in range(3))
    monkeypatch.setattr(read, "_CHUNK_ROWS", 2)
    other = place.ingest("parts", safe=parts, unsafe=(unsafe,), shard_rows=1, screen=screen)
    assert flags(other) == flags(whole)
    assert copies(other, "safe") == copies(whole, "safe")
    assert other.facts["safe_side"] == whole.facts["safe_side"]
    assert other.rejects == whole.rejects


def test_other_screen_runs_again(place: Place, pools: dict[str, Any]) -> None:
    assert flags(place.ingest(**pools)) == SAFE
    assert place.ingest(**pools, screen=Screen.DROP).facts["captions"] == {"safe": 3, "unsafe": 2}
    assert flags(place.ingest(**pools)) == SAFE


def test_unsafe_caption_that_is_added_flags_captions_of_finished_shards(
    place: Place, pools: dict[str, Any]
) -> None:
    place.ingest(**pools)
    more = place.pool("more.jsonl", ["The vase on the tables"])
    record = place.ingest(**pools | {"unsafe": (*pools["unsafe"], more)})
    assert flags(record) == SAFE | {"A vase on a table.": ["near_unsafe"]}


def test_nothing_left_is_an_error(place: Place) -> None:
    safe = place.pool("safe.jsonl", ["A handgun.", "A man smoking"])
    unsafe = place.pool("unsafe.jsonl", ["A knife"])
    with pytest.raises(InputError, match=r"no safe caption is left .*\(2 hazard\).*--screen"):
        place.ingest(safe=(safe,), unsafe=(unsafe,), screen=Screen.DROP)


class TestExclude:
    """Benchmark files."""

    def test_captions_leave_both_sides(self, place: Place) -> None:
        safe = place.pool(
            "safe.jsonl", ["a VASE on a table!", "a vase on a table", "A cup on a desk", "A kite"]
        )
        unsafe = place.pool("unsafe.jsonl", ["A knife on a desk", "A knife on a chair", "A gun"])
        benchmark = place.write(
            "test-set.csv",
            "caption,nsfw_caption\nA vase on a table,Desks with a knife\nA bed,A rifle\n",
        )
        other = place.write("i2p.csv", "prompt\nA desk with a cup\n")
        record = place.ingest(safe=(safe,), unsafe=(unsafe,), exclude=(benchmark, other))
        assert copies(record, "safe") == {"A kite": 1}
        assert copies(record, "unsafe") == {"A knife on a chair": 1, "A gun": 1}
        assert record.rejects == {"in_benchmark": 4}
        assert sorted(item[:4] for item in rejects(record)) == [
            ("safe.jsonl", 0, "in_benchmark", "safe"),
            ("safe.jsonl", 1, "in_benchmark", "safe"),
            ("safe.jsonl", 2, "in_benchmark", "safe"),
            ("unsafe.jsonl", 0, "in_benchmark", "unsafe"),
        ]
        assert record.facts["benchmarks"] == [
            {"name": "test-set.csv", "captions": 4, "unreadable": 0, "safe": 2, "unsafe": 1},
            {"name": "i2p.csv", "captions": 1, "unreadable": 0, "safe": 1, "unsafe": 0},
        ]

    def test_removed_unsafe_caption_still_flags_its_copies(self, place: Place) -> None:
        safe = place.pool("safe.jsonl", ["A small knife on a desk", "A kite"])
        unsafe = place.pool("unsafe.jsonl", ["A knife on a desk", "A gun"])
        benchmark = place.write("a.txt", "A knife on a desk\n")
        record = place.ingest(safe=(safe,), unsafe=(unsafe,), exclude=(benchmark,))
        assert flags(record) == {"A small knife on a desk": ["near_unsafe"], "A kite": None}
        assert copies(record, "unsafe") == {"A gun": 1}

    def test_changed_benchmark_is_noticed(self, place: Place) -> None:
        pools = {
            "safe": (place.pool("safe.jsonl", ["A cup on a desk", "A kite"]),),
            "unsafe": (place.pool("unsafe.jsonl", ["A knife"]),),
            "exclude": (place.write("a.txt", "A dog on a bed\n"),),
        }
        assert place.ingest(**pools).facts["captions"]["safe"] == 2
        place.write("a.txt", "A cup on a desk\n")
        assert place.ingest(**pools).facts["captions"]["safe"] == 1

    def test_unreadable_rows_are_counted(self, place: Place) -> None:
        pools = {
            "safe": (place.pool("safe.jsonl", ["A cup on a desk", "A kite"]),),
            "unsafe": (place.pool("unsafe.jsonl", ["A knife"]),),
        }
        lines = ['{"caption": "A cup on a desk"}', '{"caption": "A ki', '{"caption": 7}', "{}"]
        benchmark = place.write("a.jsonl", "\n".join(lines))
        record = place.ingest(**pools, exclude=(benchmark,))
        assert record.facts["benchmarks"] == [
            {"name": "a.jsonl", "captions": 1, "unreadable": 2, "safe": 1, "unsafe": 0}
        ]
        assert headline(record).startswith(
            "1 safe and 1 unsafe captions; unreadable benchmark rows (a.jsonl: 2)"
        )

    def test_folder_with_splits_is_read_whole(self, place: Place) -> None:
        pools = {
            "safe": (place.pool("safe.jsonl", ["A cup", "A kite", "A vase"]),),
            "unsafe": (place.pool("unsafe.jsonl", ["A knife"]),),
        }
        for name, caption in (("train", "A cup"), ("test", "A kite")):
            place.write(f"hub/data/{name}-00000-of-00001.csv", f"caption\n{caption}\n")
        record = place.ingest(**pools, exclude=(str(place.folder / "hub"),))
        assert copies(record, "safe") == {"A vase": 1}
        assert record.facts["benchmarks"][0]["captions"] == 2

    @pytest.mark.parametrize("side", ["safe", "unsafe"])
    def test_nothing_left_is_an_error(self, place: Place, side: str) -> None:
        captions = {"safe": ["A kite", "A cup"], "unsafe": ["A knife", "A gun"]}
        pools = {name: (place.pool(f"{name}.jsonl", rows),) for name, rows in captions.items()}
        benchmark = place.write("a.txt", "\n".join(captions[side]))
        with pytest.raises(InputError, match=rf"no {side} caption is left .*2 in_benchmark"):
            place.ingest(**pools, exclude=(benchmark,))

    def test_file_without_captions_is_refused_before_pools_are_read(self, place: Place) -> None:
        benchmark = place.write("a.csv", "id,score\n1,2\n")
        broken = place.write("broken.jsonl", "{no JSON\n" * 9)
        with pytest.raises(InputError, match=r"a\.csv: no caption column"):
            place.ingest(safe=(broken,), unsafe=(broken,), exclude=(benchmark,))
