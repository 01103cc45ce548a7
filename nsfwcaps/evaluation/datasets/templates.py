"""Prompt templates for zero-shot classification."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Sequence
from pathlib import Path

from nsfwcaps.errors import InputError

IMAGENET = "OpenAI's for ImageNet"
"""Origin of the default templates."""

_PACKAGE = "clip_benchmark"
_OF_PACKAGE = "datasets/en_zeroshot_classification_templates.json"

_PLACE = re.compile(r"\{c?\}")


def default_templates() -> list[str]:
    """Return OpenAI's 80 templates for ImageNet, with {c} for the class name."""
    import open_clip

    return [template("{c}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]


def named_templates(name: str) -> list[str]:
    """Return the templates of a file, or of `clip_benchmark:SET` from that package.

    Raises:
        InputError: as `read_templates`; or no set is named, or the package or its set is absent.
    """
    package, sign, wanted = name.partition(":")
    if not sign or package != _PACKAGE:
        return read_templates(Path(name))
    if not wanted:
        raise InputError(
            f"--templates {name}: the name of the set is empty; write {_PACKAGE}:SET, such as "
            f"{_PACKAGE}:cifar10"
        )
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(f"--templates {name}: install the package: pip install clip-benchmark")
    of_sets = json.loads((Path(spec.origin).parent / _OF_PACKAGE).read_text(encoding="utf-8"))
    if wanted not in of_sets:
        raise InputError(
            f"--templates {name}: {_PACKAGE} has no such set; it has {', '.join(sorted(of_sets))}"
        )
    return [str(template) for template in of_sets[wanted]]


def read_templates(path: Path) -> list[str]:
    """Read templates from a file: one per line, or a JSON list; {c} or {} is the class name.

    Raises:
        InputError: the file is unreadable or empty, or a template lacks the placeholder.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError):
        raise InputError(f"{path}: cannot be read as UTF-8 text or a JSON list") from None
    templates = [str(line).strip() for line in lines if str(line).strip()]
    if not templates:
        raise InputError(f"{path}: no templates; write one per line, such as 'a photo of a {{c}}.'")
    for number, template in enumerate(templates, 1):
        if not _PLACE.search(template):
            raise InputError(f"{path}: template {number} lacks {{c}}, the place of the class name")
    return templates


def prompts(names: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Fill every name into every template, grouped by name.

    >>> prompts(["cup", "lamp"], ["a {c}.", "one {}"])
    ['a cup.', 'one cup', 'a lamp.', 'one lamp']
    """
    parts = [_PLACE.split(template) for template in templates]
    return [name.join(between) for name in names for between in parts]
