"""Which models a `CLIPModel` can be; those of every size in open_clip's own list are told apart."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import open_clip
import pytest
import torch
from open_clip.coca_model import CoCa
from open_clip.model import CustomTextCLIP
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transform import PreprocessCfg
from support import tiny_clip
from support.tiny_clip import tokenizer

from nsfwcaps.models.export.clip_config import clip_config, obstacle

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "resnet": ({"vision": {"layers": [1, 1, 1, 1]}}, "ModifiedResNet"),
    "timm": ({"vision": {"timm_model_name": "test_vit.r160_in1k", "image_size": 160}}, "TimmModel"),
    "bias": ({"init_logit_bias": -10}, "logit bias"),
    "attention-pool": ({"vision": {"attentional_pool": True}}, "pools by attention"),
    "mean-pool": ({"vision": {"pool_type": "avg"}}, "class token"),
    "tokens": ({"vision": {"output_tokens": True}}, "outputs the tokens"),
    "no-norm": ({"vision": {"no_ln_pre": True}}, "no norm"),
    "oblong": ({"vision": {"image_size": [32, 64]}}, "not square"),
    "longest": ({"preprocess": {"resize_mode": "longest"}}, "longest side"),
    "not-causal": ({"kind": CustomTextCLIP, "text": {"no_causal_mask": True}}, "not causal"),
    "class-token": ({"kind": CustomTextCLIP, "text": {"embed_cls": True}}, "class token"),
    "last": ({"text": {"pool_type": "last"}}, "end token"),
    "other-eos": ({"text": {"pool_type": "eos", "eos_id": 2}}, "end token"),
    "vocabulary": ({"text": {"vocab_size": 100}}, "tokenizer"),
    "projection-bias": ({"text": {"proj_bias": True}}, "has a bias"),
    "no-projection": ({"text": {"proj_type": "none"}}, "missing"),
    "layer-scale": ({"vision": {"ls_init_value": 0.1}}, "blocks of its image tower"),
    "custom-blocks": ({"text": {"qk_norm": True}}, "blocks of its text tower"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_reason_is_named(name: str) -> None:
    options, told = REFUSED[name]
    reason = obstacle(tiny_clip.build(**options), tokenizer)
    assert reason is not None
    assert told in reason


def test_a_captioner_and_another_tokenizer() -> None:
    decoder = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    captioner = tiny_clip.build(CoCa, text={"embed_cls": True}, multimodal_cfg=decoder)
    assert "CoCa" in str(obstacle(captioner, tokenizer))
    model = tiny_clip.build()
    assert "tokenizer" in str(obstacle(model, SimpleTokenizer(clean="canonicalize")))
    assert obstacle(model, tokenizer) is None


@pytest.mark.parametrize(
    ("name", "vision", "text"),
    [
        ("ViT-B-32-quickgelu", (768, 12, 12, 3072, 224, 32), (512, 8, 12, 2048)),
        ("ViT-B-16", (768, 12, 12, 3072, 224, 16), (512, 8, 12, 2048)),
        ("ViT-L-14-336-quickgelu", (1024, 16, 24, 4096, 336, 14), (768, 12, 12, 3072)),
        ("ViT-H-14", (1280, 16, 32, 5120, 224, 14), (1024, 16, 24, 4096)),
        ("ViT-bigG-14", (1664, 16, 48, 8192, 224, 14), (1280, 20, 32, 5120)),
    ],
)
def test_configuration_of_known_sizes(
    name: str, vision: tuple[int, ...], text: tuple[int, ...]
) -> None:
    """Against the configurations that are published for transformers; no memory is filled."""
    with torch.device("meta"):
        values = open_clip.get_model_config(name)
        model = open_clip.model.CLIP(**values)
    open_clip.factory.set_model_preprocess_cfg(model, asdict(PreprocessCfg()))
    assert obstacle(model, tokenizer) is None
    config = clip_config(model, tokenizer)
    keys = ("hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size")
    seen = [config["vision_config"][key] for key in (*keys, "image_size", "patch_size")]
    assert tuple(seen) == vision
    assert tuple(config["text_config"][key] for key in keys) == text
    quick = "quick_gelu" if name.endswith("quickgelu") else "gelu"
    assert {config[part]["hidden_act"] for part in ("vision_config", "text_config")} == {quick}
    assert config["text_config"]["eos_token_id"] == 49407
    assert config["projection_dim"] == values["embed_dim"]
