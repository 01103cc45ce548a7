"""A tokenizer of transformers with open_clip's interface."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nsfwcaps.models.huggingface.clip_words import clip_words

if TYPE_CHECKING:
    import torch


class TransformersTokenizer:
    """Tokens of captions as the model's own processor makes them, padded to its context."""

    def __init__(self, tokenizer: Any, *, context: int, masked: bool) -> None:
        """`masked` marks padding by negative numbers (~id): the text tower masks it."""
        self.tokenizer, self.context_length = tokenizer, context
        self.masked = masked
        self._words = None if masked else clip_words(tokenizer, context)
        # Padding and truncation are states of the library's tokenizers.
        self._lock = threading.Lock()

    def __call__(self, captions: Sequence[str] | str) -> torch.Tensor:
        """Tokens `[n, t]` of captions `[n]`."""
        texts = [captions] if isinstance(captions, str) else list(captions)
        if self._words is not None:
            return self._words(texts)
        with self._lock:
            found = self.tokenizer(
                texts,
                padding="max_length",
                truncation=True,
                max_length=self.context_length,
                return_attention_mask=True,
                return_tensors="pt",
            )
        tokens: torch.Tensor = found["input_ids"]
        return tokens.where(found["attention_mask"].bool(), ~tokens) if self.masked else tokens

    def count(self, captions: Sequence[str]) -> list[int]:
        """Return the numbers of tokens `[n]`, special ones included, none cut off."""
        if self._words is not None:
            return self._words.count(captions)
        with self._lock:
            found = self.tokenizer(list(captions), padding=False, truncation=False, verbose=False)[
                "input_ids"
            ]
        return [len(ids) for ids in found]

    @property
    def digest(self) -> str:
        """Digest of what determines the tokens."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            said = repr(sorted(self.tokenizer.get_vocab().items()))
        else:
            with self._lock:
                backend.no_truncation()
                backend.no_padding()
                said = backend.to_str()
        facts = (said, self.tokenizer.padding_side, self.masked, self.tokenizer.pad_token_id)
        return hashlib.sha256(repr(facts).encode()).hexdigest()
