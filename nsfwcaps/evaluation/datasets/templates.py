"""Sentences that class names are put into."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from nsfwcaps.errors import InputError

_PLACE = re.compile(r"\{c?\}")


def default_templates() -> list[str]:
    """The 80 of OpenAI for ImageNet, with {c} where the name goes."""
    import open_clip

    return [template("{c}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]


def read_templates(path: Path) -> list[str]:
    """Templates from a file: one a line, or a JSON list; {c} or {} is where the name goes.

    Raises:
        InputError: the file cannot be read, is empty, or a template has no such place.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError):
        raise InputError(f"{path}: cannot be read as text, or as JSON where it begins so") from None
    templates = [str(line).strip() for line in lines if str(line).strip()]
    if not templates:
        raise InputError(f"{path}: holds no template; write one a line, as 'a photo of a {{c}}.'")
    for number, template in enumerate(templates, 1):
        if not _PLACE.search(template):
            raise InputError(
                f"{path}: template {number} has no {{c}}, where the name of the class goes"
            )
    return templates


def prompts(names: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Every name in every template: the first name's come first.

    >>> prompts(["cup", "lamp"], ["a {c}.", "one {}"])
    ['a cup.', 'one cup', 'a lamp.', 'one lamp']
    """
    parts = [_PLACE.split(template) for template in templates]
    return [name.join(between) for name in names for between in parts]
