"""Vectors of a model, cached on disk in blocks so that each item is encoded once.

    OUT/vectors/<key>.npy    float32 unit rows of up to 2,048 items; NaN where an item failed
    OUT/vectors/<key>.json   only if items failed: the reasons, by position

The key is a digest of the encoder's identity and the items' content. Blocks that follow each other
are encoded together on a GPU. A killed run resumes after the last complete block.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from nsfwcaps.config import digest
from nsfwcaps.encoders.encoder import Encoded, Images, Vectors
from nsfwcaps.encoders.keeping import Keeper
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.evaluation.kept import KeptRun
from nsfwcaps.evaluation.models import Model
from nsfwcaps.files import write_atomically
from nsfwcaps.pictures import TOO_LARGE, UNDECODABLE
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.runtime.prefetch import prefetch
from nsfwcaps.sharing import Part
from nsfwcaps.work import Work, WorkSplit

VERSION = 1
BLOCK = 2048
RUN = 8
"""Blocks that a GPU encodes at once, if they follow each other."""

Prepared = TypeVar("Prepared")

_UNUSABLE = {UNDECODABLE, TOO_LARGE}


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Vectors `[n, d]` of n items, and the reasons of those that failed: their rows are NaN."""

    rows: Vectors
    failed: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class ItemSet(Generic[Prepared]):
    """Items to encode, by the digests of their contents."""

    what: str
    """For display, such as `visu safe captions`."""
    kind: str
    ids: Sequence[str]
    prepare: Callable[[Model, range], Prepared]
    """Does what needs no device for a run of items, on any thread."""
    encode: Callable[[Model, Prepared, Advance, WorkSplit, Keeper], Encoded]

    @property
    def blocks(self) -> list[range]:
        """The blocks of the items, in order."""
        return list(_blocks(range(len(self.ids))))

    def key(self, model: Model, block: range) -> str:
        """Return the key of a block of a model's vectors."""
        return digest(
            [VERSION, model.identity.digest, self.kind, self.ids[block.start : block.stop]]
        )


def caption_items(captions: Sequence[str], what: str) -> ItemSet[Sequence[str]]:
    """Return captions as items to encode."""

    def prepare(model: Model, run: range) -> Sequence[str]:
        return model.encoder.prepared(captions[run.start : run.stop])

    def encode(
        model: Model, texts: Sequence[str], advance: Advance, split: WorkSplit, keeper: Keeper
    ) -> Encoded:
        with split.timed(Work.COMPUTE):
            return model.encoder.started(texts, advance, keeper)()

    ids = [hashlib.sha256(caption.encode()).hexdigest() for caption in captions]
    return ItemSet(what=f"{what} captions", kind="text", ids=ids, prepare=prepare, encode=encode)


def picture_items(images: Images, what: str) -> ItemSet[Images]:
    """Return images as items to encode."""

    def encode(
        model: Model, run: Images, advance: Advance, split: WorkSplit, keeper: Keeper
    ) -> Encoded:
        return model.encoder.encode_images(run, advance, split, keeper)

    return ItemSet(
        what=f"{what} images",
        kind="image",
        ids=[sha256 for sha256, _ in images],
        prepare=lambda model, run: images[run.start : run.stop],
        encode=encode,
    )


