"""An encoder's window: which captions have more tokens than it reads."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

CountTokens = Callable[[list[str]], list[int]]
"""Maps captions `[n]` to their numbers of tokens `[n]`, special ones included, none cut off."""

_BATCH = 1024
# Start, end and language marks, and the space that SentencePiece puts first.
_SPECIAL_TOKENS = 4


def beyond(captions: Sequence[str], window: int, count: CountTokens) -> Mask:
    """Return a mask `[n]` of the captions with more tokens than the window.

    Most captions are not tokenised: every token but the special ones covers at least a byte.
    """
    mask = np.zeros(len(captions), dtype=np.bool_)
    long = [row for row, item in enumerate(captions) if _bytes(item) + _SPECIAL_TOKENS > window]
    for start in range(0, len(long), _BATCH):
        rows = long[start : start + _BATCH]
        mask[rows] = np.array(count([captions[row] for row in rows])) > window
    return mask


def token_counter(tokenizer: Any) -> CountTokens | None:
    """Return what counts the tokens of an open_clip tokenizer; None for an unknown kind."""
    if (count := getattr(tokenizer, "count", None)) is not None:  # it knows itself
        return count  # type: ignore[no-any-return]
    wrapped = getattr(tokenizer, "tokenizer", None)
    if wrapped is not None:  # HFTokenizer, SigLipTokenizer
        return lambda captions: _count_hf(tokenizer, wrapped, captions)
    if hasattr(tokenizer, "encode") and hasattr(tokenizer, "eot_token_id"):  # SimpleTokenizer
        return lambda captions: [len(tokenizer.encode(caption)) + 2 for caption in captions]
    return None


def _count_hf(tokenizer: Any, wrapped: Any, captions: list[str]) -> list[int]:
    from open_clip.tokenizer import basic_clean, canonicalize_text

    clean = getattr(tokenizer, "clean_fn", None)  # SigLipTokenizer has its cleaning built in
    texts = [clean(item) if clean else canonicalize_text(basic_clean(item)) for item in captions]
    # With this mode, open_clip adds three special tokens itself.
    clips = getattr(tokenizer, "tokenizer_mode", "") == "clips"
    ids = wrapped(texts, add_special_tokens=not clips, truncation=False, verbose=False)["input_ids"]
    return [len(item) + 3 * clips for item in ids]


def _bytes(caption: str) -> int:
    """Return the most bytes that a tokenizer's own normalisation can make of a caption."""
    if caption.isascii():
        return len(caption)
    return len(unicodedata.normalize("NFKD", caption).encode())
