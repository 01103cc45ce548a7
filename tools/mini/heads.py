"""The trained part of `mini` on cached features: two heads that train in seconds."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from tools.mini.worlds import Features, Photographs

Tensor = torch.Tensor
Vectors = npt.NDArray[np.float32]


class Heads(nn.Module):
    """The trained part of `mini`, under the same names."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.visual, self.text = nn.Module(), nn.Module()
        self.visual.head = copy.deepcopy(model.visual.head)
        self.text.proj = copy.deepcopy(model.text.proj)
        self.logit_scale = nn.Parameter(model.logit_scale.detach().clone())

    def encode_image(self, features: Tensor) -> Tensor:
        """Map image features `[b, 1280]` to rows `[b, d]`."""
        rows: Tensor = self.visual.head(features)
        return rows

    def encode_text(self, features: Tensor) -> Tensor:
        """Map caption features `[b, 384]` to rows `[b, d]`."""
        rows: Tensor = self.text.proj(features)
        return rows

    @torch.no_grad()
    def unit(self, items: Features | Photographs) -> tuple[Vectors, Vectors]:
        """Return the unit rows of texts and images."""
        text = functional.normalize(self.encode_text(items.text), dim=-1)
        image = functional.normalize(self.encode_image(items.image), dim=-1)
        return text.numpy(), image.numpy()
