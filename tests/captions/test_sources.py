from __future__ import annotations

import hashlib
from pathlib import Path

import fsspec
import pytest

from nsfwcaps.captions.sources import content_digest, expand, local_path, size_bytes
from nsfwcaps.errors import InputError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a vase\n")


def found(url: str) -> list[str]:
    """Names below the last folder of the URL's fixed part, as `expand` orders them."""
    return [item.rpartition("/")[2] for item in expand(url)]


def test_file_stays_as_the_user_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.txt")
    monkeypatch.chdir(tmp_path)
    assert expand(str(tmp_path / "a.txt")) == [str(tmp_path / "a.txt")]
    assert [Path(str(local_path(item))) for item in expand("a.txt")] == [tmp_path / "a.txt"]


def test_glob_matches_are_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b.jsonl", "a.jsonl", "c.csv")
    assert found(f"{tmp_path}/*.jsonl") == ["a.jsonl", "b.jsonl"]


def test_file_with_glob_signs_in_its_name_is_itself(tmp_path: Path) -> None:
    touch(tmp_path, "pool [1].txt", "pool 1.txt")
    assert found(f"{tmp_path}/pool [1].txt") == ["pool [1].txt"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["data/b.parquet", "data/a.parquet", "data/a.jsonl"], ["a.parquet", "b.parquet"]),
        (["train/data-0.arrow", "dataset_dict.json", "train/state.json"], ["data-0.arrow"]),
        (["a.jsonl.gz", "README.txt"], ["a.jsonl.gz"]),
        (["a.ndjson", "b.csv"], ["a.ndjson"]),
        (["a.csv.xz", "b.tsv"], ["a.csv.xz"]),
        (["a.txt", ".cache/b.txt", ".c.txt"], ["a.txt"]),
    ],
)
def test_folder_counts_by_its_data_files_of_one_kind(
    tmp_path: Path, names: list[str], expected: list[str]
) -> None:
    touch(tmp_path, *names)
    assert found(str(tmp_path)) == expected


def test_folder_may_lie_below_a_hidden_one(tmp_path: Path) -> None:
    touch(tmp_path, ".cache/hub/pool/a.parquet")
    assert found(f"{tmp_path}/.cache/hub/pool") == ["a.parquet"]


def test_folder_without_data_files_names_the_kinds(tmp_path: Path) -> None:
    touch(tmp_path, "notes.md", "state.json")
    with pytest.raises(
        InputError,
        match=r"no data files in this folder; expected \.parquet, \.arrow, \.jsonl, \.ndjson",
    ):
        expand(str(tmp_path))


@pytest.mark.parametrize("url", ["{}/nowhere.csv", "{}/*.csv", "memory://nowhere/pool.csv"])
def test_nothing_there_is_an_error(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="no such file, folder or match"):
        expand(url.format(tmp_path))


def test_unknown_protocol_is_an_input_error() -> None:
    with pytest.raises(InputError, match="Protocol not known: unheard-of"):
        expand("unheard-of://host/pool.csv")


def test_unknown_bundled_pool_is_an_input_error() -> None:
    with pytest.raises(InputError, match="bundled:nowhere: no such bundled pool"):
        expand("bundled:nowhere")


def test_remote_folder_and_glob_give_urls() -> None:
    fsspec.filesystem("memory").pipe({"/sources/a.txt": b"a vase", "/sources/b.txt": b"a cup"})
    both = ["memory:///sources/a.txt", "memory:///sources/b.txt"]
    assert expand("memory://sources") == both
    assert expand("memory://sources/*.txt") == both
    assert expand("memory://sources/a.txt") == ["memory://sources/a.txt"]


def test_digest_of_a_local_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    expected = hashlib.sha256(b"a vase\n").hexdigest()
    assert content_digest(f"{tmp_path}/a.txt") == expected
    assert content_digest(f"file://{tmp_path}/a.txt") == expected


def test_digest_of_a_remote_file_changes_with_it() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/digests/a.txt", b"a vase")
    before = content_digest("memory://digests/a.txt")
    assert content_digest("memory://digests/a.txt") == before
    memory.pipe("/digests/a.txt", b"a vase and a cup")
    assert content_digest("memory://digests/a.txt") != before


def test_size_is_in_bytes(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    assert size_bytes(f"{tmp_path}/a.txt") == 7


def test_only_local_files_have_a_local_path(tmp_path: Path) -> None:
    assert local_path(f"file://{tmp_path}/a.txt") == tmp_path / "a.txt"
    assert local_path("memory://digests/a.txt") is None
