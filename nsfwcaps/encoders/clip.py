"""Encoder for open_clip models: text and images into one space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nsfwcaps import pictures
from nsfwcaps.encoders.encoder import (
    Encoded,
    Identity,
    Images,
    Vectors,
    activations,
    finite,
    unit_rows,
)
from nsfwcaps.encoders.languages import languages_of
from nsfwcaps.encoders.memory_format import picture_layout
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.encoders.text_batches import Tokenised, encode_by_length
from nsfwcaps.encoders.text_tower import TextTower, text_tower
from nsfwcaps.encoders.window import Mask, beyond, token_counter
from nsfwcaps.encoders.word_tokenizer import fast
from nsfwcaps.enums import Precision
from nsfwcaps.runtime.allocator import kept_memory
from nsfwcaps.runtime.batch_size import USUAL_IMAGES, BatchSize
from nsfwcaps.runtime.cores import cores
from nsfwcaps.runtime.device import torch_dtype
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.runtime.prefetch import prefetch
from nsfwcaps.runtime.weights import weights_sha256


class ClipEncoder:
    """Encoder around a built open_clip model on the CPU, its preprocessing and its tokenizer."""

    def __init__(
        self,
        model: Any,
        preprocess: Any,
        tokenizer: Any,
        *,
        label: str,
        device: str,
        precision: Precision,
        options: EncoderOptions,
    ) -> None:
        import torch

        self._torch = torch
        self._tokens = BatchSize.of_tokens(options.batch_tokens, device)
        self._batch_images = options.batch_images or USUAL_IMAGES
        self._workers = options.workers or cores()
        self.preprocess, self.its_tokenizer = preprocess, tokenizer
        self.tokenizer = fast(tokenizer)
        digest = weights_sha256(model.state_dict())
        self._dtype = torch_dtype(precision)
        self.model = model.eval().to(device)
        self._layout = picture_layout(model.visual, device)
        model.visual.to(memory_format=self._layout)
        self.tower: TextTower = text_tower(model)
        self.device = device
        with torch.inference_mode():
            tokens = self.tokenizer(["a"])
            width = self.tower.encode(tokens.to(device)).shape[-1]
        self.identity = Identity(
            name=label,
            weights_sha256=digest,
            activation=activations(model),
            preprocessing=preprocessing(model),
            precision=precision.value,
            context_length=int(tokens.shape[1]),
            width=int(width),
            image_width=int(width),
            padding=self.tower.padding,
            languages=languages_of(label, tokenizer),
        )

    def prepared(self, captions: Sequence[str]) -> Tokenised:
        """Tokenise captions `[n]`, at least one, for `encode_text`; on any thread."""
        tokens = self.tokenizer(list(captions))  # [n, t]
        lengths = self.tower.lengths(tokens)
        return Tokenised(captions, tokens=tokens[:, : int(lengths.max())].clone(), lengths=lengths)

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        """Encode n captions to unit rows `[n, d]`."""
        if not captions:  # Hugging Face tokenizers reject an empty list
            return Encoded(rows=np.empty((0, self.identity.width), dtype=np.float32), failed={})
        work = captions if isinstance(captions, Tokenised) else self.prepared(captions)
        with self._inference("--batch-tokens"):
            rows = encode_by_length(
                work.tokens,
                work.lengths,
                lambda batch: self.tower.encode(batch.ids),
                size=self._tokens,
                device=self.device,
                width=self.identity.width,
                advance=advance,
            )
        return finite(rows)

    def encode_images(self, images: Images, advance: Callable[[int], None]) -> Encoded:
        """Encode n images to unit rows `[m, d]`; those that cannot be decoded are in `failed`."""
        starts = list(range(0, len(images), self._batch_images))

        def decode(start: int) -> list[Any]:
            return [self._decode(get) for _, get in images[start : start + self._batch_images]]

        rows: list[Vectors] = [np.empty((0, self.identity.width), dtype=np.float32)]
        failed: dict[int, str] = {}
        with self._inference("--batch-images"):
            for start, decoded in prefetch(starts, decode, self._workers):
                failed |= {start + i: p for i, p in enumerate(decoded) if isinstance(p, str)}
                whole = [item for item in decoded if not isinstance(item, str)]
                if whole:
                    batch = self._torch.stack(whole)  # [b, 3, h, w]
                    batch = batch.to(self.device, memory_format=self._layout)
                    rows.append(unit_rows(self.model.encode_image(batch)))
                advance(len(decoded))
        return Encoded(rows=np.concatenate(rows), failed=failed)

    def truncated(self, captions: Sequence[str]) -> Mask | None:
        """Return a mask `[n]` of the captions longer than its window; None if it cannot know."""
        count = token_counter(self.tokenizer)
        return beyond(captions, self.identity.context_length, count) if count else None

    def _decode(self, get: Callable[[], bytes]) -> Any:
        """Return the tensor `[3, h, w]` of an image, or the reason for failure."""
        try:
            data = get()
        except OSError:
            return "image_missing"
        picture = pictures.decode(data)
        return picture if isinstance(picture, str) else self.preprocess(picture)

    @contextmanager
    def _inference(self, option: str) -> Iterator[None]:
        torch = self._torch
        autocast = torch.autocast(
            self.device, dtype=self._dtype, enabled=self._dtype != torch.float32
        )
        with torch.inference_mode(), autocast, memory_advice(option), kept_memory(self.device):
            yield


def preprocessing(model: Any) -> dict[str, Any]:
    """Return a model's image preprocessing as plain JSON values."""
    config = getattr(model.visual, "preprocess_cfg", {})
    return {key: list(v) if isinstance(v, tuple) else v for key, v in sorted(config.items())}
