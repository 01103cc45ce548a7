"""Rows that the stages of a run set aside: counts by stage and reason, and the rows themselves.

Counts are those of the records. Each stage writes its rejects as ids, or as rows of a pool file.
A stage that was interrupted, or that stopped because too much was unusable, has no record yet; its
rejects so far are those of its journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps.artifacts import RECORD, REJECTS, StageFolder, StageRecord
from nsfwcaps.errors import ArtifactError
from nsfwcaps.files import JsonLines
from nsfwcaps.journals import JOURNAL
from nsfwcaps.tables import read_tables

if TYPE_CHECKING:
    import pyarrow as pa

STAGES = ("construct", "illustrate", "ingest", "embed", "mine", "publish")
"""Stages that set rows aside, in order."""
PICTURE_DIGITS = 64
"""Digits of the hash of a picture; ids of captions and pairs are shorter."""


@dataclass(frozen=True, kw_only=True)
class StageRejects:
    """What one stage set aside."""

    stage: str
    finished: bool
    counts: Mapping[str, int]
    """By reason."""
    files: Sequence[Path]
    record: StageRecord | None

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows: `reason`, and `id` or `source`, `source_row`, `label`, `caption`.

        Pictures that embed could not read are left out: their captions are listed.
        """
        for table in self._tables():
            for row in table.to_pylist():
                if len(row.get("id") or "") != PICTURE_DIGITS:
                    yield row

    def listed(self) -> Counter[str]:
        """Count the rows by reason, as `rows` yields them."""
        import pyarrow.compute as pc

        found: Counter[str] = Counter()
        for table in self._tables():
            if "id" in table.column_names:
                digits = pc.fill_null(pc.utf8_length(table["id"]), 0)
                table = table.filter(pc.not_equal(digits, PICTURE_DIGITS))
            for item in pc.value_counts(table["reason"]).to_pylist():
                found[item["values"]] += item["counts"]
        return found

    def _tables(self) -> Iterator[pa.Table]:
        return read_tables(self.files)


def set_aside(run: Path) -> list[StageRejects]:
    """Return what each stage of a run set aside, in order.

    Raises:
        ArtifactError: the folder is no run, or a record is damaged.
    """
    if not run.is_dir():
        kind = "is a file" if run.exists() else "no such folder"
        raise ArtifactError(f"{run}: {kind}; expected the folder of a run")
    if (run / RECORD).is_file():
        raise ArtifactError(f"{run} is the folder of one stage; give its run: {run.parent}")
    found = [item for name in STAGES for item in _of_stage(run / name)]
    if not found:
        beside = (
            run.parent if any((run.parent / name / RECORD).is_file() for name in STAGES) else None
        )
        where = f"; its run is {beside}" if beside else ""
        raise ArtifactError(f"{run} has no stage that sets rows aside; expected a run{where}")
    return found


def _of_stage(folder: Path) -> Iterator[StageRejects]:
    record = StageFolder(folder).record()
    if record is not None:
        yield StageRejects(
            stage=folder.name,
            finished=True,
            counts=record.rejects,
            files=record.paths(REJECTS),
            record=record,
        )
    counts, files = _unfinished(folder, record)
    if counts or (record is None and (folder / JOURNAL).is_file()):
        yield StageRejects(
            stage=folder.name, finished=False, counts=counts, files=files, record=record
        )


def _unfinished(folder: Path, record: StageRecord | None) -> tuple[dict[str, int], list[Path]]:
    """Return the rejects of a run of the stage that has not finished: those of newer shards."""
    journal = folder / JOURNAL
    known = set() if record is None else {file.path for file in record.files}
    counts: Counter[str] = Counter()
    files: list[Path] = []
    if not journal.is_file() or (record and not _is_newer(journal, folder / RECORD)):
        return {}, []
    for row in JsonLines(journal, sort_keys=True).rows():
        paths = [file["path"] for file in row.get("files", ()) if file.get("group") == REJECTS]
        fresh = [folder / path for path in paths if path not in known]
        if fresh and all(path.is_file() for path in fresh):
            counts.update(row.get("rejects", {}))
            files += fresh
    return dict(sorted(counts.items())), files


def _is_newer(journal: Path, record: Path) -> bool:
    """Whether the journal was written after the record: a finished run writes them together."""
    return journal.stat().st_mtime_ns > record.stat().st_mtime_ns + 2 * 10**9


def also_dropped(found: Sequence[StageRejects]) -> Iterator[str]:
    """Yield what was dropped without a row of its own, in words."""
    for item in found:
        for reason, count in (Counter(item.counts) - item.listed()).items():
            yield f"{item.stage}: {count:,} {reason}, counted but not kept"
        if item.record is None or not item.finished:
            continue
        facts = item.record.facts
        if both := facts.get("safe_dropped_as_also_unsafe", 0):
            yield f"{item.stage}: {both:,} safe captions that are unsafe captions too"
        if folded := facts.get("copies_folded", 0):
            yield f"{item.stage}: {folded:,} copies of other captions"
        if missing := facts.get("pairs_missing", 0):
            yield from _missing(item, missing)


def _missing(item: StageRejects, missing: int) -> Iterator[str]:
    """Say how many counterparts are missing to captions that have some."""
    k = item.record.settings.get("k", 1) if item.record else 1
    if (short := missing - k * sum(item.counts.values())) > 0:
        yield f"{item.stage}: {short:,} further counterparts (k={k}) of captions that have one"
