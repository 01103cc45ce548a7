"""A model of transformers from mining to training, evaluation and export."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support import transformers_models
from support.shell import call
from support.training_place import Place, publish, refused
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer

from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision, Tower
from nsfwcaps.models import create
from nsfwcaps.models.trainings import trainings
from nsfwcaps.training.adapters import (
    Adaptation,
    LayerKind,
    adapt,
    adapter_tensors,
    check_gradients,
    layer_kinds,
    load_adapter,
    merged_state_dict,
)

CAPTIONS = ["a red kite", "two cups"]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A SigLIP model, and a data set that was mined with it."""
    folder = tmp_path_factory.mktemp("siglip")
    tokens = {"model_max_length": 40}
    text = {"max_position_embeddings": 40}
    model = transformers_models.write(folder / "tiny", "siglip", text=text, tokens=tokens)
    publish(model, folder / "work", shard_rows=9, safe_items=0)
    return Place(model, folder / "work")


@pytest.fixture(scope="module")
def trained(here: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on it."""
    out = tmp_path_factory.mktemp("private") / "safer"
    here.train(out, epochs=1, curriculum="all", learning_rate=1e-2)
    return out


def encoder_of(model: object) -> Any:
    return create.load(str(model), EncoderOptions(device=Device.CPU, precision=Precision.FP32))


def test_a_run_is_a_model_and_goes_back_to_the_same_form(
    here: Place, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = call("export", "--run", trained, "--to", "transformers", "--out", out)
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        f"Exported safer (hf:tiny), strength 1: {out}\nLoad it in nsfwcaps: --model hf:{out}\n"
        f'Load it: transformers.SiglipModel.from_pretrained("{out}")\n'
    )
    base, run, exported = (encoder_of(name) for name in (here.model, trained, f"hf:{out}"))
    assert exported.identity.digest == run.identity.digest
    assert base.identity.digest != run.identity.digest
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        source = Path(here.model.removeprefix("hf:")) / name
        assert (out / name).read_bytes() == source.read_bytes()
    whole = AutoModel.from_pretrained(out).eval()
    tokens = AutoTokenizer.from_pretrained(out)(
        CAPTIONS, padding="max_length", truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        theirs = normalize(whole.get_text_features(**tokens).pooler_output, dim=-1)
    found = run.encode_text(CAPTIONS, lambda n: None).rows
    np.testing.assert_allclose(found, theirs, atol=1e-6)
    assert np.abs(found - base.encode_text(CAPTIONS, lambda n: None).rows).max() > 1e-3
    (training,) = trainings(f"hf:{out}")
    assert (training.base, training.method) == ("hf:tiny", "safer-clip")
    private = (str(here.work.parent), str(trained.parent), str(tmp_path))
    for path in out.iterdir():
        assert not any(folder.encode() in path.read_bytes() for folder in private), path.name
    card = (out / "README.md").read_text()
    assert 'transformers.SiglipModel.from_pretrained("FOLDER")' in card
    assert "Tokenizer and image processor are those of the base model." in card


def test_open_clip_cannot_represent_it(trained: Path, tmp_path: Path) -> None:
    said = call("export", "--run", trained, "--to", "open_clip", "--out", tmp_path / "out")
    refused(said, 5, "model of transformers (hf:tiny)", "use --to transformers")
    assert not list(tmp_path.iterdir())


def test_an_evaluation_of_base_and_run(here: Place, trained: Path, tmp_path: Path) -> None:
    models = [f"--model=base={here.model}", f"--model=ours={trained}"]
    said = call(
        "eval", *models, f"--data={here.data}", "--suite=retrieval", f"--out={tmp_path / 'out'}"
    )
    assert said.code == 0, said.err
    found = json.loads((tmp_path / "out" / "run.json").read_bytes())["models"]
    assert [found[name]["name"] for name in ("base", "ours")] == ["hf:tiny", "safer (hf:tiny)"]
    assert found["base"]["named"] == "hf:tiny"
    assert found["ours"]["trainings"][0]["base"] == "hf:tiny"
    assert str(here.work.parent) not in (tmp_path / "out" / "run.json").read_text()


def test_another_base_than_that_of_the_run_is_refused(
    here: Place, trained: Path, tmp_path: Path
) -> None:
    base = tmp_path / "other"
    transformers_models.write(base, "siglip", seed=1)
    shutil.copytree(trained / "model", tmp_path / "run")
    transformers_models.edit(tmp_path / "run" / "adapter.json", model=f"hf:{base}")
    said = call(
        "export", "--run", tmp_path / "run", "--to", "transformers", "--out", tmp_path / "o"
    )
    refused(said, 5, f"'hf:{base}' is not the base model of this run", "weights_sha256")


@pytest.mark.parametrize(
    ("kind", "image", "text"),
    [
        ("clip", {"attention": 8, "mlp": 4, "convolution": 1, "projection": 1}, 1),
        ("siglip", {"attention": 9, "mlp": 6, "convolution": 1}, 1),
        ("siglip2", {"attention": 9, "mlp": 6}, 1),
    ],
)
def test_layers_of_all_kinds_learn_and_merge(
    kind: str, image: dict[str, int], text: int, tmp_path: Path
) -> None:
    model, preprocess, tokenizer = create.create(
        create.parse(transformers_models.write(tmp_path, kind))
    )
    kinds = {tower: list(layer_kinds(model, tower).values()) for tower in Tower}
    assert {kind: kinds[Tower.IMAGE].count(LayerKind(kind)) for kind in image} == image
    assert len(kinds[Tower.IMAGE]) == sum(image.values())
    assert kinds[Tower.TEXT].count(LayerKind.PROJECTION) == text
    every = tuple(LayerKind)
    adaptation = Adaptation(rank=2, image_targets=every, text_targets=every)
    pixels = torch.stack([preprocess(Image.new("RGB", (40, 30), c)) for c in ("red", "teal")])
    tokens = tokenizer(CAPTIONS)
    names = adapt(model, adaptation)
    (model.encode_image(pixels) - model.encode_text(tokens)).square().sum().backward()
    check_gradients(model)
    assert len(names) == 2 * (len(kinds[Tower.IMAGE]) + len(kinds[Tower.TEXT])) + 2 * (
        kinds[Tower.IMAGE].count(LayerKind.ATTENTION) == 9
    )
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if ".lora_" in name:
                tensor.normal_(std=0.1)
        wanted = [model.encode_image(pixels), model.encode_text(tokens)]
        tensors, merged = adapter_tensors(model), merged_state_dict(model)
        plain = create.create(create.parse(f"hf:{tmp_path}"))[0]
        again = create.create(create.parse(f"hf:{tmp_path}"))[0]
        adapt(again, adaptation)
        load_adapter(again, tensors)
        plain.load_state_dict(merged)
        for other in (plain, again):
            for one, found in zip(
                wanted, [other.encode_image(pixels), other.encode_text(tokens)], strict=True
            ):
                torch.testing.assert_close(one, found, atol=1e-4, rtol=1e-4)
