"""The fast form of CLIP's tokenizer in transformers: each distinct word is tokenised once."""

from __future__ import annotations

import json
from typing import Any

from nsfwcaps.encoders.word_tokenizer import WordTokenizer, of_backend

_NORMALISED = ["NFC", "Replace", "Lowercase"]
_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""CLIP's pattern of words. None of them contains a space."""


def clip_words(tokenizer: Any, context: int) -> WordTokenizer | None:
    """Make the fast form of a tokenizer that pads on the right; None if it is not CLIP's."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or not _is_of_clip(json.loads(backend.to_str())):
        return None
    if tokenizer.pad_token_id is None:
        return None
    return of_backend(backend, clean=str, pad=tokenizer.pad_token_id, context=context)


def _is_of_clip(facts: dict[str, Any]) -> bool:
    """Whether nothing in a tokenizer's file joins characters across a space."""
    steps = (facts.get("normalizer") or {}).get("normalizers") or []
    split, *rest = (facts.get("pre_tokenizer") or {}).get("pretokenizers") or [{}]
    pattern = (split.get("pattern") or {}).get("Regex", "")
    marks = facts["added_tokens"]
    return (
        facts["model"]["type"] == "BPE"
        and not facts["model"].get("dropout")
        and [step["type"] for step in steps] == _NORMALISED
        and pattern.endswith(_SPLIT)
        and [step["type"] for step in rest] == ["ByteLevel"]
        and not rest[0].get("add_prefix_space")
        and not any(m["lstrip"] or m["rstrip"] or " " in m["content"] for m in marks)
    )
