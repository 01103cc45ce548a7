"""Vectors of a model, cached on disk in blocks so that each item is encoded once.

    OUT/vectors/<key>.npy    float32 unit rows of up to 2,048 items; NaN where an item failed
    OUT/vectors/<key>.json   only if items failed: the reasons, by position

The key is a digest of the encoder's identity and the items' content. A killed run resumes after
the last complete block.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nsfwcaps.config import digest
from nsfwcaps.encoders.encoder import Encoded, Images, Vectors
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.evaluation.models import Model
from nsfwcaps.files import write_atomically
from nsfwcaps.pictures import TOO_LARGE, UNDECODABLE
from nsfwcaps.progress import Advance, Progress

VERSION = 1
BLOCK = 2048

_UNUSABLE = {UNDECODABLE, TOO_LARGE}


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Vectors `[n, d]` of n items, and the reasons of those that failed: their rows are NaN."""

    rows: Vectors
    failed: Mapping[int, str]


class VectorFolder:
    """Cached vectors of all models, in one folder."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder = folder
        self._progress = progress

    def texts(self, model: Model, captions: Sequence[str], what: str) -> Vectors:
        """Encode captions to unit rows `[n, d]`.

        Raises:
            ModelError: the model cannot be loaded, or its vectors contain NaN.
        """
        ids = [hashlib.sha256(caption.encode()).hexdigest() for caption in captions]

        def encode(start: int, stop: int, advance: Advance) -> Encoded:
            return model.encoder.encode_text(captions[start:stop], advance)

        return self._embed(model, f"{what} captions", "text", ids, encode).rows

    def pictures(self, model: Model, images: Images, what: str) -> Embedded:
        """Encode images to unit rows `[n, d]`; undecodable ones fail for every model alike.

        Raises:
            ModelError: the model cannot be loaded, or its vectors contain NaN.
            InputError: an image has disappeared since the set was read.
        """
        ids = [sha256 for sha256, _ in images]

        def encode(start: int, stop: int, advance: Advance) -> Encoded:
            return model.encoder.encode_images(images[start:stop], advance)

        return self._embed(model, f"{what} images", "image", ids, encode)

    def _embed(
        self,
        model: Model,
        what: str,
        kind: str,
        ids: Sequence[str],
        encode: Callable[[int, int, Advance], Encoded],
    ) -> Embedded:
        identity = model.identity
        rows = np.empty((len(ids), identity.width), dtype=np.float32)
        failed: dict[int, str] = {}
        with self._progress.task(f"{model.name}: {what}", len(ids)) as advance:
            for start, stop in _blocks(len(ids)):
                key = digest([VERSION, identity.digest, kind, ids[start:stop]])
                block = self._read(key, (stop - start, identity.width))
                if block is None:
                    block = _with_failures(encode(start, stop, advance), stop - start)
                    _check(block, model.name, what)
                    self._write(key, block)
                else:
                    advance(stop - start)
                rows[start:stop] = block.rows
                failed |= {start + place: reason for place, reason in block.failed.items()}
        return Embedded(rows=rows, failed=failed)

    def _read(self, key: str, shape: tuple[int, int]) -> Embedded | None:
        """Read a cached block; None if missing or damaged, so that it is encoded again."""
        try:
            rows = np.load(self._folder / f"{key}.npy", allow_pickle=False)
            failed: dict[int, str] = {}
            if rows.shape == shape and np.isnan(rows).any():
                values = json.loads((self._folder / f"{key}.json").read_bytes())
                failed = {int(place): str(reason) for place, reason in values.items()}
        except (OSError, ValueError, EOFError, AttributeError):
            return None
        if rows.shape != shape or rows.dtype != np.float32:
            return None
        return Embedded(rows=rows, failed=failed)

    def _write(self, key: str, block: Embedded) -> None:
        if block.failed:  # before the rows, whose file marks the block as complete
            write_atomically(self._folder / f"{key}.json", json.dumps(block.failed).encode())
        file = io.BytesIO()
        np.save(file, block.rows, allow_pickle=False)
        write_atomically(self._folder / f"{key}.npy", file.getbuffer())


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, BLOCK):
        yield start, min(start + BLOCK, count)


def _with_failures(encoded: Encoded, count: int) -> Embedded:
    """Expand the rows to one per item, NaN where it failed."""
    rows = np.full((count, encoded.rows.shape[1]), np.nan, dtype=np.float32)
    rows[np.setdiff1d(np.arange(count), list(encoded.failed))] = encoded.rows
    return Embedded(rows=rows, failed=dict(encoded.failed))


def _check(block: Embedded, name: str, what: str) -> None:
    """Check that only undecodable images failed, so that every model compares the same items."""
    reasons = set(block.failed.values())
    if "image_missing" in reasons:
        raise InputError(f"{what}: an image has disappeared; run the same command again")
    if reasons - _UNUSABLE:
        broken = sum(reason not in _UNUSABLE for reason in block.failed.values())
        raise ModelError(
            f"--model {name}: {broken:,} vectors of {what} contain NaN or infinity; "
            "try --precision fp32, and check the weights"
        )
