"""A trained run as a model: named by its folder, loaded merged, refused where it is not whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from support.training_place import (
    Place,
    publish,
    refused,
    tensors,
    train,
    write_model,
)

from nsfwcaps import config
from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.models import create, names
from nsfwcaps.runtime.weights import weights_sha256
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.stages.train.settings import TrainSettings
from nsfwcaps.training.adapters import merged_state_dict

RUN: dict[str, Any] = {"epochs": 1, "curriculum": "all", "learning_rate": 1e-2}
CAPTIONS = ["A red kite above a lake.", "A handgun on a table.", "Two cups"]


def encoder_of(model: object) -> ClipEncoder:
    settings = EmbedSettings(model=str(model), device=Device.CPU, precision=Precision.FP32)
    loaded = create.load(str(settings.model), EncoderOptions.of(settings))
    assert isinstance(loaded, ClipEncoder)
    return loaded


def trained_in(place: Place, out: Path, **changes: Any) -> ClipEncoder:
    """Train in a folder, and give the very encoder that was trained, adapters and all."""
    seen: list[Any] = []
    real = create.load_dual
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(create, "load_dual", lambda *given: seen.append(real(*given)) or seen[-1])
        place.train(out, **RUN | changes)
    seen[0].model.eval()
    encoder: ClipEncoder = seen[0]
    return encoder


@pytest.fixture(scope="module")
def safer(place: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClipEncoder]:
    """A run, and the encoder that it trained."""
    out = tmp_path_factory.mktemp("private") / "safer"
    return out, trained_in(place, out)


@pytest.fixture
def copied(safer: tuple[Path, ClipEncoder], tmp_path: Path) -> Path:
    """A run that a test may damage."""
    shutil.copytree(safer[0] / "model", tmp_path / "copied" / "model")
    return tmp_path / "copied"


def text(encoder: ClipEncoder) -> np.ndarray:
    return encoder.encode_text(CAPTIONS, lambda n: None).rows


def pixels(encoder: ClipEncoder) -> np.ndarray:
    generator = torch.Generator().manual_seed(3)
    with torch.inference_mode():
        rows = encoder.model.encode_image(torch.randn(3, 3, 32, 32, generator=generator))
    normal: np.ndarray = torch.nn.functional.normalize(rows, dim=-1).numpy()
    return normal


def rewrite(run: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Put the description of a run through a function."""
    path = run / "model" / "adapter.json"
    values = json.loads(path.read_bytes())
    path.write_text(json.dumps(change(values) or values))


@pytest.mark.parametrize("part", [".", "model"])
def test_a_run_embeds_as_the_model_that_was_trained(
    place: Place, safer: tuple[Path, ClipEncoder], part: str
) -> None:
    out, trained = safer
    encoder = encoder_of(out / part)
    np.testing.assert_allclose(text(encoder), text(trained), atol=1e-6)
    np.testing.assert_allclose(pixels(encoder), pixels(trained), atol=1e-6)
    assert np.abs(text(encoder) - text(encoder_of(place.model))).max() > 1e-2
    identity = encoder.identity
    assert identity.name == "safer (tiny)"
    assert identity.weights_sha256 == weights_sha256(merged_state_dict(trained.model))
    assert identity.preprocessing == trained.identity.preprocessing


def test_it_is_a_plain_model(safer: tuple[Path, ClipEncoder], place: Place) -> None:
    model, base = encoder_of(safer[0]).model, encoder_of(place.model).model
    assert not any(isinstance(layer, LoraLayer) for layer in model.modules())
    assert list(model.state_dict()) == list(base.state_dict())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_full_fine_tuning(place: Place, tmp_path: Path) -> None:
    trained = trained_in(place, tmp_path / "all", full=True, learning_rate=1e-3)
    encoder = encoder_of(tmp_path / "all")
    np.testing.assert_allclose(text(encoder), text(trained), atol=1e-6)
    assert encoder.identity.weights_sha256 == weights_sha256(trained.model.state_dict())


def test_a_run_on_top_of_a_run(safer: tuple[Path, ClipEncoder], tmp_path: Path) -> None:
    """Its data is mined with the first run's model, embedded by the pipeline itself."""
    base = tmp_path / "private" / "first"
    shutil.copytree(safer[0] / "model", base / "model")
    data = publish(str(base), tmp_path / "work", scenes=24)
    mined = json.loads((data / "manifest.json").read_bytes())["stages"]["embed"]["facts"]["encoder"]
    assert mined["name"] == "first (tiny)"
    top = Place(str(base), tmp_path / "work")
    out = tmp_path / "second"
    trained = trained_in(top, out, rank=2, towers=["text"])
    encoder = encoder_of(out)
    assert encoder.identity.name == "second (first (tiny))"
    np.testing.assert_allclose(text(encoder), text(trained), atol=1e-6)
    np.testing.assert_allclose(pixels(encoder), pixels(encoder_of(base)), atol=1e-6)
    before = create.source_digest(str(out))
    rewrite(base, lambda values: {**values, "steps": 1})
    assert create.source_digest(str(out)) != before
    refused(train(top, base, model=base), 2, "train.model", "would overwrite its own base model")

    base.rename(tmp_path / "moved")
    for found in (lambda: encoder_of(out), lambda: create.source_digest(str(out))):
        with pytest.raises(ModelError, match=r"was trained on .*which holds no trained run"):
            found()


