"""ingest, subject: whether pools are those of the run before, grown or edited, or other ones.

A pool is the same if its file is, wherever it lies now. Where a file has changed, its captions
decide, by the text half of their ids. Only files that are new or changed are read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from nsfwcaps import config
from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult
from nsfwcaps.captions.clean import Clean, clean_row
from nsfwcaps.captions.kept_texts import text_keys
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.stages.ingest.earlier import (
    SIDES,
    Captions,
    Earlier,
    missing_captions,
    of_data_set,
    of_record,
)
from nsfwcaps.stages.ingest.pool import SHAPING, Pool
from nsfwcaps.stages.ingest.pool_files import (
    PoolFile,
    delivered_pools,
    files_wanted,
    given_pools,
    said_of,
)
from nsfwcaps.stages.ingest.pool_rows import PoolRows
from nsfwcaps.stages.ingest.settings import IngestSettings

_OF_TEXTS = ("config", *(n for n in SHAPING if "image" not in n and n != "keep_columns"))
"""Settings that decide which captions are read."""
_LEAST_OF_SIDE = 0.5
_MOST_LOST = 10
"""A renamed pool may have lost one caption of so many."""
_BLOCK = 8192
_MOST_NAMED = 3


def difference(settings: IngestSettings, record: StageRecord | None, workdir: Path) -> str | None:
    """Say how other pools differ from those of a finished run; None if they are the same or grew.

    Without a record, the data set in the folder says what the run was of.

    Raises:
        InputError: a pool is not there, or cannot be read.
    """
    now = config.as_dict(settings)
    if not any(given_pools(settings)):
        return None
    wanted, own = [*files_wanted(settings, workdir)], delivered_pools(now, workdir)
    if record is None and own:
        return None  # the stages that make the pools are compared
    earlier = of_data_set(workdir) if record is None else of_record(record, workdir)
    if earlier is None:
        return None
    made = delivered_pools(earlier.settings, workdir) & own if record is not None else set()
    changes = _changed_settings(now, earlier.settings)
    there = set() if changes else {file.content for file in wanted}
    lacking = [
        file
        for file in earlier.files
        if file.content not in there and (file.option, file.given) not in made
    ]
    if earlier.files and not lacking:
        return None
    gone, sides = _lost(earlier, wanted, lacking, settings)
    if not gone and not sides:
        return None
    new = [
        f"new: {option} {said_of(url)}"
        for option, url in given_pools(settings)
        if not earlier.has(url)
    ]
    return "\n".join([*_few(gone), *([] if gone else sides), *_few(new), *changes])


def lost(record: StageRecord, folder: StageFolder, result: StageResult) -> list[str]:
    """Say how many captions of a finished run are gone."""
    return [*missing_captions(record, folder, result)]


def _lost(
    earlier: Earlier,
    wanted: Sequence[PoolFile],
    lacking: Sequence[PoolFile],
    settings: IngestSettings,
) -> tuple[list[str], list[str]]:
    """Say which pools are gone, and which side has lost most captions."""
    given = {(file.option, earlier.compared(file.given)) for file in wanted}
    if earlier.by_name:
        given |= {(file.option, file.name) for file in wanted}
    dropped = [file for file in lacking if (file.option, file.given) not in given]
    if earlier.captions is None:
        pools = dict.fromkeys((file.option, file.said) for file in dropped)
        unknown = "the run's captions cannot be read"
        return [f"no longer given: {option} {said} ({unknown})" for option, said in pools], []
    found = _Comparison(earlier.captions, earlier.sizes, dropped)
    found.read(earlier.files, wanted, lacking, settings)
    return found.gone(), found.sides()


class _Comparison:
    """The captions of a finished run, and how many of them are in the wanted pools."""

    def __init__(
        self, captions: Captions, sizes: Mapping[str, int], dropped: Sequence[PoolFile]
    ) -> None:
        self._kept = captions
        self._dropped: dict[tuple[str, str], list[PoolFile]] = {}
        for file in dropped:
            self._dropped.setdefault((file.option, file.given), []).append(file)
        self._sizes = sizes

    def read(
        self,
        before: Sequence[PoolFile],
        wanted: Sequence[PoolFile],
        lacking: Sequence[PoolFile],
        settings: IngestSettings,
    ) -> None:
        """Find the run's captions in the wanted files, until enough are found."""
        doubtful = {file.name for file in lacking}
        same = {file.content for file in before} - {file.content for file in lacking}
        for file in before:
            if file.name not in doubtful:
                for texts in self._kept.values():
                    texts.find_group(file.name)
        for file in wanted:
            if file.pool is None or (file.content in same and file.name not in doubtful):
                continue
            with closing(_blocks(file.pool, settings)) as blocks:
                for label, ids in blocks:
                    self._kept[label].find(text_keys(ids))
                    if not self.sides() and not self.gone():
                        return

    def sides(self) -> list[str]:
        """Say which side has lost most of its captions."""
        counts = {side: texts.kept() for side, texts in self._kept.items()}
        return [
            f"{found:,} of its {total:,} {side} captions are in the wanted pools"
            for side, (found, total) in counts.items()
            if found < _LEAST_OF_SIDE * total
        ]

    def gone(self) -> list[str]:
        """Say which pools are no longer given, under any name."""
        said = []
        for (option, _), files in self._dropped.items():
            counts = [texts.kept({file.name for file in files}) for texts in self._kept.values()]
            found, total = (sum(item) for item in zip(*counts, strict=True))
            # Files of the same name share a group: no more can be this pool's own than it had.
            size = min(total, sum(self._sizes.get(file.digest, total) for file in files))
            if _MOST_LOST * (total - found) > size:
                kept = max(0, size - (total - found))
                counted = f"{kept:,} of its {size:,} captions are in the wanted pools"
                said.append(f"no longer given: {option} {files[0].said} ({counted})")
        return said


def _blocks(pool: Pool, settings: IngestSettings) -> Generator[tuple[Label, list[str]], None, None]:
    """Yield the ids of a pool's captions in blocks by label, without reading images."""
    plain = dataclasses.replace(
        settings, images=False, safe_image=None, unsafe_image=None, keep_columns=()
    )
    ids: dict[Label, list[str]] = {label: [] for label in SIDES}
    with closing(PoolRows(pool, plain)) as rows:
        while (numbered := rows.next()) is not None:
            cleaned = clean_row(
                numbered[1],
                rows.columns,
                pool.label,
                max_chars=settings.max_chars,
                null_words=settings.null_words,
                read_image=rows.images.read,
                template=None,
            )
            for item in cleaned:
                if isinstance(item, Clean):
                    ids[item.label].append(item.id)
                    if len(ids[item.label]) == _BLOCK:
                        yield item.label, ids[item.label]
                        ids[item.label] = []
    yield from ids.items()


def _changed_settings(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """List settings that choose other captions than before, as `caption_column: a, before b`."""
    return [
        f"{name}: {now[name]}, before {before[name]}"
        for name in _OF_TEXTS
        if name in before and before[name] != now[name]
    ]


def _few(items: Sequence[str]) -> list[str]:
    more = len(items) - _MOST_NAMED
    return [*items[:_MOST_NAMED], *([f"and {more:,} more"] if more > 0 else [])]
