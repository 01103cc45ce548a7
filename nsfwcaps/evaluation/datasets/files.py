"""Pictures as files: which ones are in a folder, and those inside a tar file."""

from __future__ import annotations

import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.pictures import Read

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")

Sample = Mapping[str, Read]
"""Ending, without its dot, to the content of a sample's file of that ending."""


def picture_files(folder: Path) -> list[Path]:
    """Files in a folder, at any depth, whose endings are those of pictures; hidden ones aside."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def tar_files(folder: Path) -> list[Path]:
    """Tar files in a folder: shards with numbers as names in the order of these."""
    return sorted(folder.glob("*.tar"), key=lambda path: (len(path.stem), path.stem))


def tar_samples(path: Path) -> Iterator[Sample]:
    """Samples of a webdataset: files of one name with different endings.

    Raises:
        InputError: the file is damaged, or compressed: a picture in it is then not found again.
    """
    samples: dict[str, dict[str, Read]] = defaultdict(dict)
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                folder, _, file = member.name.rpartition("/")
                stem, _, ending = file.partition(".")
                if member.isfile() and stem:
                    read = partial(_read, path, member.offset_data, member.size)
                    samples[f"{folder}/{stem}"][ending.lower()] = read
    except (tarfile.TarError, EOFError):
        raise InputError(
            f"{path}: cannot be read as a plain tar file; it is damaged, cut short or compressed"
        ) from None
    yield from samples.values()


def picture_of(sample: Sample) -> Read | None:
    """The picture of a sample, or None."""
    return next((sample[ending[1:]] for ending in ENDINGS if ending[1:] in sample), None)


def _read(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) < size:
        raise OSError(f"{path}: shorter than it was")
    return data
