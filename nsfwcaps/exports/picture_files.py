"""Pictures of a data set as files that trainers read: JPEG, PNG or WebP."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps import pictures
from nsfwcaps.exports.request import ExportTally

_ENDINGS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp"}
_DRAFT_PX = 32
"""Size that a JPEG is decoded at to see whether it can be."""

MISSING = "image_missing"


@dataclass(frozen=True, kw_only=True)
class PictureFile:
    """A file of a picture, which can be decoded."""

    data: bytes
    ending: str
    """`jpg`, `png` or `webp`."""
    converted: bool


def picture_file(row: Mapping[str, Any], side: str) -> PictureFile | str:
    """Return the picture of one side of a pair, or the reason why there is none.

    The bytes are those in the data set, or else of the file that it names, unchanged. Those of
    other formats become PNG, as `pictures.decode` reads them.
    """
    data = _bytes(row, side)
    if data is None:
        return MISSING
    found = pictures.decode(data, draft_px=_DRAFT_PX)
    if isinstance(found, str):
        return found
    if (ending := _ending(data)) is not None:
        return PictureFile(data=data, ending=ending, converted=False)
    file = io.BytesIO()
    found.save(file, "PNG")
    return PictureFile(data=file.getvalue(), ending="png", converted=True)


def saved(picture: PictureFile, folder: Path, inside: str, tally: ExportTally) -> str:
    """Write a picture under the digest of its bytes, unless it is there; return its name."""
    digest = hashlib.sha256(picture.data).hexdigest()
    name = f"{inside}/{digest[:2]}/{digest}.{picture.ending}"
    path = folder / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.data)
        tally.converted += picture.converted
    return name


def _bytes(row: Mapping[str, Any], side: str) -> bytes | None:
    cell = row.get(f"{side}_image") or {}
    if cell.get("bytes"):
        return bytes(cell["bytes"])
    for name in (cell.get("path"), row.get(f"{side}_image_path")):
        if name and Path(name).is_absolute():
            try:
                return Path(name).read_bytes()
            except (OSError, ValueError):  # ValueError: a name that no file can have
                continue
    return None


def _ending(data: bytes) -> str | None:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        return _ENDINGS.get(picture.format or "")
