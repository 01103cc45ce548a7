"""Pair sets: whatever their columns are called, the same pairs come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.set_files import png, write, write_table

from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.pair_set import PairSet
from nsfwcaps.evaluation.datasets.pairs import read_pairs
from nsfwcaps.evaluation.datasets.splits import AskedSplit
from nsfwcaps.progress import Silent

SAFE = ("A cup on a table.", "A dog on a beach.", "A bridge at night.")
UNSAFE = ("A handgun on a table.", "A knife on a beach.", "Graffiti on a bridge.")


def read(path: Path, split: AskedSplit | None = None, root: str | None = None) -> PairSet:
    return read_pairs("some", str(path), split, root, Silent())


def rows(**names: str) -> list[dict[str, Any]]:
    """Three pairs; the columns have the given names."""
    values = [
        {
            "unsafe": UNSAFE[n],
            "safe": SAFE[n],
            "unsafe_image": png(10 + n),
            "safe_image": png(n),
            "category": ("weapons", "weapons", "vandalism")[n],
        }
        for n in range(3)
    ]
    return [{names[key]: row[key] for key in names} for row in values]


OURS = {
    "unsafe": "unsafe_caption",
    "safe": "safe_caption",
    "unsafe_image": "unsafe_image",
    "safe_image": "safe_image",
    "category": "category",
}


@pytest.mark.parametrize(
    "names",
    [
        OURS,
        {"unsafe": "nsfw_caption", "safe": "caption", "category": "chosen_category"},
        {"unsafe": "nsfw", "safe": "safe", "category": "tag"},
    ],
)
def test_columns_are_recognised(tmp_path: Path, names: dict[str, str]) -> None:
    found = read(write_table(tmp_path / "set.parquet", rows(**names)))
    assert [found.unsafe_captions[row] for row in found.unsafe_text_of] == list(UNSAFE)
    assert [found.safe_captions[row] for row in found.safe_text_of] == list(SAFE)
    assert found.categories is not None
    assert found.categories.tolist() == ["weapons", "weapons", "vandalism"]
    has_images = "safe_image" in names
    assert found.safe_image_of.tolist() == ([0, 1, 2] if has_images else [-1, -1, -1])
    assert found.left_out == {}


@pytest.mark.parametrize("form", ["bytes", "struct", "path", "jsonl"])
def test_images_as_bytes_as_hugging_face_has_them_and_as_paths(tmp_path: Path, form: str) -> None:
    table = rows(**OURS)
    for number, row in enumerate(table):
        for side in ("unsafe_image", "safe_image"):
            if form == "struct":
                row[side] = {"bytes": row[side], "path": None}
            elif form != "bytes":
                name = f"pictures/{side}-{number}.png"
                write(tmp_path / name, row[side])
                row[side] = name
    path = tmp_path / "set.parquet"
    if form == "jsonl":
        path = write(tmp_path / "set.jsonl", "\n".join(map(json.dumps, table)).encode())
    else:
        write_table(path, table)
    found = read(path)
    assert [get() for _, get in found.safe_pictures.images] == [png(n) for n in range(3)]
    assert [get() for _, get in found.unsafe_pictures.images] == [png(10 + n) for n in range(3)]


def test_pictures_can_be_read_in_any_order(tmp_path: Path) -> None:
    many = [
        {"unsafe_caption": f"A handgun, {n}", "safe_caption": f"A cup, {n}", "safe_image": png(n)}
        for n in range(9)
    ]
    found = read(write_table(tmp_path / "set.parquet", many))  # row groups of two
    order = [8, 0, 5, 4, 1, 7, 2]
    assert [found.safe_pictures.images[n][1]() for n in order] == [png(n) for n in order]


def test_missing_images_and_captions_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "there.png", png(1))
    table = [
        {"unsafe_caption": UNSAFE[0], "safe_caption": SAFE[0], "safe_image": "there.png"},
        {"unsafe_caption": UNSAFE[1], "safe_caption": SAFE[1], "safe_image": "gone.png"},
        {"unsafe_caption": UNSAFE[2], "safe_caption": SAFE[2], "safe_image": None},
        {"unsafe_caption": " ", "safe_caption": SAFE[2], "safe_image": "there.png"},
    ]
    found = read(write_table(tmp_path / "set.parquet", table))
    assert found.safe_image_of.tolist() == [0, -1, -1]
    assert found.left_out == {
        "caption_missing": 1, "safe_image_missing": 1, "safe_image_not_named": 1
    }  # fmt: skip


def test_pairs_that_name_no_image_are_captions_alone(tmp_path: Path) -> None:
    pairs = [{"unsafe_caption": UNSAFE[n], "safe_caption": SAFE[n]} for n in range(3)]
    empty: list[dict[str, Any]] = [{**row, "safe_image": None, "unsafe_image": ""} for row in pairs]
    for number, table in enumerate((pairs, empty)):
        found = read(write_table(tmp_path / f"{number}.parquet", table))
        assert (found.captions_alone, found.left_out) == (True, {})
    empty[1]["safe_image"] = "gone.png"  # one is named, and so the others lack theirs
    found = read(write_table(tmp_path / "named.parquet", empty))
    assert not found.captions_alone
    assert found.left_out == {
        "safe_image_missing": 1, "safe_image_not_named": 2, "unsafe_image_not_named": 3
    }  # fmt: skip


def test_relative_paths_may_start_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.png", png(1))
    row = {"unsafe_caption": UNSAFE[0], "safe_caption": SAFE[0], "safe_image": "a.png"}
    path = write_table(tmp_path / "sets" / "set.parquet", [row])
    assert read(path, root=str(tmp_path / "store")).safe_image_of.tolist() == [0]


def test_equal_items_are_one(tmp_path: Path) -> None:
    table = rows(**OURS)
    table[1] |= {"safe_caption": SAFE[0], "safe_image": png(0)}
    found = read(write_table(tmp_path / "set.parquet", table))
    assert found.safe_text_of.tolist() == [0, 0, 1]
    assert found.safe_image_of.tolist() == [0, 0, 1]


def test_further_ranks_and_named_ids_are_equivalents(tmp_path: Path) -> None:
    table = [
        {
            "unsafe_id": "u1",
            "safe_id": f"s{rank}",
            "rank": rank,
            "unsafe_caption": UNSAFE[0],
            "safe_caption": SAFE[rank - 1],
            "safe_image": png(rank),
            "equivalent_safe_ids": [],
        }
        for rank in (2, 1)
    ]
    other = {"unsafe_id": "u2", "unsafe_caption": UNSAFE[1], "equivalent_safe_ids": ["s2", "gone"]}
    table.append({**table[1], **other, "safe_id": "s3", "safe_caption": SAFE[2]})
    found = read(write_table(tmp_path / "set.parquet", table))
    assert found.ids == ["u1", "u2"]
    best = [found.safe_captions[row] for row in found.safe_text_of]
    assert best == [SAFE[0], SAFE[2]]
    assert found.equivalent_text is not None
    assert found.equivalent_image is not None
    second = found.safe_captions.index(SAFE[1])
    assert [found.equivalent_text[n].tolist() for n in range(2)] == [[second], [second]]
    assert [len(found.equivalent_image[n]) for n in range(2)] == [1, 1]


def test_partners_join_the_safe_items_once(tmp_path: Path) -> None:
    table = rows(**OURS)
    table[0] |= {"partner_caption": SAFE[1], "partner_image": png(1), "provenance": "mined:x:mini"}
    table[1] |= {"partner_caption": "A mug.", "partner_image": png(70)}
    table[2] |= {"partner_caption": None, "partner_image": None}
    found = read(write_table(tmp_path / "set.parquet", table))
    assert [*found.safe_captions] == [SAFE[0], SAFE[1], "A mug.", SAFE[2]]
    assert found.safe_text_of.tolist() == [0, 1, 3]
    assert found.partner_text_of.tolist() == [1, 2, -1]
    assert found.partner_image_of.tolist() == [1, 2, -1]
    assert found.safe_items.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert found.counts["pairs with a partner"] == 2
    assert found.origins == {"mined:x:mini": 1}
    assert found.left_out == {}
    without = [{k: v for k, v in row.items() if "partner" not in k} for row in table]
    plain = read(write_table(tmp_path / "plain.parquet", without))
    assert plain.partner_text_of.tolist() == [-1, -1, -1]
    assert plain.digest != found.digest


def test_figures_by_another_column(tmp_path: Path) -> None:
    table = [
        {**row, "unsafe_change": change}
        for row, change in zip(rows(**OURS), ("added", "replaced", None), strict=True)
    ]
    path = str(write_table(tmp_path / "set.parquet", table))

    def by(column: str) -> list[str]:
        found = read_pairs("some", path, None, None, Silent(), by=column)
        assert found.categories is not None
        return list(found.categories.tolist())

    assert by("unsafe_change") == by("change") == ["added", "replaced", "none"]
    assert by("category") == ["weapons", "weapons", "vandalism"]
    with pytest.raises(InputError, match=r"no column 'colour' \(--by\), nor 'unsafe_colour'"):
        by("colour")
    with pytest.raises(InputError, match=r"'safe_caption' \(--by\) holds captions"):
        by("safe_caption")
    many = [
        {"unsafe_caption": f"A knife, {n}.", "safe_caption": "A cup.", "number": n // 2}
        for n in range(202)
    ]
    path = str(write_table(tmp_path / "many.parquet", many))
    with pytest.raises(InputError, match=r"'number' \(--by\) has 101 values, more than 100"):
        by("number")


def test_a_split_is_told_by_files_or_by_a_column(tmp_path: Path) -> None:
    table = rows(**OURS)
    for part, split in zip(table, ("train", "test", "validation"), strict=True):
        write_table(tmp_path / "files" / "data" / f"{split}-00000-of-00001.parquet", [part])
        part["split"] = split
    column = write_table(tmp_path / "set.parquet", table)
    for path in (tmp_path / "files", column):
        assert read(path).unsafe_captions == [UNSAFE[1]]
        assert read(path, AskedSplit.VALIDATION).unsafe_captions == [UNSAFE[2]]
        assert sorted(read(path, AskedSplit.ALL).unsafe_captions) == sorted(UNSAFE[:3])


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    table = rows(**OURS)
    digests = [read(write_table(tmp_path / "a.parquet", table)).digest]
    digests.append(read(write_table(tmp_path / "copy.parquet", table)).digest)
    table[0]["category"] = "other"
    digests.append(read(write_table(tmp_path / "b.parquet", table)).digest)
    table[0]["safe_image"] = png(77)
    digests.append(read(write_table(tmp_path / "c.parquet", table)).digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("table", "split", "told"),
    [
        ([{"caption": SAFE[0]}], None, "no caption columns found"),
        ([{"nsfw": UNSAFE[0]}], None, "no caption columns found"),
        ([{"nsfw": "", "safe": ""}], None, "no usable pairs .1 caption_missing"),
        ([{"nsfw": "a", "safe": "b", "split": "train"}], None, "found train 1: choose"),
        ([{"nsfw": "a", "safe": "b"}], AskedSplit.TEST, "cannot apply --split test"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, table: list[dict[str, Any]], split: AskedSplit | None, told: str
) -> None:
    path = write_table(tmp_path / "set.parquet", table)
    with pytest.raises(InputError, match=told):
        read(path, split)


def test_a_folder_without_the_split_names_those_that_there_are(tmp_path: Path) -> None:
    write_table(tmp_path / "data" / "train-00000-of-00001.parquet", rows(**OURS))
    with pytest.raises(InputError, match="no file of the split test; found files of train"):
        read(tmp_path)
