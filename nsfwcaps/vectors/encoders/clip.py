"""Every model that open_clip can make: text and pictures into one space."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from nsfwcaps.errors import ModelError
from nsfwcaps.mini import model as mini
from nsfwcaps.settings import Precision
from nsfwcaps.trained import read
from nsfwcaps.vectors.encoders.allocator import kept_memory
from nsfwcaps.vectors.encoders.batches import ahead, length_sorted
from nsfwcaps.vectors.encoders.device import torch_dtype
from nsfwcaps.vectors.encoders.encoder import (
    Encoded,
    Identity,
    Images,
    Vectors,
    activations,
    finite,
    memory_advice,
    unit_rows,
    weights_sha256,
)
from nsfwcaps.vectors.encoders.layout import picture_layout
from nsfwcaps.vectors.encoders.lineage import TRAINED
from nsfwcaps.vectors.encoders.quiet import quiet
from nsfwcaps.vectors.encoders.towers import TextTower, text_tower


class ClipEncoder:
    """An open_clip model, its tokenizer and its preprocessing."""

    def __init__(
        self,
        name: str,
        pretrained: str | None,
        *,
        device: str,
        precision: Precision,
        batch_tokens: int,
        batch_images: int,
        workers: int,
    ) -> None:
        import torch

        self._torch = torch
        self._batch_tokens, self._batch_images, self._workers = batch_tokens, batch_images, workers
        model, self.preprocess, self.tokenizer = create(name, pretrained)
        digest = weights_sha256(model.state_dict())
        self._dtype = torch_dtype(precision)
        self.model = model.eval().to(device)
        self._layout = picture_layout(model.visual, device)
        model.visual.to(memory_format=self._layout)
        self.tower: TextTower = text_tower(model)
        self.device = device
        with torch.inference_mode():
            tokens = self._tokenize(["a"])
            width = self.tower.encode(tokens.to(device)).shape[-1]
        self.identity = Identity(
            name=_label(name, pretrained),
            weights_sha256=digest,
            activation=activations(model),
            preprocessing=preprocessing(model),
            precision=precision.value,
            context_length=int(tokens.shape[1]),
            width=int(width),
            image_width=int(width),
            padding=self.tower.padding,
        )

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        """Encode n captions to unit rows `[n, d]`."""
        if not captions:  # tokenizers of Hugging Face do not take an empty list
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
        """Encode n pictures to unit rows `[m, d]`, setting aside those that do not decode."""
        starts = list(range(0, len(images), self._batch_images))

        def decode(start: int) -> list[Any]:
            return [self._decode(get) for _, get in images[start : start + self._batch_images]]

        rows: list[Vectors] = [np.empty((0, self.identity.width), dtype=np.float32)]
        failed: dict[int, str] = {}
        with self._inference("--batch-images"):
            for start, pictures in ahead(starts, decode, self._workers):
                failed |= {start + i: p for i, p in enumerate(pictures) if isinstance(p, str)}
                whole = [item for item in pictures if not isinstance(item, str)]
                if whole:
                    batch = self._torch.stack(whole)  # [b, 3, h, w]
                    batch = batch.to(self.device, memory_format=self._layout)
                    rows.append(unit_rows(self.model.encode_image(batch)))
                advance(len(pictures))
        return Encoded(rows=np.concatenate(rows), failed=failed)

    def _decode(self, get: Callable[[], bytes]) -> Any:
        """Tensor `[3, h, w]` of a picture, or the reason why there is none."""
        from PIL import Image

        try:
            data = get()
        except OSError:
            return "image_missing"
        try:
            with Image.open(io.BytesIO(data)) as picture:
                return self.preprocess(picture.convert("RGB"))
        except Exception:  # Pillow's decoders raise many kinds; each means an unusable picture
            return "image_undecodable"

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


def create(name: str, pretrained: str | None) -> tuple[Any, Any, Any]:
    """Model on the CPU, image preprocessing and tokenizer, all in open_clip's form.

    Raises:
        ModelError: the model cannot be had.
    """
    if name.startswith(TRAINED):
        from nsfwcaps.vectors.encoders import merged  # it loads peft, and its base from here

        return merged.create(Path(name.removeprefix(TRAINED)))
    if name in (mini.NAME, mini.ARCHITECTURE):
        return mini.create(pretrained, mini.HEADS)
    return _create_with_open_clip(name, pretrained)


def _create_with_open_clip(name: str, pretrained: str | None) -> tuple[Any, Any, Any]:
    """The same of a model that open_clip knows, or one message that says what is wrong."""
    import open_clip

    try:
        with quiet():
            # Unlike `create_model`, this refuses to go on with random weights.
            model, preprocess = open_clip.create_model_from_pretrained(name, pretrained)
            tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # open_clip raises many kinds for an unknown or unreachable model
        known = ":" in name or name in open_clip.list_models()
        hint = (
            "check the tag or the checkpoint's path, and that the network reaches the weights"
            if known
            else "open_clip knows no architecture of this name"
        )
        detail = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(
            f"embed.model: cannot load '{name}' with weights '{pretrained or 'of its own'}': "
            f"{hint} ({detail})"
        ) from None
    return model, preprocess, tokenizer


def preprocessing(model: Any) -> dict[str, Any]:
    """Preprocessing of a model's pictures, as plain JSON values."""
    config = getattr(model.visual, "preprocess_cfg", {})
    return {key: list(v) if isinstance(v, tuple) else v for key, v in sorted(config.items())}


def _label(name: str, pretrained: str | None) -> str:
    """Name of a model for people; checkpoints and runs without their folder, which is private."""
    if name.startswith(TRAINED):
        return read(Path(name.removeprefix(TRAINED))).label
    return f"{name}/{PurePath(pretrained).name}" if pretrained else name
