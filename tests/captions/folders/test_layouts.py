from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pytest
from datasets import Dataset, DatasetDict, load_from_disk
from datasets.data_files import get_data_patterns, resolve_pattern

from nsfwcaps.captions.folders.choices import DEFAULT_OR_ALL
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.sources import resolve
from nsfwcaps.errors import InputError

CARD = """---
license: cc-by-4.0
configs:
{configs}
---
# A data set
"""


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a vase\n")


def found(folder: Path, config: str | None = None, split: str | None = None) -> list[str]:
    """Paths below the folder of the files that it stands for."""
    files = resolve(str(folder), ReadOptions(config=config, split=split)).files
    return [file.removeprefix(f"file://{folder}/") for file in files]


def refusal(folder: Path, config: str | None = None, split: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        found(folder, config, split)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder}: ")


# Sets of `datasets.save_to_disk`.


def test_saved_set_is_its_data_files_and_no_cache(tmp_path: Path) -> None:
    rows = [{"caption": "a vase"}, {"caption": "a handgun on a table"}]
    Dataset.from_list(rows).save_to_disk(tmp_path / "set")
    saved = load_from_disk(tmp_path / "set")
    saved.filter(lambda row: "vase" in row["caption"])
    saved.map(lambda row: {"caption": row["caption"].upper()})
    caches = {path.name for path in (tmp_path / "set").glob("cache-*.arrow")}
    assert len(caches) == 2
    assert found(tmp_path / "set") == ["data-00000-of-00001.arrow"]


def test_stale_shard_of_a_saved_set_is_no_part_of_it(tmp_path: Path) -> None:
    Dataset.from_list([{"caption": "a vase"}] * 4).save_to_disk(tmp_path, num_shards=2)
    touch(tmp_path, "data-00002-of-00003.arrow")
    assert found(tmp_path) == ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]


def test_saved_set_with_a_shard_missing_is_an_error(tmp_path: Path) -> None:
    Dataset.from_list([{"caption": "a vase"}] * 4).save_to_disk(tmp_path, num_shards=2)
    (tmp_path / "data-00001-of-00002.arrow").unlink()
    assert refusal(tmp_path).startswith("data-00001-of-00002.arrow is missing, which state.json")


def test_saved_splits_are_chosen_by_their_names(tmp_path: Path) -> None:
    rows = Dataset.from_list([{"caption": "a vase"}])
    DatasetDict(train=rows, mine=rows).save_to_disk(tmp_path)
    assert refusal(tmp_path) == (
        "several splits: train, mine; choose with --split NAME, several as A+B, '--split all' "
        "for all, or name the files themselves"
    )
    shard = "data-00000-of-00001.arrow"
    assert found(tmp_path, split="mine") == [f"mine/{shard}"]
    assert found(tmp_path, split="all") == [f"mine/{shard}", f"train/{shard}"]
    assert found(tmp_path / "train") == [shard]


def test_saved_set_with_one_split_needs_no_choice(tmp_path: Path) -> None:
    DatasetDict(mine=Dataset.from_list([{"caption": "a vase"}])).save_to_disk(tmp_path)
    assert found(tmp_path) == ["mine/data-00000-of-00001.arrow"]


# Snapshots of the Hugging Face Hub.


def snapshot(folder: Path, configs: str, *names: str) -> Path:
    touch(folder, *names)
    (folder / "README.md").write_text(CARD.format(configs=configs))
    return folder


TWO_CONFIGS = """- config_name: plain
  default: true
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: [data/test-0.parquet, data/test-1.parquet]
- config_name: other
  data_files: other_config/*.parquet"""
OF_TWO = (
    *("data/train-0.parquet", "data/test-0.parquet", "data/test-1.parquet"),
    *("other_config/a.parquet", "extra/b.parquet"),
)


