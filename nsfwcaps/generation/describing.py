"""Captioning of an image set; captions that already exist are kept.

    FOLDER/captions.jsonl   one row per image; captions are stored here and nowhere else

Each batch is written when finished: a killed run resumes after the last one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ConfigError
from nsfwcaps.evaluation.datasets.image_sets import ImageSet
from nsfwcaps.evaluation.datasets.pair_set import NO_CATEGORY
from nsfwcaps.generation.generator import GeneratedItem, GenerationQueries, GenerationTask, Made
from nsfwcaps.generation.image_to_text import ImageToText
from nsfwcaps.generation.manifest import Manifest
from nsfwcaps.generation.text_state import TextState
from nsfwcaps.generation.towers import VISION, Clip
from nsfwcaps.pictures import decode
from nsfwcaps.progress import Progress

_MANIFEST = "captions.jsonl"


class DescribePictures:
    """An image-to-text model and the images to describe."""

    task = GenerationTask.IMAGE_TO_TEXT
    tower = VISION
    noun = "captions"

    def __init__(self, model: ImageToText, images: ImageSet, batch: int) -> None:
        if batch < 1:
            raise ConfigError(f"--batch must be at least 1, got {batch}")
        self._model, self._batch = model, batch
        self._images = images.pictures.images
        self.queries = GenerationQueries(
            name=images.name, digest=images.digest, categories=_categories(images), noun="images"
        )

    @property
    def identity(self) -> dict[str, Any]:
        """Everything but the image that determines a caption."""
        return self._model.identity

    @property
    def settings(self) -> dict[str, Any]:
        """Settings shared by all compared models."""
        return self._model.settings

    def put(self, clip: Clip | TextState | None) -> None:
        """Put a model's image tower into the model."""
        self._model.put(clip)

    def make(self, folder: Path, progress: Progress) -> Made:
        """Caption the images that are not in the folder yet."""
        manifest = Manifest(folder / _MANIFEST)
        todo = [image for image in self._images if image[0] not in manifest.rows]
        total, done = len(self._images), len(self._images) - len(todo)
        with progress.task("describe", total, unit="images", done=done) as advance:
            for start in range(0, len(todo), self._batch):
                batch = todo[start : start + self._batch]
                manifest.add(self._describe(batch))
                advance(len(batch))
        rows = [manifest.rows[sha256] for sha256, _ in self._images]
        return Made(
            items=[[_item(row["caption"])] for row in rows if row["caption"] is not None],
            left_out={n: row["failed"] for n, row in enumerate(rows) if row["caption"] is None},
        )

    def _describe(self, batch: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
        """Return manifest rows for a batch of images."""
        read = {sha256: _picture(get) for sha256, get in batch}
        readable = [sha256 for sha256, data in read.items() if isinstance(data, bytes)]
        captions = self._model.caption([read[sha256] for sha256 in readable]) if readable else []
        made = dict(zip(readable, captions, strict=True))
        return [
            {"item": sha256, "caption": made.get(sha256)}
            | ({} if sha256 in made else {"failed": read[sha256]})
            for sha256 in read
        ]


def _picture(get: Any) -> Any:
    """Return the bytes of an image, or the reason why they are unusable."""
    try:
        data = get()
    except OSError:
        return "image_missing"
    picture = decode(data)
    return picture if isinstance(picture, str) else data


def _item(caption: str) -> GeneratedItem:
    return GeneratedItem(sha256=hashlib.sha256(caption.encode()).hexdigest(), read=lambda: caption)


def _categories(images: ImageSet) -> list[tuple[str, ...]]:
    if images.categories is None:
        return [()] * len(images.pictures)
    return [() if name == NO_CATEGORY else (str(name),) for name in images.categories]
