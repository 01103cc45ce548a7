"""publish: pairs with their captions, as a folder that others open as it is.

graded pairs ─ partners, split (publish_partners, publish_split) ─ join captions by id ─▶
    data/<split>-*.parquet
records of all stages ─ measured facts ─▶ README.md, manifest.json, figures/stages.png
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, StageFolder, StageRecord, StageResult
from nsfwcaps.cards import card
from nsfwcaps.config import digest, output_settings
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.settings import (
    ColumnNames,
    EmbedSettings,
    GradeSettings,
    IngestSettings,
    MineSettings,
    PublishSettings,
)
from nsfwcaps.stages.publish_construction import constructed, image_urls
from nsfwcaps.stages.publish_images import Pictures
from nsfwcaps.stages.publish_partners import Partners, find_partners
from nsfwcaps.stages.publish_split import Splits, split_names, split_pairs
from nsfwcaps.tables import parquet_bytes, read_tables, rechunk

VERSION = 3

_ROWS_WITH_IMAGES = 2000

_CAPTION_COLUMNS = {
    "caption": "caption",
    "source": "source",
    "image_path": "image_path",
    "image_sha256": "image_sha256",
}

_HIDDEN = {"image_root", "model", "source"} | {
    field.name
    for section in (IngestSettings, EmbedSettings, MineSettings, GradeSettings)
    for field in fields(section)
    if not field.metadata["affects_output"]
}


def sources(settings: PublishSettings) -> Mapping[str, str]:
    """Return the digest of the card's template: a new wording makes a new card."""
    return {"card": card.template_digest()}


