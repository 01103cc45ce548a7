"""Every error a user can meet, and the exit code each one ends the command with.

    NsfwcapsError            1
    ├── ConfigError          2   an option or a recipe that cannot work
    ├── InputError           3   data that cannot be read, or too much of it is bad
    ├── ArtifactError        4   an earlier stage's output is missing, stale or damaged
    ├── ModelError           5   an encoder that cannot be loaded, or two that were mixed
    ├── DeviceError          6   a device that was asked for and is not there
    ├── StorageError         7   disk full, folder read-only, workdir in use
    ├── RecallError          8   an approximate index below the recall that was asked for
    ├── TrainingError        9   a training run whose numbers broke down
    ├── EvaluationError     10   a part of an evaluation that could not be had; the others are there
    └── ReviewError         11   a review that cannot go on: damaged, or of other data

A message says what is wrong, where, and what mends it. Caption text is never part of a message.
"""

from __future__ import annotations

import errno


class NsfwcapsError(Exception):
    """The root of the tree; catch it to catch everything the toolkit raises on purpose."""

    exit_code = 1


class ConfigError(NsfwcapsError):
    """An option or a recipe that cannot work."""

    exit_code = 2


class InputError(NsfwcapsError):
    """Data that cannot be read, or of which too much is bad."""

    exit_code = 3


class ArtifactError(NsfwcapsError):
    """An earlier stage's output is missing, stale or damaged."""

    exit_code = 4


class ModelError(NsfwcapsError):
    """An encoder that cannot be loaded, or embeddings of two encoders that were mixed."""

    exit_code = 5


class DeviceError(NsfwcapsError):
    """A device that was asked for and cannot be used."""

    exit_code = 6


class StorageError(NsfwcapsError):
    """The disk is full, the folder cannot be written, or another run is using it."""

    exit_code = 7


class RecallError(NsfwcapsError):
    """An approximate index found fewer of the true neighbours than was asked for."""

    exit_code = 8


class TrainingError(NsfwcapsError):
    """A training run whose loss or gradients are no numbers any more."""

    exit_code = 9


class EvaluationError(NsfwcapsError):
    """A part of an evaluation could not be had; what could is written."""

    exit_code = 10


class ReviewError(NsfwcapsError):
    """A review that cannot go on: its database is damaged, or its data are not what they were."""

    exit_code = 11


_STORAGE_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again: it continues",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EROFS: "the file system is read-only; choose another --workdir / --out",
    errno.EACCES: "permission denied; choose a folder you may write, or change its permissions",
    errno.EPERM: "operation not permitted; choose a folder you may write",
    errno.EEXIST: "a file is where a folder is needed; choose another --workdir / --out",
    errno.ENOTDIR: "a file is where a folder is needed; choose another --workdir / --out",
    errno.ENAMETOOLONG: "the name is too long for the file system; choose a shorter one",
}


def storage_error(error: OSError) -> StorageError | None:
    """Return the `StorageError` that explains an `OSError`, or None where it is something else."""
    advice = _STORAGE_ADVICE.get(error.errno or 0)
    if advice is None:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return StorageError(f"{where}{advice}")


def first_line(said: Exception | str) -> str:
    """First line of what a library says, 200 characters at most; its kind where it says nothing."""
    return (str(said).splitlines() or [type(said).__name__])[0][:200]
