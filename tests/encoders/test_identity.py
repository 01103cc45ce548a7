"""What identifies vectors: everything that decides the numbers, the decoder of pictures too."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import pytest

from nsfwcaps import pictures
from nsfwcaps.encoders.encoder import Identity
from nsfwcaps.encoders.languages import Languages

TEXT = Identity(
    name="words",
    weights_sha256="ab",
    activation="gelu",
    preprocessing={"pooling": "mean"},
    precision="fp32",
    context_length=128,
    width=384,
    image_width=None,
    padding="trimmed",
)
BOTH = replace(TEXT, preprocessing={"size": [224, 224]}, image_width=384)
IMPORTED = replace(TEXT, preprocessing={}, image_width=384)


def by_hand(identity: Identity, **more: object) -> str:
    facts = {
        k: v for k, v in asdict(identity).items() if k not in ("name", "padding", "languages")
    } | more
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def test_without_pictures_the_decoder_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [item.digest for item in (TEXT, IMPORTED)] == [by_hand(TEXT), by_hand(IMPORTED)]
    monkeypatch.setattr(pictures, "VERSION", 2)
    assert TEXT.digest == by_hand(TEXT)


def test_vectors_of_another_decoder_are_another_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    assert BOTH.digest == by_hand(BOTH, decoder=1) != by_hand(BOTH)
    monkeypatch.setattr(pictures, "VERSION", 2)
    assert BOTH.digest == by_hand(BOTH, decoder=2)


def test_names_do_not_matter_and_everything_else_does() -> None:
    assert (
        replace(BOTH, name="other", padding="full", languages=Languages.MULTILINGUAL).digest
        == BOTH.digest
    )
    changed = {"weights_sha256": "ac", "activation": "quick", "precision": "bf16", "width": 1}
    found = {replace(BOTH, **{name: value}).digest for name, value in changed.items()}  # type: ignore[arg-type]
    assert len(found | {BOTH.digest}) == 5
