"""CLIP_benchmark's retrieval sets: distinct images, each with its captions.

    dataset_type.txt     retrieval
    test/nshards.txt     the number of tar files
    test/0.tar           000000000.jpg, 000000000.txt with a caption a line, …

The layout is that of `build_wds_dataset` in its `datasets/builder.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.enums import Split
from nsfwcaps.exports.items import CaptionedImage, captioned_images
from nsfwcaps.exports.picture_files import MISSING, picture_file
from nsfwcaps.exports.request import ExportRequest, ExportTally
from nsfwcaps.exports.streams import TarShards


def write(request: ExportRequest, folder: Path, tally: ExportTally) -> dict[str, Any]:
    """Write the shards of each split; return the number of captions by split.

    A sample is an image. Captions are read first, without images, as those of an image may be
    anywhere; they are all in memory.
    """
    captions = {split.value: _split(request, split, folder, tally) for split in request.splits}
    (folder / "dataset_type.txt").write_text("retrieval\n")
    return {"captions": captions}


def _split(request: ExportRequest, split: Split, folder: Path, tally: ExportTally) -> int:
    waiting = _captions(request, split)
    place, written = folder / split, 0
    with TarShards(place, request.shard_rows, "{}.tar") as shards:
        for item in captioned_images(request, split, tally, with_pictures=True):
            key = _key(item)
            if key is None:
                tally.left_out[MISSING] += 1
            if key is None or key not in waiting:
                continue
            texts = waiting.pop(key)
            picture = picture_file(item.row, item.side)
            if isinstance(picture, str):
                tally.left_out[picture] += 1
                continue
            lines = "\n".join(texts)
            shards.add({picture.ending: picture.data, "txt": lines.encode()})
            tally.converted += picture.converted
            tally.wrote(split)
            written += len(texts)
    (place / "nshards.txt").write_text(f"{len(shards.sizes)}\n")
    return written


def _captions(request: ExportRequest, split: Split) -> dict[str, dict[str, None]]:
    """Return the distinct captions of each image of a split, in order, each on one line."""
    found: dict[str, dict[str, None]] = {}
    nothing = ExportTally(advance=lambda rows: None)
    for item in captioned_images(request, split, nothing, with_pictures=False):
        if (key := _key(item)) is not None:
            found.setdefault(key, {})[" ".join(item.caption.split())] = None
    return found


def _key(item: CaptionedImage) -> str | None:
    """Return what tells an image from others: its digest, or else its path."""
    row: Mapping[str, Any] = item.row
    return row.get(f"{item.side}_image_sha256") or row.get(f"{item.side}_image_path")
