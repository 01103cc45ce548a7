"""Tiny open_clip models with random weights, one for each way to build a tower."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from open_clip.model import CLIP, CustomTextCLIP
from transformers import BertConfig

SIZE_PX = 64
VISION = {"image_size": SIZE_PX, "patch_size": 32, "width": 64, "layers": 2, "head_width": 16}
RESNET = {"image_size": SIZE_PX, "layers": [1, 1, 1, 1], "width": 16}
TEXT = {"context_length": 16, "vocab_size": 100, "width": 64, "heads": 4, "layers": 2}

Build = Callable[[Path], torch.nn.Module]


def timm_tower(name: str, **options: Any) -> dict[str, Any]:
    head = {"timm_pool": "avg", "timm_proj": "linear"} | options
    return {"image_size": SIZE_PX, "timm_model_name": name} | head


def bert(folder: Path) -> dict[str, Any]:
    """BERT as it is published, with the dropout of its training."""
    config = BertConfig(
        vocab_size=100,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=16,
        hidden_dropout_prob=0.1,
    )
    config.save_pretrained(folder)
    return {
        "hf_model_name": str(folder),
        "hf_model_pretrained": False,
        "hf_pooler_type": "mean_pooler",
        "hf_proj_type": "mlp",
    }


def dual(vision: dict[str, Any]) -> Build:
    return lambda folder: CustomTextCLIP(32, vision, bert(folder))


def eva(folder: Path) -> torch.nn.Module:
    """EVA reads the weight of its projections instead of calling them."""
    name = "eva02_tiny_patch14_224"
    model = dual(timm_tower(name, timm_pool=""))(folder)
    # open_clip cannot pass the sizes on.
    model.visual.trunk = timm.create_model(
        name, img_size=SIZE_PX, patch_size=32, depth=2, num_classes=0
    )
    return model


MODELS: dict[str, Build] = {
    "clip-vit": lambda folder: CLIP(32, VISION, TEXT),
    "clip-resnet": lambda folder: CLIP(32, RESNET, TEXT),
    "custom-text-clip": lambda folder: CustomTextCLIP(32, VISION, TEXT),
    "attention-pool": lambda folder: CustomTextCLIP(32, VISION | {"attentional_pool": True}, TEXT),
    "efficientnet-bert": dual(timm_tower("test_efficientnet.r160_in1k", timm_proj="mlp")),
    "convnext-bert": dual(timm_tower("test_convnext.r160_in1k")),
    "convolutional-mlp-bert": dual(timm_tower("convnext_atto.d2_in1k")),
    "timm-vit-bert": dual(timm_tower("test_vit.r160_in1k", timm_pool="")),
    "eva-bert": eva,
    # Standardises its kernels before it uses them.
    "nfnet-bert": dual(timm_tower("test_nfnet.r160_in1k")),
}


def build(name: str, folder: Path, *, seed: int = 0) -> Any:
    """A model in evaluation mode, with BatchNorm statistics that are not those of the start."""
    torch.manual_seed(seed)
    model = MODELS[name](folder)
    for layer in model.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.running_mean.normal_(std=0.1)
            layer.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
    # ResNets and NFNets start with factors of zero at the end of a block, which stop gradients.
    for name, parameter in model.named_parameters():
        if not name.endswith("bias") and not parameter.any():
            torch.nn.init.ones_(parameter)
    return model.eval()
