"""open_clip's CLIP tensors under transformers' names."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

Weights = dict[str, torch.Tensor]

_OUTSIDE = {
    "class_embedding": "embeddings.class_embedding",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    **{
        f"{ours}.{kind}": f"{theirs}.{kind}"
        for ours, theirs in {
            "ln_pre": "pre_layrnorm",  # transformers' spelling
            "ln_post": "post_layernorm",
            "ln_final": "final_layer_norm",
        }.items()
        for kind in ("weight", "bias")
    },
}
_IN_BLOCK = {
    "ln_1": "layer_norm1",
    "attn.out_proj": "self_attn.out_proj",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_PROJECTIONS = {"visual.proj": "visual_projection", "text_projection": "text_projection"}


def clip_weights(tensors: Mapping[str, torch.Tensor]) -> Weights:
    """Convert the state dict of an open_clip model without obstacles to that of a `CLIPModel`."""
    out: Weights = {}
    for full, tensor in tensors.items():
        name = full.removeprefix("text.")
        if name == "logit_scale":
            out[name] = tensor.reshape(())
        elif name in _PROJECTIONS:
            out[f"{_PROJECTIONS[name]}.weight"] = tensor.T  # `x @ w` there, a linear layer here
        else:
            tower = "vision_model" if name.startswith("visual.") else "text_model"
            out |= _in_tower(tower, name.removeprefix("visual."), tensor)
    return {name: tensor.float().contiguous() for name, tensor in out.items()}


def _in_tower(tower: str, name: str, tensor: torch.Tensor) -> Weights:
    block = re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+?)\.?(weight|bias)", name)
    if block is None:
        return {f"{tower}.{_OUTSIDE[name]}": tensor}
    number, layer, kind = block.groups()
    prefix = f"{tower}.encoder.layers.{number}"
    if layer == "attn.in_proj_":  # queries, keys and values stacked
        parts = zip("qkv", tensor.chunk(3), strict=True)
        return {f"{prefix}.self_attn.{part}_proj.{kind}": values for part, values in parts}
    return {f"{prefix}.{_IN_BLOCK[layer]}.{kind}": tensor}
