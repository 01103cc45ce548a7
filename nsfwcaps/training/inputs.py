"""Inputs of the towers in training: tokens and pixels of pairs or items, and their embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from nsfwcaps.encoders.encoder import DualEncoder
from nsfwcaps.encoders.picture_input import PictureInput
from nsfwcaps.runtime.processes import shares
from nsfwcaps.training.ahead import Each, prepared_ahead
from nsfwcaps.training.pairs import ItemRows, Rows, TrainingPairs
from nsfwcaps.training.tokens import CaptionTokens
from nsfwcaps.work import WorkSplit

Tensor = torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """A batch as input of the towers: the unsafe items first, then the safe ones."""

    rows: Rows  # [b], of the pairs
    tokens: Tensor  # [2b, t]
    pixels: Tensor  # [2b, 3, h, w], as `PictureInput` prepares them

    def pinned(self) -> Inputs:
        """The batch in page-locked memory, which a GPU reads while the CPU goes on."""
        tokens, pixels = self.tokens.pin_memory(), self.pixels.pin_memory()
        return replace(self, tokens=tokens, pixels=pixels)

    def to(self, device: str) -> Inputs:
        """The batch on a device; does not wait for the copy of a pinned one."""
        tokens, pixels = (t.to(device, non_blocking=True) for t in (self.tokens, self.pixels))
        return replace(self, tokens=tokens, pixels=pixels)

    def parts(self, count: int) -> list[Inputs]:
        """Split into `count` parts, at most one per pair."""
        count = min(count, len(self.rows))
        if count == 1:
            return [self]
        return [
            Inputs(
                rows=self.rows[share],
                tokens=_of_pairs(self.tokens, share),
                pixels=_of_pairs(self.pixels, share),
            )
            for share in shares(len(self.rows), count)
        ]


@dataclass(frozen=True, kw_only=True)
class Items:
    """A batch of items of one side, each a caption with its image."""

    tokens: Tensor  # [b, t]
    pixels: Tensor  # [b, 3, h, w], as `PictureInput` prepares them


@dataclass(frozen=True, kw_only=True)
class PreparedItems:
    """Items of one side, and how to prepare rows `[b]` of them."""

    prepare: Callable[[Rows, Each], Items]
    count: int

    def __len__(self) -> int:
        """Number of items."""
        return self.count


@dataclass(frozen=True, kw_only=True)
class Encoders:
    """The model in training, and how to prepare its inputs."""

    model: Any
    encode_text: Callable[[Tensor], Tensor]
    prepare: Callable[[Rows, Each], Inputs]
    device: str
    dtype: torch.dtype
    """Compute precision; half precision uses autocast."""
    normalise: Callable[[Tensor], Tensor] = lambda pixels: pixels
    """Maps prepared pixels `[b, 3, h, w]` to the input of the image tower, on their device."""
    image_tower: Callable[[Tensor], Tensor] | None = None
    """Used instead of the model's, on the same input."""

    def ahead(
        self, batches: Iterable[Rows], workers: int, split: WorkSplit | None = None
    ) -> Iterator[tuple[Rows, Inputs]]:
        """Rows of pairs by batch, with their inputs, which threads prepare ahead.

        For a GPU, they are in page-locked memory. `split` takes the time of the threads.
        """
        on_gpu = self.device.startswith("cuda")

        def prepare(rows: Rows, each: Each) -> Inputs:
            inputs = self.prepare(rows, each)
            return inputs.pinned() if on_gpu else inputs

        # On a CPU the model computes meanwhile, on all of torch's threads.
        return prepared_ahead(batches, prepare, workers=workers, alone=on_gpu, split=split)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Features `[b, d]` of prepared pixels `[b, 3, h, w]`, not normalised."""
        pixels = self.normalise(pixels.to(self.device, non_blocking=True))
        features: Tensor = (self.image_tower or self.model.encode_image)(pixels)
        return features


def encoders_of(
    encoder: DualEncoder,
    pairs: TrainingPairs,
    picture: Callable[[int], bytes],
    dtype: torch.dtype,
    tokens: CaptionTokens | None = None,
) -> Encoders:
    """Encoders to train on these pairs; `picture` returns the image file of a row."""
    return Encoders(
        model=encoder.model,
        encode_text=encoder.tower.encode,
        prepare=preparation(encoder, pairs, picture, dtype, tokens),
        device=encoder.device,
        dtype=dtype,
        normalise=encoder.picture_input.normalise,
    )


def preparation(
    encoder: DualEncoder,
    pairs: TrainingPairs,
    picture: Callable[[int], bytes],
    dtype: torch.dtype = torch.float32,
    tokens: CaptionTokens | None = None,
) -> Callable[[Rows, Each], Inputs]:
    """Function from rows `[b]` of pairs to tokens and pixels, unsafe items first.

    Pictures are resized as this compute precision allows. With `tokens`, captions that were read
    before are not tokenised again. Its second argument, such as `map`, shares out the work.
    """
    read = _Reader(encoder, picture, dtype, tokens)

    def prepare(rows: Rows, each: Each) -> Inputs:
        captions = [pairs.unsafe_captions[row] for row in rows]
        captions += [pairs.safe_captions[row] for row in rows]
        images = [*pairs.unsafe_image[rows], *pairs.safe_image[rows]]
        items = read(captions, images, each)
        return Inputs(rows=rows, tokens=items.tokens, pixels=items.pixels)

    return prepare


def prepared_items(
    encoder: DualEncoder,
    items: ItemRows,
    picture: Callable[[int], bytes],
    dtype: torch.dtype = torch.float32,
) -> PreparedItems:
    """Items of one side; `picture` returns the image file of a row."""
    read = _Reader(encoder, picture, dtype)

    def prepare(rows: Rows, each: Each) -> Items:
        captions = [items.captions[row] for row in rows]
        return read(captions, items.image[rows].tolist(), each)

    return PreparedItems(prepare=prepare, count=len(items))


@torch.no_grad()
def embed(
    encoders: Encoders, rows: Rows, batch_size: int, workers: int = 1
) -> tuple[Tensor, Tensor]:
    """Unit rows `[2, p, d]` of the captions and of the images of pairs `[p]`, unsafe first.

    `workers` threads prepare the next batches meanwhile.
    """
    encoders.model.eval()
    batches = (rows[start : start + batch_size] for start in range(0, len(rows), batch_size))
    embedded = [encode(encoders, inputs) for _, inputs in encoders.ahead(batches, workers)]
    text, image = torch.cat(embedded, dim=-2).cpu()
    return text, image


def encode(encoders: Encoders, inputs: Inputs) -> Tensor:
    """Unit rows `[2, 2, b, d]`: captions and images, each split into unsafe and safe items."""
    with torch.autocast(
        encoders.device, dtype=encoders.dtype, enabled=encoders.dtype != torch.float32
    ):
        text = encoders.encode_text(inputs.tokens.to(encoders.device, non_blocking=True))
        image = encoders.encode_image(inputs.pixels)
    both = torch.stack([text.float(), image.float()])  # [2, 2b, d]
    return functional.normalize(both, dim=-1).view(2, 2, -1, both.shape[-1])


class _Reader:
    """Prepares captions and images on the CPU."""

    def __init__(
        self,
        encoder: DualEncoder,
        picture: Callable[[int], bytes],
        dtype: torch.dtype,
        tokens: CaptionTokens | None = None,
    ) -> None:
        self._picture = picture
        self._tokens = tokens or CaptionTokens.of_encoder(encoder)
        self._inputs = PictureInput(encoder.preprocess, exact=dtype == torch.float32)
        self._pinned = encoder.device.startswith("cuda")

    def __call__(self, captions: list[str], images: list[int], each: Each) -> Items:
        tokens = each(self._tokens.of, [captions])
        files = [partial(self._picture, int(row)) for row in images]
        what = "an image of the data set"
        pixels = self._inputs.batch(files, what, pinned=self._pinned, each=each)
        return Items(tokens=next(iter(tokens)), pixels=pixels)


def _of_pairs(items: Tensor, share: slice) -> Tensor:
    """Unsafe and safe items `[2s, ...]` of a slice of pairs, from those `[2b, ...]` of all."""
    return torch.cat([side[share] for side in items.chunk(2)])
