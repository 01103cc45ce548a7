"""Encoder for open_clip models: text and images into one space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nsfwcaps.encoders.batches import length_sorted
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
from nsfwcaps.encoders.picture_batches import PictureReader
from nsfwcaps.encoders.picture_input import PictureInput
from nsfwcaps.encoders.text_tower import TextTower, text_tower
from nsfwcaps.encoders.window import Mask, beyond, token_counter
from nsfwcaps.enums import Precision
from nsfwcaps.runtime.allocator import kept_memory
from nsfwcaps.runtime.batch_size import BatchSize
from nsfwcaps.runtime.device import torch_dtype
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.runtime.weights import weights_sha256
from nsfwcaps.work import Work, WorkSplit


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
        self._batch_tokens = options.batch_tokens
        self.preprocess, self.tokenizer = preprocess, tokenizer
        self.split = WorkSplit()
        self._image_sizes = BatchSize.of_images(options.batch_images, device)
        digest = weights_sha256(model.state_dict())
        self._dtype = torch_dtype(precision)
        self.picture_input = PictureInput(preprocess, exact=self._dtype == torch.float32)
        self._reader = PictureReader(
            self.picture_input,
            workers=options.workers,
            pinned=device.startswith("cuda"),
            split=self.split,
        )
        self.model = model.eval().to(device)
        self._layout = picture_layout(model.visual, device)
        model.visual.to(memory_format=self._layout)
        self.tower: TextTower = text_tower(model)
        self.device = device
        with torch.inference_mode():
            tokens = self._tokenize(["a"])
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
            resize=self.picture_input.resize,
            padding=self.tower.padding,
            languages=languages_of(label, tokenizer),
        )

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        """Encode n captions to unit rows `[n, d]`."""
        if not captions:  # Hugging Face tokenizers reject an empty list
            return Encoded(rows=np.empty((0, self.identity.width), dtype=np.float32), failed={})
        tokens = self._tokenize(list(captions))  # [n, t]
        lengths = self.tower.lengths(tokens)
        out = np.empty((len(captions), self.identity.width), dtype=np.float32)
        with self._inference("--batch-tokens"):
            for batch in length_sorted(lengths, self._batch_tokens):
                part = tokens[batch, : int(lengths[batch[-1]])].to(self.device)
                out[batch] = unit_rows(self.tower.encode(part))
                advance(len(batch))
        return finite(out)

    def encode_images(self, images: Images, advance: Callable[[int], None]) -> Encoded:
        """Encode n images to unit rows `[m, d]`; those that cannot be decoded are in `failed`.

        The next batches are prepared meanwhile. On a GPU, no batch is waited for: the rows of all
        are copied at the end.
        """
        rows: list[Any] = []
        failed: dict[int, str] = {}
        sizes = self._image_sizes
        with self._inference("--batch-images"):
            for batch in self._reader.batches(images, lambda: sizes.units):
                failed |= batch.failed
                if batch.pixels is not None:
                    with self.split.timed(Work.COMPUTE):
                        parts = sizes.compute(batch.pixels, len(batch.pixels), self._image_rows)
                        rows += [part for _, part in parts]
                advance(batch.count)
            with self.split.timed(Work.COMPUTE):
                empty = np.empty((0, self.identity.width), dtype=np.float32)
                found: Vectors = self._torch.cat(rows).cpu().numpy() if rows else empty
        return Encoded(rows=found, failed=failed)

    def truncated(self, captions: Sequence[str]) -> Mask | None:
        """Return a mask `[n]` of the captions longer than its window; None if it cannot know."""
        count = token_counter(self.tokenizer)
        return beyond(captions, self.identity.context_length, count) if count else None

    def _image_rows(self, pixels: Any) -> Any:
        """Unit rows `[b, d]`, on the device, of prepared pixels `[b, 3, h, w]`."""
        pixels = self.picture_input.normalise(pixels.to(self.device, non_blocking=True))
        batch = pixels.contiguous(memory_format=self._layout)
        return self._torch.nn.functional.normalize(self.model.encode_image(batch).float(), dim=-1)

    def _tokenize(self, captions: list[str]) -> Any:
        return self.tokenizer(captions)

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
