"""The bundled dual encoder by its names in a recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.mini import model as mini
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device
from nsfwcaps.errors import ModelError
from nsfwcaps.models import create

LoadClip = Callable[..., ClipEncoder]

CAPTIONS = [
    "a vase on a table",
    "a handgun on a table next to an open window",
    "a dog " * 60,  # longer than the context
    "x",
    "",
    "two dogs run along a beach while a man flies a kite",
]


def silent(rows: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Heads from a seed, in a file."""
    folder = tmp_path_factory.mktemp("heads")

    def make(seed: int) -> Path:
        path = folder / f"heads-{seed}.safetensors"
        if not path.exists():
            mini.save_heads(mini.create(heads=None, seed=seed)[0], path, {})
        return path

    return make


@pytest.fixture(autouse=True)
def packaged(monkeypatch: pytest.MonkeyPatch, untrained: Callable[[int], Path]) -> Path:
    """Heads where the package keeps the trained ones."""
    monkeypatch.setattr(mini, "HEADS", untrained(0))
    return untrained(0)


@pytest.fixture(scope="module")
def encoder(untrained: Callable[[int], Path]) -> ClipEncoder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mini, "HEADS", untrained(0))
        made = create.load("mini", EncoderOptions(device=Device.CPU, batch_tokens=40))
    assert isinstance(made, ClipEncoder)
    return made


def test_its_preprocessing_is_split(encoder: ClipEncoder) -> None:
    assert encoder.picture_input.bytes_each == 3 * 224 * 224
    assert encoder.identity.resize == "pillow"


def test_captions_and_pictures_are_unit_rows_of_one_space(
    encoder: ClipEncoder, picture: Callable[..., bytes]
) -> None:
    assert encoder.identity.name == "mini"
    assert encoder.identity.width == encoder.identity.image_width == mini.WIDTH
    colours = [("0", lambda: picture("red")), ("1", lambda: picture("blue", 300))]
    captions = encoder.encode_text(CAPTIONS, silent).rows
    pictures = encoder.encode_images(colours, silent).rows
    assert captions.shape == (6, mini.WIDTH)
    assert pictures.shape == (2, mini.WIDTH)
    for rows in (captions, pictures):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_trimmed_captions_equal_those_padded_to_the_full_context(encoder: ClipEncoder) -> None:
    assert encoder.identity.padding == "trimmed to the longest of the batch; padding is masked"
    assert encoder.identity.context_length == 77
    with torch.inference_mode():
        tokens = encoder.tokenizer(CAPTIONS)
        assert tokens.shape == (6, 77)
        full = normalize(encoder.model.encode_text(tokens), dim=-1).numpy()
    assert encoder.tower.lengths(tokens).tolist() == [7, 12, 77, 3, 2, 14]
    rows = encoder.encode_text(CAPTIONS, silent).rows
    assert np.abs(rows - full).max() < 1e-5
    assert np.abs(full - full.mean(axis=0)).max() > 0.02, "captions must differ to show anything"


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_checkpoint_embeds_as_the_model_it_was_saved_from(
    encoder: ClipEncoder, tmp_path: Path, picture: Callable[..., bytes], suffix: str
) -> None:
    path = tmp_path / f"tuned.{suffix}"
    save(encoder.model.state_dict(), path)
    name = f"open_clip:{mini.ARCHITECTURE}/{path}"
    tuned = create.load(name, EncoderOptions(device=Device.CPU))
    assert tuned.identity.name == f"{mini.ARCHITECTURE}/tuned.{suffix}"
    assert tuned.identity.digest == encoder.identity.digest
    assert tuned.identity.preprocessing["mean"] == [0.5, 0.5, 0.5]
    red = [("0", lambda: picture("red", 224))]
    np.testing.assert_allclose(
        tuned.encode_images(red, silent).rows, encoder.encode_images(red, silent).rows, atol=1e-6
    )
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert create.source_digest(name) == f"{sha256} decoder-1"


def save(state: dict[str, Any], path: Path) -> None:
    from safetensors.torch import save_file

    if path.suffix == ".pt":
        torch.save(state, path)
    else:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def test_other_heads_are_another_encoder(
    encoder: ClipEncoder,
    clip_encoder: LoadClip,
    monkeypatch: pytest.MonkeyPatch,
    untrained: Callable[[int], Path],
) -> None:
    source = create.source_digest("mini")
    monkeypatch.setattr(mini, "HEADS", untrained(1))
    assert clip_encoder("mini", None).identity.digest != encoder.identity.digest
    other = create.source_digest("mini")
    assert [a == b for a, b in zip(source.split(), other.split(), strict=True)] == [1, 1, 0, 1]


def test_the_source_is_all_three_files_and_the_decoder(packaged: Path) -> None:
    files = mini.weight_files()
    assert files[2] == packaged
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    assert create.source_digest("mini") == " ".join([*digests, "decoder-1"])
    assert len(set(digests)) == 3


def test_missing_heads_are_a_model_error_everywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clip_encoder: LoadClip
) -> None:
    monkeypatch.setattr(mini, "HEADS", tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match="no trained heads at"):
        create.source_digest("mini")
    with pytest.raises(ModelError, match="no trained heads at"):
        clip_encoder("mini", None)


def test_a_missing_checkpoint_is_a_model_error(clip_encoder: LoadClip) -> None:
    with pytest.raises(ModelError, match="no checkpoint at /nowhere/tuned"):
        clip_encoder(mini.ARCHITECTURE, "/nowhere/tuned.pt")
