"""What belongs to a data set, and what the Hub would refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nsfwcaps.errors import ArtifactError, InputError, StorageError
from nsfwcaps.hub import contents as module
from nsfwcaps.hub.contents import contents

CARD = "---\nlicense: mit\n---\n\n# Pairs\n"


def write(folder: Path, sizes: dict[str, int], card: str | None = CARD) -> Path:
    """Write a data set whose files have these sizes and no content."""
    for name, size in sizes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as file:
            file.truncate(size)
    files = [{"path": name, "bytes": size} for name, size in sizes.items()]
    (folder / "manifest.json").write_text(json.dumps({"files": files}))
    if card is not None:
        (folder / "README.md").write_text(card)
    return folder


def test_the_list_has_sizes_and_what_is_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path, {"data/train-00000-of-00001.parquet": 7})
    (folder / "croissant.json").write_bytes(b"{}")
    (folder / ".part-README.md").write_bytes(b"x")
    (folder / "README.edited-2.md").write_bytes(b"x")
    (folder / "data" / "other.parquet").write_bytes(b"x")
    found = contents(folder)
    assert dict(found.bytes_of) == {
        "README.md": len(CARD),
        "croissant.json": 2,
        "data/train-00000-of-00001.parquet": 7,
        "manifest.json": 70,
    }
    assert found.bytes == len(CARD) + 2 + 7 + 70
    assert dict(found.left_out) == {
        ".part-README.md": "hidden or incomplete",
        "README.edited-2.md": "kept from an edit",
        "data/other.parquet": "not in the manifest",
    }


def test_a_file_of_another_size_and_one_that_is_missing(tmp_path: Path) -> None:
    folder = write(tmp_path, {"data/a.parquet": 7})
    (folder / "data" / "a.parquet").write_bytes(b"half")
    with pytest.raises(ArtifactError, match=r"a\.parquet has 4 bytes, the manifest says 7; pub"):
        contents(folder)
    (folder / "data" / "a.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"a\.parquet is missing, the manifest says 7"):
        contents(folder)


@pytest.mark.parametrize("data", [None, b"", b"[]", b'{"files": [{"path": "a"}]}', b"\xff"])
def test_a_folder_without_a_manifest(tmp_path: Path, data: bytes | None) -> None:
    folder = write(tmp_path, {})
    (folder / "manifest.json").unlink()
    if data is not None:
        (folder / "manifest.json").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"manifest\.json is missing or damaged"):
        contents(folder)


@pytest.mark.parametrize(
    "card",
    [
        "# Pairs\n",
        "",
        "---\npretty_name: x\n---\n",
        "---\nlicense:\n---\n",
        "---\nlicense: ''\n---\n",
        "---\nlicense: mit\n",
        "---\n- license\n---\n",
        "# Pairs\n---\nlicense: mit\n---\n",
    ],
)
def test_a_card_without_a_licence(tmp_path: Path, card: str) -> None:
    with pytest.raises(InputError, match="its head has no 'license'"):
        contents(write(tmp_path, {}, card))


def test_a_card_that_is_no_yaml_or_no_text_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its head is not YAML"):
        contents(write(tmp_path, {}, "---\nlicense: [mit\n---\n"))
    (tmp_path / "README.md").write_bytes(b"---\nlicense: \xff\n---\n")
    with pytest.raises(ArtifactError, match=r"README\.md is missing or damaged"):
        contents(tmp_path)
    (tmp_path / "README.md").unlink()
    with pytest.raises(ArtifactError, match=r"README\.md is missing or damaged"):
        contents(tmp_path)


def test_windows_line_ends_in_a_card(tmp_path: Path) -> None:
    folder = write(tmp_path, {})
    (folder / "README.md").write_bytes(CARD.replace("\n", "\r\n").encode())
    assert "README.md" in contents(folder).bytes_of


def test_a_file_larger_than_the_hub_takes(tmp_path: Path) -> None:
    write(tmp_path, {"data/a.parquet": 200 * 10**9})
    assert contents(tmp_path).bytes_of["data/a.parquet"] == 200_000_000_000
    write(tmp_path, {"data/a.parquet": 200 * 10**9 + 1})
    line = r"a\.parquet has 200,000,000,001 bytes, .* 200,000,000,000; .* smaller --shard-rows"
    with pytest.raises(StorageError, match=line):
        contents(tmp_path)


def test_more_files_than_the_hub_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_IN_FOLDER", 3)
    names = [f"data/{number}.parquet" for number in range(4)]
    contents(write(tmp_path / "few", dict.fromkeys(names[:3], 1)))
    with pytest.raises(StorageError, match="folder data has 4 files, and the Hub takes at most 3"):
        contents(write(tmp_path / "many", dict.fromkeys(names, 1)))
    monkeypatch.setattr(module, "MOST_FILES", 4)
    with pytest.raises(StorageError, match="data set has 5 files, and the Hub takes at most 4"):
        contents(write(tmp_path / "all", dict.fromkeys(names[:3], 1)))
