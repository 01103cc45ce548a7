"""ingest, subject: whether pools are those of the run before, grown or edited, or other ones.

A pool is the same if its file is, wherever it lies now. Where a file has changed, its captions
decide, by the text half of their ids. Only files that are new or changed are read.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps import config
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.clean import Clean, clean_row
from nsfwcaps.captions.kept_texts import KeptTexts, text_keys
from nsfwcaps.captions.opening import local_path, shown
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.errors import InputError
from nsfwcaps.stages.ingest.pool import SHAPING, Pool, read_options
from nsfwcaps.stages.ingest.read import PoolRows
from nsfwcaps.stages.ingest.settings import IngestSettings
from nsfwcaps.tables import read_tables

_SIDES = (Label.SAFE, Label.UNSAFE)
_OPTIONS = ("safe", "unsafe", "pool")
_OF_TEXTS = ("config", *(n for n in SHAPING if "image" not in n and n != "keep_columns"))
"""Settings that decide which captions are read."""
_LEAST_OF_SIDE = 0.5
_MOST_LOST = 10
"""A renamed pool may have lost one caption of so many."""
_BLOCK = 8192
_MOST_NAMED = 3
_IN_MEMORY = re.compile(r"/inputs/(safe|unsafe|pool)-[0-9a-f]{16}\.parquet$")
"""Captions that were given to the Python function."""
_SAID_OF_MEMORY = "captions in memory"


@dataclass(frozen=True, kw_only=True)
class _File:
    """A pool file of the earlier run or of the wanted one."""

    option: str
    given: str
    """Pool that it belongs to, as one text for all spellings of a path."""
    said: str
    """The same as given."""
    name: str
    digest: str
    pool: Pool | None = None
    """How to read it; None for a file of the earlier run."""

    @property
    def content(self) -> tuple[str, str]:
        return self.option, self.digest


def difference(settings: IngestSettings, record: StageRecord, workdir: Path) -> str | None:
    """Say how other pools differ from those of a finished run; None if they are the same or grew.

    Raises:
        InputError: a pool is not there, or cannot be read.
    """
    before, wanted = [*_before(record)], [*_wanted(settings, workdir)]
    made = _delivered(record.settings, workdir) & _delivered(config.as_dict(settings), workdir)
    changes = _changed_settings(settings, record)
    there = set() if changes else {file.content for file in wanted}
    lacking = [
        file
        for file in before
        if file.content not in there and (file.option, file.given) not in made
    ]
    captions = _captions(record) if lacking and any(_given(settings)) else None
    if captions is None:
        return None  # the same, or no caption is left to compare with and to lose
    given = {(file.option, file.given) for file in wanted}
    found = _Comparison(record, captions, [f for f in lacking if (f.option, f.given) not in given])
    found.read(before, wanted, lacking, settings)
    gone, sides = found.gone(), found.sides()
    if not gone and not sides:
        return None
    old = {_identity(url) for option in _OPTIONS for url in record.settings.get(option, ())}
    new = [
        f"new: {option} {_said(url)}"
        for option, url in _given(settings)
        if _identity(url) not in old
    ]
    return "\n".join([*_few(gone), *([] if gone else sides), *_few(new), *changes])


class _Comparison:
    """The captions of a finished run, and how many of them are in the wanted pools."""

    def __init__(
        self, record: StageRecord, captions: Mapping[Label, KeptTexts], dropped: Sequence[_File]
    ) -> None:
        self._kept = captions
        self._dropped: dict[tuple[str, str], list[_File]] = {}
        for file in dropped:
            self._dropped.setdefault((file.option, file.given), []).append(file)
        self._sizes = {pool["sha256"]: pool["captions"] for pool in record.facts["pools"]}

    def read(
        self,
        before: Sequence[_File],
        wanted: Sequence[_File],
        lacking: Sequence[_File],
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
            for label, ids in _blocks(file.pool, settings):
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


def _captions(record: StageRecord) -> dict[Label, KeptTexts] | None:
    """Read the captions of a finished run, grouped by their file; None if files are missing."""
    found = {}
    for label in _SIDES:
        paths = record.paths(label.value)
        if not all(path.exists() for path in paths):
            return None
        ids: list[str] = []
        files: list[str] = []
        for table in read_tables(paths, ["id", "source"]):
            ids += table["id"].to_pylist()
            files += table["source"].to_pylist()
        found[label] = KeptTexts(text_keys(ids), files)
    return found


def _blocks(pool: Pool, settings: IngestSettings) -> Iterator[tuple[Label, list[str]]]:
    """Yield the ids of a pool's captions in blocks by label, without reading images."""
    plain = dataclasses.replace(
        settings, images=False, safe_image=None, unsafe_image=None, keep_columns=()
    )
    rows = PoolRows(pool, plain)
    ids: dict[Label, list[str]] = {label: [] for label in _SIDES}
    while (numbered := rows.next()) is not None:
        cleaned = clean_row(
            numbered[1],
            rows.columns,
            pool.label,
            max_chars=settings.max_chars,
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


def _before(record: StageRecord) -> Iterator[_File]:
    """Yield the pool files of a finished run."""
    for key, digest in record.inputs.items():
        option, _, url = key.partition(":")
        if option in _OPTIONS:
            pools = {_identity(name): name for name in record.settings.get(option, ())}
            given = _pool_of(_identity(url), pools)
            yield _File(
                option=option,
                given=given,
                said=_said(pools.get(given, url)),
                name=shown(url).rstrip("/").rpartition("/")[2],
                digest=digest,
            )


def _wanted(settings: IngestSettings, workdir: Path) -> Iterator[_File]:
    """Yield the files of the wanted pools; pools that an earlier stage delivers may not exist."""
    options = read_options(settings)
    for option, given in _given(settings):
        try:
            files = pool_sources.resolve(given, options).files
        except InputError:
            if _is_delivered(given, workdir):
                continue
            raise
        for url in files:
            label = None if option == "pool" else Label(option)
            digest = pool_sources.content_digest(url)
            pool = Pool(url=url, label=label, digest=digest)
            yield _File(
                option=option,
                given=_identity(given),
                said=_said(given),
                name=pool.name,
                digest=digest,
                pool=pool,
            )


def _given(settings: IngestSettings) -> Iterator[tuple[str, str]]:
    for option in _OPTIONS:
        yield from ((option, url) for url in getattr(settings, option))


def _pool_of(file: str, pools: Iterable[str]) -> str:
    """Return the pool that a file belongs to: the longest that holds it, else the file itself."""
    holding = [
        pool
        for pool in pools
        if file == pool or file.startswith((pool.rstrip("/") + "/", _before_pattern(pool)))
    ]
    return max(holding, key=len, default=file)


def _before_pattern(url: str) -> str:
    """Return an address up to its first sign of a pattern; of one without, a text no file has."""
    at = min((url.find(sign) for sign in "*?[{" if sign in url), default=-1)
    return url[:at] if at > 0 else f"{url}\0"


def _identity(url: str) -> str:
    """Return one text for all spellings of a path; other addresses as they are, without a query."""
    if url.startswith("bundled:"):
        return url
    if _IN_MEMORY.search(url):  # its name depends on the content
        return _SAID_OF_MEMORY
    try:
        path = local_path(url)
    except InputError:
        return shown(url)
    return shown(url) if path is None else str(path.resolve())


def _said(url: str) -> str:
    """Return what a pool is called in messages."""
    return _SAID_OF_MEMORY if _IN_MEMORY.search(url) else shown(url)


def _is_delivered(url: str, workdir: Path) -> bool:
    """Whether a pool is made by an earlier stage of the run itself."""
    return Path(_identity(url)).is_relative_to((workdir / "pools").resolve())


def _delivered(settings: Mapping[str, Any], workdir: Path) -> set[tuple[str, str]]:
    """Return the pools that earlier stages of the run itself make: those stages are compared."""
    return {
        (option, _identity(url))
        for option in _OPTIONS
        for url in settings.get(option, ())
        if _is_delivered(url, workdir)
    }


def _changed_settings(settings: IngestSettings, record: StageRecord) -> list[str]:
    """List settings that choose other captions than before, as `caption_column: a, before b`."""
    now = config.as_dict(settings)
    return [
        f"{name}: {now[name]}, before {record.settings[name]}"
        for name in _OF_TEXTS
        if name in record.settings and record.settings[name] != now[name]
    ]


def _few(items: Sequence[str]) -> list[str]:
    more = len(items) - _MOST_NAMED
    return [*items[:_MOST_NAMED], *([f"and {more:,} more"] if more > 0 else [])]
