"""img2dataset's input: addresses of images, with captions and digests.

    train.parquet    url, caption, sha256, pair_id, item, other columns

The digest is that of the image when the pool was read: `--verify_hash '["sha256","sha256"]'`
drops images that have changed since, and rows without a digest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from nsfwcaps.exports.items import CaptionedImage, captioned_images, carried
from nsfwcaps.exports.request import ExportRequest, ExportTally
from nsfwcaps.exports.streams import parquet_rows

_REMOTE = ("http://", "https://")


def write(request: ExportRequest, folder: Path, tally: ExportTally) -> dict[str, Any]:
    """Write the table of each split; return the number of rows without a digest."""
    plain = ["url", "caption", "sha256", "pair_id", "item"]
    others = [(name, request.pairs.types[name]) for name in request.columns if name not in plain]
    schema = pa.schema([*((name, pa.string()) for name in plain), *others])
    without = 0
    for split in request.splits:
        with parquet_rows(folder / f"{split}.parquet", schema) as add:
            for item in captioned_images(request, split, tally, with_pictures=False):
                url = _address(item)
                if url is None:
                    tally.left_out["no_address"] += 1
                    continue
                sha256 = item.row.get(f"{item.side}_image_sha256")
                own = {"url": url, "caption": item.caption, "sha256": sha256}
                add({**carried(request, item), **own})
                without += sha256 is None
                tally.wrote(split)
    return {"without_sha256": without}


def _address(item: CaptionedImage) -> str | None:
    """Return the address of an image; that of a safe one may be in NSFWCaps' own column."""
    named = [item.row.get(f"{item.side}_image_path")]
    if item.side == "safe":
        named.append(item.row.get("image_coco_url"))
    return next((url for url in named if url and url.lower().startswith(_REMOTE)), None)
