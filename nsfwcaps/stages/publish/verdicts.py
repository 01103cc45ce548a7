"""publish, verdicts: read the review named in the settings."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.errors import ConfigError, InputError, ReviewError
from nsfwcaps.review.chain import noted
from nsfwcaps.review.chain.noted import NotedHead
from nsfwcaps.review.export import read
from nsfwcaps.review.export.read import Review


def source_digest(name: str) -> str:
    """Return a digest of the named review, without reading all of it.

    Raises:
        ConfigError: the name is a database URL; such a review must be exported first.
        InputError: no such file or folder.
        ReviewError: not a review.
    """
    return read.source_digest(_path(name))


def read_review(name: str, replaced: NotedHead | None, *, may_be_other: bool = False) -> Review:
    """Read the named review and verify its log.

    Args:
        name: as in the settings.
        replaced: head of the log from which the data set to be replaced was published.
        may_be_other: accept a log that does not continue from that head.

    Raises:
        ConfigError, InputError: as `source_digest`.
        ReviewError: not a review, another version, or the log is incomplete or modified, or does
            not continue from the head.
    """
    found = read.read(_path(name), replaced)
    if found.lacks is not None and replaced is not None and not may_be_other:
        head = f"{replaced.rows}:{replaced.hash}"
        latest = (
            "Give the latest database or an export of it; after restoring a backup, say so with "
            f"'nsfwcaps review restored --db DB --noted {head}'; to"
        )
        is_other = replaced.first not in (None, found.first)
        raise ReviewError(
            f"publish.verdicts: {name}: the data set that would be replaced was published from row "
            f"{replaced.rows} of a review, and this one does not continue from it: {found.lacks}. "
            f"Nothing was written. {'To' if is_other else latest} publish from this review all the "
            "same, add --other-review"
        )
    return found


def replaced_head(folder: StageFolder, data_set: Path) -> NotedHead | None:
    """Return the head that the data set to be replaced notes, or else the stage's last record."""
    record = folder.record()
    facts = {} if record is None else record.facts.get("review", {})
    return noted.of_data_set(data_set) or noted.parse(facts.get("log"))


def _path(name: str) -> Path:
    if "://" in name:
        raise ConfigError(
            "publish.verdicts: cannot read a review on a server; run 'nsfwcaps review export' and "
            "pass the exported folder"
        )
    path = Path(name).expanduser()
    if not path.exists():
        raise InputError(
            f"publish.verdicts: {name}: no such file or folder; expected the database of a review, "
            "or an export by 'nsfwcaps review export'"
        )
    return path
