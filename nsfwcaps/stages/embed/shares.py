"""embed, shared by several processes: pictures, then captions and their flags.

Captions of pictures that cannot be decoded are set aside, so pictures come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from nsfwcaps.artifacts import OutputFile, StageFolder, StageRecord
from nsfwcaps.enums import Precision
from nsfwcaps.progress import Advance
from nsfwcaps.sharing import Part, Phase
from nsfwcaps.stages.embed.settings import EmbedSettings

IMAGES, CAPTIONS, FLAGS = "images", "captions", "flags"
_SIDES = ("unsafe", "safe")


def phases(
    settings: EmbedSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
) -> Iterator[Phase]:
    """Yield pictures, if there are any, then captions, then their flags."""
    ingest = inputs["ingest"]
    if settings.images and ingest.rows(IMAGES):
        yield Phase(
            name=IMAGES,
            shards=len(ingest.paths(IMAGES)),
            rows=ingest.rows(IMAGES),
            unit="images",
            then_wait=True,
        )
    shards = sum(len(ingest.paths(side)) for side in _SIDES)
    rows = sum(ingest.rows(side) for side in _SIDES)
    yield Phase(name=CAPTIONS, shards=shards, rows=rows)
    yield Phase(name=FLAGS, shards=shards, rows=rows)


def settled(settings: EmbedSettings, agreed: Mapping[str, Any]) -> EmbedSettings:
    """Name the precision that the workers have chosen; imported vectors have none."""
    if settings.source is not None:
        return settings
    return replace(settings, precision=Precision(agreed["precision"]))


class EmbedShares:
    """An encoder and the shards that it makes."""

    def __init__(
        self, settings: EmbedSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
    ) -> None:
        from nsfwcaps.stages.embed.run import encoder_of
        from nsfwcaps.stages.embed.shards import ShardWriter
        from nsfwcaps.work import WorkSplit

        self._settings, self._folder, self._ingest = settings, folder, inputs["ingest"]
        with_images = settings.images and self._ingest.rows(IMAGES) > 0
        self._encoder = encoder_of(settings, with_images=with_images)
        self._writer = ShardWriter(folder, self._ingest, self._encoder, WorkSplit())

    @property
    def agreed(self) -> Mapping[str, Any]:
        """The encoder's digest, and its precision."""
        identity = self._encoder.identity
        return {"precision": identity.precision, "weights": identity.digest}

    def make(self, phase: str, part: Part, advance: Advance) -> None:
        """Encode every n-th file of ingest, or flag its captions."""
        if phase == IMAGES:
            self._pictures(part.of(self._files(IMAGES)), advance)
            return
        # Numbered over both sides: each part gets as much of either.
        files = part.of([(side, file) for side in _SIDES for file in self._files(side)])
        for side in _SIDES:
            own = [file for label, file in files if label == side]
            if phase == CAPTIONS:
                self._captions(side, own, advance)
            else:
                self._flags(side, own, advance)

    def _files(self, group: str) -> list[OutputFile]:
        from nsfwcaps.stages.embed.run import files_of

        return files_of(self._ingest, group)

    def _pictures(self, files: Sequence[OutputFile], advance: Advance) -> list[Any]:
        from nsfwcaps.stages.embed.images import ImageShards
        from nsfwcaps.stages.embed.shards import embed

        width = self._encoder.identity.image_width
        if not self._settings.images or width is None:
            advance(sum(file.rows for file in files))
            return []
        return embed(ImageShards(self._writer, width), files, self._folder, advance)

    @cached_property
    def _broken(self) -> dict[str, str]:
        """Pictures that cannot be decoded, as all parts have found them."""
        from nsfwcaps.stages.embed.run import rejected

        pictures = self._pictures(self._files(IMAGES), lambda rows: None)
        return rejected(pictures, self._folder.path)

    def _captions(self, side: str, files: list[OutputFile], advance: Advance) -> None:
        from nsfwcaps.stages.embed.captions import CaptionShards
        from nsfwcaps.stages.embed.shards import embed

        embed(CaptionShards(self._writer, side, self._broken), files, self._folder, advance)

    def _flags(self, side: str, files: list[OutputFile], advance: Advance) -> None:
        from nsfwcaps.stages.embed.flags import flag

        for file in files:
            flag(side, file, self._ingest, self._encoder, self._folder)
            advance(file.rows)


def open_shares(
    settings: EmbedSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
) -> EmbedShares:
    """Load the encoder."""
    return EmbedShares(settings, folder, inputs)
