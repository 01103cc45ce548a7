"""Transformers' dual encoders with the interface of an open_clip model.

The towers are those of the loaded model, which stays whole: what is trained here is saved there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nsfwcaps.models.huggingface.files import HuggingFaceFiles

Tensor = torch.Tensor


class TransformersImageTower(nn.Module):
    """A vision model and its projection."""

    def __init__(self, transformer: nn.Module, head: nn.Module | None, facts: Mapping[str, Any]):
        super().__init__()
        self.transformer = transformer
        self.head = head or nn.Identity()
        self.preprocess_cfg = dict(facts)
        """What determines its input, for the identity of its vectors."""
        self.image_size = tuple(facts.get("size", ()))

    def forward(self, pixels: Tensor) -> Tensor:
        """Features `[b, d]` of pixels `[b, 3, h, w]`."""
        features: Tensor = self.head(self.transformer(pixel_values=pixels).pooler_output)
        return features


class TransformersPatchTower(TransformersImageTower):
    """A vision model of patches in as many rows and columns as a picture's shape asks for."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Features `[b, d]` of patches `[b, 3, n + 1, p * p]`, as `PatchedPicture` packs them."""
        shapes = pixels[:, 0, -1, :2].long()  # rows and columns [b, 2]
        patches = pixels[:, :, :-1].permute(0, 2, 3, 1).flatten(2)  # [b, n, p * p * 3]
        places = torch.arange(patches.shape[1], device=patches.device)
        found = self.transformer(
            pixel_values=patches,
            pixel_attention_mask=(places < shapes.prod(-1, keepdim=True)).int(),
            spatial_shapes=shapes,
        )
        features: Tensor = self.head(found.pooler_output)
        return features


class CausalTextTower(nn.Module):
    """A text model in which no token sees a later one, pooled at the end token: CLIP's."""

    def __init__(self, transformer: Any, proj: nn.Module, *, context: int) -> None:
        super().__init__()
        self.transformer, self.proj = transformer, proj
        self.context_length = context
        self.vocab_size = int(transformer.config.vocab_size)
        self.eos_id = int(transformer.eos_token_id)
        # Configurations written before transformers 4.31 name a wrong end token, 2. Its models pool
        # at the highest number then.
        self.pool_type = "argmax" if self.eos_id == 2 else "eos"

    def ends(self, tokens: Tensor) -> Tensor:
        """Place `[b]` of the end token of each row `[b, t]`."""
        if self.pool_type == "argmax":
            return tokens.argmax(-1)
        return (tokens == self.eos_id).int().argmax(-1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Features `[b, d]` of tokens `[b, t]`, cut or not behind the longest caption."""
        features: Tensor = self.proj(self.transformer(input_ids=tokens).pooler_output)
        return features


class PaddedTextTower(nn.Module):
    """A text model that reads its whole context, padding included: SigLIP's."""

    def __init__(self, transformer: Any, *, context: int, masked: bool) -> None:
        """`masked`: its tokenizer marks padding by negative numbers (~id)."""
        super().__init__()
        self.transformer, self._masked = transformer, masked
        self.context_length = context
        self.vocab_size = int(transformer.config.vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Features `[b, d]` of tokens `[b, t]`."""
        mask = None
        if self._masked:
            mask = (tokens >= 0).long()
            tokens = torch.where(tokens < 0, ~tokens, tokens)
        features: Tensor = self.transformer(input_ids=tokens, attention_mask=mask).pooler_output
        return features


class TransformersClip(nn.Module):
    """Both towers, under open_clip's names."""

    def __init__(
        self, whole: Any, visual: TransformersImageTower, text: nn.Module, files: HuggingFaceFiles
    ) -> None:
        super().__init__()
        self.files = files
        """Where it came from."""
        self.visual, self.text = visual, text
        self.logit_scale = whole.logit_scale
        if hasattr(whole, "logit_bias"):
            self.logit_bias = whole.logit_bias
        # In a tuple, or torch would list its parameters a second time.
        self._whole = (whole,)

    @property
    def whole(self) -> Any:
        """The model of transformers, with the same weights in memory."""
        return self._whole[0]

    def encode_image(self, image: Tensor) -> Tensor:
        """Features `[b, d]` of the image tower's input, not normalised."""
        features: Tensor = self.visual(image)
        return features

    def encode_text(self, text: Tensor) -> Tensor:
        """Features `[b, d]` of tokens `[b, t]`, not normalised."""
        features: Tensor = self.text(text)
        return features
