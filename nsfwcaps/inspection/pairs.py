"""The pairs of a run, or of a published data set, and their captions.

A run's pairs are those of its last stage that still fits the ones before it: of publish, else of
grade, else of mine. Their captions and categories are joined by id from ingest, or read from the
published files. Captions are read only for the pairs that are shown.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps.artifacts import RECORD, StageFolder, StageRecord
from nsfwcaps.errors import ArtifactError
from nsfwcaps.tables import column_names, read_tables

if TYPE_CHECKING:
    import pyarrow as pa

SIDES = ("unsafe", "safe")
NO_CATEGORY = "none"
"""Name of the category of pairs without one, as the card has it."""
PAIR_STAGES = ("mine", "grade", "publish")
"""Stages with pairs, in order."""
_KEYS = ("pair_id", "unsafe_id", "safe_id", "sim_text")
_MORE = ("sim_image", "rank", "difficulty", "stage", "split", "category")
_OF_CAPTION = ("caption", "source", "image_path")


@dataclass(frozen=True, kw_only=True)
class MadeBy:
    """What made pairs, as far as it is known."""

    encoder: Mapping[str, Any] = field(default_factory=dict)
    """Facts that embed recorded of the encoder."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of mine."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts of mine."""


@dataclass(frozen=True, kw_only=True)
class PairTable:
    """Pairs without their captions."""

    folder: Path
    """Folder of the run or of the data set."""
    stage: str | None
    """Stage whose pairs these are; None for a data set without its run."""
    table: pa.Table
    """Columns `pair_id`, `unsafe_id`, `safe_id`, `sim_text`, `cosine` (what chose the target) and,
    where known, `sim_image`, `rank`, `category`, `difficulty`, `stage` (the level) and `split`."""
    files: Sequence[Path]
    records: Mapping[str, StageRecord]
    """Records of the run; empty for a data set."""
    made_by: MadeBy

    def has(self, column: str) -> bool:
        """Whether the pairs have a column."""
        return column in self.table.column_names


@dataclass(frozen=True, kw_only=True)
class CaptionOfPair:
    """One side of a pair. Its text is not part of the `repr`."""

    id: str
    text: str | None = field(repr=False)
    """None if the run no longer has it."""
    source: str | None = None
    """Pool file."""
    row: int | None = None
    """Number of its row in that file, from 0."""
    image: str | None = None
    category: str | None = None


def open_pairs(folder: Path) -> PairTable:
    """Read the pairs of a run or of a data set.

    Raises:
        ArtifactError: the folder is neither, has no pairs yet, or is damaged.
    """
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "no such folder"
        raise ArtifactError(f"{folder}: {kind}; expected the folder of a run or of a data set")
    records = records_of(folder)
    record = latest(records)
    if record is None:
        return _of_dataset(folder)
    files = pair_files(record)
    table = _read(files)
    if record.stage != "publish" and (found := _categories(records.get("ingest"), table)):
        table = table.append_column("category", found)
    return _opened(folder, table, files, record.stage, records)


def pair_files(record: StageRecord) -> list[Path]:
    """Return the files of pairs of a stage."""
    if record.stage == "publish":
        return [path for path in record.paths("dataset") if path.parent.name == "data"]
    return record.paths("pairs")


def records_of(run: Path) -> dict[str, StageRecord]:
    """Return the records of a run that bear on pairs."""
    found = {name: StageFolder(run / name).record() for name in ("ingest", "embed", *PAIR_STAGES)}
    return {name: record for name, record in found.items() if record is not None}


def latest(records: Mapping[str, StageRecord]) -> StageRecord | None:
    """Return the last stage with pairs that still fits those before it; None without pairs."""
    graded = _fits(records, "grade", "mine")
    published = _fits(records, "publish", "grade") and _fits(records, "publish", "ingest")
    fits = {"publish": published and graded, "grade": graded, "mine": True}
    for name in reversed(PAIR_STAGES):
        if name in records and fits[name]:
            return records[name]
    return next((records[name] for name in PAIR_STAGES if name in records), None)


def _fits(records: Mapping[str, StageRecord], name: str, earlier: str) -> bool:
    """Whether a stage was made from the present output of an earlier one, where both are there."""
    if name not in records or earlier not in records:
        return True
    return records[name].inputs.get(earlier) == records[earlier].output_digest


def _of_dataset(folder: Path) -> PairTable:
    if (folder / RECORD).is_file():
        raise ArtifactError(f"{folder} is the folder of one stage; give its run: {folder.parent}")
    files = sorted((folder / "data").glob("*.parquet"))
    if not files:
        if any((folder / name / RECORD).is_file() for name in ("ingest", "embed")):
            raise ArtifactError(
                f"{folder} has no pairs yet; run "
                f"'nsfwcaps mine --workdir {shlex.quote(str(folder))}' first"
            )
        raise ArtifactError(
            f"{folder} has no pairs: it is neither a run with the stage mine nor a published data "
            "set (data/*.parquet)"
        )
    lacking = {*_KEYS, "unsafe_caption", "safe_caption"} - {*column_names(files[0])}
    if lacking:
        raise ArtifactError(
            f"{files[0]} has no pairs of nsfwcaps; columns missing: {', '.join(sorted(lacking))}"
        )
    return _opened(folder, _read(files), files)


def _opened(
    folder: Path,
    table: pa.Table,
    files: Sequence[Path],
    stage: str | None = None,
    records: Mapping[str, StageRecord] | None = None,
) -> PairTable:
    """Add the cosine that chose the targets."""
    import pyarrow as pa

    from nsfwcaps.mining.deciding import deciding_cosines, similarity_of

    maker = made_by(folder, records or {})
    cosines = deciding_cosines(table, similarity_of(maker.settings))
    return PairTable(
        folder=folder,
        stage=stage,
        table=table.append_column("cosine", pa.array(cosines, pa.float64(), from_pandas=True)),
        files=files,
        records=records or {},
        made_by=maker,
    )


def made_by(folder: Path, records: Mapping[str, StageRecord]) -> MadeBy:
    """Read what made the pairs from the records of a run, or from the manifest of a data set."""
    if records:
        stages = {
            name: {"settings": record.settings, "facts": record.facts}
            for name, record in records.items()
        }
    else:
        try:
            stages = json.loads((folder / "manifest.json").read_bytes())["stages"]
        except (OSError, ValueError, KeyError, TypeError):
            return MadeBy()
    try:
        mine, embed = stages["mine"], stages["embed"]["facts"]
        # Older runs have not counted the targets of the search; they were the safe captions.
        counted = {"targets": embed.get("captions", {}).get("safe"), **mine["facts"]}
        return MadeBy(encoder=embed["encoder"], settings=mine["settings"], facts=counted)
    except (KeyError, TypeError, AttributeError):
        return MadeBy()


def _read(files: Sequence[Path]) -> pa.Table:
    """Read the pairs; mine writes no file if there are none."""
    import pyarrow as pa

    from nsfwcaps import schema

    parts: list[pa.Table] = [schema.PAIRS.empty_table().select(_KEYS)]
    for path in files:
        there = column_names(path)
        parts += read_tables([path], [name for name in (*_KEYS, *_MORE) if name in there])
    table: pa.Table = pa.concat_tables(parts, promote_options="default")
    return table


def _categories(ingest: StageRecord | None, pairs: pa.Table) -> pa.ChunkedArray | None:
    """Return the category `[p]` of the unsafe captions; None if ingest's files are gone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if ingest is None or pairs.num_rows == 0:
        return None
    try:
        parts = list(read_tables(ingest.paths("unsafe"), ["id", "category"]))
    except ArtifactError:
        return None
    known = pa.concat_tables(parts)
    spots = pc.index_in(pairs["unsafe_id"].combine_chunks(), value_set=known["id"].combine_chunks())
    return known["category"].take(spots)


