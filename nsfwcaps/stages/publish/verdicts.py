"""publish, verdicts: read the review named in the settings."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.errors import ConfigError, InputError
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


def read_review(name: str) -> Review:
    """Read the named review and verify its log.

    Raises:
        ConfigError, InputError: as `source_digest`.
        ReviewError: not a review, another version, or the log is incomplete or modified.
    """
    return read.read(_path(name))


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
