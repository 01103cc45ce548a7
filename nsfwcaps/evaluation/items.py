"""Everything that a model encodes for an evaluation, without encoding it.

The tasks gather the same items, one set after the other (`embedding`); this is what several
processes share before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nsfwcaps.evaluation.data import Data
from nsfwcaps.evaluation.datasets.templates import prompts
from nsfwcaps.evaluation.plan import NEEDS_IMAGES, Place
from nsfwcaps.evaluation.request import EvaluationTask
from nsfwcaps.evaluation.vectors import ItemSet, caption_items, picture_items


def items_of(data: Data, places: Sequence[Place], *, images: bool) -> list[ItemSet[Any]]:
    """Return the distinct sets of items of all tasks; without `images`, for a text-only model."""
    found: dict[tuple[str, ...], ItemSet[Any]] = {}
    for place in places:
        for items in _of(data, place, images=images):
            found.setdefault((items.kind, *items.ids), items)
    return list(found.values())


def _of(data: Data, place: Place, *, images: bool) -> Iterator[ItemSet[Any]]:
    name, task = place
    if task in NEEDS_IMAGES and not images:
        return
    if task is EvaluationTask.ZEROSHOT:
        classes = data.classes[name]
        yield picture_items(classes.pictures.images, name)
        yield caption_items(prompts(classes.class_names, classes.templates), f"{name} class")
        return
    pairs = data.texts if task is EvaluationTask.REAL_NSFW else data.pairs[name]
    assert pairs is not None, "planned only with captions"
    pictures = {"safe": pairs.safe_pictures, "unsafe": pairs.unsafe_pictures}
    if task is EvaluationTask.REAL_NSFW:
        assert data.safe_pictures is not None, "planned only with images"
        pictures = {"safe": data.safe_pictures, name: data.unsafe_images[name].pictures}
    for side, own in pictures.items() if images else ():
        yield picture_items(own.images, f"{pairs.name} {side}")
    yield caption_items(pairs.safe_captions, f"{pairs.name} safe")
    yield caption_items(pairs.unsafe_captions, f"{pairs.name} unsafe")
