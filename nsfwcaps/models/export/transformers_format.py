"""Export as transformers' `CLIPModel` with its processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import normalize

from nsfwcaps.errors import ModelError
from nsfwcaps.models.export.clip_config import clip_config, image_processor_config, obstacle
from nsfwcaps.models.export.clip_tokenizer import write_tokenizer
from nsfwcaps.models.export.clip_weights import clip_weights
from nsfwcaps.runtime.silence import silence

TOLERANCE = 1e-5
"""Largest difference between unit rows that rounding explains."""

_PICTURES = 4
_CAPTIONS = ("a photo of a cat", "Two dogs, one ball; it's 3 o'clock.", "word " * 100, "")


def write(folder: Path, model: Any, tokenizer: Any) -> None:
    """Write and verify the model, its tokenizer and its image processor.

    Raises:
        ModelError: transformers cannot represent the model, or its numbers differ.
    """
    if (reason := obstacle(model, tokenizer)) is not None:
        raise ModelError(
            f"transformers' CLIPModel cannot represent this model: {reason}; use --to open_clip"
        )
    with silence():
        _write(folder, model, tokenizer)
        gap = difference(folder, model, tokenizer)
    if not gap <= TOLERANCE:
        raise ModelError(
            f"the model that transformers loads differs from the trained one (by {gap:.1e} in "
            "unit rows) and was not delivered; use --to open_clip, and report this bug"
        )


def difference(folder: Path, model: Any, tokenizer: Any) -> float:
    """Return the largest difference in unit rows between a model and its exported folder.

    Both see the same random images, and captions through their own tokenizers.
    """
    from transformers import CLIPModel, CLIPTokenizer

    twin = CLIPModel.from_pretrained(folder, local_files_only=True).eval()
    its_tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    its_tokens = its_tokenizer(
        list(_CAPTIONS), padding="max_length", truncation=True, return_tensors="pt"
    )
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(_PICTURES, 3, *model.visual.image_size, generator=generator)
    with torch.inference_mode():
        theirs = twin(**its_tokens, pixel_values=pixels)
        image = normalize(model.encode_image(pixels).float(), dim=-1)
        text = normalize(model.encode_text(tokenizer(list(_CAPTIONS))).float(), dim=-1)
    gaps = ((theirs.image_embeds - image).abs().max(), (theirs.text_embeds - text).abs().max())
    return float(torch.stack(gaps).max())


def _write(folder: Path, model: Any, tokenizer: Any) -> None:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, logging

    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):  # the model is initialised randomly first
        twin = CLIPModel(CLIPConfig(**clip_config(model, tokenizer)))
    twin.load_state_dict(clip_weights(model.state_dict()))
    twin.save_pretrained(folder)
    CLIPImageProcessor(**image_processor_config(model)).save_pretrained(folder)
    write_tokenizer(folder, tokenizer)
