"""Captions with images, for trainers of image-text models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nsfwcaps.enums import Split
from nsfwcaps.exports.formats import ItemKind
from nsfwcaps.exports.request import ExportRequest, ExportTally

_SIDES = {
    ItemKind.REDIRECT: ("unsafe", "safe"),
    ItemKind.SAFE: ("safe", "safe"),
    ItemKind.UNSAFE: ("unsafe", "unsafe"),
}
"""The side of the caption, and that of the image."""

_PLAIN = ("pair_id", "unsafe_id", "safe_id", "unsafe_caption", "safe_caption")


@dataclass(frozen=True, kw_only=True)
class CaptionedImage:
    """A caption, and the side of a row that has its image."""

    kind: ItemKind
    caption: str
    side: str
    row: dict[str, Any]


def captioned_images(
    request: ExportRequest, split: Split, tally: ExportTally, *, with_pictures: bool
) -> Iterator[CaptionedImage]:
    """Yield the items of a split; those of one side once for each id.

    Without pictures, rows have digests and paths of images only.
    """
    seen: dict[ItemKind, set[str]] = {kind: set() for kind in request.items}
    for row in request.pairs.rows(split, _columns(request, with_pictures=with_pictures)):
        tally.advance(1)
        for kind in request.items:
            of_caption, of_image = _SIDES[kind]
            key = str(row["pair_id" if kind is ItemKind.REDIRECT else f"{of_caption}_id"])
            if key in seen[kind]:
                continue
            if kind is not ItemKind.REDIRECT:  # pairs are distinct as they are
                seen[kind].add(key)
            caption = row[f"{of_caption}_caption"]
            if not (caption or "").strip():
                tally.left_out["caption_missing"] += 1
                continue
            yield CaptionedImage(kind=kind, caption=caption, side=of_image, row=row)


def carried(request: ExportRequest, item: CaptionedImage) -> dict[str, Any]:
    """Return what a table says of an item beside its caption."""
    return {"pair_id": item.row["pair_id"], "item": item.kind.value} | {
        name: item.row[name] for name in request.columns if name != "pair_id"
    }


def _columns(request: ExportRequest, *, with_pictures: bool) -> list[str]:
    names = [*_PLAIN, "image_coco_url", *request.columns]
    for side in sorted({_SIDES[kind][1] for kind in request.items}):
        names += [f"{side}_image_sha256", f"{side}_image_path"]
        names += [f"{side}_image"] if with_pictures else []
    return list(dict.fromkeys(names))
