"""Rows of models of transformers, beside transformers' own on the same captions and pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support import transformers_models
from torch.nn.functional import normalize
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.models import create, names

CAPTIONS = ["a red kite", "", "two cups and a very long table", "x", "a red kit"]
SIZES = [(32, 32), (45, 33), (133, 90), (90, 133), (20, 31), (3, 70)]
"""Width and height: odd margins, smaller than the tower's, and slim."""

MASK = {"model_input_names": ["input_ids", "attention_mask"]}
LEFT = {"padding_side": "left"}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "clip": ("clip", {}),
    "clip-words": ("clip", {"words": True}),
    "clip-gelu": ("clip", {"text": {"hidden_act": "gelu"}, "vision": {"hidden_act": "gelu"}}),
    "clip-old-end": ("clip", {"words": True, "text": {"eos_token_id": 2}}),
    "clip-bfloat16": ("clip", {"dtype": torch.bfloat16}),
    "clip-float16": ("clip", {"dtype": torch.float16}),
    "clip-sharded": ("clip", {"saving": {"max_shard_size": "20KB"}}),
    "clip-other-shapes": ("clip", {"vision": {"num_hidden_layers": 3, "patch_size": 16}}),
    "clip-squash": (
        "clip",
        {"pictures": {"size": {"height": 32, "width": 32}, "do_center_crop": False}},
    ),
    "clip-padded": ("clip", {"pictures": {"size": {"shortest_edge": 27}}}),
    "clip-no-mean": ("clip", {"pictures": {"do_normalize": False, "resample": 2}}),
    "clip-from-minus-one": (
        "clip",
        {"pictures": {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}},
    ),
    "clip-lanczos": ("clip", {"pictures": {"resample": 1}}),
    "siglip": ("siglip", {}),
    "siglip-masked": ("siglip", {"tokens": MASK}),
    "siglip-left": ("siglip", {"tokens": LEFT}),
    "siglip2": ("siglip2", {}),
    "siglip2-masked-left": ("siglip2", {"tokens": {**MASK, **LEFT}, "dtype": torch.float16}),
}


def load(model: str) -> ClipEncoder:
    options = EncoderOptions(device=Device.CPU, precision=Precision.FP32, workers=1)
    loaded = create.load(model, options)
    assert isinstance(loaded, ClipEncoder)
    return loaded


def pictures() -> list[Image.Image]:
    values = np.random.default_rng(0)
    cells = [values.integers(0, 256, (height, width, 3), np.uint8) for width, height in SIZES]
    return [Image.fromarray(cell) for cell in cells]


def files(found: list[Image.Image]) -> list[Any]:
    out = []
    for picture in found:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        out.append(("", buffer.getvalue))
    return out


def rows(encoder: ClipEncoder) -> tuple[Any, Any]:
    text = encoder.encode_text(CAPTIONS, lambda n: None)
    image = encoder.encode_images(files(pictures()), lambda n: None)
    assert (text.failed, image.failed) == ({}, {})
    return text.rows, image.rows


@pytest.mark.parametrize("name", MODELS)
def test_rows_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    kind, changes = MODELS[name]
    encoder = load(transformers_models.write(tmp_path, kind, **changes))
    whole = AutoModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    tokens = AutoTokenizer.from_pretrained(tmp_path)(
        CAPTIONS, padding="max_length", truncation=True, return_tensors="pt"
    )
    processor = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    with torch.inference_mode():
        text = whole.get_text_features(**tokens).pooler_output
        image = [
            whole.get_image_features(**processor(item, return_tensors="pt")).pooler_output
            for item in pictures()
        ]
    found_text, found_image = rows(encoder)
    np.testing.assert_allclose(found_text, normalize(text, dim=-1), atol=1e-6)
    np.testing.assert_allclose(found_image, normalize(torch.cat(image), dim=-1), atol=1e-6)
    # Different inputs give rows further apart than the tolerance.
    for item in (found_text, found_image):
        assert np.abs(item[0] - item[1:]).max(axis=1).min() > 1e-3


def test_half_precision_of_transformers_is_near(tmp_path: Path) -> None:
    encoder = load(transformers_models.write(tmp_path, dtype=torch.bfloat16))
    whole = AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    with torch.inference_mode():
        text = whole.get_text_features(encoder.its_tokenizer(CAPTIONS)).pooler_output.float()
    np.testing.assert_allclose(rows(encoder)[0], normalize(text, dim=-1), atol=0.05)


@pytest.mark.parametrize(
    ("kind", "padding", "languages"),
    [
        ("clip", "trimmed to the longest of the batch; the tower is causal", "English"),
        ("siglip", "full context; its tower is neither causal nor masked", "English"),
        ("siglip2", "full context; its tower is neither causal nor masked", "multilingual"),
    ],
)
def test_captions_are_trimmed_where_that_is_exact(
    kind: str, padding: str, languages: str, tmp_path: Path
) -> None:
    folder = tmp_path / f"{kind}-base"
    encoder = load(transformers_models.write(folder, kind))
    assert encoder.identity.padding == padding
    assert encoder.identity.languages == languages
    assert encoder.identity.name == f"hf:{kind}-base"
    assert encoder.identity.context_length == 16
    longest = encoder.prepared(["ab", "abc"]).tokens.shape[1]
    assert longest == (4 if kind == "clip" else 16)
    assert encoder.truncated(["a" * 15, "a" * 16]).tolist() == [False, True]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("preprocessor_config.json", {"resample": 2}),
        ("preprocessor_config.json", {"image_mean": [0.5, 0.5, 0.4]}),
        ("tokenizer_config.json", {"model_max_length": 12}),
        ("config.json", {"text_config": {"layer_norm_eps": 1e-3}}),
        ("config.json", {"vision_config": {"num_attention_heads": 4}}),
    ],
)
def test_what_changes_the_numbers_changes_the_identity(
    file: str, change: dict[str, Any], tmp_path: Path
) -> None:
    model = transformers_models.write(tmp_path)
    before = load(model)
    tower = next((key for key in change if key.endswith("_config")), None)
    if tower is not None:
        change = {tower: {**before.model.whole.config.to_dict()[tower], **change[tower]}}
    transformers_models.edit(tmp_path / file, **change)
    after = load(model)
    assert after.identity.weights_sha256 == before.identity.weights_sha256
    assert after.identity.digest != before.identity.digest


def test_the_kind_of_file_does_not_change_the_identity(tmp_path: Path) -> None:
    model = transformers_models.write(tmp_path)
    before = load(model).identity
    torch.save(load(model).model.whole.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "README.md").write_text("Notes")
    assert load(model).identity == before


def test_the_generator_stays_put(tmp_path: Path) -> None:
    model = transformers_models.write(tmp_path)
    before = torch.random.get_rng_state()
    load(model)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    there = names.parse("hf:acme/clip")
    assert (there.form, there.architecture, there.folder) == (
        names.Form.HUGGING_FACE,
        "hf:acme/clip",
        None,
    )
    Path("acme/clip").mkdir(parents=True)
    here = names.parse("hf:acme/clip")
    assert (here.architecture, here.folder) == ("hf:clip", Path("acme/clip"))
    assert names.public(f"hf:{tmp_path}/acme/clip") == "hf:clip"
    assert names.are_same("hf:acme/clip", "hf:acme/clip/")
    assert names.weights_folder("hf:acme/clip") == Path("acme/clip")
    assert names.problem("hf:", images=True) is not None
    assert names.problem("hf:acme/clip", images=True) is None
