"""Samples of a tar: which texts belong to which image, by their names.

In webdataset, files of one sample share their name up to the first dot. Names with dots in them
break that rule (`22.0/1.1.png` beside `22.0/1.1.txt`), so an image's own stem counts first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from nsfwcaps.captions.folders.members import (
    IMAGE_ENDINGS,
    TEXT_ENDINGS,
    is_document,
    is_hidden,
    stem,
    suffix,
)
from nsfwcaps.captions.folders.pairing import owner, owners

_NUMBER_OR_WORD = re.compile(r"\d+|[A-Za-z_]\w*")


@dataclass(slots=True)
class Parts:
    """Names of the files of one sample."""

    key: str
    images: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    facts: str | None = None
    """Its JSON file."""

    def add(self, name: str) -> None:
        """Add a text or a JSON file."""
        if suffix(name) == "json":
            self.facts = self.facts or name
        else:
            self.texts.append(name)

    @property
    def has_text(self) -> bool:
        """Whether a text or a JSON file belongs to it."""
        return bool(self.texts or self.facts)


def grouped(names: Iterable[str]) -> tuple[list[Parts], dict[str, str]]:
    """Return the samples in the order of their first files, and notes of what was ignored."""
    shown = [name for name in names if not is_hidden(name)]
    samples: dict[str, Parts] = {}
    for name in shown:
        if suffix(name) in IMAGE_ENDINGS:
            samples.setdefault(stem(name), Parts(stem(name))).images.append(name)
    texts = [name for name in shown if suffix(name) in TEXT_ENDINGS | {"json"}]
    image_of = owners(texts, frozenset(samples))
    for name, image in image_of.items():
        samples[image].add(name)
    alone = [name for name in texts if name not in image_of and not is_document(name)]
    _add_by_key(samples, alone)
    beside = _drop_beside(samples)
    order = {name: number for number, name in enumerate(shown)}
    found = sorted(
        samples.values(), key=lambda s: min(order[n] for n in (*s.images, *s.texts, s.facts) if n)
    )
    return found, {"images beside others, ignored": str(beside)} if beside else {}


def _add_by_key(samples: dict[str, Parts], alone: Iterable[str]) -> None:
    """Give texts to the images that share their name up to the first dot, else a sample each.

    Examples are `x.outputs.txt` beside `x.input.jpg`, and `x.txt` beside `x.0.jpg`, `x.1.jpg`.
    """
    by_key = defaultdict(list)
    for parts in samples.values():
        if not parts.has_text:
            key, rest = _key(parts.key)
            if _NUMBER_OR_WORD.fullmatch(rest):
                by_key[key].append((rest, parts))
    for name in alone:
        key, rest = _key(stem(name))
        word = not rest or (not rest.isdigit() and _NUMBER_OR_WORD.fullmatch(rest))
        owners = [p for own, p in by_key.get(key, ()) if word and (not rest or not own.isdigit())]
        for parts in owners or [samples.setdefault(stem(name), Parts(stem(name)))]:
            parts.add(name)


def _drop_beside(samples: dict[str, Parts]) -> int:
    """Drop images without a text of their own that extend another's name, as `k.depth.png`."""
    with_text = frozenset(key for key, parts in samples.items() if parts.images and parts.has_text)
    beside = [
        key
        for key, parts in samples.items()
        if not parts.has_text
        and owner(f"{key.rpartition('.')[0]}.png", with_text)
        and "." in key.rpartition("/")[2]
    ]
    for key in beside:
        del samples[key]
    return len(beside)


def _key(path: str) -> tuple[str, str]:
    """Split a stem at the first dot of its name."""
    folder, slash, base = path.rpartition("/")
    key, _, rest = base.partition(".")
    return folder + slash + key, rest
