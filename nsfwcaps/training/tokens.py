"""Tokens of captions, made once: a caption is read again in every epoch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from nsfwcaps.encoders.encoder import DualEncoder

Tensor = torch.Tensor


class CaptionTokens:
    """Tokens of the captions asked for so far; safe to use from several threads."""

    def __init__(
        self,
        tokenize: Callable[[list[str]], Tensor],
        lengths: Callable[[Tensor], npt.NDArray[np.int64]],
        multiple: int = 1,
    ) -> None:
        """Captions `[n]` become tokens `[n, t]`, of which `lengths` `[n]` count.

        Batches are as long as a multiple of `multiple`, or as the context.
        """
        self._tokenize, self._lengths, self._multiple = tokenize, lengths, multiple
        self._known: dict[str, tuple[npt.NDArray[np.int32], int]] = {}
        self._lock = threading.Lock()

    @classmethod
    def of_encoder(cls, encoder: DualEncoder, multiple: int = 1) -> CaptionTokens:
        """Tokens for the text tower of an encoder."""
        return cls(encoder.tokenizer, encoder.tower.lengths, multiple)

    def of(self, captions: Sequence[str]) -> Tensor:
        """Tokens `[n, t]`, cut behind the longest caption of these."""
        with self._lock:
            new = [*dict.fromkeys(item for item in captions if item not in self._known)]
            if new:
                self._add(new)
            found = [self._known[caption] for caption in captions]
        longest = max(length for _, length in found)
        longest += -longest % self._multiple
        return torch.from_numpy(np.stack([row[:longest] for row, _ in found])).long()

    def _add(self, captions: list[str]) -> None:
        tokens = self._tokenize(captions)
        rows, lengths = tokens.numpy().astype(np.int32), self._lengths(tokens).tolist()
        self._known.update(zip(captions, zip(rows, lengths, strict=True), strict=True))
