"""Rejects of a run with the text behind them, joined from wherever the run has it.

| stage | text |
|---|---|
| ingest | the raw caption that it kept |
| embed, mine | ingest's captions, by id |
| construct | the edit, and the safe caption of its source pool, which is read again |
| illustrate | the unsafe pool of construct, by id |
| publish | the captions of the pair, by the ids of grade |
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ConfigError, NsfwcapsError
from nsfwcaps.inspection.pairs import CaptionOfPair, captions_by_id, records_of
from nsfwcaps.inspection.set_aside import StageRejects, also_dropped, set_aside
from nsfwcaps.tables import read_tables

Texts = Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A row that was set aside. Its texts are not part of the `repr`."""

    stage: str
    reason: str
    id: str | None
    """Of the caption; of the pair for publish."""
    label: str | None = None
    category: str | None = None
    source: str | None = None
    """Pool file."""
    row: int | None = None
    """Number of the row in that file, from 0."""
    image: str | None = None
    texts: Texts = field(default_factory=dict, repr=False)
    """Texts by what they are; None for one that is not kept."""


@dataclass(frozen=True, kw_only=True)
class RejectChoice:
    """Which rejects to show: of these stages and reasons, at most n of each reason."""

    stage: Sequence[str] = ()
    reason: Sequence[str] = ()
    n: int = 5


@dataclass(frozen=True, kw_only=True)
class Rejects:
    """What a run set aside."""

    run: Path
    stages: Sequence[StageRejects]
    """Those chosen."""
    also: Sequence[str]
    """What was dropped without a row of its own."""
    rows: Sequence[RejectedRow]

    @property
    def total(self) -> int:
        """Number of rows set aside."""
        return sum(count for item in self.stages for count in item.counts.values())


def rejects_of_run(run: Path, choice: RejectChoice) -> Rejects:
    """Read the rejects of a run and the texts of those to show.

    Raises:
        ArtifactError: the folder is no run, or a file of it is damaged.
        ConfigError: no stage or reason of this name has rejects.
    """
    found = set_aside(run)
    _check("stage", choice.stage, [item.stage for item in found])
    chosen = [item for item in found if not choice.stage or item.stage in choice.stage]
    _check("reason", choice.reason, [reason for item in chosen for reason in item.counts])
    chosen = [_of_reasons(item, choice.reason) for item in chosen]
    also = [] if choice.reason else list(also_dropped(chosen))
    rows = [row for item in chosen for row in _with_texts(run, item, _first(item, choice))]
    return Rejects(run=run, stages=chosen, also=also, rows=rows)


