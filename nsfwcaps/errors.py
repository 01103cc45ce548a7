"""All errors shown to users, with their exit codes.

    NsfwcapsError            1
    ├── ConfigError          2   an invalid option or recipe
    ├── InputError           3   unreadable input, or too many bad rows
    ├── ArtifactError        4   an earlier stage's output is missing, stale or damaged
    ├── ModelError           5   a model cannot be loaded, or vectors of two encoders were mixed
    ├── DeviceError          6   a requested device is not available
    ├── StorageError         7   disk full, folder read-only, workdir in use
    ├── RecallError          8   an approximate index has less than the required recall
    ├── TrainingError        9   training diverged
    ├── EvaluationError     10   part of an evaluation failed; the rest is written
    └── ReviewError         11   a review cannot continue: damaged, or of other data

Messages say what is wrong, where, and how to fix it. They never contain caption text.
"""

from __future__ import annotations

import errno


class NsfwcapsError(Exception):
    """Root of the tree; catches everything that the toolkit raises on purpose."""

    exit_code = 1


class ConfigError(NsfwcapsError):
    """An invalid option or recipe."""

    exit_code = 2


class InputError(NsfwcapsError):
    """Unreadable input, or too many bad rows."""

    exit_code = 3


class ArtifactError(NsfwcapsError):
    """An earlier stage's output is missing, stale or damaged."""

    exit_code = 4


class ModelError(NsfwcapsError):
    """A model cannot be loaded, or vectors of two encoders were mixed."""

    exit_code = 5


class DeviceError(NsfwcapsError):
    """A requested device is not available or failed."""

    exit_code = 6


class StorageError(NsfwcapsError):
    """The disk is full, a folder is not writable, or another run is using it."""

    exit_code = 7


class RecallError(NsfwcapsError):
    """An approximate index has less than the required recall."""

    exit_code = 8


class TrainingError(NsfwcapsError):
    """The loss or gradients of a training run are NaN or infinite."""

    exit_code = 9


class EvaluationError(NsfwcapsError):
    """Part of an evaluation failed; the rest is written."""

    exit_code = 10


class ReviewError(NsfwcapsError):
    """A review cannot continue: its database is damaged, or its data set has changed."""

    exit_code = 11


_STORAGE_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again to resume",
    errno.EFBIG: "the file is larger than the system allows; raise the limit (ulimit -f)",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EROFS: "the file system is read-only; choose another --workdir / --out",
    errno.EACCES: "permission denied; choose a writable folder, or change its permissions",
    errno.EPERM: "operation not permitted; choose a writable folder",
    errno.EEXIST: "a file is where a folder is needed; choose another --workdir / --out",
    errno.ENOTDIR: "a file is where a folder is needed; choose another --workdir / --out",
    errno.ENAMETOOLONG: "the name is too long for the file system; choose a shorter one",
}


def storage_error(error: OSError) -> StorageError | None:
    """Return the `StorageError` that explains an `OSError`, or None for other causes."""
    advice = _STORAGE_ADVICE.get(error.errno or 0)
    if advice is None:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return StorageError(f"{where}{advice}")


def first_line(error: Exception | str) -> str:
    """Return the first line of a library's message, cut to 200 characters, or the error's type."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
