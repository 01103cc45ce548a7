"""Drawing a set of prompts; images that already exist are kept.

FOLDER/<prompt>-<seed>.png   written atomically
FOLDER/images.jsonl          one row per image; an image without a row is drawn again
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ConfigError
from nsfwcaps.files import write_atomically
from nsfwcaps.generation.generator import GeneratedItem, GenerationQueries, GenerationTask, Made
from nsfwcaps.generation.manifest import Manifest
from nsfwcaps.generation.prompts import PromptSet
from nsfwcaps.generation.text_state import TextState
from nsfwcaps.generation.text_to_image import Drawing, TextToImage, batches, drawings
from nsfwcaps.generation.towers import TEXT, Clip
from nsfwcaps.progress import Progress

_MANIFEST = "images.jsonl"


class DrawPrompts:
    """A pipeline, the prompts to draw, and the number of seeds per prompt."""

    task = GenerationTask.TEXT_TO_IMAGE
    tower = TEXT
    noun = "images"

    def __init__(self, pipeline: TextToImage, prompts: PromptSet, seeds: int, batch: int) -> None:
        if seeds < 1 or batch < 1:
            raise ConfigError(f"--seeds and --batch must be at least 1, got {seeds} and {batch}")
        self._pipeline, self._batch, self._seeds = pipeline, batch, seeds
        self._wanted = drawings(prompts.prompts, seeds)
        self.queries = GenerationQueries(
            name=prompts.name,
            digest=prompts.digest,
            categories=[prompt.categories for prompt in prompts.prompts],
            noun="prompts",
        )

    @property
    def identity(self) -> dict[str, Any]:
        """Everything but prompt and seed that determines an image."""
        return self._pipeline.identity

    @property
    def settings(self) -> dict[str, Any]:
        """Settings shared by all compared models."""
        return {**self._pipeline.settings, "seeds": self._seeds}

    def put(self, clip: Clip | TextState | None) -> None:
        """Put a model's text tower into the pipeline."""
        self._pipeline.put(clip)

    def make(self, folder: Path, progress: Progress) -> Made:
        """Draw the images that are not in the folder yet."""
        manifest = Manifest(folder / _MANIFEST)
        # A prompt that occurs twice in the table is drawn once.
        wanted = {drawing.item: drawing for row in self._wanted for drawing in row}
        todo = [wanted[item] for item in wanted if not _is_drawn(folder, manifest, item)]
        done = len(wanted) - len(todo)
        with progress.task("draw", len(wanted), unit="images", done=done) as advance:
            for batch in batches(todo, self._batch):
                manifest.add(_write(folder, batch, self._pipeline.draw(batch)))
                advance(len(batch))
        items = {item: _item(folder, manifest, item) for item in wanted}
        return Made(items=[[items[drawing.item] for drawing in row] for row in self._wanted])


def _is_drawn(folder: Path, manifest: Manifest, item: str) -> bool:
    row = manifest.rows.get(item)
    path = _path(folder, item)
    return row is not None and path.is_file() and path.stat().st_size == row["bytes"]


def _write(
    folder: Path, batch: Sequence[Drawing], pictures: Sequence[bytes]
) -> list[dict[str, Any]]:
    """Write images and return their manifest rows."""
    rows = []
    for drawing, data in zip(batch, pictures, strict=True):
        write_atomically(_path(folder, drawing.item), data)
        rows.append(
            {
                "item": drawing.item,
                "prompt": drawing.prompt.id,
                "seed": drawing.seed,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
    return rows


def _item(folder: Path, manifest: Manifest, item: str) -> GeneratedItem:
    return GeneratedItem(sha256=manifest.rows[item]["sha256"], read=_path(folder, item).read_bytes)


def _path(folder: Path, item: str) -> Path:
    return folder / f"{item}.png"
