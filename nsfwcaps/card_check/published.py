"""A published data set as it is on the disk: its papers, and the schemas of its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps.errors import ArtifactError
from nsfwcaps.tables import damaged

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST, CARD = "manifest.json", "README.md"
DATA, SAFE = "data", "safe"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong, and in which file."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class PublishedFolder:
    """A data set with its manifest."""

    folder: Path
    manifest: dict[str, Any]

    def files(self, part: str) -> list[Path]:
        """Return the Parquet files in a subfolder, in order."""
        return sorted((self.folder / part).glob("*.parquet"))

    def columns(self, part: str) -> pa.Schema:
        """Return the schema of the first file of a subfolder."""
        return schema_of(self.files(part)[0])

    @property
    def stages(self) -> dict[str, Any]:
        """The stages that made it, by name."""
        found: dict[str, Any] = self.manifest["stages"]
        return found


def schema_of(path: Path) -> pa.Schema:
    """Return the schema of a Parquet file.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path).remove_metadata()
    except (OSError, pa.ArrowException):
        raise damaged(path) from None


def open_published(folder: Path) -> PublishedFolder:
    """Open a data set, or that of a run.

    Raises:
        ArtifactError: there is none, or its manifest is damaged.
    """
    if not (folder / MANIFEST).is_file() and (folder / "dataset" / MANIFEST).is_file():
        folder = folder / "dataset"
    place = folder / MANIFEST
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "no such folder"
        raise ArtifactError(f"{folder}: {kind}; expected the folder of a published data set")
    if not place.is_file():
        raise ArtifactError(
            f"{folder} has no {MANIFEST}: expected the folder of a data set that publish wrote, "
            "or of a run that has one"
        )
    try:
        manifest = json.loads(place.read_bytes())
        for name in ("ingest", "embed", "mine", "grade", "publish"):
            manifest["stages"][name]["facts"].keys()
        for file in manifest["files"]:
            str(file["path"]), int(file["rows"]), int(file["bytes"]), str(file["sha256"])
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ArtifactError(
            f"{place} is damaged, or not of a data set that publish wrote; publish again"
        ) from None
    found = PublishedFolder(folder=folder, manifest=manifest)
    if not found.files(DATA):
        raise ArtifactError(f"{folder / DATA} has no Parquet files; copy the data set again")
    return found
