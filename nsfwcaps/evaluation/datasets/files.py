"""Image files: those in a folder, and those inside a tar file."""

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
"""File ending, without the dot -> reader of the sample's file with that ending."""


def picture_files(folder: Path) -> list[Path]:
    """List the image files in a folder at any depth, by file ending, without hidden ones."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def tar_files(folder: Path) -> list[Path]:
    """List the tar files in a folder, numbered shards in numerical order."""
    return sorted(folder.glob("*.tar"), key=lambda path: (len(path.stem), path.stem))


def tar_samples(path: Path) -> Iterator[Sample]:
    """Yield the samples of a webdataset: files with the same stem and different endings.

    Raises:
        InputError: the file is damaged, or compressed, which rules out random access.
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
            f"{path}: not an uncompressed tar file; it is damaged, truncated or compressed"
        ) from None
    yield from samples.values()


def picture_of(sample: Sample) -> Read | None:
    """Return the reader of a sample's image, or None."""
    return next((sample[ending[1:]] for ending in ENDINGS if ending[1:] in sample), None)


def _read(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) < size:
        raise OSError(f"{path}: file was truncated")
    return data