def test_card_with_configurations_needs_a_choice(tmp_path: Path) -> None:
    snapshot(tmp_path, TWO_CONFIGS, *OF_TWO)
    assert refusal(tmp_path).startswith(
        "several configurations: other, plain; choose with --config NAME"
    )
    assert refusal(tmp_path, "plain").startswith("several splits: train, test; choose with --split")
    assert found(tmp_path, "other") == ["other_config/a.parquet"]
    assert found(tmp_path, "plain", "train") == ["data/train-0.parquet"]
    assert found(tmp_path, "plain", "test") == ["data/test-0.parquet", "data/test-1.parquet"]
    assert found(tmp_path, "plain", "test+train") == [
        *("data/test-0.parquet", "data/test-1.parquet", "data/train-0.parquet"),
    ]
    assert found(tmp_path, "all", "train") == ["data/train-0.parquet", "other_config/a.parquet"]
    assert "extra/b.parquet" not in found(tmp_path, "all", "all")


def test_the_default_configuration_needs_no_choice(tmp_path: Path) -> None:
    configs = (
        "- config_name: default\n  data_files: data/*.parquet\n"
        "- config_name: safe\n  data_files: safe/*.parquet"
    )
    snapshot(tmp_path, configs, "data/a.parquet", "safe/b.parquet")
    assert found(tmp_path) == ["data/a.parquet"]
    assert found(tmp_path, "safe") == ["safe/b.parquet"]
    assert found(tmp_path, "all") == ["data/a.parquet", "safe/b.parquet"]
    assert found(tmp_path, DEFAULT_OR_ALL) == ["data/a.parquet"]


def test_all_configurations_where_none_is_the_default(tmp_path: Path) -> None:
    snapshot(tmp_path, TWO_CONFIGS, *OF_TWO)
    assert found(tmp_path, DEFAULT_OR_ALL, "all") == found(tmp_path, "all", "all")


def test_configuration_or_split_that_is_missing_lists_those_there(tmp_path: Path) -> None:
    snapshot(tmp_path, TWO_CONFIGS, *OF_TWO)
    assert refusal(tmp_path, "nowhere") == (
        "--config nowhere: no 'nowhere' among its configurations: other, plain"
    )
    assert refusal(tmp_path, "plain", "train+dev") == (
        "--split train+dev: no 'dev' among its splits: train, test"
    )


def test_configurations_that_were_not_downloaded_are_no_choice(tmp_path: Path) -> None:
    snapshot(tmp_path, TWO_CONFIGS, "other_config/a.parquet")
    assert found(tmp_path) == ["other_config/a.parquet"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("- data_files: b/*.csv", ["b/1.csv"]),
        ("- data_files: [a/1.csv, 'b/*']", ["a/1.csv", "b/1.csv"]),
        ("- data_files: '**/*.csv'", ["a/1.csv", "b/1.csv"]),
        ("- data_dir: b", ["b/1.csv"]),
        ("- data_dir: ./b/\n  data_files: '*.csv'", ["b/1.csv"]),
        ("- data_files: {train: b/1.csv}", ["b/1.csv"]),
    ],
)
def test_every_form_of_data_files(tmp_path: Path, config: str, expected: list[str]) -> None:
    snapshot(tmp_path, config, "a/1.csv", "b/1.csv")
    assert found(tmp_path) == expected


def test_broken_card_counts_as_none(tmp_path: Path) -> None:
    snapshot(tmp_path, "- {", "a.csv")
    assert found(tmp_path) == ["a.csv"]


def test_repository_in_the_hubs_cache_is_its_main_snapshot(tmp_path: Path) -> None:
    folder = tmp_path / "datasets--someone--captions"
    touch(folder, "snapshots/abc/a.csv", "snapshots/def/a.csv", "blobs/0123", "refs/main")
    (folder / "refs/main").write_text("def")
    assert found(folder) == ["snapshots/def/a.csv"]


# Splits and configurations by names.


