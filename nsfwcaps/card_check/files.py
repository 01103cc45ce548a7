"""The files of a data set against its manifest: size, sha256, rows and columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.card_check.published import (
    DATA,
    MANIFEST,
    SAFE,
    Finding,
    PublishedFolder,
    schema_of,
)
from nsfwcaps.errors import ArtifactError
from nsfwcaps.files import sha256_file
from nsfwcaps.progress import Progress


def check_files(published: PublishedFolder, progress: Progress) -> Iterator[Finding]:
    """Yield what differs from the list of files in the manifest."""
    listed = {file["path"]: file for file in published.manifest["files"]}
    total = sum(file["bytes"] for file in listed.values())
    with progress.task("card check: files", total, unit="bytes") as advance:
        for name, file in listed.items():
            for what in _of_file(published.folder / name, file):
                yield Finding(file=name, what=what)
            advance(file["bytes"])
    for part in (DATA, SAFE):
        for path in published.files(part):
            name = f"{part}/{path.name}"
            if name not in listed:
                yield Finding(file=name, what=f"is not in {MANIFEST}, but is loaded with the rest")
        yield from _columns(published, part)


def check_origin(published: PublishedFolder) -> Iterator[Finding]:
    """Yield if the manifest is not the one that the run beside the data set wrote.

    Facts of the pools are in no other file of the data set; the run has them.
    """
    record = StageFolder(published.folder.parent / "publish").record()
    if record is None:
        return
    wrote = [file.sha256 for file in record.files if Path(file.path).name == MANIFEST]
    if wrote and sha256_file(published.folder / MANIFEST) not in wrote:
        yield Finding(
            file=MANIFEST, what=f"is not the one that {record.folder} wrote; publish again"
        )


def _of_file(path: Path, file: dict[str, Any]) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        yield f"is missing; {MANIFEST} lists it"
        return
    if (size := path.stat().st_size) != file["bytes"]:
        yield f"has {size:,} bytes; {MANIFEST} says {file['bytes']:,}"
    elif (found := sha256_file(path)) != file["sha256"]:
        yield f"has the sha256 {found[:16]}…; {MANIFEST} says {file['sha256'][:16]}…"
    try:
        rows = pq.read_metadata(path).num_rows
    except (OSError, pa.ArrowException):
        yield "is no readable Parquet file"
        return
    if rows != file["rows"]:
        yield f"has {rows:,} rows; {MANIFEST} says {file['rows']:,}"


def _columns(published: PublishedFolder, part: str) -> Iterator[Finding]:
    """Yield columns in which a file differs from the first one of its folder."""
    first = None
    for path in published.files(part):
        try:
            schema = schema_of(path)
        except ArtifactError:
            continue  # said above
        first = schema if first is None else first
        for name in sorted({*first.names} ^ {*schema.names}):
            has = "has" if name in schema.names else "lacks"
            yield Finding(
                file=f"{part}/{path.name}",
                what=f"{has} the column {name}, unlike the first file of {part}",
            )
        for field in schema:
            if field.name in first.names and first.field(field.name).type != field.type:
                yield Finding(
                    file=f"{part}/{path.name}",
                    what=f"column {field.name} is {field.type}; in the first file of {part} it is "
                    f"{first.field(field.name).type}",
                )