def captions_of_pairs(
    pairs: PairTable, chosen: pa.Table
) -> Iterator[tuple[CaptionOfPair, CaptionOfPair]]:
    """Yield the captions of the chosen pairs `[m]`, unsafe and safe, in their order."""
    if pairs.stage in (None, "publish"):
        sides = _published(pairs.files, chosen)
    else:
        ingest = pairs.records.get("ingest")
        unsafe_side, safe_side = (
            captions_by_id(ingest, side, chosen[f"{side}_id"].to_pylist()) for side in SIDES
        )
        sides = unsafe_side, safe_side
    columns = (chosen[f"{side}_id"].to_pylist() for side in SIDES)
    for unsafe, safe in zip(*columns, strict=True):
        yield (
            sides[0].get(unsafe, CaptionOfPair(id=unsafe, text=None)),
            sides[1].get(safe, CaptionOfPair(id=safe, text=None)),
        )


def captions_by_id(
    ingest: StageRecord | None, side: str, ids: Sequence[str]
) -> dict[str, CaptionOfPair]:
    """Return captions of one side by id, as far as ingest's output has them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: dict[str, CaptionOfPair] = {}
    if ingest is None:
        return found
    wanted = pa.array(sorted(set(ids)), pa.string())
    columns = ["id", *_OF_CAPTION, "source_row", "category"]
    try:
        for table in read_tables(ingest.paths(side), columns):
            for row in table.filter(pc.is_in(table["id"], value_set=wanted)).to_pylist():
                found[row["id"]] = CaptionOfPair(
                    id=row["id"],
                    text=row["caption"],
                    source=row["source"],
                    row=row["source_row"],
                    image=row["image_path"],
                    category=row["category"],
                )
    except ArtifactError:
        return found
    return found


def _published(
    files: Sequence[Path], chosen: pa.Table
) -> tuple[dict[str, CaptionOfPair], dict[str, CaptionOfPair]]:
    import pyarrow.compute as pc

    sides: tuple[dict[str, CaptionOfPair], dict[str, CaptionOfPair]] = ({}, {})
    wanted = chosen["pair_id"].combine_chunks()
    names = [f"{side}_{name}" for side in SIDES for name in ("id", *_OF_CAPTION)]
    for path in files:
        there = [name for name in names if name in column_names(path)]
        for table in read_tables([path], ["pair_id", *there]):
            rows = table.filter(pc.is_in(table["pair_id"], value_set=wanted)).to_pylist()
            for side, found in zip(SIDES, sides, strict=True):
                found |= {row[f"{side}_id"]: _of_row(row, side) for row in rows}
    return sides


def _of_row(row: Mapping[str, Any], side: str) -> CaptionOfPair:
    return CaptionOfPair(
        id=row[f"{side}_id"],
        text=row[f"{side}_caption"],
        source=row.get(f"{side}_source"),
        image=row.get(f"{side}_image_path"),
    )
