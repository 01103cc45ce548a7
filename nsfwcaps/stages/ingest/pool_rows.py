"""ingest, pool rows: the rows of one pool, with the columns recognised in it."""

from __future__ import annotations

from dataclasses import replace

from nsfwcaps.captions.clean import image_cell
from nsfwcaps.captions.images import ImageReader, ImageTemplate
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Row, Sample
from nsfwcaps.captions.tables.column_names import folded
from nsfwcaps.captions.tables.columns import resolve
from nsfwcaps.captions.tables.kept import listed
from nsfwcaps.captions.tables.roles import Columns
from nsfwcaps.captions.tables.values import text_cell
from nsfwcaps.errors import InputError
from nsfwcaps.stages.ingest.keep import KeptColumns
from nsfwcaps.stages.ingest.pool import Pool, named_columns, read_options, template_of
from nsfwcaps.stages.ingest.settings import IngestSettings


class PoolRows:
    """Numbered rows of one pool, with the columns recognised in it."""

    def __init__(self, pool: Pool, settings: IngestSettings) -> None:
        self.columns: Columns | None = None
        self.images = ImageReader(pool.url, settings.image_root)
        template = template_of(settings, pool.label)
        self.template = None if template is None else ImageTemplate(template)
        self.kept = KeptColumns(listed(settings.keep_columns), pool.url)
        self._pool = pool
        self._named = named_columns(settings, pool.label)
        if any(item.startswith("split ") for item in pool.chosen):  # its files are the split
            self._named = replace(self._named, splits=frozenset())
        self._elsewhere: set[str] = set()
        """Image columns whose files are not there."""
        self._ahead: tuple[int, Row | BadRow] | None = None
        self._read = read_pool(pool.url, self._choose, read_options(settings))
        self._rows = enumerate(self._read)

    def _choose(self, sample: Sample) -> list[str]:
        found = resolve(sample, self._pool.label, where=shown(self._pool.url), named=self._named)
        found = self._with_images(found, sample)
        if self.columns is not None and found.caption != self.columns.caption:
            raise InputError(
                f"{shown(self._pool.url)}: the captions are in '{self.columns.caption}' in the "
                f"first rows, in '{found.caption}' in later ones; choose one with --caption-column"
            )
        extra = [*self._pool_columns(sample), *self.kept.choose(sample)]
        ignored = tuple(name for name in found.ignored if name not in extra)
        self.columns = replace(found, ignored=ignored)
        return list(dict.fromkeys((*found.used, *extra)))

    def _with_images(self, found: Columns, sample: Sample) -> Columns:
        """Check that images are where the columns say, by the first rows.

        Raises:
            InputError: no image is there, and the user asked for images or the pool has its own.
        """
        if found.image is None or found.image in sample.binary:
            return found
        # A header line repeated inside the file has the name of the column there.
        rows = (row for row in sample.rows if text_cell(row.get(found.image)) != found.image)
        cells = (image_cell(text_cell(row.get(found.image))) for row in rows)
        named = [path for path, data in cells if path is not None and data is None]
        is_later = self.columns is not None and found.image not in self._elsewhere
        if not named or is_later or any(map(self._is_there, named)):
            return found
        folder = shown(self.images.root)
        if found.images_elsewhere:
            self._elsewhere.add(found.image)
            note = f"none ({found.image}: no such files; see --image-root)"
            return replace(found, image=None, notes={**found.notes, "image": note})
        if all("://" in path for path in named):
            raise InputError(
                f"{shown(self._pool.url)}: no image at the addresses in '{found.image}' can be "
                "read; check the network, install the package of their store, such as aiohttp, or "
                "read captions alone with --no-images"
            )
        raise InputError(
            f"{shown(self._pool.url)}: none of the images named in '{found.image}' is in {folder}; "
            "set their folder with --image-root, or read captions alone with --no-images"
        )

    def _is_there(self, path: str) -> bool:
        return self.images.exists(path)

    def _pool_columns(self, sample: Sample) -> list[str]:
        """Columns that are read beside those of `Columns`: those of the image template."""
        if self.template is None:
            return []
        own = {folded(name): name for name in sample.names}
        missing = [name for name in self.template.columns if folded(name) not in own]
        if missing:
            raise InputError(
                f"{shown(self._pool.url)}: the image template needs the column '{missing[0]}', "
                "which the pool lacks"
            )
        return [own[folded(name)] for name in self.template.columns]

    def next(self) -> tuple[int, Row | BadRow] | None:
        """Return the next row with its number, or None at the end."""
        ahead, self._ahead = self._ahead, None
        return ahead or next(self._rows, None)

    def close(self) -> None:
        """Close the file before its end."""
        self._read.close()

    def at_end(self) -> bool:
        """Return whether all rows have been read; looks one row ahead."""
        self._ahead = self._ahead or next(self._rows, None)
        return self._ahead is None

    def skip(self, rows: int) -> None:
        """Skip rows that an earlier run has staged."""
        for _ in range(rows):
            self.next()