@pytest.mark.parametrize(
    ("names", "split", "expected"),
    [
        (("train.csv", "test.csv"), "test", ["test.csv"]),
        (("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"), "train", [0]),
        (("train/a.jsonl", "dev/a.jsonl"), "dev", [1]),
        (("train/a.jsonl", "val/a.jsonl"), "validation", [1]),
        (("split=test/a.parquet", "split=mine/a.parquet"), "mine", [1]),
        (("captions_train2017.json", "captions_val2017.json"), "val", [1]),
        (("data/mine-00000-of-00001.parquet", "data/train-00000-of-00001.parquet"), "mine", [0]),
        (("set-train.arrow", "set-test.arrow"), "train", [0]),
        (("train/00000/a.csv", "train/00001/a.csv", "test/00000/a.csv"), "train", [0, 1]),
        (("captions.csv", "captions_test.csv"), "other", [0]),
    ],
)
def test_splits_by_name(
    tmp_path: Path, names: tuple[str, ...], split: str, expected: list[int | str]
) -> None:
    touch(tmp_path, *names)
    assert "choose with --split" in refusal(tmp_path)
    assert found(tmp_path, split=split) == [
        item if isinstance(item, str) else names[item] for item in expected
    ]
    assert found(tmp_path, split="all") == sorted(names)


def test_what_was_chosen_is_known(tmp_path: Path) -> None:
    touch(tmp_path, "en/train.csv", "en/val.csv", "de/train.csv")
    chosen = resolve(str(tmp_path), ReadOptions(config="en", split="validation"))
    assert (chosen.configs, chosen.splits) == (("en",), ("val",))
    touch(tmp_path, "plain/captions.csv")
    chosen = resolve(f"{tmp_path}/plain", ReadOptions(split="validation"))
    assert (chosen.configs, chosen.splits) == ((), ())


def test_one_split_needs_no_choice_but_must_be_the_one_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "data/train-00000-of-00001.parquet")
    assert found(tmp_path) == ["data/train-00000-of-00001.parquet"]
    assert refusal(tmp_path, split="test") == "--split test: no 'test' among its splits: train"


def test_folders_of_data_side_by_side_are_configurations(tmp_path: Path) -> None:
    touch(tmp_path, "data/train.csv", "data/test.csv", "other_config/a.csv")
    assert "several configurations: data, other_config; choose with --config" in refusal(tmp_path)
    assert found(tmp_path, "other_config") == ["other_config/a.csv"]
    assert found(tmp_path, "data", "test") == ["data/test.csv"]


@pytest.mark.parametrize(
    "names",
    [
        ("00000/a.csv", "00001/a.csv"),
        ("year=2020/a.csv", "year=2021/a.csv"),
        ("shard-0/a.csv", "shard-1/a.csv"),
        ("data/en/a.csv", "data/en/b.csv"),
    ],
)
def test_shards_and_keys_are_no_configurations(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *names)
    assert found(tmp_path) == list(names)


# What is data.


