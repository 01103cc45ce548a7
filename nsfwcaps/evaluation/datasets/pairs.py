"""Pair sets: each row has an unsafe caption (and image) and its safe counterpart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nsfwcaps.captions.normalize import content_id
from nsfwcaps.captions.options import ALL_SPLITS
from nsfwcaps.captions.overlap import overlap_at
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Row, Sample
from nsfwcaps.captions.sources import expand
from nsfwcaps.captions.tables.values import text_cell
from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.captions import Captions, caption_of
from nsfwcaps.evaluation.datasets.column_values import ColumnValues
from nsfwcaps.evaluation.datasets.pair_columns import PairColumns, resolve
from nsfwcaps.evaluation.datasets.pair_set import NO_CATEGORY, PairSet
from nsfwcaps.evaluation.datasets.pictures import MISSING, PictureCells, PictureSet
from nsfwcaps.evaluation.datasets.splits import AskedSplit, SplitRows, tells_splits
from nsfwcaps.metrics.answer_sets import Rows, Sets, sets_of
from nsfwcaps.progress import Advance, Progress


def read_pairs(
    name: str,
    url: str,
    split: AskedSplit | None,
    image_root: str | None,
    progress: Progress,
    *,
    by: str | None = None,
) -> PairSet:
    """Read a published folder, or any file or folder with one pair per row.

    Figures are also given by the values of the column `by`; None for the category.

    Raises:
        InputError: the set is unreadable, lacks caption columns or the column `by`, has no usable
            row of the split, or `by` does not divide the pairs into few groups.
    """
    urls = expand(url, ALL_SPLITS)
    rows = SplitRows(url, split)
    reading = _Reading(rows, by)
    with progress.task(f"read {name}", None) as advance:
        for file in rows.files(urls):
            reading.file(file, image_root, advance)
    rows.check(reading.read, known=reading.has_split or tells_splits(urls, url))
    if not reading.pairs:
        counts = ", ".join(f"{count:,} {why}" for why, count in reading.left_out.items())
        raise InputError(f"{url}: no usable pairs ({counts or 'no rows'})")
    found = reading.finished(name)
    if by is not None:
        reading.values.check(found, by, url)
    # Figures on the training split say nothing of other data anyway.
    return found if split is AskedSplit.TRAIN else replace(found, overlap=overlap_at(urls))


@dataclass(frozen=True, slots=True)
class _ItemRows:
    """An item: rows of its caption and its image."""

    text: int
    image: int


@dataclass(slots=True)
class _RankedPair:
    """One unsafe item with its safe items, best first."""

    id: str
    unsafe: _ItemRows
    category: str | None
    rank: float
    safe: _ItemRows
    partner: _ItemRows
    others: list[_ItemRows] = field(default_factory=list)
    equivalent_ids: list[str] = field(default_factory=list)


_NO_ITEM = _ItemRows(MISSING, MISSING)


class _Reading:
    """Builds a pair set row by row."""

    def __init__(self, rows: SplitRows, by: str | None) -> None:
        self._by = by
        self.values = ColumnValues()
        self.read = 0
        self.has_split = False
        self.left_out: Counter[str] = Counter()
        self.pairs: list[_RankedPair] = []
        self._rows = rows
        self._captions = {"safe": Captions(), "unsafe": Captions()}
        self._pictures = {"safe": PictureSet(), "unsafe": PictureSet()}
        self._of_unsafe: dict[str, _RankedPair] = {}
        self._safe_of_id: dict[str, _ItemRows] = {}
        self._safe_items: dict[_ItemRows, None] = {}
        self._origins: Counter[str] = Counter()
        self._has_categories = False
        self._unnamed: Counter[str] = Counter()

    def file(self, url: str, image_root: str | None, advance: Advance) -> None:
        """Read the rows of one file."""
        found: list[PairColumns] = []

        def choose(sample: Sample) -> Sequence[str]:
            found.append(resolve(sample.names, url, self._by))
            return found[0].names

        cells = PictureCells(url, image_root)
        for number, row in enumerate(read_pool(url, choose)):
            advance(1)
            if isinstance(row, BadRow):
                self.left_out[row.reason] += 1
                continue
            columns = found[0]
            if columns.split is not None:
                self.has_split = True
                if not self._rows.takes(text_cell(row.get(columns.split))):
                    continue
            self.read += 1
            self._row(row, columns, cells, number)

    def _row(self, row: Row, columns: PairColumns, cells: PictureCells, number: int) -> None:
        unsafe_caption = caption_of(row.get(columns.unsafe_caption))
        safe_caption = caption_of(row.get(columns.safe_caption))
        if unsafe_caption is None or safe_caption is None:
            self.left_out["caption_missing"] += 1
            return

        def item(side: str, caption: str, images: Sequence[str]) -> _ItemRows:
            image = self._image(side, row, images, cells, number)
            label = "unsafe" if side == "unsafe" else "safe"  # a partner is a safe item
            return _ItemRows(self._captions[label].add(caption), image)

        safe = item("safe", safe_caption, columns.safe_images)
        self._safe_items[safe] = None
        if safe_id := _cell_text(row, columns.safe_id):
            self._safe_of_id.setdefault(safe_id, safe)
        unsafe_id = _cell_text(row, columns.unsafe_id)
        rank = _number(row.get(columns.rank or ""))
        if unsafe_id in self._of_unsafe and columns.rank is not None:
            self._add_alternative(self._of_unsafe[unsafe_id], rank, safe)
            return
        partner, partner_caption = _NO_ITEM, caption_of(row.get(columns.partner_caption or ""))
        if partner_caption is not None:
            partner = item("partner", partner_caption, columns.partner_images)
            self._safe_items[partner] = None
        if origin := _cell_text(row, columns.provenance):
            self._origins[origin] += 1
        category = _cell_text(row, columns.category)
        if self._by is not None:
            self.values.add(row.get(columns.category or ""))
        self._has_categories |= category is not None
        pair = _RankedPair(
            id=unsafe_id or content_id(unsafe_caption),
            unsafe=item("unsafe", unsafe_caption, columns.unsafe_images),
            category=category,
            rank=rank,
            safe=safe,
            partner=partner,
            equivalent_ids=_cell_texts(row.get(columns.equivalents or "")),
        )
        self.pairs.append(pair)
        if unsafe_id is not None:
            self._of_unsafe[unsafe_id] = pair

    def _add_alternative(self, pair: _RankedPair, rank: float, safe: _ItemRows) -> None:
        """Add a safe item of another rank; the best-ranked one forms the pair."""
        if rank < pair.rank:
            pair.rank, pair.safe, safe = rank, safe, pair.safe
        pair.others.append(safe)

    def _image(
        self, side: str, row: Row, columns: Sequence[str], cells: PictureCells, number: int
    ) -> int:
        pictures = self._pictures["unsafe" if side == "unsafe" else "safe"]
        for column in columns:
            found = cells.add(pictures, row.get(column), column, number)
            if found is not None:
                return found
        if columns:
            self._unnamed[f"{side}_image_not_named"] += 1
        return MISSING

    def finished(self, name: str) -> PairSet:
        """Return the pairs as arrays."""
        sides = ("safe", "unsafe", "partner")
        safe, unsafe, partner = ([getattr(pair, side) for pair in self.pairs] for side in sides)
        text, image = self._equivalents()
        for side, pictures in self._pictures.items():
            if pictures.missing:
                self.left_out[f"{side}_image_missing"] = pictures.missing
        if any(len(pictures) or pictures.missing for pictures in self._pictures.values()):
            self.left_out.update(self._unnamed)  # else the set is captions only and nothing is lost
        return PairSet(
            name=name,
            safe_captions=self._captions["safe"].texts,
            unsafe_captions=self._captions["unsafe"].texts,
            safe_pictures=self._pictures["safe"],
            unsafe_pictures=self._pictures["unsafe"],
            ids=[pair.id for pair in self.pairs],
            safe_text_of=_rows([item.text for item in safe]),
            unsafe_text_of=_rows([item.text for item in unsafe]),
            safe_image_of=_rows([item.image for item in safe]),
            unsafe_image_of=_rows([item.image for item in unsafe]),
            partner_text_of=_rows([item.text for item in partner]),
            partner_image_of=_rows([item.image for item in partner]),
            categories=np.array([pair.category or NO_CATEGORY for pair in self.pairs])
            if self._has_categories
            else None,
            equivalent_text=text,
            equivalent_image=image,
            safe_items=_rows([(item.text, item.image) for item in self._safe_items]),
            origins=dict(self._origins),
            left_out=dict(sorted(self.left_out.items())),
        )

    def _equivalents(self) -> tuple[Sets | None, Sets | None]:
        """Collect further right items of every pair; None if no pair has any."""
        owned = [
            (number, item)
            for number, pair in enumerate(self.pairs)
            for item in [*pair.others, *self._named_equivalents(pair)]
        ]
        if not owned:
            return None, None
        sets = []
        for kind in ("text", "image"):
            both = [(number, getattr(item, kind)) for number, item in owned]
            both = [(number, row) for number, row in both if row != MISSING]
            owners, rows = (_rows([pair[i] for pair in both]) for i in range(2))
            sets.append(sets_of(owners, rows, len(self.pairs)))
        return sets[0], sets[1] if len(self._pictures["safe"]) else None

    def _named_equivalents(self, pair: _RankedPair) -> list[_ItemRows]:
        """Safe items listed by id as equivalents; ids of other splits are not candidates."""
        return [self._safe_of_id[i] for i in pair.equivalent_ids if i in self._safe_of_id]


def _rows(values: Sequence[Any]) -> Rows:
    return np.array(values, dtype=np.int64)


def _cell_text(row: Row, column: str | None) -> str | None:
    cell = text_cell(row.get(column)) if column is not None else None
    return None if cell in (None, "") else str(cell).encode(errors="replace").decode()


def _cell_texts(cell: Any) -> list[str]:
    return [str(text_cell(item)) for item in cell] if isinstance(cell, list) else []


def _number(cell: object) -> float:
    try:
        return float(str(text_cell(cell)))
    except ValueError:
        return float("inf")