class VectorFolder:
    """Cached vectors of all models, in one folder."""

    def __init__(self, folder: Path, progress: Progress, *, writer: str | None = None) -> None:
        """Open the folder; `writer` names a process that is not alone in writing to it."""
        self._folder = folder
        self._progress = progress
        self._writer = writer

    def texts(self, model: Model, captions: Sequence[str], what: str) -> Vectors:
        """Encode captions to unit rows `[n, d]`.

        Raises:
            ModelError: the model cannot be loaded, or its vectors contain NaN.
        """
        return self._embed(model, caption_items(captions, what)).rows

    def pictures(self, model: Model, images: Images, what: str) -> Embedded:
        """Encode images to unit rows `[n, d]`; undecodable ones fail for every model alike.

        Raises:
            ModelError: the model cannot be loaded, or its vectors contain NaN.
            InputError: an image has disappeared since the set was read.
        """
        return self._embed(model, picture_items(images, what))

    def make_some(
        self, model: Model, sets: Sequence[ItemSet[Any]], part: Part, advance: Advance
    ) -> None:
        """Encode those blocks of a part that are not there yet.

        Raises:
            ModelError: the model cannot be loaded, or its vectors contain NaN.
            InputError: an image has disappeared since the set was read.
        """
        most = 1 if model.device == "cpu" else RUN
        runs = part.of([(items, run) for items in sets for run in _runs(items.blocks, most)])
        for items in sets:
            missing = []
            for block in (each for own, run in runs if own is items for each in _blocks(run)):
                if self._read(items.key(model, block), (len(block), model.identity.width)) is None:
                    missing.append(block)
                else:
                    advance(len(block))
            for _ in self._made(model, items, missing, WorkSplit(), advance):
                pass

    def _embed(self, model: Model, items: ItemSet[Any]) -> Embedded:
        width = model.identity.width
        rows = np.empty((len(items.ids), width), dtype=np.float32)
        failed: dict[int, str] = {}

        def put(place: range, block: Embedded) -> None:
            rows[place.start : place.stop] = block.rows
            failed.update({place.start + at: reason for at, reason in block.failed.items()})

        split = WorkSplit()
        name = f"{model.name}: {items.what}"
        with self._progress.task(name, len(items.ids), split=split) as advance:
            missing = []
            for place in items.blocks:
                with split.timed(Work.READ):
                    block = self._read(items.key(model, place), (len(place), width))
                if block is None:
                    missing.append(place)
                else:
                    put(place, block)
                    advance(len(place))
            for place, made in self._made(model, items, missing, split, advance):
                put(place, made)
        return Embedded(rows=rows, failed=failed)

    def _made(
        self,
        model: Model,
        items: ItemSet[Any],
        missing: Sequence[range],
        split: WorkSplit,
        advance: Advance,
    ) -> Iterator[tuple[range, Embedded]]:
        """Encode blocks and write them; yield each."""

        def prepare(run: range) -> Any:
            with split.timed(Work.PREPARE):
                return items.prepare(model, run)

        runs = list(_runs(missing, _at_once(model))) if missing else []
        with closing(prefetch(runs, prepare, 1)) as ahead:
            for run, work in ahead:
                keys = [items.key(model, place) for place in _blocks(run)]
                inputs = digest(["run", *keys])
                keeper = KeptRun(self._folder, inputs, model.identity.width)
                made = items.encode(model, work, advance, split, keeper)
                encoded = _with_failures(made, len(run))
                for key, place in zip(keys, _blocks(run), strict=True):
                    block = _part(encoded, place.start - run.start, place.stop - run.start)
                    _check(block, model.name, items.what)
                    with split.timed(Work.WRITE):
                        self._write(key, block)
                    yield place, block
                keeper.discard()

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
            failed = json.dumps(block.failed).encode()
            write_atomically(self._folder / f"{key}.json", failed, tag=self._writer)
        file = io.BytesIO()
        np.save(file, block.rows, allow_pickle=False)
        write_atomically(self._folder / f"{key}.npy", file.getbuffer(), tag=self._writer)


def _blocks(rows: range) -> Iterator[range]:
    for start in range(rows.start, rows.stop, BLOCK):
        yield range(start, min(start + BLOCK, rows.stop))


def _at_once(model: Model) -> int:
    """Return how many blocks to encode at once, after loading the model.

    A CPU gains nothing by more than one, and a killed run would lose more work.
    """
    return 1 if model.encoder.device == "cpu" else RUN


def _runs(blocks: Sequence[range], most: int) -> Iterator[range]:
    """Join blocks that follow each other, at most so many."""
    first = 0
    for at in range(1, len(blocks) + 1):
        ends = at == len(blocks) or blocks[at].start != blocks[at - 1].stop
        if ends or at - first == most:
            yield range(blocks[first].start, blocks[at - 1].stop)
            first = at


def _part(run: Embedded, start: int, stop: int) -> Embedded:
    failed = {at - start: reason for at, reason in run.failed.items() if start <= at < stop}
    return Embedded(rows=run.rows[start:stop], failed=failed)


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
