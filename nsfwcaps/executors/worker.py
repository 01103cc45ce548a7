"""A worker: makes parts of one stage, in a process of its own, in a Ray actor, or as a part."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

from nsfwcaps.executors.order import Order
from nsfwcaps.executors.shareable import shareable
from nsfwcaps.progress import Advance
from nsfwcaps.sharing import Part


def writer_name() -> str:
    """Return a name for this process that no other writer of a run has."""
    host = "".join(c if c.isalnum() else "-" for c in socket.gethostname())
    return f"{host}-{os.getpid()}"


class Worker:
    """Makes parts of a stage, and holds the model or the index meanwhile."""

    def __init__(self, order: Order, agreed: Mapping[str, Any] | None = None) -> None:
        """Open a stage; `agreed` is what the first worker of a group has decided.

        Raises:
            ModelError: this process has another version of the package, or other weights.
            ArtifactError: it sees other inputs.
        """
        settings, inputs = order.opened()
        module = shareable(order.stage).load_shares()
        if agreed is not None:
            settings = module.settled(settings, agreed)
        self.folder = order.folder(writer_name())
        self.folder.prepare()
        self._shares = module.open_shares(settings, self.folder, inputs)

    @property
    def agreed(self) -> dict[str, Any]:
        """What all workers must have in common."""
        return dict(self._shares.agreed)

    def make(self, phase: str, part: Part, advance: Advance) -> None:
        """Make the missing shards of a part."""
        self.folder.look_again()
        self._shares.make(phase, part, advance)
