"""ingest: what to do about rows that are unusable, by the reason."""

from __future__ import annotations

from collections.abc import Mapping

_COLUMN = "set the caption column with --caption-column"
_JSON = "repair the JSON"
_BY_REASON = {
    "empty": _COLUMN,
    "null_word": f"{_COLUMN}, or keep such captions with --no-null-words",
    "header_line": "remove the repeated header lines, or keep them with --no-null-words",
    "no_words": f"{_COLUMN}, or keep such captions with --no-null-words",
    "not_text": f"{_COLUMN}, or the keys to nested captions with --caption-path",
    "too_long": "raise --max-chars",
    "invalid_utf8": "set the encoding of the file with --encoding",
    "wrong_number_of_cells": "set --delimiter or --quoting, or --no-header if it has no header",
    "image_missing": "set the folder of the images with --image-root, or add --no-images",
    "label_unclear": (
        "set --label-column to a column of the words safe, unsafe, sfw or nsfw, of flags, or of "
        "numbers from 0 to 1"
    ),
    "flagged_safe": "pass the file as --pool with --label-column, as its flags say safe",
    "flagged_unsafe": "pass the file as --pool with --label-column, as its flags say unsafe",
    "broken_json": _JSON,
    "not_an_object": _JSON,
}
_MOST = 2


def advice(rejects: Mapping[str, int], *, otherwise: str) -> str:
    """Return what to do about the most frequent reasons.

    >>> advice({"too_long": 3, "invalid_utf8": 9}, otherwise="use another file")
    'set the encoding of the file with --encoding; raise --max-chars'
    >>> advice({"no_image": 3}, otherwise="use another file")
    'use another file'
    """
    order = sorted(rejects, key=lambda reason: (-rejects[reason], reason))
    found = (_BY_REASON.get(reason, otherwise) for reason in order)
    return "; ".join([*dict.fromkeys(found)][:_MOST]) or otherwise
