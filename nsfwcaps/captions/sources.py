"""Expansion of a source (file, folder, glob, brace range, URL) to its files, and their digests."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Iterator

import fsspec
from braceexpand import braceexpand

from nsfwcaps import resources
from nsfwcaps.captions import contact
from nsfwcaps.captions.folders.file_kinds import check_matches
from nsfwcaps.captions.folders.file_sets import check_set
from nsfwcaps.captions.folders.layouts import Chosen, files_of
from nsfwcaps.captions.folders.members import IMAGE_ENDINGS, is_document, is_hidden, suffix
from nsfwcaps.captions.opening import (
    is_missing,
    is_remote,
    local_path,
    lower_protocol,
    reaching,
    shown,
)
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.errors import InputError
from nsfwcaps.files import sha256_file

_BUNDLED = "bundled:"
_GLOB = "*?["
_RANGE = re.compile(
    r"(?P<before>[^{}]*)\{(?P<first>\d{1,18})\.\.(?P<last>\d{1,18})\}(?P<after>.*)", re.DOTALL
)
_PART = 1000
"""Files of a brace range that are expanded at once."""


def expand(url: str, options: ReadOptions | None = None) -> list[str]:
    """List the files of a pool; see `resolve`.

    Raises:
        InputError: nothing was found, or a folder needs a choice.
    """
    return resolve(url, options).files


def resolve(url: str, options: ReadOptions | None = None) -> Chosen:
    """Find the files of a pool: the file itself, matches of a glob, or a folder's data files.

    A brace range such as `{00000..00012}.tar` is several. A folder of images with captions beside
    them is one, with a slash at its end.

    Raises:
        InputError: nothing was found, or a folder needs a choice.
    """
    options = options or ReadOptions()
    if url.startswith(_BUNDLED):
        return Chosen(files=[str(resources.demo_pool(url.removeprefix(_BUNDLED)))])
    if not url.strip():  # e.g. `--safe "$POOL"` with the variable unset; fsspec would read "."
        raise InputError("empty pool name; expected a file, folder, glob or URL")
    url = lower_protocol(url)
    with reaching(url):
        found = _found(url, options)
        if found is None:
            # One after another: a long range ends at its first gap.
            found = _joined([_there(item, options) for item in _braces(url)])
    return found


def _there(url: str, options: ReadOptions) -> Chosen:
    found = _found(url, options)
    if found is None:
        raise InputError(f"{shown(url)}: no such file, folder or match")
    return found


def _braces(url: str) -> Iterator[str]:
    """Expand braces; a long range in parts, so that a gap is found before all is expanded."""
    found = _RANGE.match(url)
    if found and int(found["last"]) - int(found["first"]) > _PART:
        first, last = int(found["first"]), int(found["last"])
        padded = found["first"].startswith("0") and len(found["first"]) > 1
        width = max(len(found["first"]), len(found["last"])) if padded else 1
        for start in range(first, last + 1, _PART):
            end = min(start + _PART - 1, last)
            part = f"{{{start:0{width}d}..{end:0{width}d}}}"
            yield from _braces(f"{found['before']}{part}{found['after']}")
        return
    try:
        yield from list(braceexpand(url)) if "{" in url else [url]
    except ValueError:  # braces that do not pair
        yield url


def _found(url: str, options: ReadOptions) -> Chosen | None:
    """Files of one address without braces; None if nothing is there."""
    filesystem, path = fsspec.core.url_to_fs(url)
    kind = _kind(filesystem, path, url)
    if kind == "file":
        return Chosen(files=[url])
    if kind == "directory":
        return _as_urls(filesystem, files_of(filesystem, path, options))
    if not any(sign in shown(path) for sign in _GLOB):
        return None
    matches = filesystem.glob(path, detail=True)
    files = _data(path, [name for name, info in matches.items() if info["type"] == "file"])
    if files and not url.endswith("/"):
        check_matches(shown(url), files)
        check_set(files, shown(url), lambda name: fnmatch.fnmatchcase(name, path))
        return _as_urls(filesystem, Chosen(files=files))
    folders = [
        files_of(filesystem, name, options)
        for name, info in sorted(matches.items())
        if info["type"] == "directory"
    ]
    return _as_urls(filesystem, _joined(folders)) if folders else None


def _data(pattern: str, files: list[str]) -> list[str]:
    """Matches of a pattern without documents, unless it names them itself, and hidden files."""
    last = pattern.rpartition("/")[2]
    if not any(sign in last for sign in _GLOB):
        return sorted(files)
    return sorted(
        name
        for name in files
        if not is_document(name) and (last[0] == "." or not is_hidden(name.rpartition("/")[2]))
    )


def _kind(filesystem: fsspec.AbstractFileSystem, path: str, url: str) -> str | None:
    """`file`, `directory`, or None if nothing is there.

    Raises:
        InputError: the store does not answer in time.
        Exception: the store cannot be reached, with an error of its library.
    """
    try:
        if is_remote(url):
            return str(contact.info(filesystem, path, shown(url))["type"])
        kind = str(filesystem.info(path)["type"])
        return "file" if kind == "other" else kind  # a pipe, as in <(zcat pool.gz)
    except FileNotFoundError as error:
        if is_missing(error):
            return None
        raise
    except OSError:
        if "file" in filesystem.protocol:  # such as a name longer than the system allows
            return None
        raise


def _joined(found: list[Chosen]) -> Chosen:
    return Chosen(
        files=[file for chosen in found for file in chosen.files],
        configs=tuple(dict.fromkeys(name for chosen in found for name in chosen.configs)),
        splits=tuple(dict.fromkeys(name for chosen in found for name in chosen.splits)),
    )


def _as_urls(filesystem: fsspec.AbstractFileSystem, found: Chosen) -> Chosen:
    urls = [
        filesystem.unstrip_protocol(name).rstrip("/") + ("/" if name.endswith("/") else "")
        for name in found.files
    ]
    return Chosen(files=urls, configs=found.configs, splits=found.splits)


def content_digest(url: str) -> str:
    """Sha256 of a local file; for a remote one, of its store's metadata (checksum, size, time).

    Of a folder of images with captions: sha256 of the captions, and of the names and sizes of the
    images.
    """
    with reaching(url):
        if url.endswith("/"):
            return _folder_digest(url)
        local = local_path(url)
        if local is not None:
            return sha256_file(local)
        filesystem, path = fsspec.core.url_to_fs(url)
        facts = [url, str(filesystem.checksum(path))]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _folder_digest(url: str) -> str:
    filesystem, path = fsspec.core.url_to_fs(url)
    found = hashlib.sha256()
    for name, info in sorted(filesystem.find(path, detail=True).items()):
        is_image = suffix(name) in IMAGE_ENDINGS
        fact = info["size"] if is_image else hashlib.sha256(filesystem.cat_file(name)).hexdigest()
        found.update(json.dumps([name[len(path) :], fact]).encode() + b"\n")
    return found.hexdigest()


def size_bytes(url: str) -> int:
    """Size of a file, or of a folder's files; 0 if the store does not report it."""
    with reaching(url):
        filesystem, path = fsspec.core.url_to_fs(url)
        if url.endswith("/"):
            infos = filesystem.find(path, detail=True).values()
            return sum(int(info["size"] or 0) for info in infos)
        return int(filesystem.size(path) or 0)