def test_the_source_covers_adapter_description_and_base(copied: Path, place: Place) -> None:
    digests = [create.source_digest(str(copied))]
    assert digests[0].endswith(create.source_digest(place.model))
    rewrite(copied, lambda values: {**values, "steps": 1})
    digests.append(create.source_digest(str(copied)))
    values = tensors(copied)
    save_file({name: value + 1 for name, value in values.items()}, weights(copied))
    digests.append(create.source_digest(str(copied)))
    assert len(set(digests)) == 3
    assert create.source_digest(str(copied / "model")) == digests[-1]


def weights(run: Path) -> Path:
    return run / "model" / "adapter.safetensors"


@pytest.mark.parametrize("settings", [EmbedSettings, TrainSettings])
def test_a_folder_without_an_adapter_and_a_path_that_is_not_there(
    settings: Any, tmp_path: Path
) -> None:
    for name, told in (
        (tmp_path, "without a trained model"),
        (tmp_path / "no", "unknown model"),
    ):
        with pytest.raises(ConfigError, match=told) as raised:
            config.parse(settings, {"model": str(name)}, where="here")
        assert "\n" not in str(raised.value)
        assert "folder of a trained run" in str(raised.value)
        assert ("minilm" in str(raised.value)) == (settings is EmbedSettings)


def test_a_folder_that_has_the_name_of_a_bundled_model(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(copied, copied.parent / "mini")
    monkeypatch.chdir(copied.parent)
    assert names.parse("mini").form is names.Form.MINI
    run = names.parse("./mini")
    assert (run.form, run.folder) == (names.Form.TRAINED_RUN, Path("mini/model"))


def cut(run: Path) -> None:
    weights(run).write_bytes(weights(run).read_bytes()[:-100])


def garbled(run: Path) -> None:
    weights(run).write_bytes(b"no tensors")


def lost(run: Path) -> None:
    weights(run).unlink()


def no_json(run: Path) -> None:
    (run / "model" / "adapter.json").write_text('{"model": ')


def a_list(run: Path) -> None:
    (run / "model" / "adapter.json").write_text("[]")


def lacking(run: Path) -> None:
    rewrite(run, lambda values: values.pop("encoder") and None)


def unknown_layers(run: Path) -> None:
    rewrite(run, lambda values: values["settings"].update(text_layers=["knots"]))


def unknown_rank(run: Path) -> None:
    rewrite(run, lambda values: values["settings"].update(rank="many"))


def other_rank(run: Path) -> None:
    rewrite(run, lambda values: values["settings"].update(rank=3))


def other_tower(run: Path) -> None:
    rewrite(run, lambda values: values["settings"].update(towers=["text"]))


def no_layers(run: Path) -> None:
    rewrite(run, lambda values: values["settings"].update(text_layers=["convolution"]))


def base_of_itself(run: Path) -> None:
    rewrite(run, lambda values: {**values, "model": str(run)})


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut, "adapter.safetensors is damaged"),
        (garbled, "adapter.safetensors is damaged"),
        (lost, "adapter.safetensors is missing"),
        (no_json, "adapter.json is missing or damaged"),
        (a_list, "adapter.json is missing or damaged"),
        (lacking, "adapter.json is missing or damaged"),
        (unknown_layers, "adapter.json is damaged"),
        (unknown_rank, "adapter.json is damaged"),
        (other_rank, "the adapter does not fit"),
        (other_tower, "the adapter does not fit"),
        (no_layers, "no layers of kind"),
        (base_of_itself, "its own base model"),
    ],
)
def test_what_is_not_whole_is_one_message(
    damage: Callable[[Path], None], told: str, copied: Path, place: Place, tmp_path: Path
) -> None:
    damage(copied)
    said = train(place, tmp_path / "out", model=copied)
    refused(said, 5, str(copied), told)


def test_another_base_is_refused(place: Place, copied: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", seed=1)
    rewrite(copied, lambda values: {**values, "model": other})
    said = train(place, tmp_path / "out", model=copied)
    refused(said, 5, "is not the base model of this run", "weights_sha256", "Restore the base")


def test_another_version_of_the_bundled_base_is_named_with_the_way_out(
    place: Place, copied: Path, tmp_path: Path
) -> None:
    rewrite(copied, lambda values: {**values, "model": "mini"})
    said = train(place, tmp_path / "out", model=copied)
    refused(said, 5, "train.model: ", "has another 'mini' than the one that trained it")
    refused(said, 5, "train again")
    assert "Restore" not in said.err
