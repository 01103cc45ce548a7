"""The whole check of a data set: files, counts, card, Croissant file, rows read through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps import extras
from nsfwcaps.card_check.card import check_card
from nsfwcaps.card_check.description import NAME, check_description, read_description
from nsfwcaps.card_check.files import check_files, check_origin
from nsfwcaps.card_check.published import Finding, PublishedFolder, open_published
from nsfwcaps.card_check.recount import check_counts
from nsfwcaps.card_check.rows import MODULE, check_rows
from nsfwcaps.errors import ArtifactError
from nsfwcaps.progress import Progress


@dataclass(frozen=True, kw_only=True)
class CardCheck:
    """What a check found."""

    folder: Path
    files: int
    pairs: int
    findings: Sequence[Finding]
    notes: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "dataset": str(self.folder),
            "files": self.files,
            "pairs": self.pairs,
            "findings": [{"file": item.file, "what": item.what} for item in self.findings],
            "notes": list(self.notes),
        }


def check(folder: Path, progress: Progress) -> CardCheck:
    """Check the papers of a data set, or of the one of a run.

    Raises:
        ArtifactError: there is no data set in the folder, or its manifest is damaged.
    """
    published = open_published(folder)
    findings = [*check_files(published, progress), *check_origin(published)]
    findings += _of_data(published)
    findings += check_card(published, is_current=(published.folder / NAME).exists())
    findings += check_description(published)
    notes = []
    description = read_description(published)
    if not extras.installed(MODULE):
        notes.append(
            f"no row was read by {MODULE}, which is not installed; "
            f"run {extras.install('croissant')}"
        )
    elif description is not None:
        findings += check_rows(published, description)
    return CardCheck(
        folder=published.folder,
        files=len(published.manifest["files"]),
        pairs=published.stages["publish"]["facts"]["pairs"],
        findings=findings,
        notes=notes,
    )


def _of_data(published: PublishedFolder) -> list[Finding]:
    try:
        return [*check_counts(published)]
    except ArtifactError as error:  # a damaged file was found already, and has no columns to count
        return [Finding(file="data", what=f"cannot be counted: {error}")]
