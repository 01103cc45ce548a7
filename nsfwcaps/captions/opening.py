"""Opening the file of a pool: its address, its compression, and errors of its store."""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit, urlunsplit

import fsspec
import pyarrow as pa
from fsspec.compression import compr

from nsfwcaps.captions import contact
from nsfwcaps.errors import InputError, NsfwcapsError, first_line

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
_STORES = {
    "hf": "huggingface_hub",
    "s3": "s3fs",
    "s3a": "s3fs",
    "http": "aiohttp",
    "https": "aiohttp",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
}
"""Packages that fsspec reaches a store with."""
_PACKAGES = {"zstd": "zstandard", "lz4": "lz4"}
_NOT_A_POOL = {
    b"PK\x03\x04": "is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself; run 'git lfs pull'",
    b"<!DOCTYPE html": "is a web page, not data; download the file itself",
    b"<html": "is a web page, not data; download the file itself",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook; save the sheet as CSV",
}
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, pa.ArrowException)
_MISSING = (404, 410)
"""HTTP statuses of an address with nothing there; others, such as 403, tell of no access."""
HEAD_BYTES = 2**16


def shown(url: str) -> str:
    """Return an address for messages and records: without a query, which may hold a signature.

    >>> shown("https://host/pool.csv?X-Signature=abc"), shown("pool?.csv")
    ('https://host/pool.csv', 'pool?.csv')
    """
    if "://" not in url:
        return url
    scheme, netloc, path, _, _ = urlsplit(url)
    return urlunsplit((scheme, netloc.rpartition("@")[2], path, "", ""))


def lower_protocol(url: str) -> str:
    """Return an address with its protocol in lower case, as fsspec knows it.

    >>> lower_protocol("HTTPS://host/A.csv"), lower_protocol("A.csv")
    ('https://host/A.csv', 'A.csv')
    """
    protocol, sign, rest = url.partition("://")
    return f"{protocol.lower()}{sign}{rest}" if sign and protocol.isalnum() else url


def local_path(url: str) -> Path | None:
    """Path of a local file; None for other addresses.

    Raises:
        InputError: the protocol is unknown, or its package is not installed.
    """
    with reaching(url):
        filesystem, path = fsspec.core.url_to_fs(url)
    protocols = filesystem.protocol
    return Path(path) if "file" in protocols or "local" in protocols else None


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn what storage libraries raise into one `InputError`.

    Each library has errors of its own, so for remote addresses every exception counts.
    """
    contact.limit_waiting(url)
    try:
        yield
    except NsfwcapsError:
        raise
    except FileNotFoundError as error:
        if not is_missing(error):
            raise _unreachable(url, error.__cause__ or error) from None
        raise InputError(f"{shown(url)}: no such file") from None
    except PermissionError:
        raise InputError(f"{shown(url)}: permission denied") from None
    except ImportError as error:
        package = _STORES.get(url.partition("://")[0])
        advice = f"run 'pip install {package}'" if package else "install that package"
        raise InputError(f"{shown(url)}: {first_line(error)}; {advice}") from None
    except Exception as error:
        if is_remote(url):
            raise _unreachable(url, error) from None
        if isinstance(error, _DAMAGE):
            raise InputError(
                f"{url}: the file is damaged or truncated; copy or download it again"
            ) from None
        if isinstance(error, ValueError) and "rotocol" in str(error):
            raise InputError(f"{shown(url)}: {first_line(error)}") from None
        raise


def is_missing(error: FileNotFoundError) -> bool:
    """Whether a store answered that a file is missing; fsspec says so of every failure too."""
    return error.__cause__ is None or _status(error.__cause__) in _MISSING


def is_remote(url: str) -> bool:
    """Whether an address leads to another machine."""
    scheme = url.partition("://")[0] if "://" in url else ""
    return scheme not in ("", "file", "local", "memory") and scheme in fsspec.available_protocols()


def _unreachable(url: str, error: BaseException) -> InputError:
    """Name the HTTP status or the type of an error only: its text may quote the address."""
    kind = str(_status(error) or type(error).__name__)
    if url.startswith("hf://"):  # the address does not say which server this is
        kind = f"{kind}, {contact.host(url)}"
    return InputError(
        f"{shown(url)}: cannot be read ({kind}); check the address, your access and the network, "
        "or download the file"
    )


def _status(error: BaseException | None) -> int | None:
    """HTTP status of an error of any library, or of what caused it."""
    while error is not None:
        found = getattr(error, "status", None) or getattr(
            getattr(error, "response", None), "status_code", None
        )
        if isinstance(found, int):
            return found
        error = error.__cause__
    return None


@contextmanager
def opened(url: str) -> Iterator[BinaryIO]:
    """Open a file and decompress it; the compression is recognised by content, not by name.

    Raises:
        InputError: the file is missing, unreachable, damaged, or of a kind that is no pool.
    """
    with reaching(url), fsspec.open(url, "rb") as raw:
        file = decompressed(cast(BinaryIO, raw), url)
        try:
            yield file
        finally:
            if file is not raw:
                file.close()


def decompressed(raw: BinaryIO, url: str) -> BinaryIO:
    """Return the content of an opened file, decompressed if its first bytes say so.

    Raises:
        InputError: it is of a kind that is no pool, or a package is missing.
    """
    raw, head = peeked(raw, 32)
    for magic, advice in _NOT_A_POOL.items():
        if head.lower().startswith(magic.lower()):
            raise InputError(f"{shown(url)}: {advice}")
    name = compression(head)
    if name is None:
        return raw
    if name not in compr:
        raise InputError(
            f"{shown(url)}: {name} compression needs a package that is not installed; "
            f"run 'pip install {_PACKAGES[name]}', or decompress the file"
        )
    return cast(BinaryIO, compr[name](raw, mode="rb"))


def compression(head: bytes) -> str | None:
    """Compression of a file by its first bytes; None if it is not compressed."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def peeked(file: BinaryIO, size: int) -> tuple[BinaryIO, bytes]:
    """Return the first bytes of a file and the file from its start, also if it cannot seek."""
    head = b""
    while len(head) < size and (more := file.read(size - len(head))):
        head += more
    if file.seekable():
        file.seek(0)
        return file, head
    return cast(BinaryIO, io.BufferedReader(_Rejoined(head, file), 2**18)), head


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes have been read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self._head[: len(view)] or self._rest.read(len(view))
        self._head = self._head[len(data) :] if self._head else self._head
        view[: len(data)] = data
        return len(data)
