"""Which open_clip models fit transformers' `CLIPModel`, and their configuration.

Everything is read from the model itself, so it works for any size and for future names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from open_clip.model import CLIP, CustomTextCLIP
from open_clip.tokenizer import SimpleTokenizer, get_clean_fn
from open_clip.transformer import (
    QuickGELU,
    ResidualAttentionBlock,
    TextTransformer,
    VisionTransformer,
)
from torch import nn

Config = dict[str, Any]


def obstacle(model: Any, tokenizer: Any) -> str | None:
    """Return the reason why a model does not fit a `CLIPModel`, or None."""
    # Later checks rely on earlier ones.
    return next((what for found, what in _obstacles(model, tokenizer) if found), None)


def clip_config(model: Any, tokenizer: Any) -> Config:
    """Return the arguments of `CLIPConfig` for a model without obstacles."""
    visual, text = model.visual, _text(model)
    return {
        "projection_dim": int(visual.proj.shape[1]),
        "vision_config": {
            **_tower(visual.transformer, visual.ln_post),
            "image_size": int(visual.image_size[0]),
            "patch_size": int(visual.patch_size[0]),
            "projection_dim": int(visual.proj.shape[1]),
        },
        "text_config": {
            **_tower(text.transformer, text.ln_final),
            "vocab_size": int(text.token_embedding.num_embeddings),
            "max_position_embeddings": len(text.positional_embedding),
            "projection_dim": int(text.text_projection.shape[1]),
            "bos_token_id": tokenizer.sot_token_id,
            "eos_token_id": tokenizer.eot_token_id,
            "pad_token_id": tokenizer.eot_token_id,
        },
    }


def image_processor_config(model: Any) -> Config:
    """Return the arguments of `CLIPImageProcessor` for a model without obstacles."""
    settings, pixels = model.visual.preprocess_cfg, int(model.visual.image_size[0])
    square = {"height": pixels, "width": pixels}
    squash = settings["resize_mode"] == "squash"
    return {
        "size": square if squash else {"shortest_edge": pixels},
        "do_center_crop": not squash,
        "crop_size": square,
        # Pillow's constants; open_clip uses bicubic for `random`.
        "resample": 2 if settings["interpolation"] == "bilinear" else 3,
        "image_mean": list(settings["mean"]),
        "image_std": list(settings["std"]),
    }


def _obstacles(model: Any, tokenizer: Any) -> Iterator[tuple[bool, str]]:
    visual, text = model.visual, _text(model)
    kind = type(model).__name__
    yield type(model) not in (CLIP, CustomTextCLIP), f"it is an open_clip {kind}"
    yield not isinstance(visual, VisionTransformer), f"its image tower is a {type(visual).__name__}"
    yield not isinstance(text, CLIP | TextTransformer), f"its text tower is a {type(text).__name__}"
    yield getattr(model, "logit_bias", None) is not None, "it has a logit bias (SigLIP)"
    yield from _of_the_image_tower(visual)
    yield from _of_the_text_tower(text, tokenizer)
    yield from _of_the_blocks("image", visual, visual.transformer)
    yield from _of_the_blocks("text", text, text.transformer, text.ln_final)


def _of_the_image_tower(visual: Any) -> Iterator[tuple[bool, str]]:
    yield visual.attn_pool is not None, "its image tower pools by attention"
    yield visual.pool_type != "tok", "its image tower does not pool at the class token"
    yield visual.output_tokens, "its image tower also outputs the tokens"
    yield isinstance(visual.ln_pre, nn.Identity), "its image tower has no norm before the blocks"
    sizes = (visual.image_size, visual.patch_size)
    yield any(height != width for height, width in sizes), "its images or patches are not square"
    mode = visual.preprocess_cfg["resize_mode"]
    yield mode not in ("shortest", "squash"), f"it resizes images by their {mode} side"


def _of_the_text_tower(text: Any, tokenizer: Any) -> Iterator[tuple[bool, str]]:
    pool = getattr(text, "text_pool_type", getattr(text, "pool_type", None))
    end = getattr(text, "text_eos_id", getattr(text, "eos_id", None))
    yield text.attn_mask is None, "its text tower is not causal"
    yield getattr(text, "cls_emb", None) is not None, "its text tower has a class token"
    yield (
        (
            type(tokenizer) is not SimpleTokenizer
            or tokenizer.clean_fn is not get_clean_fn("lower")
            or tokenizer.vocab_size != text.token_embedding.num_embeddings
        ),
        "its tokenizer is not CLIP's",
    )
    at_the_end = pool == "argmax" or (pool == "eos" and end == tokenizer.eot_token_id)
    yield not at_the_end, "its text tower does not pool at the end token"
    bare = isinstance(text.text_projection, nn.Parameter)
    yield not bare, "the text projection has a bias or is missing"


def _of_the_blocks(tower: str, *modules: Any) -> Iterator[tuple[bool, str]]:
    layers = [layer for module in modules for layer in _without_visual(module)]
    blocks = modules[1].resblocks
    yield (
        (
            any(type(block) is not ResidualAttentionBlock for block in blocks)
            or any(not isinstance(block.ls_1, nn.Identity) for block in blocks)
        ),
        f"the blocks of its {tower} tower are not CLIP's",
    )
    epsilons = {layer.eps for layer in layers if isinstance(layer, nn.LayerNorm)}
    yield len(epsilons) > 1, f"the norms of its {tower} tower differ"
    unknown = _activation(blocks[0].mlp.gelu) is None
    yield unknown, f"transformers lacks the activation of its {tower} tower"


def _without_visual(module: Any) -> list[Any]:
    """Yield the layers of a text tower, which in open_clip's older class is the model itself."""
    return [m for name, m in module.named_modules() if not name.startswith("visual")]


def _text(model: Any) -> Any:
    return getattr(model, "text", model)


def _tower(transformer: Any, norm: Any) -> Config:
    block = transformer.resblocks[0]
    return {
        "hidden_size": int(transformer.width),
        "intermediate_size": int(block.mlp.c_fc.out_features),
        "num_hidden_layers": len(transformer.resblocks),
        "num_attention_heads": int(block.attn.num_heads),
        "layer_norm_eps": float(norm.eps),
        "hidden_act": _activation(block.mlp.gelu),
    }


def _activation(layer: Any) -> str | None:
    """Return transformers' name of an activation, or None."""
    if isinstance(layer, QuickGELU):
        return "quick_gelu"
    if isinstance(layer, nn.GELU):
        return {"none": "gelu", "tanh": "gelu_pytorch_tanh"}[layer.approximate]
    return None
