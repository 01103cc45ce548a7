"""What transformers reads from an export, beside open_clip on the same input."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.model import CustomTextCLIP
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from support import tiny_clip
from support.tiny_clip import tokenizer
from torch.nn.functional import normalize
from transformers import CLIPModel, CLIPProcessor

from nsfwcaps.errors import ModelError
from nsfwcaps.models.export import transformers_format

CAPTIONS = ["a photo of a cat", "Two dogs chase a ball, and it's raining."]

MODELS: dict[str, dict[str, Any]] = {
    "gelu": {},
    "quick-gelu": {"quick_gelu": True},
    "custom-text": {"kind": CustomTextCLIP},
    "custom-text-quick-gelu": {"kind": CustomTextCLIP, "quick_gelu": True},
    "tanh-gelu": {
        part: {"act_kwargs": {"approximate": "tanh"}, "norm_kwargs": {"eps": 1e-6}}
        for part in ("vision", "text")
    },
    "other-shapes": {
        "vision": {"layers": 3, "patch_size": 16, "mlp_ratio": 2.5, "final_ln_after_pool": True},
        "text": {"layers": 2, "mlp_ratio": 3.0, "context_length": 32},
    },
    "fixed-positions-scalar": {
        "vision": {"pos_embed_type": "sin_cos_2d", "patch_dropout": 0.5},
        "nonscalar_logit_scale": True,
    },
    "eos-pool": {"text": {"pool_type": "eos", "eos_id": 49407}},
}


@pytest.mark.parametrize("name", MODELS)
def test_rows_and_logits_are_those_of_open_clip(name: str, tmp_path: Path) -> None:
    model = tiny_clip.build(**MODELS[name])
    context = MODELS[name].get("text", {}).get("context_length", 77)
    its_tokenizer = copy.copy(tokenizer)
    its_tokenizer.context_length = context
    transformers_format.write(tmp_path, model, its_tokenizer)
    tokens = its_tokenizer(CAPTIONS)
    twin = CLIPModel.from_pretrained(tmp_path).eval()
    processor = CLIPProcessor.from_pretrained(tmp_path)
    theirs = processor(text=CAPTIONS, padding="max_length", truncation=True, return_tensors="pt")
    pixels = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        out = twin(**theirs, pixel_values=pixels)
        image, text = model.encode_image(pixels), model.encode_text(tokens)
        logits = model.logit_scale.exp() * normalize(image, dim=-1) @ normalize(text, dim=-1).T
    assert theirs["input_ids"].shape == (2, context)
    np.testing.assert_allclose(out.image_embeds, normalize(image, dim=-1), atol=2e-6)
    np.testing.assert_allclose(out.text_embeds, normalize(text, dim=-1), atol=2e-6)
    np.testing.assert_allclose(out.logits_per_image, logits, atol=1e-4)
    assert (out.text_embeds[0] - out.text_embeds[1]).abs().max() > 1e-2


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pictures_are_prepared_alike(mode: str, interpolation: str, tmp_path: Path) -> None:
    settings = {"resize_mode": mode, "interpolation": interpolation}
    model = tiny_clip.build(preprocess=settings)
    transformers_format.write(tmp_path, model, tokenizer)
    cells = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(cells).resize((120, 90), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    ours = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)(picture)
    processor = CLIPProcessor.from_pretrained(tmp_path)
    theirs = processor(images=Image.open(buffer), return_tensors="pt")["pixel_values"][0]
    # Two libraries resize, and round to whole steps of 1/255; another filter differs by far more.
    step = 1 / 255 / min(model.visual.preprocess_cfg["std"])
    assert float((ours - theirs).abs().max()) < 2.5 * step
    assert float((ours - theirs).abs().mean()) < 0.2 * step


def test_files_that_differ_are_not_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = transformers_format.clip_weights

    def wrong(tensors: Any) -> Any:
        found = real(tensors)
        found["text_model.final_layer_norm.bias"] = found["text_model.final_layer_norm.bias"] + 1e-2
        return found

    monkeypatch.setattr(transformers_format, "clip_weights", wrong)
    with pytest.raises(ModelError, match="differs from the trained one"):
        transformers_format.write(tmp_path, tiny_clip.build(), tokenizer)


def test_the_generator_stays_put(tmp_path: Path) -> None:
    model = tiny_clip.build()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    transformers_format.write(tmp_path, model, tokenizer)
    assert torch.equal(torch.random.get_rng_state(), before)
