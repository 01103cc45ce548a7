from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import fsspec
import pytest
from braceexpand import braceexpand

from nsfwcaps.captions.opening import reaching
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
        (["data/b.parquet", "data/a.parquet"], ["a.parquet", "b.parquet"]),
        (["a.jsonl.gz", "README.txt"], ["a.jsonl.gz"]),
        (["a.ndjson", "b.jsonl"], ["a.ndjson", "b.jsonl"]),
        (["a.csv.xz", "b.csv"], ["a.csv.xz", "b.csv"]),
        (["a.txt", ".cache/b.txt", ".c.txt"], ["a.txt"]),
        (["captions.json", "dataset_info.json"], ["captions.json"]),
        (["a.tar", "b.tar.gz"], ["a.tar", "b.tar.gz"]),
    ],
)
def test_folder_counts_by_its_data_files(
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


def test_brace_range_and_alternatives_are_files_in_that_order(tmp_path: Path) -> None:
    touch(tmp_path, "00000.txt", "00001.txt", "00002.txt", "a.txt", "b.txt")
    assert found(f"{tmp_path}/{{00001..00002}}.txt") == ["00001.txt", "00002.txt"]
    assert found(f"{tmp_path}/{{b,a}}.txt") == ["b.txt", "a.txt"]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("{0..2500}", 2501), ("{0098..2500}", 2403), ("x{0..1999}y{a,b}", 4000)],
)
def test_long_brace_range_is_the_files_that_braceexpand_lists(pattern: str, count: int) -> None:
    expected = list(braceexpand(f"/braces/{pattern}.txt"))
    assert len(expected) == count
    fsspec.filesystem("memory").pipe(dict.fromkeys(expected, b"a vase"))
    assert expand(f"memory://braces/{pattern}.txt") == [f"memory:/{name}" for name in expected]


def test_endless_brace_range_ends_at_the_first_gap(tmp_path: Path) -> None:
    touch(tmp_path, "0.txt")
    with pytest.raises(InputError, match=r"/1\.txt: no such file, folder or match"):
        expand(f"{tmp_path}/{{0..999999999999}}.txt")


def test_protocol_may_be_in_any_case() -> None:
    fsspec.filesystem("memory").pipe("/cases/A.txt", b"a vase")
    assert expand("Memory://cases/A.txt") == ["memory://cases/A.txt"]


class AnswerError(OSError):
    """What an HTTP library raises for an answer."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, r"a\.csv: cannot be read \(403\); check the address, your access"),
        (500, r"a\.csv: cannot be read \(500\)"),
        (404, r"a\.csv: no such file"),
        (410, r"a\.csv: no such file"),
    ],
)
def test_refusal_of_a_store_is_no_missing_file(status: int, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught, reaching("https://host/a.csv?sig=1"):
        # As fsspec does for every failure.
        raise FileNotFoundError("https://host/a.csv?sig=1") from AnswerError(status)
    assert "sig" not in str(caught.value)


def test_gap_in_a_brace_range_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "00000.txt", "00002.txt")
    with pytest.raises(InputError, match=r"00001\.txt: no such file, folder or match"):
        expand(f"{tmp_path}/{{00000..00002}}.txt")


def test_file_with_braces_in_its_name_is_itself(tmp_path: Path) -> None:
    touch(tmp_path, "a{0..1}.txt", "b{.txt")
    assert found(f"{tmp_path}/a{{0..1}}.txt") == ["a{0..1}.txt"]
    assert found(f"{tmp_path}/b{{.txt") == ["b{.txt"]


def test_glob_of_folders_reads_each(tmp_path: Path) -> None:
    touch(tmp_path, "00000/a.txt", "00001/b.txt", "00001/readme.txt")
    assert found(f"{tmp_path}/0*") == ["a.txt", "b.txt"]
    touch(tmp_path, "0.txt")
    assert found(f"{tmp_path}/0*") == ["0.txt"]


def test_glob_leaves_out_documents_and_hidden_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt", "b.txt", "LICENSE.txt", "readme.txt", ".c.txt", "x/readme.txt")
    assert found(f"{tmp_path}/*.txt") == ["a.txt", "b.txt"]
    assert found(f"{tmp_path}/**/readme.txt") == ["readme.txt", "readme.txt"]
    assert found(f"{tmp_path}/.*.txt") == [".c.txt"]


def test_glob_of_several_kinds_needs_a_choice(tmp_path: Path) -> None:
    touch(tmp_path, "0.tar", "1.tar.gz", "0.txt", "readme.txt")
    with pytest.raises(
        InputError,
        match=r"several kinds of data match: \.tar \(2\), \.txt \(1\); end the pattern with "
        r"'\*\.tar' or '\*\.txt', or name the folder",
    ):
        expand(f"{tmp_path}/*")
    assert found(f"{tmp_path}/*.tar") == ["0.tar"]


@pytest.mark.parametrize(
    ("names", "pattern", "message"),
    [
        (["safe.csv", "unsafe.csv"], "*.csv", "files of both sides: '.*/safe.csv' and "),
        (["a.csv", "a.csv.gz"], "*.csv*", "'.*/a.csv' and '.*/a.csv.gz' are one file"),
        (
            ["train-00000-of-00003.csv", "train-00002-of-00003.csv"],
            "train-*.csv",
            "train-00001-of-00003.csv' is missing, shard 00001 of 00003",
        ),
    ],
)
def test_glob_of_files_that_do_not_belong_together(
    tmp_path: Path, names: list[str], pattern: str, message: str
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        expand(f"{tmp_path}/{pattern}")


def test_glob_of_some_shards_is_those(tmp_path: Path) -> None:
    touch(tmp_path, "train-00000-of-00003.csv", "train-00002-of-00003.csv")
    shards = ["train-00000-of-00003.csv", "train-00002-of-00003.csv"]
    assert found(f"{tmp_path}/train-0000[02]-of-00003.csv") == shards


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


def test_digest_of_captions_beside_images_changes_with_captions_and_images(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "1.txt")
    url = expand(str(tmp_path))[0]
    digests = [content_digest(url)]
    (tmp_path / "1.txt").write_text("a cup\n")
    digests.append(content_digest(url))
    (tmp_path / "1.jpg").write_bytes(b"longer than it was")
    digests.append(content_digest(url))
    (tmp_path / "1.jpg").rename(tmp_path / "2.jpg")
    digests.append(content_digest(url))
    assert len({*digests}) == 4
    assert content_digest(url) == digests[-1]
    assert size_bytes(url) == len("a cup\n") + 18


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("s3://bucket/pool.csv", "s3fs"),
        ("gs://bucket/pool.csv", "gcsfs"),
        ("https://127.0.0.1:9/pool.csv?X-Signature=secret", "aiohttp"),
    ],
)
def test_store_without_its_package_names_it_and_no_signature(url: str, package: str) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(InputError, match=f"pip install {package}") as caught:
        expand(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hub_that_cannot_be_reached_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"hf://datasets/a/b/c\.csv: cannot be read \(") as caught:
        expand("hf://datasets/a/b/c.csv")
    assert "\n" not in str(caught.value)


def test_size_is_in_bytes(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    assert size_bytes(f"{tmp_path}/a.txt") == 7


def test_only_local_files_have_a_local_path(tmp_path: Path) -> None:
    assert local_path(f"file://{tmp_path}/a.txt") == tmp_path / "a.txt"
    assert local_path("memory://digests/a.txt") is None
