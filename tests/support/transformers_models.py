"""Tiny models of transformers with random weights, in folders as transformers writes them."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import open_clip
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

from nsfwcaps.models.export.clip_tokenizer import write_tokenizer

PIXELS, PATCH, PATCHES = 32, 8, 16
CONTEXT = 16
"""Tokens that the text towers read, but with CLIP's own tokenizer."""

_SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_SIGNS = "abcdefghijklmnopqrstuvwxyz"
_LETTERS = {
    "vocab_size": 64,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 1,
}
_WORDS = {
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
}


def write(folder: Path, kind: str = "clip", **changes: Any) -> str:
    """Write a model with tokenizer and image processor; give its name.

    Changes are those of `text`, `vision`, `pictures` and `tokens`. With `words`, a CLIP model has
    CLIP's own tokenizer, which takes half a second to load; otherwise tokens are letters.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(changes.get("seed", 0))
    words = changes.get("words", False)
    text = {**(_WORDS if words else _LETTERS), **changes.get("text", {})}
    vision = changes.get("vision", {})
    whole = _MODELS[kind](text, vision)
    # Larger than the library starts with, so that what a token sees shows in the output.
    for parameter in whole.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    whole.to(changes.get("dtype", torch.float32)).save_pretrained(
        folder, **changes.get("saving", {})
    )
    _PICTURES[kind](**changes.get("pictures", {})).save_pretrained(folder)
    if words:
        shutil.copytree(_clip_tokenizer(), folder, dirs_exist_ok=True)
    else:
        letters(**changes.get("tokens", {})).save_pretrained(folder)
    return f"hf:{folder}"


def edit(path: Path, **values: Any) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **values}))


def letters(**options: Any) -> PreTrainedTokenizerFast:
    """A tokenizer of letters that ends with <eos>, as Gemma's does in SigLIP2."""
    marks = ["<pad>", "<eos>", "<unk>"]
    vocabulary = {token: place for place, token in enumerate([*marks, "▁", *_SIGNS])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(" ", "▁")]
    )
    backend.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_previous")
    backend.decoder = decoders.Replace("▁", " ")
    backend.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    facts = {
        "pad_token": "<pad>",
        "eos_token": "<eos>",
        "unk_token": "<unk>",
        "model_max_length": CONTEXT,
        "padding_side": "right",
        "model_input_names": ["input_ids"],
    }
    return PreTrainedTokenizerFast(tokenizer_object=backend, **(facts | options))


@functools.cache
def _clip_tokenizer() -> Path:
    """CLIP's tokenizer as one file, which loads faster than its parts."""
    from transformers import CLIPTokenizer

    with tempfile.TemporaryDirectory() as parts:
        write_tokenizer(Path(parts), open_clip.tokenizer._tokenizer)
        folder = Path(tempfile.mkdtemp())
        CLIPTokenizer.from_pretrained(parts).save_pretrained(folder)
    return folder


def _clip(text: dict[str, Any], vision: dict[str, Any]) -> Any:
    return CLIPModel(
        CLIPConfig(
            projection_dim=24,
            text_config={**_SHAPE, "projection_dim": 24, **text},
            vision_config={
                **_SHAPE,
                "image_size": PIXELS,
                "patch_size": PATCH,
                "projection_dim": 24,
                **vision,
            },
        )
    )


def _siglip(text: dict[str, Any], vision: dict[str, Any]) -> Any:
    pictures = {"image_size": PIXELS, "patch_size": PATCH}
    return SiglipModel(
        SiglipConfig(
            text_config={**_SHAPE, "projection_size": 32, **text},
            vision_config={**_SHAPE, **pictures, **vision},
        )
    )


def _siglip2(text: dict[str, Any], vision: dict[str, Any]) -> Any:
    pictures = {"num_patches": PATCHES, "patch_size": PATCH}
    return Siglip2Model(
        Siglip2Config(
            text_config={**_SHAPE, "projection_size": 32, **text},
            vision_config={**_SHAPE, **pictures, **vision},
        )
    )


def _clip_pictures(**changes: Any) -> Any:
    square = {"height": PIXELS, "width": PIXELS}
    return CLIPImageProcessor(**{"size": {"shortest_edge": PIXELS}, "crop_size": square, **changes})


def _siglip_pictures(**changes: Any) -> Any:
    return SiglipImageProcessor(**{"size": {"height": PIXELS, "width": PIXELS}, **changes})


def _siglip2_pictures(**changes: Any) -> Any:
    return Siglip2ImageProcessor(**{"patch_size": PATCH, "max_num_patches": PATCHES, **changes})


_MODELS = {"clip": _clip, "siglip": _siglip, "siglip2": _siglip2}
_PICTURES = {"clip": _clip_pictures, "siglip": _siglip_pictures, "siglip2": _siglip2_pictures}
