"""Names of columns in public data sets, and how names are compared."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence


class Label(enum.StrEnum):
    """Side of a pair."""

    SAFE = "safe"
    UNSAFE = "unsafe"


# Sets with both sides in one row (ViSU-Text, NSFWCaps) put the side in the column name. A bare
# `safe` or `nsfw` is a caption column only if it holds text; beside one it may be a flag.
CAPTION_NAMES_OF_SIDE = {
    Label.SAFE: ("safe_caption", "safe_text", "safe_prompt"),
    Label.UNSAFE: (
        *("nsfw_caption", "unsafe_caption", "nsfw_text", "unsafe_text"),
        *("nsfw_prompt", "unsafe_prompt"),
    ),
    None: (),
}
BARE_NAMES = {Label.SAFE: ("safe",), Label.UNSAFE: ("nsfw", "unsafe"), None: ()}
USUAL_CAPTION_NAMES = ("caption", "text", "prompt", "captions")
OTHER_CAPTION_NAMES = (
    *("caption_text", "sentence", "sentences", "description", "alt_text", "comment", "raw"),
    *("texts", "prompts", "txt"),
)
CAPTION_WORDS = frozenset(
    name
    for names in (
        *CAPTION_NAMES_OF_SIDE.values(),
        *BARE_NAMES.values(),
        USUAL_CAPTION_NAMES,
        OTHER_CAPTION_NAMES,
    )
    for name in names
)
"""Every name of a caption column, folded."""
CAPTION_NAMES = {
    label: (*CAPTION_NAMES_OF_SIDE[label], *USUAL_CAPTION_NAMES, *BARE_NAMES[label])
    for label in (*Label, None)
}
"""Names by side, for readers that look at names alone."""

IMAGE_NAMES = (
    *("image_path", "filepath", "image", "jpeg", "file_name", "filename", "image_file_name"),
    *(
        "images",
        "file_names",
        "image_file",
        "img_path",
        "img",
        "jpg",
        "png",
        "webp",
        "photo",
        "path",
        "file",
        "picture",
    ),
)
LOOSE_IMAGE_NAME = "image_name"
"""Images of caption sets such as COCO's, which often lie elsewhere: used only if they are found."""
# Sets with both sides in one row may have an image for each; these precede a bare `image`.
# `safe_image_path` is not listed: in our data sets, such paths belong to another folder.
IMAGE_NAMES_OF_SIDE = {
    Label.SAFE: ("safe_image", "safe_file_name"),
    Label.UNSAFE: ("unsafe_image", "nsfw_image", "unsafe_file_name", "nsfw_file_name"),
    None: (),
}
CATEGORY_NAMES = ("category", "chosen_category", "tag", "categories", "tags", "harm_category")
PARTNER_NAMES = ("partner_id", "safe_caption")
# Ambiguous names: they mean the partner only beside these caption columns.
PARTNER_BESIDE = {
    "nsfw_caption": "caption",
    "unsafe_caption": "caption",
    "nsfw_text": "safe_text",
    "unsafe_text": "safe_text",
    "nsfw_prompt": "safe_prompt",
    "unsafe_prompt": "safe_prompt",
    "nsfw": "safe",
    "unsafe": "safe",
}
FLAG_NAMES = ("nsfw", "unsafe", "is_nsfw", "is_unsafe", "safe", "is_safe", "sfw")
"""Columns that may say the side of a row."""
SAFE_FLAG_NAMES = frozenset({"safe", "is_safe", "sfw"})


KNOWN_NAMES = CAPTION_WORDS.union(
    IMAGE_NAMES,
    *IMAGE_NAMES_OF_SIDE.values(),
    CATEGORY_NAMES,
    PARTNER_NAMES,
    FLAG_NAMES,
    (LOOSE_IMAGE_NAME,),
)
"""Every name with a meaning, folded."""


def folded(name: str) -> str:
    """Return a column name without case, surrounding space, and kind of separator.

    >>> folded(" Image Path"), folded("TEXT")
    ('image_path', 'text')
    """
    return re.sub(r"[\s-]+", "_", name.strip(" \t\r\n\ufeff\"'").casefold())


def spelt(present: Sequence[str], *names: str) -> str | None:
    """First of the names that is there, as the file spells it; None if none is.

    >>> spelt(["ID", "Prompt "], "text", "prompt")
    'Prompt '
    """
    own: dict[str, str] = {}
    for name in present:
        own.setdefault(folded(name), name)
    return next((own[folded(name)] for name in names if folded(name) in own), None)
