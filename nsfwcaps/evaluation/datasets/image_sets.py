"""Bare images: a folder of files, tar files, or a table with an image column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from nsfwcaps.captions.options import ALL_SPLITS
from nsfwcaps.captions.readers import READERS, ending_of, read_pool
from nsfwcaps.captions.rows import BadRow, Sample
from nsfwcaps.captions.sources import expand
from nsfwcaps.captions.tables.column_names import CATEGORY_NAMES, IMAGE_NAMES, spelt
from nsfwcaps.captions.tables.values import text_cell
from nsfwcaps.config import digest
from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.files import picture_files, picture_of, tar_files, tar_samples
from nsfwcaps.evaluation.datasets.pair_set import NO_CATEGORY
from nsfwcaps.evaluation.datasets.pictures import MISSING, PictureCells, PictureSet
from nsfwcaps.evaluation.outcome import Names
from nsfwcaps.progress import Progress

IMAGE_COLUMNS = (*IMAGE_NAMES, "img", "jpg", "png", "webp", "image_url", "url")
"""Names of image columns in tables without captions."""


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Distinct images, all safe or all unsafe."""

    name: str
    pictures: PictureSet
    categories: Names | None
    """Category `[n]` of each image, from a column or the folder it is in; None without any."""
    left_out: dict[str, int]

    @cached_property
    def digest(self) -> str:
        """Digest of everything the figures depend on."""
        categories = None if self.categories is None else self.categories.tolist()
        return digest([[sha256 for sha256, _ in self.pictures.images], categories])

    @property
    def counts(self) -> dict[str, int]:
        """Sizes, for display."""
        return {"images": len(self.pictures)}


def read_images(name: str, url: str, progress: Progress) -> ImageSet:
    """Read a folder of images, tar files, or a table (Parquet, CSV, JSONL, …).

    Raises:
        InputError: nothing is found, it is unreadable, or holds no image.
    """
    pictures, left_out = PictureSet(), Counter[str]()
    categories: list[str | None] = []
    with progress.task(f"read {name}", None, unit="images") as advance:
        for row, category in _rows(url, pictures, left_out):
            advance(1)
            if row == len(categories):  # new, not a duplicate
                categories.append(category)
    if pictures.missing:
        left_out["image_missing"] = pictures.missing
    if not pictures.images:
        counts = ", ".join(f"{count:,} {why}" for why, count in left_out.items())
        raise InputError(f"{url}: no usable images ({counts or 'none found'})")
    known = [category or NO_CATEGORY for category in categories]
    return ImageSet(
        name=name,
        pictures=pictures,
        categories=np.array(known) if any(categories) else None,
        left_out=dict(sorted(left_out.items())),
    )


def _rows(
    url: str, pictures: PictureSet, left_out: Counter[str]
) -> Iterator[tuple[int, str | None]]:
    """Yield the row and the category of each image."""
    path = Path(url)
    tars = [path] if path.suffix == ".tar" else tar_files(path)
    if tars and path.exists():
        for tar in tars:
            for sample in tar_samples(tar):
                if (read := picture_of(sample)) is not None:
                    yield pictures.add(read), None
    elif path.is_dir() and (files := picture_files(path)):
        for file in files:
            parts = file.relative_to(path).parts
            yield pictures.add(file.read_bytes), parts[0] if len(parts) > 1 else None
    else:
        for file_url in _tables(url):
            yield from _table(file_url, pictures, left_out)


def _tables(url: str) -> list[str]:
    urls = expand(url, ALL_SPLITS)
    if not all(ending_of(item) in READERS for item in urls):
        raise InputError(f"{url}: expected a folder of images, a .tar file or a table")
    return urls


def _table(
    url: str, pictures: PictureSet, left_out: Counter[str]
) -> Iterator[tuple[int, str | None]]:
    columns: list[str] = []

    def choose(sample: Sample) -> Sequence[str]:
        image = spelt(sample.names, *IMAGE_COLUMNS)
        if image is None:
            raise InputError(
                f"{url}: no image column; expected one named {', '.join(IMAGE_COLUMNS)}"
            )
        category = spelt(sample.names, *CATEGORY_NAMES)
        columns.extend(name for name in (image, category) if name is not None)
        return columns

    cells = PictureCells(url)
    for number, row in enumerate(read_pool(url, choose)):
        if isinstance(row, BadRow):
            left_out[row.reason] += 1
            continue
        found = cells.add(pictures, row.get(columns[0]), columns[0], number)
        if found is None:
            left_out["image_not_named"] += 1
        category = text_cell(row.get(columns[1])) if len(columns) > 1 else None
        yield MISSING if found is None else found, str(category) if category else None
