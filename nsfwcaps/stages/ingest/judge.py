"""ingest: scores of safe texts and pictures by detectors, each distinct item once.

Scores are written in blocks. The key of a block covers its items and detectors, so a killed run
does not score a finished block again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.config import digest
from nsfwcaps.detectors import registry
from nsfwcaps.detectors.detector import (
    Detector,
    Modality,
    Scores,
    first_unsafe,
    score_all,
    unsafe,
)
from nsfwcaps.errors import InputError
from nsfwcaps.progress import Advance
from nsfwcaps.stages.ingest.settings import IngestSettings

VERSION = 1

OPTION = "--safe-detector"

_BLOCK = 1024
_AT_ONCE = 32
"""Items in memory at once: pictures may be large."""

Items = Callable[[Sequence[str]], Sequence[Any]]
"""Return the items of some keys; None for an unreadable one."""


class Judge:
    """Detectors of one modality."""

    def __init__(self, detectors: Sequence[Detector[Any]], folder: StageFolder) -> None:
        self.statements = [detector.statement for detector in detectors]
        self._detectors = detectors
        self._folder = folder

    def __bool__(self) -> bool:
        return bool(self._detectors)

    def scores(self, keys: Sequence[str], items: Items, advance: Advance) -> Scores:
        """Return the scores `[n, d]` of the items of n keys by d detectors; NaN if unreadable."""
        found = [np.empty((0, len(self._detectors)))]
        for start in range(0, len(keys), _BLOCK):
            part = keys[start : start + _BLOCK]
            known = [statement.scores_digest for statement in self.statements]
            key = digest(["scores", VERSION, known, list(part)])
            shard = self._folder.shard_or(key, partial(self._block, part, items))
            found.append(self._read(shard))
            advance(len(part))
        return np.concatenate(found)

    def reasons(self, scores: Scores) -> list[str | None]:
        """Return why items with these scores `[n, d]` are not safe, or None."""
        names = first_unsafe(self.statements, scores)
        return [None if name is None else f"unsafe_by_{name}" for name in names]

    def counts(self, scores: Scores) -> dict[str, int]:
        """Count the items scored, unreadable and unsafe, by detector."""
        found: dict[str, int] = {}
        for column, statement in enumerate(self.statements):
            of = scores[:, column]
            found[f"{statement.name} scored"] = int(np.isfinite(of).sum())
            found[f"{statement.name} unreadable"] = int(np.isnan(of).sum())
            found[f"{statement.name} unsafe"] = int(unsafe(statement, of).sum())
        return found

    def _block(self, keys: Sequence[str], items: Items) -> ShardTables:
        width = len(self._detectors)
        scores = np.full((len(keys), width), np.nan)
        for start in range(0, len(keys), _AT_ONCE):
            part = items(keys[start : start + _AT_ONCE])
            rows = [row for row, item in enumerate(part) if item is not None]
            try:
                scores[[start + row for row in rows]] = score_all(
                    self._detectors, [part[row] for row in rows]
                )
            except InputError:  # one picture cannot be decoded: score them one by one
                for row in rows:
                    scores[start + row] = self._one(part[row])
        values = pa.FixedSizeListArray.from_arrays(pa.array(scores.ravel()), width)
        table = pa.table({"key": list(keys), "scores": values}).cast(schema.scores(width))
        return ShardTables(tables={("scores", "scores"): table}, rows_in=len(keys))

    def _one(self, item: Any) -> Scores:
        try:
            scores: Scores = score_all(self._detectors, [item])[0]
        except InputError:
            scores = np.full(len(self._detectors), np.nan)
        return scores

    def _read(self, shard: Shard) -> Scores:
        (file,) = shard.files
        values = pq.read_table(self._folder.path / file.path, partitioning=None)["scores"]
        flat: Scores = values.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(-1, len(self._detectors))


def load(settings: IngestSettings, folder: StageFolder) -> Mapping[Modality, Judge]:
    """Load the detectors of the settings.

    Raises:
        ConfigError: a detector is unknown or occurs twice.
        ModelError: a package is not installed, or weights cannot be loaded.
        DeviceError: the device is unavailable.
    """
    names = settings.safe_detector
    loaded = registry.load_all(names, None, settings.device, option=OPTION) if names else []
    return {
        kind: Judge([item for item in loaded if item.statement.kind is kind], folder)
        for kind in Modality
    }
