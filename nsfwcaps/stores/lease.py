"""The lease of a run on a store: one driver at a time, on any machine.

The driver creates an object that names it, and writes it again while it lives. A lease whose
driver is dead on this machine, or silent for long, is taken over. Times are by the store's clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nsfwcaps.config import digest
from nsfwcaps.errors import StorageError
from nsfwcaps.stores.store import Store

NAME = ".lease.json"
PROBE = ".lease-probe-"
BEAT_S = 30.0
"""Seconds between two signs of life."""
STALE_S = 300.0
"""Seconds of silence after which a driver counts as dead."""
_SETTLE_S = 1.0


class Lease:
    """Holds a run from `take` to `release`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._id = uuid.uuid4().hex
        self._since = datetime.now(UTC).isoformat(timespec="seconds")

    def take(self) -> None:
        """Take the lease.

        Raises:
            StorageError: another driver holds it, or objects cannot be written and removed there.
        """
        probe = f"{PROBE}{self._id}"
        self._store.write(probe, b"")
        self._store.delete([probe])  # a lease that cannot be given back would block the run
        if self._store.create(NAME, self._content()):
            return
        self.refuse()
        self._store.write(NAME, self._content())
        time.sleep(_SETTLE_S)  # another driver may take it over at the same time: the last one wins
        self.check()

    def refuse(self) -> None:
        """Refuse to go on while a driver holds the lease.

        Raises:
            StorageError: one does.
        """
        holder = self._holder()
        if holder is None or _is_dead_here(holder):
            return
        age = self._age()
        if age is not None and age.total_seconds() < STALE_S:
            raise StorageError(self._taken(holder, age))

    def beat(self) -> None:
        """Show that the driver lives.

        Raises:
            StorageError: another driver has taken the lease over.
        """
        self.check()
        self._store.write(NAME, self._content())

    def check(self) -> None:
        """Check that the lease is still held.

        Raises:
            StorageError: another driver has taken it over.
        """
        holder = self._holder()
        if holder is None or holder.get("id") != self._id:
            by = "removed" if holder is None else f"taken over by {_named(holder)}"
            raise StorageError(
                f"{self._store.address}: the lease of this command was {by}; it stopped here. "
                "Finished work is kept: run the same command again when no other uses the run"
            )

    def release(self) -> None:
        """Give the lease back, if it is still held."""
        holder = self._holder()
        if holder is not None and holder.get("id") == self._id:
            self._store.delete([NAME])

    def _content(self) -> bytes:
        facts = {
            "id": self._id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "machine": _machine(),
            "since": self._since,
        }
        return json.dumps(facts).encode() + b"\n"

    def _holder(self) -> dict[str, Any] | None:
        data = self._store.read(NAME)
        if data is None:
            return None
        with contextlib.suppress(ValueError):
            found = json.loads(data)
            if isinstance(found, dict):
                return found
        return {}

    def _age(self) -> timedelta | None:
        """Return how long the holder has been silent, by the store's clock; None if it is gone."""
        probe = f"{PROBE}{self._id}"
        self._store.write(probe, b"")
        try:
            now = self._store.written_at(probe)
            if self._store.read(NAME) is None:
                return None
            return now - self._store.written_at(NAME)
        finally:
            self._store.delete([probe])

    def _taken(self, holder: dict[str, Any], age: timedelta) -> str:
        silent = max(0, round(age.total_seconds()))
        return (
            f"{self._store.address}: another nsfwcaps command is using it: {_named(holder)}, last "
            f"sign of life {silent} s ago; wait for it, or choose another --workdir. If it was "
            f"killed, the run is free in {max(1, round((STALE_S - silent) / 60))} min"
        )


def _named(holder: dict[str, Any]) -> str:
    host, since = holder.get("host", "an unknown host"), holder.get("since", "an unknown time")
    return f"host {host}, process {holder.get('pid', '?')}, since {since}"


def _is_dead_here(holder: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine that has ended."""
    pid = holder.get("pid")
    if holder.get("machine") != _machine() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _machine() -> str:
    """Digest of this machine since its start, and of the container that the process is in."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return digest(parts)
