"""What a command says when it fails: one message, and an exit code."""

from __future__ import annotations

import os
import traceback

from nsfwcaps import extras
from nsfwcaps.errors import NsfwcapsError, storage_error

DEBUG_VARIABLE = "NSFWCAPS_DEBUG"

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
STOPPED = "stopped; finished work is kept: run the same command again to resume"
_INTERNAL = 70  # EX_SOFTWARE of sysexits.h


def explain(error: Exception) -> tuple[str, int]:
    """Return the message and the exit code for an exception."""
    if isinstance(error, NsfwcapsError):
        return f"error: {error}", error.exit_code
    if isinstance(error, OSError) and (known := storage_error(error)) is not None:
        return f"error: {known}", known.exit_code
    if isinstance(error, ModuleNotFoundError) and (lacking := extras.explained(error)) is not None:
        return f"error: {lacking}", lacking.exit_code
    if isinstance(error, MemoryError):
        return "error: out of memory; lower --memory, --shard-rows or the batch sizes", 1
    # The exception's text may quote a caption, so show only its type and location.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename}:{frame.lineno}"
    return (
        f"internal error: {type(error).__name__} at {place}. This is a bug; finished work is kept. "
        f"Set {DEBUG_VARIABLE}=1 for the full traceback, and report it",
        _INTERNAL,
    )


def trace() -> None:
    """Print the traceback of the current exception if the user wants it."""
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc()


def kind(error: Exception) -> str:
    """Return the name of an error for scripts: that of its class, or of the one that explains it.

    >>> kind(OSError(28, "disk full")), kind(ValueError())
    ('StorageError', 'InternalError')
    """
    if isinstance(error, OSError) and (known := storage_error(error)) is not None:
        return type(known).__name__
    if isinstance(error, ModuleNotFoundError) and (lacking := extras.explained(error)) is not None:
        return type(lacking).__name__
    known_kinds = NsfwcapsError | MemoryError
    return type(error).__name__ if isinstance(error, known_kinds) else "InternalError"
