"""Which encoders read more than English: by name, or by the size of the vocabulary."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from support import tiny_clip

from nsfwcaps.encoders.languages import languages_of


@pytest.mark.parametrize(
    ("name", "tokens", "expected"),
    [
        ("ViT-B-32/openai", 49408, "English"),
        ("ViT-B-16-SigLIP/webli", 32000, "English"),
        ("roberta-ViT-B-32", 50265, "English"),
        ("xlm-roberta-base-ViT-B-32", None, "multilingual"),
        ("hf-hub:timm/ViT-B-16-SigLIP2-256", None, "multilingual"),
        ("nllb-clip-base", None, "multilingual"),
        ("imported:mclip-vectors", None, "multilingual"),
        ("hf-hub:someone/own-model", 250002, "multilingual"),  # XLM-R
        ("hf-hub:someone/own-model", 119547, "multilingual"),  # multilingual BERT
        ("hf-hub:someone/own-model", None, "English"),
    ],
)
def test_languages(name: str, tokens: int | None, expected: str) -> None:
    tokenizer = SimpleNamespace(tokenizer=SimpleNamespace(vocab_size=tokens)) if tokens else None
    assert str(languages_of(name, tokenizer)) == expected


def test_clips_own_tokenizer_is_english() -> None:
    assert str(languages_of("any", tiny_clip.tokenizer)) == "English"
