"""A tiny pipeline of diffusers, a tiny LLaVA, and CLIP models whose towers fit into them."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTokenizer,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers import CLIPVisionModel as Vision

from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.models import create
from nsfwcaps.models.export import transformers_format
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.training.adapters import Adaptation, adapt, adapter_tensors

SIDE = 16
"""Pixels of a picture that the pipeline draws by itself."""

TEMPLATE = "USER <image> what ASSISTANT"

_PIXELS, _PATCH = 32, 8
_MEAN, _STD = [0.5, 0.4, 0.3], [0.25, 0.25, 0.25]
_VISION = {"image_size": _PIXELS, "patch_size": _PATCH, "width": 32, "layers": 2, "head_width": 16}
_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
_WORDS = ("a", "red", "kite", "cup", "table", "lake", "on", "above", "USER", "ASSISTANT", "what")


def shuffle(module: Any, seed: int) -> Any:
    """Random weights that are no start values of any library."""
    torch.manual_seed(seed)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, mean=1.0 if parameter.ndim == 1 else 0.0, std=0.3)
    return module.eval()


def write_clip(
    folder: Path,
    seed: int = 0,
    *,
    quick_gelu: bool = True,
    text: dict[str, Any] | None = None,
    vision: dict[str, Any] | None = None,
    mean: list[float] = _MEAN,
) -> str:
    """Write an open_clip model; give the name by which it is loaded."""
    folder.mkdir(parents=True)
    config = {
        "embed_dim": 24,
        "quick_gelu": quick_gelu,
        "vision_cfg": _VISION | (vision or {}),
        "text_cfg": _TEXT | (text or {}),
    }
    preprocess = {"size": [_PIXELS, _PIXELS], "mean": mean, "std": _STD}
    whole = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(whole))
    model = shuffle(open_clip.model.CLIP(**config), seed)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return f"local-dir:{folder}"


def write_run(folder: Path, base: str) -> Path:
    """Write a run that trained adapters on a model, both towers changed."""
    settings = EmbedSettings(model=base, device=Device.CPU, precision=Precision.FP32)
    encoder: Any = create.load(str(settings.model), EncoderOptions.of(settings))
    adaptation = Adaptation(rank=2, alpha=2.0)
    adapted = encoder.model
    adapt(adapted, adaptation)
    torch.manual_seed(5)
    tensors = {
        name: torch.randn_like(tensor) * 0.3 for name, tensor in adapter_tensors(adapted).items()
    }
    (folder / "model").mkdir(parents=True)
    save_file(tensors, folder / "model" / "adapter.safetensors")
    description = {
        "model": base,
        "encoder": asdict(encoder.identity),
        "settings": {
            "rank": adaptation.rank,
            "alpha": adaptation.alpha,
            "towers": ["image", "text"],
            "image_layers": [kind.value for kind in adaptation.image_targets],
            "text_layers": [kind.value for kind in adaptation.text_targets],
            "full": False,
        },
        "steps": 1,
        "validation": [{}],
        "kept_epoch": 0,
    }
    (folder / "model" / "adapter.json").write_text(json.dumps(description))
    return folder


def export(folder: Path, model: str) -> Path:
    """Write a model as a `CLIPModel`."""
    settings = EmbedSettings(model=model, device=Device.CPU, precision=Precision.FP32)
    encoder: Any = create.load(str(settings.model), EncoderOptions.of(settings))
    folder.mkdir(parents=True)
    transformers_format.write(folder, encoder.model, encoder.its_tokenizer)
    return folder


def write_pipeline(folder: Path, clip: Path) -> Path:
    """Write a StableDiffusionPipeline whose text encoder is that of a `CLIPModel`."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
    from diffusers import UNet2DConditionModel as UNet

    torch.manual_seed(0)
    unet = UNet(
        sample_size=SIDE // 2,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel.from_pretrained(clip),
        tokenizer=CLIPTokenizer.from_pretrained(clip),
        unet=unet,
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def write_llava(folder: Path, clip: Path) -> Path:
    """Write a LlavaForConditionalGeneration whose vision tower is that of a `CLIPModel`."""
    marks = ["<pad>", "<unk>", "</s>", "<image>"]
    vocabulary = {word: number for number, word in enumerate([*marks, *_WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    LlavaProcessor(
        image_processor=CLIPImageProcessor.from_pretrained(clip),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            unk_token="<unk>",
            pad_token="<pad>",
            eos_token="</s>",
            additional_special_tokens=["<image>"],
        ),
        patch_size=_PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    tower = Vision.from_pretrained(clip)
    language = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=tower.config,
            text_config=language,
            image_token_index=vocabulary["<image>"],
        )
    )
    shuffle(model, 12)  # each picture has a caption of its own
    getattr(model, "model", model).vision_tower.load_state_dict(tower.state_dict())
    model.save_pretrained(folder)
    return folder


def picture(seed: int) -> bytes:
    """A PNG file of coloured cells."""
    cells = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(cells).resize((48, 40)).save(file, "PNG")
    return file.getvalue()
