"""Which rows of a pool are read, and how many it has.

A sample of one file is its first rows, and some from its middle and its end where the format
allows entering there. Of many files, it is the first rows of some of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nsfwcaps.captions import sources
from nsfwcaps.captions.excerpts import excerpt
from nsfwcaps.captions.extent import Extent, lines_per_byte, stored_rows
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import BadRow, Row
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.captions.tables.roles import Columns
from nsfwcaps.inspection.formats import has_lines, is_plain, may_break_lines
from nsfwcaps.stages.ingest.pool import Pool, read_options
from nsfwcaps.stages.ingest.pool_rows import PoolRows
from nsfwcaps.stages.ingest.settings import IngestSettings

FIRST_ROWS = 2000
LATER_ROWS = 1000
_WHOLE_ROWS = 8000
"""Rows up to which a file is read whole: in longer ones, the parts of a sample lie far apart."""
_WHOLE_BYTES = 2**20
"""The same for files whose rows cannot be estimated, such as JSON."""
_FILES = 5
_COUNTED_FILES = 64
_IMAGE_BYTES = 64 * 2**20
"""Bytes of pictures inside rows after which the sample ends."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a pool."""

    urls: Sequence[str]
    chosen: tuple[str, ...]
    """Configurations and splits chosen of its folder, for the line of columns."""
    everything: bool

    @cached_property
    def sampled(self) -> list[str]:
        """The files that rows are read from."""
        count = len(self.urls)
        if self.everything or count <= _FILES:
            return list(self.urls)
        return [self.urls[number * (count - 1) // (_FILES - 1)] for number in range(_FILES)]

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Bytes by file; 0 where the store does not report them."""
        return {url: sources.size_bytes(url) for url in self.urls}

    @cached_property
    def stored(self) -> dict[str, Extent]:
        """Rows of the files whose format says so."""
        counted = self.urls if len(self.urls) <= _COUNTED_FILES else self.sampled
        found = {url: stored_rows(url) for url in counted}
        return {url: extent for url, extent in found.items() if extent is not None}

    @cached_property
    def lines(self) -> dict[str, float]:
        """Lines of the sampled text files, about."""
        return {
            url: lines_per_byte(url) * self.sizes[url]
            for url in self.sampled
            if has_lines(url) and self.sizes[url]
        }

    def limit(self, url: str) -> int | None:
        """Rows to read from the start of a file; None for all."""
        if self.everything or (len(self.urls) == 1 and self._is_short(url)):
            return None
        return FIRST_ROWS // len(self.sampled)

    def _is_short(self, url: str) -> bool:
        if url in self.stored:
            return self.stored[url].rows <= _WHOLE_ROWS
        if url in self.lines:
            return self.lines[url] <= _WHOLE_ROWS
        return 0 < self.sizes[url] <= _WHOLE_BYTES


class FileSample:
    """Rows that are read of one file, as a pool of one side."""

    def __init__(self, url: str, files: Files, settings: IngestSettings, label: Label | None):
        self.url = url
        self.whole = False
        """Whether all rows have been read."""
        self.first = 0
        """Rows read from the start."""
        self.later: list[int] = []
        """Rows read from the middle, and from the end."""
        self.image_bytes = 0
        """Bytes of pictures in the rows; the reader of the rows adds them."""
        self._files = files
        self._options = read_options(settings)
        self._extra_lines = 0
        pool = Pool(url=url, label=label, digest="", chosen=files.chosen)
        self.rows = PoolRows(pool, settings)
        self.name = pool.name

    @property
    def columns(self) -> Columns | None:
        """Columns recognised; None before the first row."""
        return self.rows.columns

    def __iter__(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield numbered rows; those of excerpts have the number -1."""
        breaks = may_break_lines(self.url)
        rows = iter(self.rows.next, None)
        for number, row in itertools.islice(rows, self._files.limit(self.url)):
            self.first += 1
            self._extra_lines += _extra_lines(row) if breaks else 0
            yield number, row
            if self.image_bytes > _IMAGE_BYTES and not self._files.everything:
                break
        self.whole = self.rows.at_end()
        if self.whole or len(self._files.urls) > 1 or self.image_bytes > _IMAGE_BYTES:
            return
        for at in (0.5, 1.0):
            found = self._excerpt(at)
            self.later.append(len(found))
            yield from ((-1, row) for row in found)

    def extent(self) -> Extent | None:
        """Rows of the file, once it has been read; None if its format does not tell."""
        if self.whole:
            return Extent(rows=self.first, exact=True)
        if self.url in self._files.stored:
            return self._files.stored[self.url]
        if self.url not in self._files.lines:
            return None
        rows_per_line = self.first / max(1, self.first + self._extra_lines)
        return Extent(rows=round(self._files.lines[self.url] * rows_per_line), exact=False)

    def _excerpt(self, at: float) -> list[Row | BadRow]:
        extent, columns = self.extent(), self.columns
        if extent is None or columns is None or self._extra_lines or not self._may_enter(columns):
            return []
        options, wanted = self._options_found(columns), columns.used
        return excerpt(self.url, wanted, options, at=at, rows=LATER_ROWS, of=extent.rows)

    def _may_enter(self, columns: Columns) -> bool:
        """Whether rows mean the same without the lines before them."""
        wide = columns.notes.get("encoding", "").startswith(("utf-16", "utf-32"))
        return not wide and (is_plain(columns) or not self.url.lower().endswith(".txt"))

    def _options_found(self, columns: Columns) -> ReadOptions:
        """What was recognised at the start of the file holds for its other parts."""
        found = columns.notes
        return replace(
            self._options,
            encoding=self._options.encoding or found.get("encoding", "utf-8"),
            delimiter=self._options.delimiter or found.get("delimiter"),
        )


def rows_of_pool(files: Files, samples: Sequence[FileSample]) -> Extent | None:
    """Rows of all files; None if they cannot be estimated."""
    found = {sample.url: sample.extent() for sample in samples}
    known = {**files.stored, **{url: extent for url, extent in found.items() if extent}}
    rows = sum(extent.rows for extent in known.values())
    if len(known) == len(files.urls):
        return Extent(rows=rows, exact=all(extent.exact for extent in known.values()))
    size = sum(files.sizes[url] for url in known)
    if size == 0 or not known.keys() >= found.keys():
        return None
    return Extent(rows=round(rows * sum(files.sizes.values()) / size), exact=False)


def described(files: Files, samples: Sequence[FileSample]) -> str:
    """Say which rows were read."""
    if len(files.sampled) == len(files.urls) and all(sample.whole for sample in samples):
        return "all rows"
    if len(files.urls) == 1:
        (sample,) = samples
        parts = [f"the first {sample.first:,} rows"]
        places = ("the middle", "the end")
        parts += [
            f"{count:,} from {place}"
            for count, place in zip(sample.later, places, strict=False)
            if count
        ]
        return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    most = max(sample.first for sample in samples)
    where = (
        "each file"
        if len(samples) == len(files.urls)
        else (f"{len(samples):,} of the {len(files.urls):,} files")
    )
    return f"the first {most:,} rows of {where}"


def _extra_lines(row: Row | BadRow) -> int:
    """Line breaks within the cells of a row of text."""
    if isinstance(row, BadRow):
        return 0
    return sum(cell.rstrip().count("\n") for cell in row.values() if isinstance(cell, str))
