"""Encoder for open_clip models: text and images into one space."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from nsfwcaps.encoders.encoder import (
    Encoded,
    Identity,
    Images,
    Vectors,
    activations,
    finite,
    unit_rows,
)
from nsfwcaps.encoders.keeping import Keeper, Keeping
from nsfwcaps.encoders.languages import languages_of
from nsfwcaps.encoders.memory_format import picture_layout
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.encoders.picture_batches import PictureReader
from nsfwcaps.encoders.picture_input import PictureInput
from nsfwcaps.encoders.text_batches import Tokenised, start_by_length
from nsfwcaps.encoders.text_tower import TextTower, text_tower
from nsfwcaps.encoders.window import Mask, beyond, token_counter
from nsfwcaps.encoders.word_tokenizer import fast
from nsfwcaps.enums import Precision
from nsfwcaps.runtime.allocator import kept_memory
from nsfwcaps.runtime.batch_size import BatchSize
from nsfwcaps.runtime.cores import cores
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
        self._tokens = BatchSize.of_tokens(options.batch_tokens, device)
        self._images = BatchSize.of_images(options.batch_images, device)
        self.preprocess, self.its_tokenizer = preprocess, tokenizer
        self.tokenizer = fast(tokenizer)
        digest = weights_sha256(model.state_dict())
        self._dtype = torch_dtype(precision)
        self._workers = options.workers or cores()
        self.device = device
        self._set_pictures(self._workers)
        self.model = model.eval().to(device)
        self._layout = picture_layout(model.visual, device)
        model.visual.to(memory_format=self._layout)
        self.tower: TextTower = text_tower(model)
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
            resize=self.picture_input.resize,
            padding=self.tower.padding,
            languages=languages_of(label, tokenizer),
        )

    def in_precision(self, precision: Precision) -> ClipEncoder:
        """Return an encoder in another precision, with the same model in memory."""
        other = copy.copy(self)
        other._dtype = torch_dtype(precision)
        other._set_pictures(self._workers)
        other.identity = replace(
            self.identity, precision=precision.value, resize=other.picture_input.resize
        )
        return other

    def prepared(self, captions: Sequence[str]) -> Tokenised:
        """Tokenise captions `[n]`, at least one, for `encode_text`; on any thread."""
        tokens = self.tokenizer(list(captions))  # [n, t]
        lengths = self.tower.lengths(tokens)
        return Tokenised(captions, tokens=tokens[:, : int(lengths.max())].clone(), lengths=lengths)

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        """Encode n captions to unit rows `[n, d]`."""
        return self.started(captions, advance)()

    def started(
        self,
        captions: Sequence[str],
        advance: Callable[[int], None],
        keeper: Keeper | None = None,
    ) -> Callable[[], Encoded]:
        """Send n captions to the device; the function returned waits for their unit rows."""
        if not captions:  # Hugging Face tokenizers reject an empty list
            nothing = np.empty((0, self.identity.width), dtype=np.float32)
            return lambda: Encoded(rows=nothing, failed={})
        with self._inference("--batch-tokens"):
            rows = start_by_length(
                captions,
                self.prepared,
                lambda batch: self.tower.encode(batch.ids),
                size=self._tokens,
                device=self.device,
                width=self.identity.width,
                advance=advance,
                keeper=keeper,
            )
        return lambda: finite(rows())

    def encode_images(
        self,
        images: Images,
        advance: Callable[[int], None],
        split: WorkSplit | None = None,
        keeper: Keeper | None = None,
    ) -> Encoded:
        """Encode n images to unit rows `[m, d]`; those that cannot be decoded are in `failed`.

        The next batches are prepared meanwhile. On a GPU, no batch is waited for: the rows of all
        are copied at the end.
        """
        keeping, sizes, split = Keeping(keeper), self._images, split or WorkSplit()
        earlier, failed, first = _earlier(keeping, len(images), self.identity.width)
        advance(first)
        rows: list[Any] = []
        at = first
        with self._inference("--batch-images"), keeping:
            for batch in self._reader.batches(images[first:], lambda: sizes.units, split):
                reasons = {first + row: reason for row, reason in batch.failed.items()}
                failed |= reasons
                new: list[Any] = []
                if batch.pixels is not None:
                    with split.timed(Work.COMPUTE):
                        parts = sizes.compute(batch.pixels, len(batch.pixels), self._image_rows)
                        new = [part for _, part in parts]
                rows += new
                good = np.setdiff1d(np.arange(at, at + batch.count), list(reasons))
                keeping.add(good, new, reasons)
                at += batch.count
                advance(batch.count)
            with split.timed(Work.COMPUTE):
                found: Vectors = self._torch.cat(rows).cpu().numpy() if rows else earlier[:0]
        return Encoded(rows=np.concatenate([earlier, found]), failed=failed)

    def truncated(self, captions: Sequence[str]) -> Mask | None:
        """Return a mask `[n]` of the captions longer than its window; None if it cannot know."""
        count = token_counter(self.tokenizer)
        return beyond(captions, self.identity.context_length, count) if count else None

    def _set_pictures(self, workers: int) -> None:
        """Set how pictures are prepared, which depends on the precision."""
        exact = self._dtype == self._torch.float32
        self.picture_input = PictureInput(self.preprocess, exact=exact)
        self._reader = PictureReader(
            self.picture_input,
            workers=workers,
            pinned=self.device.startswith("cuda"),
        )

    def _image_rows(self, pixels: Any) -> Any:
        """Unit rows `[b, d]`, on the device, of prepared pixels `[b, 3, h, w]`."""
        pixels = self.picture_input.normalise(pixels.to(self.device, non_blocking=True))
        batch = pixels.contiguous(memory_format=self._layout)
        return unit_rows(self.model.encode_image(batch))

    @contextmanager
    def _inference(self, option: str) -> Iterator[None]:
        torch = self._torch
        autocast = torch.autocast(
            self.device, dtype=self._dtype, enabled=self._dtype != torch.float32
        )
        with torch.inference_mode(), autocast, memory_advice(option), kept_memory(self.device):
            yield


def _earlier(keeping: Keeping, count: int, width: int) -> tuple[Vectors, dict[int, str], int]:
    """Return kept rows `[m, d]`, failures and the number of the first images that were kept.

    Images are encoded in order, so an earlier call has kept the first ones.
    """
    rows, there, failed = keeping.known(count, width)
    first = count if there.all() else int(np.argmin(there))
    reasons = {row: reason for row, reason in failed.items() if row < first}
    good = np.setdiff1d(np.arange(first), list(reasons))
    return rows[good], reasons, first


def preprocessing(model: Any) -> dict[str, Any]:
    """Return a model's image preprocessing as plain JSON values."""
    config = getattr(model.visual, "preprocess_cfg", {})
    return {key: list(v) if isinstance(v, tuple) else v for key, v in sorted(config.items())}
