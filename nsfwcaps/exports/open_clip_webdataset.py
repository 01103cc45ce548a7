"""open_clip's webdataset: tar files of samples, each an image, its caption and a description.

    train/00000.tar     000000000.jpg, 000000000.txt, 000000000.json, 000000001.jpg, …
    train/sizes.json    samples of each file, from which open_clip knows their number

Keys are numbers: webdataset would cut an id at its first dot.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nsfwcaps.enums import Split
from nsfwcaps.exports.items import captioned_images, carried
from nsfwcaps.exports.picture_files import picture_file
from nsfwcaps.exports.request import ExportRequest, ExportTally
from nsfwcaps.exports.streams import TarShards


def write(request: ExportRequest, folder: Path, tally: ExportTally) -> dict[str, Any]:
    """Write the shards of each split; return their number by split."""
    return {
        "shards": {split.value: _split(request, split, folder, tally) for split in request.splits}
    }


def _split(request: ExportRequest, split: Split, folder: Path, tally: ExportTally) -> int:
    place = folder / split
    with TarShards(place, request.shard_rows, "{:05d}.tar") as shards:
        for item in captioned_images(request, split, tally, with_pictures=True):
            picture = picture_file(item.row, item.side)
            if isinstance(picture, str):
                tally.left_out[picture] += 1
                continue
            described = json.dumps(carried(request, item), ensure_ascii=False, default=str)
            shards.add(
                {
                    picture.ending: picture.data,
                    "txt": item.caption.encode(),
                    "json": described.encode(),
                }
            )
            tally.converted += picture.converted
            tally.wrote(split)
    (place / "sizes.json").write_text(json.dumps(shards.sizes, indent=1) + "\n")
    return len(shards.sizes)
