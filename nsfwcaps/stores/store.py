"""The objects below an address of a store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from glob import has_magic
from pathlib import Path
from typing import Any, TypeVar

from nsfwcaps.errors import StorageError
from nsfwcaps.stores.answers import reaching

SECONDS = 30.0
"""How long a store may take for its first answer."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Seen:
    """An object in a listing."""

    size: int
    tag: str
    """Changes whenever the content does: its ETag, or its time."""
    at: float = field(default=0.0, compare=False)
    """When it was written, in seconds, by the clock of the store."""


class Store:
    """Reads and writes the objects below an address, such as `s3://bucket/run`.

    Names are relative to it. Every method raises `StorageError` where the store cannot be reached
    or refuses.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        with reaching(address, "opened"):
            import fsspec

            scheme = address.partition(":")[0]
            self._files, self._base = fsspec.core.url_to_fs(address, **_options(scheme))

    def check(self) -> None:
        """Check that the store answers in time, and has a folder there or nothing.

        Raises:
            StorageError: it does not.
        """
        with reaching(self.address, "read"):
            if _in_time(self._is_object, self.address):
                raise StorageError(
                    f"{self.address}: is an object, not a folder; choose another --workdir / --out"
                )

    def _is_object(self) -> bool:
        try:
            return bool(self._files.info(self._base)["type"] == "file")
        except FileNotFoundError:
            return False
        except PermissionError:
            self._files.ls(self._base)  # which says why: the answer to the first has no text
            raise

    def listed(self, prefix: str = "") -> dict[str, Seen]:
        """Return all objects whose names begin with a folder, as it is now."""
        with reaching(self.address, "read"):
            self._files.invalidate_cache()
            place = f"{self._base}/{prefix}".rstrip("/")
            found = self._files.find(place, detail=True)
        cut = len(self._base) + 1
        return {name[cut:]: _seen(info) for name, info in found.items() if len(name) > cut}

    def get(self, name: str, path: Path) -> None:
        """Write an object to a file."""
        with reaching(self.address, "read"):
            self._files.get_file(f"{self._base}/{name}", str(path))

    def read(self, name: str) -> bytes | None:
        """Return an object's content; None if there is none of the name."""
        with reaching(self.address, "read"):
            try:
                return bytes(self._files.cat_file(f"{self._base}/{name}"))
            except FileNotFoundError:
                return None

    def put(self, path: Path, name: str) -> Seen:
        """Write a file to an object, which is there whole or not at all."""
        with reaching(self.address, "written"):
            self._files.put_file(str(path), f"{self._base}/{name}")
        return self.seen(name)

    def write(self, name: str, data: bytes) -> None:
        """Write an object, which is there whole or not at all."""
        with reaching(self.address, "written"):
            self._files.pipe_file(f"{self._base}/{name}", data)

    def create(self, name: str, data: bytes) -> bool:
        """Write an object unless there is one; return whether it was written."""
        with reaching(self.address, "written"):
            try:
                self._files.pipe_file(f"{self._base}/{name}", data, mode="create")
            except FileExistsError:
                return False
        return True

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; one that is gone already is no error."""
        places = [f"{self._base}/{name}" for name in names]
        # Patterns would be followed, and an answer to many names does not say what was refused.
        one_by_one = [*places[:1], *(place for place in places[1:] if has_magic(place))]
        together = [place for place in places[1:] if not has_magic(place)]
        with reaching(self.address, "written"):
            rest = one_by_one
            try:
                if together:
                    self._files.rm(together)
            except FileNotFoundError:  # some stores remove one after the other
                rest = places
            for place in rest:
                if self._files.exists(place):
                    self._files.rm_file(place)

    def seen(self, name: str) -> Seen:
        """Return what a listing would say of an object."""
        with reaching(self.address, "read"):
            self._files.invalidate_cache()
            return _seen(self._files.info(f"{self._base}/{name}"))

    def written_at(self, name: str) -> datetime:
        """Return when an object was written, by the clock of the store."""
        with reaching(self.address, "read"):
            self._files.invalidate_cache()
            found: datetime = self._files.modified(f"{self._base}/{name}")
        return found


def _options(scheme: str) -> dict[str, Any]:
    """Options of a store's library: no cache of listings, since others write too."""
    if scheme == "memory":
        return {}
    import fsspec

    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme == "s3" and "config_kwargs" not in fsspec.config.conf.get("s3", {}):
        # s3fs tries again by itself.
        options["config_kwargs"] = {"retries": {"total_max_attempts": 1}}
    return options


def _seen(info: dict[str, Any]) -> Seen:
    at = info.get("LastModified") or info.get("mtime") or info.get("created") or 0.0
    seconds = at.timestamp() if isinstance(at, datetime) else float(at)
    tag = info.get("ETag") or info.get("etag") or info.get("md5Hash") or seconds
    return Seen(int(info["size"]), str(tag), seconds)


def _in_time(ask: Callable[[], _Answer], address: str) -> _Answer:
    found: list[_Answer] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(ask())
        except Exception as error:  # raised again below
            failed.append(error)

    # A daemon thread: it may hang, and must not keep the process alive.
    asking = threading.Thread(target=run, daemon=True)
    asking.start()
    asking.join(SECONDS)
    if failed:
        raise failed[0]
    if not found:
        raise StorageError(
            f"{address}: the store does not answer within {SECONDS:g} s; check the network, the "
            "address and the endpoint"
        )
    return found[0]
