"""Which files of a folder belong to the data set, and whether the Hub takes them.

The limits are those of the Hub's documentation of repositories; beyond them it refuses a commit, or
its viewer and git fail.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nsfwcaps.delivery import hand_made
from nsfwcaps.errors import ArtifactError, InputError, StorageError, first_line

CARD, MANIFEST = "README.md", "manifest.json"
MOST_FILE_BYTES = 200 * 10**9
MOST_IN_FOLDER = 10_000
MOST_FILES = 25_000
"""Files in one commit."""


@dataclass(frozen=True)
class Contents:
    """What a data set's folder holds."""

    folder: Path
    bytes_of: Mapping[str, int]
    """Size of each file that belongs to the data set, by its path in the folder."""
    left_out: Mapping[str, str]
    """Why another file does not belong to it, by its path."""

    @property
    def bytes(self) -> int:
        """Size of all that belongs to the data set."""
        return sum(self.bytes_of.values())


def contents(folder: Path) -> Contents:
    """List a published data set, and check that the Hub takes it.

    Raises:
        ArtifactError: a file that the manifest lists is missing or of another size, or there is no
            manifest.
        InputError: the card has no licence.
        StorageError: a limit of the Hub is exceeded.
    """
    listed = _listed(folder)
    sizes: dict[str, int] = {}
    left_out: dict[str, str] = {}
    for name, path in _files(folder):
        reason = _foreign(name, path, listed)
        if reason:
            left_out[name] = reason
        else:
            sizes[name] = path.stat().st_size
    _check_whole(folder, listed, sizes)
    _check_licence(folder / CARD)
    _check_limits(sizes)
    return Contents(folder, sizes, left_out)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield files, hidden ones and those in hidden folders too; follows no links to folders."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(root) / name
            yield path.relative_to(folder).as_posix(), path


def _foreign(name: str, path: Path, listed: Mapping[str, int]) -> str:
    """Say why a file is no part of the data set; empty if it is."""
    if any(part.startswith(".") for part in PurePosixPath(name).parts):
        return "hidden or incomplete"
    if path.is_symlink() or not path.is_file():
        return "not a file of this folder"
    if hand_made.is_kept(name):
        return "kept from an edit"
    if path.suffix == ".parquet" and name not in listed:
        return "not in the manifest"
    return ""


def _listed(folder: Path) -> dict[str, int]:
    """Return the sizes of the files in the manifest."""
    path = folder / MANIFEST
    try:
        files: Any = json.loads(path.read_bytes())["files"]
        return {str(file["path"]): int(file["bytes"]) for file in files}
    except (OSError, ValueError, LookupError, TypeError):
        raise ArtifactError(
            f"{path} is missing or damaged, so it is not known what belongs to the data set; "
            "publish again"
        ) from None


def _check_whole(folder: Path, listed: Mapping[str, int], sizes: Mapping[str, int]) -> None:
    for name, size in listed.items():
        if (found := sizes.get(name)) != size:
            got = "is missing" if found is None else f"has {found:,} bytes"
            raise ArtifactError(
                f"{folder / name} {got}, the manifest says {size:,}; publish again to restore it"
            )


def _check_licence(card: Path) -> None:
    import yaml
    from huggingface_hub.repocard import metadata_load

    try:
        values = metadata_load(card)
    except (OSError, UnicodeDecodeError):
        raise ArtifactError(f"{card} is missing or damaged; publish again to restore it") from None
    except yaml.YAMLError as error:
        raise InputError(f"{card}: its head is not YAML: {first_line(error)}") from None
    except ValueError:  # a list or a text
        values = None
    if not (values and values.get("license")):
        raise InputError(
            f"{card}: its head has no 'license', without which nobody may use the data; publish "
            "with --license, such as cc-by-4.0"
        )


def _check_limits(sizes: Mapping[str, int]) -> None:
    for name, size in sizes.items():
        if size > MOST_FILE_BYTES:
            raise StorageError(
                f"{name} has {size:,} bytes, and the Hub takes files of at most "
                f"{MOST_FILE_BYTES:,}; publish with a smaller --shard-rows"
            )
    folders = Counter(str(PurePosixPath(name).parent) for name in sizes)
    for folder, count in folders.items():
        if count > MOST_IN_FOLDER:
            raise StorageError(
                f"the folder {folder} has {count:,} files, and the Hub takes at most "
                f"{MOST_IN_FOLDER:,} in one; publish with a larger --shard-rows"
            )
    if len(sizes) > MOST_FILES:
        raise StorageError(
            f"the data set has {len(sizes):,} files, and the Hub takes at most {MOST_FILES:,} at "
            "once; publish with a larger --shard-rows"
        )
