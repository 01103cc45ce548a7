"""Expansion of a source (file, folder, glob, URL) to its files, and their digests."""

from __future__ import annotations

import hashlib
import json

import fsspec

from nsfwcaps import resources
from nsfwcaps.captions.opening import local_path, shown
from nsfwcaps.captions.readers import ending_of
from nsfwcaps.errors import InputError
from nsfwcaps.files import sha256_file

_BUNDLED = "bundled:"
# JSON is not listed: Hugging Face folders keep metadata in it.
_FOLDER_ENDINGS = (".parquet", ".arrow", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt")


def expand(url: str) -> list[str]:
    """List the files of a pool: the file itself, matches of a glob, or a folder's data files.

    In a Hugging Face folder these are Parquet, Arrow, JSONL or CSV files, at any depth.

    Raises:
        InputError: nothing was found.
    """
    if url.startswith(_BUNDLED):
        return [str(resources.demo_pool(url.removeprefix(_BUNDLED)))]
    if not url.strip():  # e.g. `--safe "$POOL"` with the variable unset; fsspec would read "."
        raise InputError("empty pool name; expected a file, folder, glob or URL")
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        if filesystem.isdir(path):
            found = _folder_files(filesystem, path)
        elif filesystem.exists(path):
            found = [path]
        else:
            found = sorted(filesystem.glob(path)) if any(sign in url for sign in "*?[") else []
    except (ValueError, ImportError) as error:
        raise InputError(f"{shown(url)}: {error}") from None
    if not found:
        raise InputError(f"{shown(url)}: no such file, folder or match")
    return [url] if found == [path] else [filesystem.unstrip_protocol(item) for item in found]


def _folder_files(filesystem: fsspec.AbstractFileSystem, path: str) -> list[str]:
    # Skip hidden files below the folder only: the folder itself may be in ~/.cache.
    names = [name for name in sorted(filesystem.find(path)) if "/." not in name[len(path) :]]
    for ending in _FOLDER_ENDINGS:
        # One format only: folders often hold the same rows in a second format, or logs.
        if found := [name for name in names if ending_of(name) == ending]:
            return found
    raise InputError(f"{path}: no data files in this folder; expected {', '.join(_FOLDER_ENDINGS)}")


def content_digest(url: str) -> str:
    """Sha256 of a local file; for a remote one, of its store's metadata (checksum, size, time)."""
    local = local_path(url)
    if local is not None:
        return sha256_file(local)
    filesystem, path = fsspec.core.url_to_fs(url)
    facts = [url, str(filesystem.checksum(path))]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def size_bytes(url: str) -> int:
    """Size of a file; 0 if the store does not report it."""
    filesystem, path = fsspec.core.url_to_fs(url)
    return int(filesystem.size(path) or 0)
