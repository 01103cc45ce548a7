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
        k: v
        for k, v in asdict(identity).items()
        if k not in ("name", "padding", "languages", "resize")
    } | more
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def test_digests_are_those_of_earlier_versions_unless_torch_resizes() -> None:
    assert [item.digest for item in (TEXT, BOTH, IMPORTED)] == [
        "d814a4fe0637b1e9c7ce46e6e7de30a764a1b1f77f3287cb29d8ddee0c4b4aa3",
        "10b6961632bd0e0f268635f5848367547e744542159e564e2108e8677b21d8d5",
        "7b91603d82bffc3c407a88af7421d6408d849bd5e69176ba1e11ba0dd353aa3e",
    ]
    half = replace(BOTH, precision="bf16")
    before = "a1420274dde92d2a7b5b17753505b9934fde0763a445b4c7a6799047da3293c8"
    assert half.digest == before
    assert replace(half, resize="torch").digest == by_hand(half, decoder=1, resize="torch")
    assert replace(half, resize="torch").digest != before


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
