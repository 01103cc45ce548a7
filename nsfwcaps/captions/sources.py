"""From what the user names (file, folder, glob, URL) to the files that are read, with digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import fsspec

from nsfwcaps import resources
from nsfwcaps.captions.readers import ending_of
from nsfwcaps.errors import InputError
from nsfwcaps.files import sha256_file

_BUNDLED = "bundled:"
# JSON is no data file here: Hugging Face folders keep their descriptions in it.
_FOLDER_ENDINGS = (".parquet", ".arrow", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt")


def expand(url: str) -> list[str]:
    """Files of a pool: itself, a glob's matches, or a folder's data files in order.

    A Hugging Face folder counts by its data files: Parquet, Arrow, JSONL or CSV, at any depth.

    Raises:
        InputError: nothing is there.
    """
    if url.startswith(_BUNDLED):
        return [str(resources.demo_pool(url.removeprefix(_BUNDLED)))]
    if not url.strip():  # as `--safe "$POOL"` with the variable unset; fsspec takes it for "."
        raise InputError("a pool's name is empty; give a file, folder, glob or URL")
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        if filesystem.isdir(path):
            found = _folder_files(filesystem, path)
        elif filesystem.exists(path):
            found = [path]
        else:
            found = sorted(filesystem.glob(path)) if any(sign in url for sign in "*?[") else []
    except (ValueError, ImportError) as error:
        raise InputError(f"{url}: {error}") from None
    if not found:
        raise InputError(f"{url}: no such file, folder or match")
    return [url] if found == [path] else [filesystem.unstrip_protocol(item) for item in found]


def _folder_files(filesystem: fsspec.AbstractFileSystem, path: str) -> list[str]:
    # Hidden below the folder, that is: the folder itself may lie in ~/.cache.
    names = [name for name in sorted(filesystem.find(path)) if "/." not in name[len(path) :]]
    for ending in _FOLDER_ENDINGS:
        # One kind only: a folder often holds the same rows a second time, or logs beside them.
        if found := [name for name in names if ending_of(name) == ending]:
            return found
    raise InputError(f"{path}: the folder holds no {', '.join(_FOLDER_ENDINGS)} file")


def content_digest(url: str) -> str:
    """Sha256 of a local file; what the store says of a remote one (checksum, size, time)."""
    local = local_path(url)
    if local is not None:
        return sha256_file(local)
    filesystem, path = fsspec.core.url_to_fs(url)
    facts = [url, str(filesystem.checksum(path))]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def size_bytes(url: str) -> int:
    """Size of a file; 0 where the store does not say."""
    filesystem, path = fsspec.core.url_to_fs(url)
    return int(filesystem.size(path) or 0)


def local_path(url: str) -> Path | None:
    """Path of a local file, or None for any other URL."""
    filesystem, path = fsspec.core.url_to_fs(url)
    protocols: Sequence[str] = filesystem.protocol
    return Path(path) if "file" in protocols or "local" in protocols else None
