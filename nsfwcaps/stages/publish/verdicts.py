"""publish, the verdicts: the review that the setting names."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.review.export import read
from nsfwcaps.review.export.read import Review


def source_digest(name: str) -> str:
    """Digest of the review that is named, without reading all of it.

    Raises:
        ConfigError: it is an address; a review there is exported first.
        InputError: there is nothing.
        ReviewError: it is no review.
    """
    return read.source_digest(_path(name))


def read_review(name: str) -> Review:
    """Read the review that is named, and check its log.

    Raises:
        ConfigError, InputError: as `source_digest`.
        ReviewError: it is no review, of another version, or the log is not whole.
    """
    return read.read(_path(name))


def _path(name: str) -> Path:
    if "://" in name:
        raise ConfigError(
            "publish.verdicts: a review on a server is exported first, with 'nsfwcaps review "
            "export'; name the folder that it writes"
        )
    path = Path(name).expanduser()
    if not path.exists():
        raise InputError(
            f"{name}: no such file or folder; publish.verdicts names the database of a review, or "
            "what 'nsfwcaps review export' wrote"
        )
    return path
