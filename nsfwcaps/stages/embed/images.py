"""embed, images: vectors of pictures, each encoded once under the hash of its bytes."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import OutputFile, Shard
from nsfwcaps.captions.images import read_image
from nsfwcaps.config import digest
from nsfwcaps.encoders.encoder import Images
from nsfwcaps.encoders.keeping import Keeper
from nsfwcaps.progress import Advance
from nsfwcaps.stages.embed.shards import VECTORS_VERSION, PreparedShard, ShardWriter, Waiting
from nsfwcaps.stages.kept import inputs_digest
from nsfwcaps.work import Work

GROUP = "images"


class ImageShards:
    """Shards of pictures, for an encoder that reads them."""

    def __init__(self, writer: ShardWriter, width: int) -> None:
        self._writer, self._width = writer, width

    def prepare(self, file: OutputFile) -> PreparedShard[Images] | Shard:
        """Read the pictures, or the paths of pictures, of a file."""
        writer = self._writer
        key = digest([VECTORS_VERSION, GROUP, file.sha256, writer.digest])
        if shard := writer.folder.shard(key):
            return shard
        table = writer.read(file, schema.IMAGES.names)
        with writer.split.timed(Work.PREPARE):
            hashes = table["image_sha256"].combine_chunks()
            reused = writer.known.look_up(GROUP, "image_sha256", hashes, self._width)
        missing = reused.missing.tolist()
        return PreparedShard(
            key=key,
            file=file,
            rows=table,
            reused=reused,
            inputs=[(hashes[row].as_py(), _getter(table, row)) for row in missing],
            rejects={},
        )

    def inputs(self, work: PreparedShard[Images]) -> str:
        """Return the digest of the pictures' hashes."""
        return inputs_digest(self._writer.digest, GROUP, [sha256 for sha256, _ in work.inputs])

    def encode(self, work: PreparedShard[Images], advance: Advance, keeper: Keeper) -> Waiting:
        """Encode the pictures; the encoder counts its time."""
        writer = self._writer
        encoded = writer.encoder.encode_images(work.inputs, advance, writer.split, keeper)
        return lambda: encoded

    def store(self, work: PreparedShard[Images], waiting: Waiting) -> Shard:
        """Write a vector for each picture; rejects are counted with the captions of a picture."""
        with self._writer.split.timed(Work.WRITE):
            return self._writer.write(
                GROUP,
                work,
                waiting(),
                schema.vectors(self._width, "image_sha256"),
                counts_rejects=False,
            )


def _getter(table: pa.Table, row: int) -> Callable[[], bytes]:
    def get() -> bytes:
        data = table["image"][row].as_py()
        return data if data is not None else read_image(table["image_path"][row].as_py())

    return get