def _check(name: str, values: Sequence[str], there: Sequence[str]) -> None:
    """Refuse a name that is not there."""
    names = list(dict.fromkeys(there))
    for value in values:
        if value not in names:
            close = difflib.get_close_matches(value, names, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            listed = f"there are: {', '.join(names)}" if names else "nothing was set aside"
            raise ConfigError(f"--{name}: no rejects of '{value}'; {hint}{listed}")


def _of_reasons(item: StageRejects, reasons: Sequence[str]) -> StageRejects:
    if not reasons:
        return item
    return replace(item, counts={name: n for name, n in item.counts.items() if name in reasons})


def _first(item: StageRejects, choice: RejectChoice) -> list[dict[str, Any]]:
    """Return the first rows of each reason, by reason."""
    taken: Counter[str] = Counter()
    rows = []
    for row in item.rows() if item.counts and choice.n else ():
        if row["reason"] in item.counts and taken[row["reason"]] < choice.n:
            taken[row["reason"]] += 1
            rows.append(row)
    return sorted(rows, key=lambda row: str(row["reason"]))


def _with_texts(
    run: Path, item: StageRejects, rows: Sequence[Mapping[str, Any]]
) -> Iterator[RejectedRow]:
    of_pool = [row for row in rows if "source" in row]
    by_id = [row for row in rows if "source" not in row]
    yield from (_pool_row(item.stage, row) for row in of_pool)
    if by_id:
        yield from _TEXTS[item.stage](run, item, by_id)


def _pool_row(stage: str, row: Mapping[str, Any]) -> RejectedRow:
    raw = row["caption"]
    return RejectedRow(
        stage=stage,
        reason=row["reason"],
        id=None,
        label=row["label"],
        source=row["source"],
        row=row["source_row"],
        texts={"text": None if raw is None else raw.decode("utf-8", "backslashreplace")},
    )


def _of_ingest(
    run: Path, item: StageRejects, rows: Sequence[Mapping[str, Any]]
) -> Iterator[RejectedRow]:
    """Yield rejects of embed and mine: captions of ingest."""
    ingest = records_of(run).get("ingest")
    ids = [row["id"] for row in rows]
    sides = ("unsafe",) if item.stage == "mine" else ("unsafe", "safe")
    known = {side: captions_by_id(ingest, side, ids) for side in sides}
    for row in rows:
        side = next((side for side in sides if row["id"] in known[side]), None)
        none = CaptionOfPair(id=row["id"], text=None)
        caption = none if side is None else known[side][row["id"]]
        yield RejectedRow(
            stage=item.stage,
            reason=row["reason"],
            id=row["id"],
            label=side,
            category=caption.category,
            source=caption.source,
            row=caption.row,
            image=caption.image,
            texts={"text": caption.text},
        )


def _of_construct(
    run: Path, item: StageRejects, rows: Sequence[Mapping[str, Any]]
) -> Iterator[RejectedRow]:
    """Yield rejected edits, and safe captions rejected before editing."""
    sources = _source_captions(item, {row["id"] for row in rows})
    for row in rows:
        edit = {"edit": row["caption"]} if row["caption"] is not None else {}
        yield RejectedRow(
            stage=item.stage,
            reason=row["reason"],
            id=row["id"],
            label="safe",
            category=row["category"],
            texts={"text": sources.get(row["id"]), **edit},
        )


def _source_captions(item: StageRejects, wanted: set[str]) -> dict[str, str]:
    """Read the safe captions again from the pools of construct; none if they are gone."""
    from nsfwcaps import config
    from nsfwcaps.stages.construct.read import clean_items
    from nsfwcaps.stages.construct.settings import ConstructSettings

    found: dict[str, str] = {}
    if item.record is None:
        return found
    try:
        settings = config.parse(ConstructSettings, item.record.settings, where="construct")
        for caption in clean_items(settings):
            if caption.id in wanted:
                found[caption.id] = caption.caption
                if len(found) == len(wanted):
                    break
    except (NsfwcapsError, OSError):
        return found
    return found


def _of_illustrate(
    run: Path, item: StageRejects, rows: Sequence[Mapping[str, Any]]
) -> Iterator[RejectedRow]:
    """Yield captions without an image: rows of construct's unsafe pool."""
    files = sorted((run / "pools" / "unsafe").glob("*.parquet"))
    wanted = {row["id"] for row in rows}
    known = {
        row["id"]: row["caption"]
        for table in read_tables(files, ["id", "caption"])
        for row in table.to_pylist()
        if row["id"] in wanted
    }
    for row in rows:
        yield RejectedRow(
            stage=item.stage,
            reason=row["reason"],
            id=row["id"],
            label="unsafe",
            category=row["category"],
            texts={"text": known.get(row["id"])},
        )


def _of_publish(
    run: Path, item: StageRejects, rows: Sequence[Mapping[str, Any]]
) -> Iterator[RejectedRow]:
    """Yield pairs that a review excluded."""
    records = records_of(run)
    ids = {row["id"] for row in rows}
    graded = records["grade"].paths("pairs") if "grade" in records else []
    pairs = {
        row["pair_id"]: row
        for table in read_tables(graded, ["pair_id", "unsafe_id", "safe_id"])
        for row in table.to_pylist()
        if row["pair_id"] in ids
    }
    known = {
        side: captions_by_id(
            records.get("ingest"), side, [row[f"{side}_id"] for row in pairs.values()]
        )
        for side in ("unsafe", "safe")
    }
    for row in rows:
        pair = pairs.get(row["id"])
        none = CaptionOfPair(id="", text=None)
        of = {side: known[side].get(pair[f"{side}_id"], none) if pair else none for side in known}
        yield RejectedRow(
            stage=item.stage,
            reason=row["reason"],
            id=row["id"],
            category=of["unsafe"].category,
            texts={side: caption.text for side, caption in of.items()},
        )


_TEXTS = {
    "construct": _of_construct,
    "illustrate": _of_illustrate,
    "ingest": _of_ingest,
    "embed": _of_ingest,
    "mine": _of_ingest,
    "publish": _of_publish,
}
"""How to find the texts of a stage's rejects that are ids."""
