"""ingest, shared by several processes.

    read      pool files; long ones in strands of every n-th chunk
    images    ranges of digests of pictures
    judge     pictures of these ranges, by detectors
    merge     ranges of ids, which are checked in the same step

The settings of detectors are the only thing that could differ between workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nsfwcaps.artifacts import Shard, StageFolder, StageRecord
from nsfwcaps.progress import Advance, Silent
from nsfwcaps.sharing import Part, Phase, require_made
from nsfwcaps.stages.ingest.settings import IngestSettings

if TYPE_CHECKING:  # they import pyarrow
    from nsfwcaps.stages.ingest.merge import CaptionRanges, ImageRanges
    from nsfwcaps.stages.ingest.pool import Pool

READ, IMAGES, JUDGE, MERGE = "read", "images", "judge pictures", "merge"


def phases(
    settings: IngestSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
) -> Iterator[Phase]:
    """Yield the phases.

    Raises:
        ConfigError: no pool, or the run is inside a pool folder.
        InputError: a pool has too many unusable captions.
    """
    from nsfwcaps.stages.ingest.merge import ImageRanges, caption_shards
    from nsfwcaps.stages.ingest.pools import check_apart, pool_facts, pools_of
    from nsfwcaps.stages.ingest.read import strands

    check_apart(settings, folder)
    pools = pools_of(settings)
    yield Phase(name=READ, shards=len(strands(pools)), rows=None, then_wait=True)
    chunks = _chunks(pools, settings, folder)
    if chunks is None:
        return  # short chunks: the driver reads the pool itself
    for pool, read in zip(pools, chunks, strict=True):
        pool_facts(pool, read, settings, folder)
    staged = [shard for read in chunks for shard in read]
    images = ImageRanges(staged, folder)
    if len(images):
        judged = bool(settings.safe_detector)
        phase = Phase(
            name=IMAGES, shards=len(images), rows=images.rows, unit="images", then_wait=judged
        )
        yield phase
        if judged:
            yield Phase(
                name=JUDGE, shards=len(images), rows=images.rows, unit="images", then_wait=True
            )
    shards, rows = caption_shards(staged, settings.shard_rows)
    yield Phase(name=MERGE, shards=shards, rows=rows)


def settled(settings: IngestSettings, agreed: Mapping[str, Any]) -> IngestSettings:
    """Return the settings: workers decide nothing."""
    return settings


class IngestShares:
    """Pools, detectors, benchmarks, and the staged chunks once all pools are read."""

    def __init__(self, settings: IngestSettings, folder: StageFolder) -> None:
        from nsfwcaps.captions import benchmarks
        from nsfwcaps.stages.ingest import judge
        from nsfwcaps.stages.ingest.pools import pools_of

        self._settings, self._folder = settings, folder
        self._pools = pools_of(settings)
        self._judges = judge.load(settings, folder)
        self._excluded = [benchmarks.load(url) for url in settings.exclude]

    @property
    def agreed(self) -> Mapping[str, Any]:
        """The digests of the detectors."""
        judges = self._judges.values()
        return {"detectors": [item.scores_digest for own in judges for item in own.statements]}

    def make(self, phase: str, part: Part, advance: Advance) -> None:
        """Read every n-th strand, or merge every n-th range."""
        if phase == READ:
            self._read(part, advance)
        elif phase == JUDGE:
            self._judge(part, advance)
        else:
            ranges = self._images if phase == IMAGES else self._captions
            for number in part.of(range(len(ranges))):
                advance(ranges.shard(number).rows_in)

    def _read(self, part: Part, advance: Advance) -> None:
        from nsfwcaps.runtime.allocator import returned_memory
        from nsfwcaps.stages.ingest.read import read_strand, strands

        with returned_memory():
            for pool, strand in part.of(strands(self._pools)):
                read_strand(pool, self._settings, self._folder, strand, advance)

    def _judge(self, part: Part, advance: Advance) -> None:
        from nsfwcaps.captions.tables.column_names import Label
        from nsfwcaps.detectors.detector import Modality
        from nsfwcaps.stages.ingest.merge import staged_paths
        from nsfwcaps.stages.ingest.pictures import judge_pictures

        pictures = self._judges[Modality.IMAGE]
        merged = part.of([self._images.shard(number) for number in range(len(self._images))])
        safe = staged_paths(self._staged, Label.SAFE, self._folder)
        judge_pictures(pictures, merged, safe, self._folder, Silent(), all_of_them=False)
        advance(sum(shard.rows_in for shard in merged))

    @cached_property
    def _staged(self) -> list[Shard]:
        chunks = _chunks(self._pools, self._settings, self._folder)
        require_made(chunks is not None, READ)
        assert chunks is not None, "required above"
        return [shard for read in chunks for shard in read]

    @cached_property
    def _images(self) -> ImageRanges:
        from nsfwcaps.stages.ingest.merge import ImageRanges

        return ImageRanges(self._staged, self._folder)

    @cached_property
    def _captions(self) -> CaptionRanges:
        from nsfwcaps import schema
        from nsfwcaps.stages.ingest.merge import CaptionRanges
        from nsfwcaps.stages.ingest.run import checks_of, kept_columns

        merged = []
        if self._settings.safe_detector:
            merged = [self._images.shard(number) for number in range(len(self._images))]
        checks = checks_of(
            self._settings,
            self._folder,
            self._judges,
            self._excluded,
            self._staged,
            merged,
            Silent(),
        )
        of = schema.captions(with_kept=bool(kept_columns(self._settings, self._staged)))
        rows = self._settings.shard_rows
        return CaptionRanges(self._staged, self._folder, checks, shard_rows=rows, of=of)


def open_shares(
    settings: IngestSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
) -> IngestShares:
    """Load the detectors and the benchmarks.

    Raises:
        InputError: a benchmark cannot be read.
        ModelError: a detector cannot be loaded.
    """
    return IngestShares(settings, folder)


def _chunks(
    pools: list[Pool], settings: IngestSettings, folder: StageFolder
) -> list[list[Shard]] | None:
    """Return the chunks of every pool; None if one was not read to its end."""
    from nsfwcaps.stages.ingest.read import staged_chunks

    found = [staged_chunks(pool, settings, folder) for pool in pools]
    whole = [chunks for chunks in found if chunks is not None]
    return whole if len(whole) == len(found) else None
