"""publish: write pairs with their captions as a folder that other tools load directly.

graded pairs ─ partners, split (`partners`, `split`) ─ review, if configured (`verdicts`, `review`)
    ─ join captions by id ─▶ data/<split>-*.parquet
records of all stages ─ measured facts ─▶ README.md, manifest.json, figures/stages.png
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardFiles, StageFolder, StageRecord, StageResult
from nsfwcaps.captions.opening import shown
from nsfwcaps.cards import dataset as dataset_card
from nsfwcaps.config import as_dict, digest, output_settings
from nsfwcaps.enums import ColumnNames
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.stages.grade.settings import GradeSettings
from nsfwcaps.stages.ingest.settings import IngestSettings
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.stages.publish.captions import captions_of
from nsfwcaps.stages.publish.construction import constructed, image_urls
from nsfwcaps.stages.publish.flags import PairFlags
from nsfwcaps.stages.publish.illustration import illustrated, image_labels
from nsfwcaps.stages.publish.images import KnownPictures, unsigned
from nsfwcaps.stages.publish.kept import kept_columns, of_side
from nsfwcaps.stages.publish.partners import Partners, find_partners
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.stages.publish.split import Splits, split_names, split_pairs
from nsfwcaps.tables import read_tables, rechunk

if TYPE_CHECKING:  # needs the extra `review`
    from nsfwcaps.stages.publish.review import Joined

VERSION = 5

_ROWS_WITH_IMAGES = 2000

_CAPTION_COLUMNS = {
    "caption": "caption",
    "source": "source",
    "image_path": "image_path",
    "image_sha256": "image_sha256",
}

_COUNTED = ("split", "stage", "category", "unsafe_image_label", "flags")

_HIDDEN = {"image_root", "safe_image", "unsafe_image", "model", "source"} | {
    field.name
    for section in (IngestSettings, EmbedSettings, MineSettings, GradeSettings)
    for field in fields(section)
    if not field.metadata["affects_output"]
}


def sources(settings: PublishSettings) -> Mapping[str, str]:
    """Return digests of the card template and, if configured, of the review."""
    found = {"card": dataset_card.template_digest()}
    if settings.verdicts is not None:
        from nsfwcaps.stages.publish import verdicts

        found["verdicts"] = verdicts.source_digest(settings.verdicts)
    return found


def plan(settings: PublishSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the number of pairs, and the minimum number of files."""
    pairs = inputs["grade"].rows("pairs")
    return {"pairs": pairs, "files": max(1, -(-pairs // settings.shard_rows))}


def run(
    settings: PublishSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Split the pairs, join the captions, write the shards, then the card and the manifest.

    Raises:
        ReviewError: the review excludes every pair.
    """
    grade = inputs["grade"]
    partners = find_partners(inputs["ingest"], inputs["embed"], grade)
    splits = split_pairs(settings, folder, inputs["embed"], grade, partners.ids, progress)
    joined = _joined(settings, inputs, splits)
    chain = _chain(inputs)
    of_review = [] if joined is None else [joined.digest]
    release = digest(
        [VERSION, _shaping(settings), dataset_card.template_digest(), chain, *of_review]
    )
    has_partners = partners.ids.null_count < len(partners.ids)
    writer = _SplitWriter(
        settings, folder, inputs, splits, joined, release, with_partners=has_partners
    )
    with progress.task("publish: write", int(writer.kept.sum())) as advance:
        names = split_names(splits.of_pair[writer.kept])
        shards = [shard for name in names for shard in writer.split(name, advance)]
    facts = {**_facts(splits, shards), "partners": _partner_counts(partners, splits, writer.kept)}
    if joined is not None:
        facts["review"] = joined.facts
    manifest = _manifest(settings, chain, facts, shards)
    readme = dataset_card.render(as_dict(settings), manifest, writer.columns)
    shards.append(_write_card_and_manifest(folder, inputs["grade"], release, manifest, readme))
    if joined is not None and joined.left_out:
        from nsfwcaps.stages.publish import review

        shards.append(review.rejects(folder, release, joined))
    return StageResult(shards=shards, facts=facts)


class _SplitWriter:
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
        self._urls = image_urls(inputs) if as_nsfwcaps else {}
        self._rows = min(settings.shard_rows, _ROWS_WITH_IMAGES) if carries else settings.shard_rows

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
            start += table.num_rows
            table = table.append_column("partner_id", partners)
            yield table.filter(pa.array(here))

    def _join(self, pairs: pa.Table, split: str) -> pa.Table:
        """Add the captions, their sources and pictures, and the category of the unsafe caption."""
        columns = {name: pairs[name] for name in pairs.column_names}
        columns["split"] = pa.array([split] * pairs.num_rows)
        for side in self._sides:
            label = "unsafe" if side == "unsafe" else "safe"
            named = ["category", *_CAPTION_COLUMNS, *(["kept"] if self._kept else [])]
            found = captions_of(self._ingest, label, pairs[f"{side}_id"], named)
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


def _counts(table: pa.Table) -> dict[str, Any]:
    """Count pairs by split, level, category and image label, for the card."""
    columns = {name: table[name] for name in _COUNTED if name in table.column_names}
    if "flags" in columns:
        columns["flags"] = pc.list_flatten(columns["flags"])
    return {
        name: dict(sorted(Counter(value or "none" for value in column.to_pylist()).items()))
        for name, column in columns.items()
    }


def _facts(splits: Splits, shards: Sequence[Shard]) -> dict[str, Any]:
    counted: dict[str, Counter[str]] = {
        name: Counter() for name in _COUNTED if any(name in shard.facts for shard in shards)
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


def _partner_counts(
    partners: Partners, splits: Splits, kept: npt.NDArray[np.bool_]
) -> dict[str, int]:
    """Count pairs with a partner, and pairs whose partner is missing, by reason."""
    there, found = (np.asarray(ids.is_valid())[kept] for ids in (splits.partner_ids, partners.ids))
    return {
        "kept": int(there.sum()),
        "in_another_split": int((found & ~there).sum()),
        "not_found": int(partners.missing[kept].sum()),
    }


def _joined(
    settings: PublishSettings, inputs: Mapping[str, StageRecord], splits: Splits
) -> Joined | None:
    """Join the configured review; None without one."""
    if settings.verdicts is None:
        return None
    from nsfwcaps.stages.publish import review, verdicts

    return review.join(verdicts.read_review(settings.verdicts), settings, inputs, splits)


def _shaping(settings: PublishSettings) -> dict[str, Any]:
    """Return the settings that affect the output; the path of a review does not.

    Without a review, its options are omitted, so that older releases keep their digests.
    """
    hidden = {"verdicts"} if settings.verdicts is not None else {"verdicts", "only_accepted"}
    return {name: v for name, v in output_settings(settings).items() if name not in hidden}


def _write_card_and_manifest(
    folder: StageFolder,
    grade: StageRecord,
    release: str,
    manifest: Mapping[str, Any],
    readme: str,
) -> Shard:
    """Write the card, the manifest, and the figure if grade drew one."""
    root = release[:12]
    return folder.make_shard(
        digest([release, "papers"]),
        lambda: ShardFiles(
            contents={
                ("dataset", f"{root}/README.md"): readme.encode(),
                ("dataset", f"{root}/manifest.json"): _json(manifest),
                **{
                    ("dataset", f"{root}/figures/{path.name}"): path.read_bytes()
                    for path in grade.paths("figures")
                },
            }
        ),
    )


def _chain(inputs: Mapping[str, StageRecord]) -> dict[str, Any]:
    """Return facts of the stages; no times, paths or devices, so equal input gives equal output."""
    return (
        constructed(inputs)
        | illustrated(inputs)
        | {
            name: {
                "version": record.version,
                "settings": _of_interest(record.settings),
                "output_digest": record.output_digest,
                "rows_in": record.rows_in,
                "rejects": record.rejects,
                "facts": {key: value for key, value in record.facts.items() if key != "device"},
            }
            for name, record in inputs.items()
            if name not in ("construct", "illustrate")
        }
    )


def _manifest(
    settings: PublishSettings,
    chain: Mapping[str, Any],
    facts: Mapping[str, Any],
    shards: Sequence[Shard],
) -> dict[str, Any]:
    """Return settings, facts and digests of every stage, and the files of the data set."""
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
        "stages": {**chain, "publish": {"settings": _shaping(settings), "facts": facts}},
    }


def _of_interest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Drop settings that do not affect the output, and local paths.

    Pools keep their file names. `model` and `source` may be paths; the facts identify the encoder
    by its name and the digest of its weights.
    """
    return {
        key: [shown(str(item)).rpartition("/")[2] for item in value]
        if isinstance(value, list)
        else value
        for key, value in settings.items()
        if key not in _HIDDEN
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, default=_number).encode() + b"\n"


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not a JSON value")
