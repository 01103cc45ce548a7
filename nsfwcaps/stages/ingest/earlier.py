"""ingest, earlier run: which pools and captions a run folder is of, as far as it can be read.

Its record lists the pool files, and its files hold the ids. If these are missing or damaged, the
data set tells: its manifest lists the pool files, and its pairs hold ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult
from nsfwcaps.captions.kept_texts import GROUPS, KeptTexts, text_keys
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.errors import ArtifactError
from nsfwcaps.stages.ingest.pool_files import OPTIONS, PoolFile, files_before, identity
from nsfwcaps.tables import column_names, read_tables
from nsfwcaps.vectors.columns import whole

SIDES = (Label.SAFE, Label.UNSAFE)

Captions = Mapping[Label, KeptTexts]


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What a run folder is of."""

    files: Sequence[PoolFile]
    """Its pool files; none if nothing lists them."""
    settings: Mapping[str, Any]
    sizes: Mapping[str, int]
    """Captions of a pool file by its digest."""
    pools: frozenset[str]
    """Its pools as they are compared: identities, or names alone if a manifest lists them."""
    by_name: bool
    captions: Captions | None
    """Those of ingest, or else those of the pairs; None if neither can be read."""

    def has(self, url: str) -> bool:
        """Whether a wanted pool was given before."""
        return self.compared(identity(url)) in self.pools

    def compared(self, given: str) -> str:
        """Return what the identity of a wanted pool is compared by."""
        return given.rstrip("/").rpartition("/")[2] if self.by_name else given


def of_record(record: StageRecord, workdir: Path) -> Earlier:
    """Return what a finished run of ingest was of."""
    return Earlier(
        files=[*files_before(record)],
        settings=record.settings,
        sizes={pool["sha256"]: pool["captions"] for pool in record.facts["pools"]},
        pools=frozenset(
            identity(url) for option in OPTIONS for url in record.settings.get(option, ())
        ),
        by_name=False,
        captions=_ingested(record) or _published(workdir),
    )


def of_data_set(workdir: Path) -> Earlier | None:
    """Return what the folder's data set is of, where ingest has no record; None without one."""
    captions = _published(workdir)
    stage = _manifest(workdir)
    if captions is None and stage is None:
        return None
    settings, pools = ({}, []) if stage is None else (stage["settings"], stage["facts"]["pools"])
    return Earlier(
        files=[*_listed(pools)],
        settings=settings,
        sizes={pool["sha256"]: pool["captions"] for pool in pools},
        pools=frozenset(str(name) for option in OPTIONS for name in settings.get(option, ())),
        by_name=True,
        captions=captions,
    )


def missing_captions(
    record: StageRecord, folder: StageFolder, result: StageResult
) -> Iterator[str]:
    """Say how many captions of a finished run are not in the next one's result, by side."""
    before = _ingested(record)
    for side, kept in before.items() if before is not None else ():
        paths = [
            folder.path / file.path
            for shard in result.shards
            for file in shard.files
            if file.group == side.value
        ]
        for table in read_tables(paths, ["id"]):
            kept.find(text_keys(whole(table["id"])))
        found, total = kept.kept()
        if found < total:
            gone = f"{total - found:,} of the {total:,} captions of the run before are gone"
            yield f"{side.value}: {gone}"


def _listed(pools: Sequence[Mapping[str, Any]]) -> Iterator[PoolFile]:
    """Yield the pool files that a manifest lists, which has names without folders."""
    for pool in pools:
        label = pool["label"]
        yield PoolFile(
            option=label if label in {side.value for side in SIDES} else "pool",
            given=pool["name"],
            said=pool["name"],
            name=pool["name"],
            digest=pool["sha256"],
        )


def _ingested(record: StageRecord) -> Captions | None:
    """Read the captions of a finished run, grouped by their file; None if one is not readable."""
    try:
        return {side: _texts(record.paths(side.value), "id", "source") for side in SIDES}
    except ArtifactError:
        return None


def _published(workdir: Path) -> Captions | None:
    """Read the captions of the pairs, from publish's own files or the data set; None if neither."""
    for paths in _pairs(workdir):
        try:
            if paths:
                return {side: _texts(paths, f"{side}_id", f"{side}_source") for side in SIDES}
        except ArtifactError:
            continue
    return None


def _pairs(workdir: Path) -> Iterator[list[Path]]:
    record = _publish_record(workdir)
    if record is not None:
        yield [path for path in record.paths("dataset") if path.parent.name == "data"]
    yield sorted((workdir / "dataset" / "data").glob("*.parquet"))


def _texts(paths: Sequence[Path], of_id: str, of_source: str) -> KeptTexts:
    keys = [np.empty(0, np.uint64)]
    sources: list[pa.Array] = []
    for path in paths:
        names = column_names(path)
        if of_id not in names:
            raise ArtifactError(f"{path} has no column {of_id}")
        has_source = of_source in names
        (table,) = read_tables([path], [of_id, of_source] if has_source else [of_id])
        ids = whole(table[of_id].cast(pa.string()))
        if ids.null_count:
            raise ArtifactError(f"{path} has rows without {of_id}")
        try:
            keys.append(text_keys(ids))
        except ValueError:  # an edited id
            raise ArtifactError(f"{of_id} of {path.parent} has other values than ids") from None
        names_of = whole(table[of_source]) if has_source else pa.nulls(len(ids))
        sources.append(names_of.cast(pa.string()).dictionary_encode())
    return KeptTexts(np.concatenate(keys), pa.chunked_array(sources, GROUPS))


def _manifest(workdir: Path) -> Mapping[str, Any] | None:
    """Return what a manifest says of ingest; None without a readable one."""
    record = _publish_record(workdir)
    own = [] if record is None else record.paths("dataset")
    places = [path for path in own if path.name == "manifest.json"]
    for path in (*places, workdir / "dataset" / "manifest.json"):
        try:
            stage: Mapping[str, Any] = json.loads(path.read_bytes())["stages"]["ingest"]
            [*_listed(stage["facts"]["pools"])]
            if isinstance(stage["settings"], Mapping):
                return stage
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return None


def _publish_record(workdir: Path) -> StageRecord | None:
    try:
        return StageFolder(workdir / "publish").record()
    except ArtifactError:  # its own stage says so
        return None
