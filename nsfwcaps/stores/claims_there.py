"""The claims of parts that run on other machines, brought to a mirror with their ages."""

from __future__ import annotations

import contextlib
import os
import time
import uuid

from nsfwcaps.errors import StorageError
from nsfwcaps.stores.lease import PROBE
from nsfwcaps.stores.mirror import Mirror
from nsfwcaps.stores.names import CLAIMS

_INTERVAL_S = 3.0
"""Between two looks at the store: parts that wait ask more often."""


class ClaimsThere:
    """Keeps the claims in a mirror like those on its store."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._last = -_INTERVAL_S

    def refresh(self) -> None:
        """Bring claims that other parts have written; remove those that are gone."""
        now = time.monotonic()
        if now - self._last < _INTERVAL_S:
            return
        self._last = now
        mirror, start = self._mirror, f"{CLAIMS}/"
        mirror.look(CLAIMS)
        there = [name for name in mirror.seen if name.startswith(start)]
        for name in mirror.ledger.names():
            if name.startswith(start) and name not in there:
                mirror.path(name).unlink(missing_ok=True)
                mirror.ledger.forget([name])
        if there:
            clock = self._clock()
            for name in there:
                with contextlib.suppress(KeyError, OSError, StorageError):  # gone meanwhile
                    self._bring(name, clock)

    def _bring(self, name: str, clock: float) -> None:
        """Bring a claim; its file gets the age that the object has by the store's clock."""
        mirror = self._mirror
        path, seen, entry = mirror.path(name), mirror.seen[name], mirror.ledger.entry(name)
        if path.exists() and entry is not None and not mirror.ledger.unchanged(name, path):
            return  # written here, and on its way to the store
        if not path.exists() or entry is None or entry[2] != seen.tag:
            mirror.pull(name)
        written = time.time() - max(0.0, clock - seen.at)
        os.utime(path, (written, written))
        mirror.ledger.add(name, path, seen.tag)

    def _clock(self) -> float:
        """Return the time of the store; that of this machine, if it may not write there."""
        probe = f"{PROBE}{uuid.uuid4().hex}"
        try:
            self._mirror.store.write(probe, b"")
            at = self._mirror.store.written_at(probe).timestamp()
            self._mirror.store.delete([probe])
        except StorageError:
            return time.time()
        return at
