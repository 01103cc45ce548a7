"""publish, write: the pairs of each split with their captions and pictures, in Parquet files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardFiles, StageFolder, StageRecord
from nsfwcaps.config import digest
from nsfwcaps.enums import ColumnNames
from nsfwcaps.progress import Advance
from nsfwcaps.stages.publish.captions import NodeCaptions
from nsfwcaps.stages.publish.construction import image_urls
from nsfwcaps.stages.publish.flags import PairFlags
from nsfwcaps.stages.publish.illustration import image_labels
from nsfwcaps.stages.publish.images import KnownPictures, unsigned
from nsfwcaps.stages.publish.kept import kept_columns, of_side
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.stages.publish.split import Splits
from nsfwcaps.tables import read_tables, rechunk

if TYPE_CHECKING:  # needs the extra `review`
    from nsfwcaps.stages.publish.review import Joined

ROWS_WITH_IMAGES = 2000
"""Largest number of rows of a file with images."""

_CAPTION_COLUMNS = {
    "caption": "caption",
    "source": "source",
    "image_path": "image_path",
    "image_sha256": "image_sha256",
}

COUNTED = ("split", "stage", "category", "unsafe_image_label", "flags")


class SplitWriter:
    """Writer of one split after the other."""

    def __init__(
        self,
        settings: PublishSettings,
        folder: StageFolder,
        inputs: Mapping[str, StageRecord],
        splits: Splits,
        joined: Joined | None,
        release: str,
        *,
        with_partners: bool,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._ingest, self._grade = inputs["ingest"], inputs["grade"]
        self._splits = splits
        self._joined = joined
        self._release = release
        everything = np.ones(len(splits.of_pair), dtype=np.bool_)
        self.kept = everything if joined is None else joined.kept
        carries = settings.carry_images and inputs["ingest"].rows("images") > 0
        self.pictures = KnownPictures(inputs["ingest"]) if carries else None
        self._labels = image_labels(inputs)
        self._flags = PairFlags(inputs)
        self._kept = kept_columns(inputs["ingest"])
        as_nsfwcaps = settings.columns is ColumnNames.NSFWCAPS
        self.columns = schema.published(
            with_pictures=carries,
            with_partners=with_partners,
            with_nsfwcaps=as_nsfwcaps,
            with_review=joined is not None,
            with_labels=self._labels is not None,
            with_flags=self._flags.any(inputs["grade"], self.kept),
            kept=self._kept,
        )
        self._sides = ("unsafe", "safe", "partner") if with_partners else ("unsafe", "safe")
        named = ["category", *_CAPTION_COLUMNS, *(["kept"] if self._kept else [])]
        self._captions = NodeCaptions(folder, inputs["ingest"], splits.nodes, named)
        self._urls = image_urls(inputs) if as_nsfwcaps else {}
        self._rows = min(settings.shard_rows, ROWS_WITH_IMAGES) if carries else settings.shard_rows

    def split(self, name: str, advance: Advance) -> Iterator[Shard]:
        """Write the shards of one split."""
        rows = self._rows
        total = -(-int(self._kept_of(name).sum()) // rows)
        for number, pairs in enumerate(rechunk(self._of_split(name), rows)):
            key = digest([self._release, name, number])
            path = f"{self._release[:12]}/data/{name}-{number:05d}-of-{total:05d}.parquet"
            shard = self._folder.shard_or(key, partial(self._file, pairs, name, path))
            advance(shard.rows_in)
            yield shard

    def _file(self, pairs: pa.Table, split: str, path: str) -> ShardFiles:
        table = self._join(pairs, split)
        return ShardFiles(
            contents={("dataset", path): table},
            rows_in=table.num_rows,
            facts={**_counts(table), "images_lost": self._lost()},
        )

    def _kept_of(self, name: str) -> npt.NDArray[np.bool_]:
        """Return a mask `[p]` of the pairs in a split."""
        of_split: npt.NDArray[np.bool_] = self._splits.of_pair == name
        return of_split & self.kept

    def _of_split(self, name: str) -> Iterator[pa.Table]:
        start, wanted = 0, self._kept_of(name)
        for table in read_tables(self._grade.paths("pairs")):
            here = wanted[start : start + table.num_rows]
            partners = self._splits.partner_ids.slice(start, table.num_rows)
            for side in self._sides:
                nodes = self._splits.ends[side][start : start + table.num_rows]
                table = table.append_column(_node_of(side), pa.array(nodes))
            start += table.num_rows
            table = table.append_column("partner_id", partners)
            yield table.filter(pa.array(here))

    def _join(self, pairs: pa.Table, split: str) -> pa.Table:
        """Add the captions, their sources and pictures, and the category of the unsafe caption."""
        columns = {name: pairs[name] for name in pairs.column_names}
        columns["split"] = pa.array([split] * pairs.num_rows)
        for side in self._sides:
            found = self._captions.take(np.asarray(pairs[_node_of(side)]))
            columns |= {f"{side}_{name}": found[name] for name in _CAPTION_COLUMNS}
            if side == "unsafe":
                columns["category"] = found["category"]
            if self._kept:
                columns |= of_side(side, found["kept"], self._kept)
            if self.pictures is not None:
                columns[f"{side}_image"] = self.pictures.column(found["image_sha256"])
                columns[f"{side}_image_path"] = unsigned(found["image_path"])
        if self._joined is not None:
            from nsfwcaps.stages.publish import review

            columns = review.apply(self._joined, columns)
        ids = {name: columns[name] for name in ("unsafe_id", "safe_id")}
        columns["flags"] = self._flags.column(pa.table(ids))
        if self._labels is not None:
            columns |= self._labels.columns(pairs["unsafe_id"])
        columns |= {name: columns[ours] for name, ours in schema.NSFWCAPS_COLUMNS.items()}
        if self._urls:
            urls = [self._urls.get(safe_id) for safe_id in pairs["safe_id"].to_pylist()]
            known = pa.array(urls, pa.string())
            columns["image_coco_url"] = pc.coalesce(known, columns["safe_image_path"])
        return pa.table({name: columns[name] for name in self.columns.names}).cast(self.columns)

    def _lost(self) -> dict[str, int]:
        """Return the number of pictures lost since the last shard, by reason."""
        if self.pictures is None:
            return {}
        lost = dict(self.pictures.lost)
        self.pictures.lost.clear()
        return lost


def _node_of(side: str) -> str:
    """Return the column of pairs with the node of a side."""
    return f"{side}_node"


def _counts(table: pa.Table) -> dict[str, Any]:
    """Count pairs by split, level, category and image label, for the card."""
    columns = {name: table[name] for name in COUNTED if name in table.column_names}
    if "flags" in columns:
        columns["flags"] = pc.list_flatten(columns["flags"])
    return {
        name: dict(sorted(Counter(value or "none" for value in column.to_pylist()).items()))
        for name, column in columns.items()
    }
