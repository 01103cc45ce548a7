"""From a name in a recipe to an encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nsfwcaps import config, pictures
from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.minilm import MiniLM
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.encoders.token_counts import minilm_folder
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, DeviceError, ModelError
from nsfwcaps.models import create, names
from nsfwcaps.stages.embed.settings import EmbedSettings

TinyModel = Callable[..., tuple[str, str]]


@pytest.mark.parametrize(
    "name",
    [
        "minilm",
        "mini",
        "open_clip:nsfwcaps-mini//data/tuned.safetensors",
        "open_clip:ViT-B-32-quickgelu/openai",
        "open_clip:ViT-B-32//data/clip.pt",
        "hf-hub:org/name",
        "local-dir:/models/one",
    ],
)
def test_known_forms_are_accepted(name: str) -> None:
    assert EmbedSettings(model=name).model == name


@pytest.mark.parametrize(
    "name", ["", "MiniLM", "ViT-B-32/openai", "open_clip:ViT-B-32", "open_clip:ViT-B-32/", "clip"]
)
def test_other_names_are_a_config_error_that_lists_the_forms(name: str) -> None:
    with pytest.raises(ConfigError, match=f"embed: unknown model '{name}'; expected minilm"):
        config.parse(EmbedSettings, {"model": name}, where="embed")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("open_clip:ViT-B-32/openai", ("ViT-B-32", "openai")),
        ("open_clip:ViT-B-32/weights/clip.pt", ("ViT-B-32", "weights/clip.pt")),
        ("open_clip:ViT-B-32//data/clip.pt", ("ViT-B-32", "/data/clip.pt")),
        ("hf-hub:org/name", ("hf-hub:org/name", None)),
    ],
)
def test_names_split_into_architecture_and_weights(
    name: str, parts: tuple[str, str | None]
) -> None:
    found = names.parse(name)
    assert (found.architecture, found.weights) == parts


def test_load_gives_the_named_encoder(tiny_model: TinyModel) -> None:
    name, checkpoint = tiny_model("tiny-clip")
    settings = EmbedSettings(model=f"open_clip:{name}/{checkpoint}", device=Device.CPU)
    encoder = create.load(str(settings.model), EncoderOptions.of(settings))
    assert isinstance(encoder, ClipEncoder)
    assert encoder.identity.name == f"{name}/weights.pt"
    assert encoder.identity.image_width == 32
    assert isinstance(create.load("minilm", EncoderOptions(device=Device.CPU)), MiniLM)


def test_a_folder_of_a_model_is_loaded_with_its_own_config(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    name, checkpoint = tiny_model("tiny-clip")
    config = (Path(checkpoint).parent / f"{name}.json").read_text()
    (tmp_path / "open_clip_config.json").write_text(
        f'{{"model_cfg": {config}, "preprocess_cfg": {{}}}}'
    )
    (tmp_path / "open_clip_pytorch_model.bin").write_bytes(Path(checkpoint).read_bytes())
    encoder = create.load(f"local-dir:{tmp_path}", EncoderOptions(device=Device.CPU))
    same = create.load(f"open_clip:{name}/{checkpoint}", EncoderOptions(device=Device.CPU))
    assert encoder.identity.weights_sha256 == same.identity.weights_sha256


def test_a_device_that_is_absent_and_a_precision_it_lacks_are_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError):
        create.load("minilm", EncoderOptions(device=Device.CUDA))
    with pytest.raises(ConfigError, match="fp16"):
        create.load("minilm", EncoderOptions(device=Device.CPU, precision=Precision.FP16))


def test_a_missing_checkpoint_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="there is no checkpoint"):
        create.load("open_clip:ViT-B-32//nowhere/clip.pt", EncoderOptions(device=Device.CPU))


def test_the_source_is_the_file_where_it_is_local_and_the_name_elsewhere(tmp_path: Path) -> None:
    weights = tmp_path / "clip.pt"
    weights.write_bytes(b"one")
    name = f"open_clip:ViT-B-32/{weights}"
    before = create.source_digest(name)
    decoder = f" decoder-{pictures.VERSION}"
    assert before == hashlib.sha256(b"one").hexdigest() + decoder
    weights.write_bytes(b"two")
    two = hashlib.sha256(b"two").hexdigest() + decoder
    assert create.source_digest(name) == two
    published = "open_clip:ViT-B-32/openai"
    assert create.source_digest(published) == published + decoder
    assert create.source_digest(f"local-dir:{tmp_path}") == two
    packaged = (minilm_folder() / "model.safetensors").read_bytes()
    assert create.source_digest("minilm") == hashlib.sha256(packaged).hexdigest()


@pytest.mark.parametrize(
    ("gpus", "device", "torchrun", "processes"),
    [
        (2, Device.AUTO, False, 2),
        (3, Device.CUDA, False, 3),
        (1, Device.AUTO, False, 0),
        (2, Device.CPU, False, 0),
        (2, Device.AUTO, True, 0),
    ],
    ids=["two", "three", "one", "cpu", "torchrun"],
)
def test_a_process_for_each_gpu(
    gpus: int,
    device: Device,
    torchrun: bool,
    processes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the choice: no such machine runs the tests."""
    from nsfwcaps.encoders import processes as several

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if torchrun:
        for name, value in (("TORCHELASTIC_RUN_ID", "1"), ("RANK", "0"), ("WORLD_SIZE", "2")):
            monkeypatch.setenv(name, value)
    found: list[Any] = []
    monkeypatch.setattr(
        several, "ProcessEncoder", lambda load, numbers: found.append((load, numbers))
    )
    monkeypatch.setattr(create, "load", lambda model, options: found.append(options))
    create.load_on_all_gpus("minilm", EncoderOptions(device=device, workers=7))
    if not processes:
        assert found == [EncoderOptions(device=device, workers=7)]
        return
    load, numbers = found[0]
    assert list(numbers) == list(range(processes))
    assert load.args == ("minilm", EncoderOptions(device=device, workers=7 // processes))
