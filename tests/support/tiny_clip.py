"""Tiny open_clip models whose tokenizer is CLIP's."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import open_clip
import torch
from open_clip.factory import set_model_preprocess_cfg
from open_clip.model import CLIP
from open_clip.transform import PreprocessCfg

VISION = {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 48, "heads": 3, "layers": 1}

tokenizer = open_clip.tokenizer._tokenizer
"""The tokenizer that open_clip makes when it is imported; making another takes a second."""


def build(
    kind: Any = CLIP,
    *,
    vision: dict[str, Any] | None = None,
    text: dict[str, Any] | None = None,
    preprocess: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """A model in evaluation mode, whose random weights are no start values of any library."""
    torch.manual_seed(0)
    towers = {"vision_cfg": VISION | (vision or {}), "text_cfg": TEXT | (text or {})}
    model = kind(embed_dim=24, **towers, **options)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=1.0 if parameter.ndim == 1 else 0.0, std=0.2)
    settings = {"size": (32, 32), "mean": (0.5, 0.4, 0.3), **(preprocess or {})}
    set_model_preprocess_cfg(model, asdict(PreprocessCfg(**settings)))
    return model.eval()
