"""Names of the files of captions beside their images, in folders and in tar files."""

from __future__ import annotations

import json
import re
from typing import Any

from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import Row
from nsfwcaps.captions.tables.column_names import (
    CAPTION_WORDS,
    FLAG_NAMES,
    IMAGE_NAMES,
    IMAGE_NAMES_OF_SIDE,
    LOOSE_IMAGE_NAME,
    folded,
)
from nsfwcaps.captions.tables.values import Kind, kind_of
from nsfwcaps.captions.text import known, recognised

IMAGE_ENDINGS = frozenset(
    # LAION's early tars name images of unknown kind `img`.
    ["jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm", "avif", "img"]
)
TEXT_ENDINGS = frozenset({"txt", "caption", "cap", "text"})
_DOCUMENTS = re.compile(
    r"(?:(?:readme|licen[cs]e|requirements)[\w-]*|"
    r"notice|changelog|citation|copying|authors|contributing)(?:\.(?:txt|md|rst))?|"
    r"_SUCCESS|cache-.*\.arrow|.*\.incomplete|.*_stats\.json|"
    r"(?:dataset_infos?|state|dataset_dict|manifest|config|croissant|package|robots)\.(?:json|txt)|"
    # COCO's annotations without captions, and Flickr8k's lists of images and of ratings.
    r"(?:instances|person_keypoints|stuff|panoptic|image_info)_.*\.json|"
    r"Flickr_8k\..*Images\.txt|(?:CrowdFlower|Expert)Annotations\.txt",
    re.IGNORECASE,
)
_IMAGE_COLUMNS = frozenset(
    (*IMAGE_NAMES, *(n for names in IMAGE_NAMES_OF_SIDE.values() for n in names), LOOSE_IMAGE_NAME)
)
_CAPTIONS_IN_JSON = ("caption", "captions", "text")


def is_document(name: str) -> bool:
    """Whether a file's name is that of documentation or metadata.

    >>> is_document("data/README.txt"), is_document("readme_captions.csv")
    (True, False)
    """
    return _DOCUMENTS.fullmatch(name.rpartition("/")[2]) is not None


def is_hidden(name: str) -> bool:
    """Whether a file or a folder on its way is hidden, or a system's own (`__MACOSX`)."""
    parts = name.removeprefix("./").split("/")
    return any(part.startswith(".") or part in ("__MACOSX", "__pycache__") for part in parts)


def suffix(name: str) -> str:
    """Return the lower-case ending of a name, without its dot."""
    _, dot, ending = name.rpartition("/")[2].rpartition(".")
    return ending.lower() if dot else ""


def stem(name: str) -> str:
    """Return a path without its ending."""
    return name.removesuffix(f".{name.rpartition('.')[2]}") if suffix(name) else name


def captions_in(data: bytes, options: ReadOptions, where: str) -> list[str]:
    """Return the captions of a text file, one a line; undecodable bytes become lone surrogates.

    Raises:
        InputError: the encoding given is unknown.
    """
    encoding = known(options.encoding, where) if options.encoding else recognised(data)
    wide = encoding.startswith(("utf-16", "utf-32"))
    text = data.decode(encoding, errors="replace" if wide else "surrogateescape")
    return [line for line in re.split(r"[\r\n]+", text) if line.strip()]


def facts_of(data: bytes) -> Row | None:
    """Parse a JSON object; None if it is something else."""
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def row_of(key: str, captions: list[str], facts: Row, image: object) -> Row:
    """Return the row of a sample: its captions, its image, and the keys of its JSON as columns.

    Captions in the JSON count if there is no text file. Its other keys that would be taken for
    captions or images, such as `text` beside a text file, are renamed: `json.text`. A flag such as
    `nsfw` keeps its name, for it says the side of the row. Lines that are one caption in the JSON,
    as of titles with a line break, are one caption.
    """
    row: Row = {"__key__": key}
    whole = facts.get("caption")
    if len(captions) > 1 and isinstance(whole, str) and whole.split() == " ".join(captions).split():
        captions = [whole]
    inside = [name for name in _CAPTIONS_IN_JSON if facts.get(name) is not None]
    if captions:
        row["caption"] = captions[0] if len(captions) == 1 else captions
    elif len(inside) == 1:
        row["caption"] = facts[inside[0]]
        facts = {name: value for name, value in facts.items() if name != inside[0]}
    row["image"] = image
    words = CAPTION_WORDS if captions or len(inside) == 1 else frozenset[str]()
    for name, value in facts.items():
        is_caption = folded(name) in words and not _is_flag(name, value)
        taken = name in row or is_caption or _may_be_image(name)
        row[f"json.{name}" if taken else name] = value
    return row


def _is_flag(name: str, value: object) -> bool:
    """Whether a key that may hold captions, such as `nsfw`, holds a flag or a score."""
    kind = kind_of([value])
    return folded(name) in FLAG_NAMES and (kind.may_be_flag or kind is Kind.NUMBER)


def _may_be_image(name: str) -> bool:
    return folded(name) in _IMAGE_COLUMNS or folded(name).endswith(("_file_name", "_image_path"))
