"""construct, step 1: read the safe captions of a pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.clean import Clean, Rejected, clean_row
from nsfwcaps.captions.images import ImageReader
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.options import EVERYTHING
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Row, Sample
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.captions.tables.columns import resolve
from nsfwcaps.captions.tables.roles import Columns, Named
from nsfwcaps.captions.tables.values import text_cell
from nsfwcaps.construction.exclusion import image_hashes
from nsfwcaps.errors import InputError
from nsfwcaps.progress import Advance
from nsfwcaps.stages.construct.settings import ConstructSettings

_URL_COLUMN = "image_coco_url"
_STEP = 1024


@dataclass(frozen=True, slots=True)
class SafeItem:
    """A safe caption of the pool, with its image columns."""

    id: str
    caption: str
    image_path: str | None
    image_coco_url: str | None


@dataclass(kw_only=True)
class SafePool:
    """Contents of the pool."""

    items: list[SafeItem] = field(default_factory=list)
    rows: int = 0
    copies: int = 0
    """Number of captions that repeat another one, up to case and punctuation."""
    excluded_images: int = 0
    rejected: list[tuple[str, int, Rejected]] = field(default_factory=list)
    """Pool file, row number and reason."""
    has_images: bool = False

    @property
    def rejects(self) -> dict[str, int]:
        """Number of rejected rows by reason."""
        reasons = Counter(item.reason for _, _, item in self.rejected)
        return dict(sorted(reasons.items()))


def pool_files(names: Sequence[str]) -> list[str]:
    """Return the files of several pools, in order."""
    return [file for name in names for file in pool_sources.expand(name, EVERYTHING)]


def read_pool_captions(settings: ConstructSettings, advance: Advance) -> SafePool:
    """Read every file of the pool; keep the first of captions with equal fold keys.

    Raises:
        InputError: a file cannot be read, or no file has a usable caption.
    """
    pool = SafePool()
    forbidden = image_hashes(settings.image_hashes)
    seen: set[int] = set()
    for url in pool_files(settings.pool):
        images = ImageReader(url, settings.image_root)
        for number, row, item in _clean(url, settings):
            pool.rows = pool.rows + 1 if item is None else pool.rows
            if item is None:
                if pool.rows % _STEP == 0:
                    advance(_STEP)
            elif isinstance(item, Rejected):
                pool.rejected.append((PurePosixPath(shown(url)).name, number, item))
            elif item.image_sha256 in forbidden:
                pool.excluded_images += 1
            elif item.fold_key in seen:
                pool.copies += 1
            else:
                seen.add(item.fold_key)
                pool.has_images |= item.image_sha256 is not None
                pool.items.append(_item(item, row, images))
    advance(pool.rows % _STEP)
    if not pool.items:
        reasons = ", ".join(f"{count} {reason}" for reason, count in pool.rejects.items())
        raise InputError(
            f"construct: no usable caption in {pool.rows} pool rows"
            + (f" ({reasons})" if reasons else "")
            + "; use another file, or set the caption column with --caption-column"
        )
    return pool


def carried_images(settings: ConstructSettings, wanted: set[str]) -> dict[str, bytes]:
    """Read the pool again for the image bytes of the wanted ids, if it holds bytes."""
    found: dict[str, bytes] = {}
    for item in clean_items(settings):
        if item.image is not None and item.id in wanted:
            found.setdefault(item.id, item.image)
    return found


def clean_items(settings: ConstructSettings) -> Iterator[Clean]:
    """Yield every usable caption of the pool, duplicates included.

    Raises:
        InputError: a file cannot be read.
    """
    for url in pool_files(settings.pool):
        for _, _, item in _clean(url, settings):
            if isinstance(item, Clean):
                yield item


def _clean(
    url: str, settings: ConstructSettings
) -> Iterator[tuple[int, Row | BadRow, Clean | Rejected | None]]:
    """Yield every row, first with None, then with each of its captions."""
    columns: list[Columns] = []
    images = ImageReader(url, settings.image_root)
    for number, row in enumerate(read_pool(url, _chooser(url, settings, columns))):
        yield number, row, None
        for item in clean_row(
            row,
            columns[0] if columns else None,
            Label.SAFE,
            max_chars=settings.max_chars,
            null_words=settings.null_words,
            read_image=images.read,
        ):
            yield number, row, item


def _chooser(
    url: str, settings: ConstructSettings, columns: list[Columns]
) -> Callable[[Sample], list[str]]:
    """Return the column chooser for a reader; it stores the columns found in `columns`."""

    def choose(sample: Sample) -> list[str]:
        named = Named(
            caption=settings.caption_column,
            image=settings.image_column,
            images=settings.images,
            by_side=False,
        )
        found = resolve(sample, Label.SAFE, where=shown(url), named=named)
        columns[:] = [found]
        more = _URL_COLUMN if _URL_COLUMN in sample.names else None
        return [name for name in dict.fromkeys((*found.used, more)) if name is not None]

    return choose


def _item(item: Clean, row: Row | BadRow, images: ImageReader) -> SafeItem:
    url: Any = text_cell(row.get(_URL_COLUMN)) if isinstance(row, dict) else None
    return SafeItem(
        id=item.id,
        caption=item.caption,
        image_path=images.absolute(item.image_path) if item.image_path else None,
        image_coco_url=_valid(url) if isinstance(url, str) and url else None,
    )


def _valid(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode()
