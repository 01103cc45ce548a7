"""Tiny open_clip models with random weights, and pictures of one colour."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.models import create

VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[str, str]]:
    """Make an architecture known to open_clip and save a checkpoint; give both names."""
    import open_clip
    import torch

    made: dict[str, tuple[str, str]] = {}

    def make(
        name: str,
        *,
        seed: int = 0,
        std: float = 0.3,
        text: dict[str, Any] | None = None,
        **config: Any,
    ) -> tuple[str, str]:
        key = f"{name}-{seed}"
        if key not in made:
            folder = tmp_path_factory.mktemp("open_clip")
            whole = {
                "embed_dim": 32,
                "vision_cfg": VISION,
                "text_cfg": TEXT | (text or {}),
            } | config
            (folder / f"{name}.json").write_text(json.dumps(whole))
            open_clip.add_model_config(folder / f"{name}.json")
            torch.manual_seed(seed)
            model = open_clip.create_model(name)
            # Larger than open_clip starts with, so that what a token sees shows in the output.
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    torch.nn.init.normal_(parameter, std=std)
            checkpoint = folder / "weights.pt"
            torch.save(model.state_dict(), checkpoint)
            made[key] = (name, str(checkpoint))
        return made[key]

    return make


@pytest.fixture
def clip_encoder() -> Callable[..., ClipEncoder]:
    def load(name: str, checkpoint: str | None, **options: Any) -> ClipEncoder:
        chosen = {
            "device": Device.CPU,
            "precision": Precision.FP32,
            "batch_tokens": 200,
            "batch_images": 2,
            "workers": 2,
        }
        given = f"open_clip:{name}/{checkpoint}" if checkpoint else name
        encoder = create.load(given, EncoderOptions(**chosen | options))
        assert isinstance(encoder, ClipEncoder)
        return encoder

    return load


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """PNG bytes of one colour."""
    from PIL import Image

    def draw(colour: str, size: int = 40, mode: str = "RGB") -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (size, size), colour).convert(mode).save(buffer, "PNG")
        return buffer.getvalue()

    return draw