def plan(settings: PublishSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Pairs to publish, and in at least how many files."""
    pairs = inputs["grade"].rows("pairs")
    return {"pairs": pairs, "files": max(1, -(-pairs // settings.shard_rows))}


def run(
    settings: PublishSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Split, join the captions, write the shards, and last the card that counts them."""
    grade = inputs["grade"]
    partners = find_partners(inputs["ingest"], inputs["embed"], grade)
    splits = split_pairs(settings, folder, inputs["embed"], grade, partners.ids, progress)
    chain = _chain(inputs)
    release = digest([VERSION, output_settings(settings), card.template_digest(), chain])
    has_partners = partners.ids.null_count < len(partners.ids)
    writer = _Writer(settings, folder, inputs, splits, release, with_partners=has_partners)
    with progress.task("publish: write", grade.rows("pairs")) as advance:
        shards = [shard for name in split_names(splits) for shard in writer.split(name, advance)]
    facts = {**_facts(splits, shards), "partners": _partner_counts(partners, splits)}
    manifest = _manifest(settings, chain, facts, shards)
    readme = card.render(settings, manifest, writer.columns)
    shards.append(_papers(folder, inputs["grade"], release, manifest, readme))
    return StageResult(shards=shards, facts=facts)


class _Writer:
    """Writes one split after the other."""

    def __init__(
        self,
        settings: PublishSettings,
        folder: StageFolder,
        inputs: Mapping[str, StageRecord],
        splits: Splits,
        release: str,
        *,
        with_partners: bool,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._ingest, self._grade = inputs["ingest"], inputs["grade"]
        self._splits = splits
        self._release = release
        carries = settings.carry_images and inputs["ingest"].rows("images") > 0
        self.pictures = Pictures(inputs["ingest"]) if carries else None
        as_nsfwcaps = settings.columns is ColumnNames.NSFWCAPS
        self.columns = schema.published(
            with_pictures=carries,
            with_partners=with_partners,
            with_nsfwcaps=as_nsfwcaps,
        )
        self._sides = ("unsafe", "safe", "partner") if with_partners else ("unsafe", "safe")
        self._urls = image_urls(inputs) if as_nsfwcaps else {}
        self._rows = min(settings.shard_rows, _ROWS_WITH_IMAGES) if carries else settings.shard_rows

    def split(self, name: str, advance: Advance) -> Iterator[Shard]:
        """Write the shards of one split."""
        rows = self._rows
        total = -(-int((self._splits.of_pair == name).sum()) // rows)
        for number, pairs in enumerate(rechunk(self._of_split(name), rows)):
            key = digest([self._release, name, number])
            shard = self._folder.shard(key)
            if shard is None:
                started = time.monotonic()
                table = self._join(pairs, name)
                path = f"{self._release[:12]}/data/{name}-{number:05d}-of-{total:05d}.parquet"
                shard = self._folder.commit_files(
                    key,
                    {("dataset", path): bytes(parquet_bytes(table))},
                    rows={path: table.num_rows},
                    rows_in=table.num_rows,
                    facts={**_counts(table), "images_lost": self._lost()},
                    started=started,
                )
            advance(shard.rows_in)
            yield shard

    def _of_split(self, name: str) -> Iterator[pa.Table]:
        start = 0
        for table in read_tables(self._grade.paths("pairs")):
            of_pair = self._splits.of_pair[start : start + table.num_rows]
            partners = self._splits.partner_ids.slice(start, table.num_rows)
            start += table.num_rows
            table = table.append_column("partner_id", partners)
            yield table.filter(pa.array(of_pair == name))

    def _join(self, pairs: pa.Table, split: str) -> pa.Table:
        """Add the captions, their sources and pictures, and the unsafe one's category."""
        columns = {name: pairs[name] for name in pairs.column_names}
        columns["split"] = pa.array([split] * pairs.num_rows)
        for side in self._sides:
            label = "unsafe" if side == "unsafe" else "safe"
            found = self._captions(label, pairs[f"{side}_id"], ["category", *_CAPTION_COLUMNS])
            columns |= {f"{side}_{name}": found[name] for name in _CAPTION_COLUMNS}
            if side == "unsafe":
                columns["category"] = found["category"]
            if self.pictures is not None:
                columns[f"{side}_image"] = self.pictures.column(found["image_sha256"])
        columns |= {name: columns[ours] for name, ours in schema.NSFWCAPS_COLUMNS.items()}
        if self._urls:
            urls = [self._urls.get(safe_id) for safe_id in pairs["safe_id"].to_pylist()]
            known = pa.array(urls, pa.string())
            columns["image_coco_url"] = pc.coalesce(known, columns["safe_image_path"])
        return pa.table({name: columns[name] for name in self.columns.names}).cast(self.columns)

    def _lost(self) -> dict[str, int]:
        """Pictures lost since the last shard was written."""
        if self.pictures is None:
            return {}
        lost = dict(self.pictures.lost)
        self.pictures.lost.clear()
        return lost

    def _captions(self, label: str, ids: pa.ChunkedArray, columns: Sequence[str]) -> pa.Table:
        """Rows of the captions table for ids `[p]`, in their order; null for null."""
        wanted = ids.combine_chunks().unique()
        found = pa.concat_tables(
            table.filter(pc.is_in(table["id"], value_set=wanted))
            for table in read_tables(self._ingest.paths(label), ["id", *columns])
        )
        spots = pc.index_in(ids.combine_chunks(), value_set=found["id"].combine_chunks())
        return found.take(spots)


def _counts(table: pa.Table) -> dict[str, Any]:
    """Pairs by split, stage and category: what the card will say."""
    return {
        name: dict(sorted(Counter(value or "none" for value in table[name].to_pylist()).items()))
        for name in ("split", "stage", "category")
    }


def _facts(splits: Splits, shards: Sequence[Shard]) -> dict[str, Any]:
    counted: dict[str, Counter[str]] = {
        "split": Counter(),
        "stage": Counter(),
        "category": Counter(),
    }
    lost: Counter[str] = Counter()
    for shard in shards:
        lost.update(shard.facts["images_lost"])
        for name, counter in counted.items():
            counter.update(shard.facts[name])
    return {
        "pairs": sum(shard.rows_out for shard in shards),
        **{name: dict(counter) for name, counter in counted.items()},
        "images_lost": dict(sorted(lost.items())),
        "groups": splits.groups,
        "largest_group": splits.largest_group,
        "near_duplicates": splits.near_duplicates,
    }


def _partner_counts(partners: Partners, splits: Splits) -> dict[str, int]:
    """Pairs that have their partner, and pairs that name one and have it not, by the reason."""
    lacking = splits.partner_ids.null_count
    return {
        "kept": len(splits.partner_ids) - lacking,
        "in_another_split": lacking - partners.ids.null_count,
        "not_found": partners.not_found,
    }


def _papers(
    folder: StageFolder,
    grade: StageRecord,
    release: str,
    manifest: Mapping[str, Any],
    readme: str,
) -> Shard:
    """Write what goes beside the data: the card, the manifest, the picture of the stages."""
    started = time.monotonic()
    figure = grade.paths("figures")[0]
    root = release[:12]
    return folder.commit_files(
        digest([release, "papers"]),
        {
            ("dataset", f"{root}/README.md"): readme.encode(),
            ("dataset", f"{root}/manifest.json"): _json(manifest),
            ("dataset", f"{root}/figures/{figure.name}"): figure.read_bytes(),
        },
        rows={},
        rows_in=0,
        started=started,
    )


def _chain(inputs: Mapping[str, StageRecord]) -> dict[str, Any]:
    """What the stages did; no time, path or device, so equal wherever equal input was mined."""
    return constructed(inputs) | {
        name: {
            "version": record.version,
            "settings": _of_interest(record.settings),
            "output_digest": record.output_digest,
            "rows_in": record.rows_in,
            "rejects": record.rejects,
            "facts": {key: value for key, value in record.facts.items() if key != "device"},
        }
        for name, record in inputs.items()
        if name != "construct"
    }


def _manifest(
    settings: PublishSettings,
    chain: Mapping[str, Any],
    facts: Mapping[str, Any],
    shards: Sequence[Shard],
) -> dict[str, Any]:
    """Settings, facts and digests of every stage, and the files of the data set."""
    return {
        "files": [
            {
                "path": "/".join(Path(file.path).parts[1:]),
                "rows": file.rows,
                "bytes": file.bytes,
                "sha256": file.sha256,
            }
            for shard in shards
            for file in shard.files
        ],
        "stages": {**chain, "publish": {"settings": output_settings(settings), "facts": facts}},
    }


def _of_interest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out how the work was done, and where things lay on somebody's disk.

    Pools stay by file name; the encoder is among the facts, by its name and the digest of its
    weights, while `model` and `source` may be paths.
    """
    return {
        key: [str(item).rpartition("/")[2] for item in value] if isinstance(value, list) else value
        for key, value in settings.items()
        if key not in _HIDDEN
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, default=_number).encode() + b"\n"


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON value")
