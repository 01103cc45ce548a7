"""What a driver sends to workers that do not see the run's folder, and what it takes from them.

Each gets the earlier stages whole, and the shards of its own stage that the driver knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nsfwcaps import config, observers
from nsfwcaps.artifacts import RECORD, StageFolder, shard_of
from nsfwcaps.executors.mirror import MOST_BYTES, FilePiece, SentShard
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.shareable import shareable
from nsfwcaps.freshness import inputs_of
from nsfwcaps.journals import JOURNAL
from nsfwcaps.stages import STAGE


class Supply:
    """Files of a run for the mirrors of its workers."""

    def __init__(self, order: Order) -> None:
        self._workdir = Path(order.workdir)
        stage = shareable(order.stage)
        settings = config.parse(stage.settings, order.settings, where=order.stage)
        self._inputs = [*inputs_of(stage, settings, self._workdir)]
        self._folder = order.folder(None)
        self.outside = _outside(order.settings)
        """Files and folders that the settings name, which workers must see themselves."""
        if order.stage not in STAGE:  # an evaluation's vectors are plain files, not shards
            self.outside.append(order.workdir)

    def inputs(self) -> Iterator[FilePiece]:
        """Yield the finished stages that the work reads, and the stage's own of the run before."""
        for name in (*self._inputs, self._folder.path.name):
            record = StageFolder(self._workdir / name).record()
            if record is not None:
                observers.of(record.folder).fetch([record.folder / f.path for f in record.files])
                for file in record.files:
                    yield from self._pieces(record.folder / file.path)
                yield from self._pieces(record.folder / RECORD)

    def shards(self, sent: set[str]) -> Iterator[FilePiece]:
        """Yield shards of the stage that a mirror lacks; add their keys and paths to `sent`."""
        journal = f"{self._folder.path.name}/{JOURNAL}"
        self._folder.look_again()
        for shard in self._folder.journal_rows():
            paths = [self._folder.path / file.path for file in shard.files]
            if shard.key in sent:
                continue
            observers.of(self._folder.path).fetch(paths)
            if not all(path.exists() for path in paths):
                continue
            for path in paths:
                yield from self._pieces(path)
            row = json.dumps(asdict(shard), sort_keys=True)
            yield FilePiece(path=journal, data=f"{row}\n".encode())
            sent.add(shard.key)

    def adopt(self, made: SentShard) -> str:
        """Write a shard that a worker has sent; return its key."""
        shard = shard_of(made.row)
        self._folder.look_again()
        if self._folder.shard(shard.key) is None:
            self._folder.adopt(shard, made.files)
        return shard.key

    def _pieces(self, path: Path) -> Iterator[FilePiece]:
        name = path.relative_to(self._workdir).as_posix()
        with path.open("rb") as file:
            while data := file.read(MOST_BYTES):
                yield FilePiece(path=name, data=data)


def _outside(settings: Mapping[str, Any]) -> list[str]:
    values = _items([*settings.values()])
    paths = [Path(name) for name in values if isinstance(name, str) and "/" in name]
    return [str(path.absolute()) for path in paths if _exists(path)]


def _items(value: Any) -> list[Any]:
    """Flatten lists within lists."""
    if not isinstance(value, list | tuple):
        return [value]
    return [item for part in value for item in _items(part)]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or no path at all
        return False