def test_two_kinds_of_data_need_a_choice(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.jsonl", "c.jsonl.gz")
    assert refusal(tmp_path) == (
        "several kinds of data in one folder: .csv (1), .jsonl (2); "
        f"name one of them: '{tmp_path}/a.csv' or '{tmp_path}/*.jsonl*'"
    )
    names = [file.rpartition("/")[2] for file in resolve(f"{tmp_path}/*.jsonl*").files]
    assert names == ["b.jsonl", "c.jsonl.gz"]


def test_tars_of_img2dataset_beside_their_tables_need_a_choice(tmp_path: Path) -> None:
    for shard in ("00000", "00001"):
        touch(tmp_path, f"{shard}.tar", f"{shard}.parquet", f"{shard}_stats.json")
    message = refusal(tmp_path)
    assert f"'{tmp_path}/*.parquet' or '{tmp_path}/*.tar'" in message
    assert "stats" not in message


def test_folders_that_img2dataset_writes_need_a_choice(tmp_path: Path) -> None:
    for shard in ("00000", "00001"):
        touch(tmp_path, *(f"{shard}/{shard}0.{end}" for end in ("jpg", "txt", "json")))
        touch(tmp_path, f"{shard}.parquet", f"{shard}_stats.json")
    assert refusal(tmp_path).endswith(
        f"name one of them: '{tmp_path}/*.parquet' or '{tmp_path}/*/'"
    )
    assert [
        file.removeprefix(f"file://{tmp_path}") for file in resolve(f"{tmp_path}/*/").files
    ] == [
        *("/00000/", "/00001/"),
    ]


def test_files_of_both_sides_in_one_folder_are_no_pool(tmp_path: Path) -> None:
    touch(tmp_path, "my_safe.csv", "my_nsfw.csv")
    assert "several configurations: safe, unsafe; choose with --config" in refusal(tmp_path)
    assert found(tmp_path, config="unsafe") == ["my_nsfw.csv"]


@pytest.mark.parametrize("ending", ["parquet", "csv", "json", "txt", "tar", "arrow"])
@pytest.mark.parametrize(
    ("unsafe", "safe"),
    [
        ("unsafe", "safe"),
        ("nsfw", "sfw"),
        ("harmful", "benign"),
        ("harmful", "non-harmful"),
        ("UnsafePrompts", "SafePrompts"),
    ],
)
def test_every_pair_of_names_of_sides_needs_a_choice(
    tmp_path: Path, ending: str, unsafe: str, safe: str
) -> None:
    touch(tmp_path, f"{safe}.{ending}", f"{unsafe}.{ending}")
    assert "several configurations: safe, unsafe; choose with --config" in refusal(tmp_path)
    assert found(tmp_path, config="unsafe") == [f"{unsafe}.{ending}"]


def test_files_of_both_sides_in_one_configuration_of_a_card(tmp_path: Path) -> None:
    configs = "- config_name: default\n  data_files: '*.csv'"
    folder = snapshot(tmp_path, configs, "safe.csv", "unsafe.csv")
    assert refusal(folder) == (
        "files of both sides: 'safe.csv' and 'unsafe.csv'; name the files of one side"
    )


def test_missing_shard_is_named(tmp_path: Path) -> None:
    shards = [f"data/train-0000{number}-of-00003.parquet" for number in range(3)]
    touch(tmp_path, shards[0], shards[2])
    assert refusal(tmp_path) == (
        f"'{shards[1]}' is missing, shard 00001 of 00003; download it, or name the files that are "
        "there, as in 'data/train-0000[02]-of-00003.parquet'"
    )
    touch(tmp_path, shards[1])
    assert found(tmp_path) == shards


def test_shards_numbered_from_one_are_whole(tmp_path: Path) -> None:
    touch(tmp_path, "a-00001-of-00002.csv", "a-00002-of-00002.csv")
    assert len(found(tmp_path)) == 2


@pytest.mark.parametrize(
    ("plain", "packed"), [("a.csv", "a.csv.gz"), ("x/a.tar", "x/a.tgz"), ("a.json", "a.json.zst")]
)
def test_file_beside_its_packed_copy_needs_a_choice(
    tmp_path: Path, plain: str, packed: str
) -> None:
    touch(tmp_path, plain, packed)
    assert refusal(tmp_path) == (
        f"'{plain}' and '{packed}' are one file, packed and plain, and would be read twice; name "
        "one of them, or move one away"
    )


def test_documents_and_images_beside_data_are_no_data(tmp_path: Path) -> None:
    touch(tmp_path, "captions.json", "readme.txt", "LICENSE.txt", "requirements-dev.txt")
    touch(tmp_path, "dataset_info.json", "manifest.json", "_SUCCESS", "images/1.jpg", "2.png")
    touch(tmp_path, "__pycache__/a.txt", ".cache/huggingface/a.csv")
    assert found(tmp_path) == ["captions.json"]


def test_flickr8k_folder_has_two_kinds_of_token_files(tmp_path: Path) -> None:
    touch(tmp_path, "Flickr8k.token.txt", "Flickr8k.lemma.token.txt", "readme.txt")
    touch(tmp_path, "Flickr_8k.trainImages.txt", "ExpertAnnotations.txt")
    message = refusal(tmp_path)
    assert "'" + f"{tmp_path}/Flickr8k.token.txt'" in message
    (tmp_path / "Flickr8k.lemma.token.txt").unlink()
    assert found(tmp_path) == ["Flickr8k.token.txt"]


def test_annotations_of_coco_are_its_captions(tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        kinds = ("captions", "instances", "person_keypoints")
        touch(tmp_path, *(f"{kind}_{split}.json" for kind in kinds))
    assert found(tmp_path, split="train") == ["captions_train2017.json"]


def test_image_folder_is_its_metadata(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "train/metadata.jsonl", "test/2.jpg", "test/metadata.jsonl")
    assert "several splits: train, test" in refusal(tmp_path)
    assert found(tmp_path, split="train") == ["train/metadata.jsonl"]
    assert found(tmp_path / "test") == ["metadata.jsonl"]


def test_two_metadata_files_in_one_folder_need_a_choice(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "metadata.jsonl", "metadata.csv")
    assert f"'{tmp_path}/metadata.csv' or '{tmp_path}/metadata.jsonl'" in refusal(tmp_path)


def test_captions_beside_images_are_the_folder(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "1.txt", "weapons/2.PNG", "weapons/2.caption", "weapons/3.txt")
    assert found(tmp_path) == [""]
    assert resolve(str(tmp_path)).files == [f"file://{tmp_path}/"]


def test_captions_beside_images_in_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "train/1.txt", "train/a/2.jpg", "train/a/2.txt", "test/3.jpg")
    touch(tmp_path, "test/3.json")
    assert found(tmp_path, split="train") == ["train/"]
    assert found(tmp_path, split="all") == ["test/", "train/"]


def test_folders_of_images_and_of_their_captions_are_one_pool(tmp_path: Path) -> None:
    touch(tmp_path / "y", "images/a/1.jpg", "images/b/1.jpg", "text/a/1.txt", "text/b/1.txt")
    assert found(tmp_path / "y") == [""]
    touch(tmp_path / "x", *(f"{s}/{f}" for s in ("train", "test") for f in ("i/1.jpg", "t/1.txt")))
    assert found(tmp_path / "x", split="train") == ["train/"]


def test_captions_beside_images_and_a_table_need_a_choice(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "1.txt", "2.jpg", "2.txt", "captions.txt")
    message = refusal(tmp_path)
    assert "several kinds of data in one folder: .txt (1), captions beside images (1)" in message
    assert f"'{tmp_path}/captions.txt'" in message


def test_folder_of_images_alone_has_no_data(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    assert "no data files in this folder" in refusal(tmp_path)


def test_remote_folder_is_read_by_the_same_rules() -> None:
    memory = fsspec.filesystem("memory")
    state = {"_data_files": [{"filename": "data-0.arrow"}]}
    memory.pipe("/layouts/train/state.json", json.dumps(state).encode())
    memory.pipe("/layouts/dataset_dict.json", b'{"splits": ["train"]}')
    memory.pipe("/layouts/train/data-0.arrow", b"x")
    memory.pipe("/layouts/train/cache-1.arrow", b"x")
    assert resolve("memory://layouts").files == ["memory:///layouts/train/data-0.arrow"]


@pytest.mark.parametrize(
    "names",
    [
        ("train.csv", "test.csv", "valid.csv"),
        (
            "data/train-00000-of-00002.csv",
            "data/train-00001-of-00002.csv",
            "data/x-00000-of-00001.csv",
        ),
        ("data/train_0.csv", "data/train_1.csv", "data/eval_0.csv"),
        ("my-train/a.csv", "my-train/b.csv", "dev_set/a.csv"),
        ("captions_train2014.csv", "captions_val2014.csv"),
        ("training/a.csv", "testing/a.csv"),
    ],
)
def test_splits_are_those_that_datasets_finds(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *names)
    theirs = {
        str(split): sorted({file for item in patterns for file in _matches(item, tmp_path)})
        for split, patterns in get_data_patterns(str(tmp_path)).items()
    }
    assert len(theirs) > 1
    for split, files in theirs.items():
        assert found(tmp_path, split=split) == files


def _matches(pattern: str, folder: Path) -> list[str]:
    try:
        return [file.removeprefix(f"{folder}/") for file in resolve_pattern(pattern, str(folder))]
    except FileNotFoundError:
        return []
