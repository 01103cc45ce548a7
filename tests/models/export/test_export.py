"""What `nsfwcaps export` makes of a trained run, read by the libraries it is made for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.shell import Said, call
from support.training_place import Place, refused, write_model
from torch.nn.functional import normalize
from transformers import CLIPModel, CLIPProcessor

from nsfwcaps.delivery import contents
from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.models import create
from nsfwcaps.models.export import transformers_format
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.training.adapters import Adaptation, adapt, adapter_tensors

CAPTIONS = ["A red kite above a lake.", "A handgun on a table.", "Two cups"]

OUTSIDE = """
import sys, torch, open_clip
folder, out = sys.argv[1:]
model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(3))
model.eval()
with torch.inference_mode():
    rows = [model.encode_image(pixels), model.encode_text(tokenizer(%r))]
torch.save([torch.nn.functional.normalize(item, dim=-1) for item in rows], out)
assert "nsfwcaps" not in sys.modules
print(preprocess)
"""


@pytest.fixture(scope="module")
def safer(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, trained on the command's own path."""
    out = tmp_path_factory.mktemp("private") / "safer"
    place.train(out, epochs=1, curriculum="all", learning_rate=1e-2)
    return out


def encoder_of(model: object) -> ClipEncoder:
    settings = EmbedSettings(model=str(model), device=Device.CPU, precision=Precision.FP32)
    loaded = create.load(str(settings.model), EncoderOptions.of(settings))
    assert isinstance(loaded, ClipEncoder)
    return loaded


def rows(encoder: ClipEncoder) -> list[torch.Tensor]:
    """Unit rows of three random pictures and three captions."""
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        image = normalize(encoder.model.encode_image(pixels), dim=-1)
    return [image, torch.from_numpy(encoder.encode_text(CAPTIONS, lambda n: None).rows)]


def export(run: Path, form: str, out: Path, *options: object) -> Said:
    said = call("export", "--run", run, "--to", form, "--out", out, *options)
    assert "Traceback" not in said.err
    return said


def close(one: list[Any], other: list[Any], atol: float) -> None:
    for found, wanted in zip(one, other, strict=True):
        np.testing.assert_allclose(found, wanted, atol=atol)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_open_clip_alone_loads_it_in_another_process(safer: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = export(safer, "open_clip", out)
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        f"Exported safer (tiny), strength 1: {out}\nLoad it: --model local-dir:{out}\n"
    )
    files = ["README.md", "export.json", "open_clip_config.json", "open_clip_model.safetensors"]
    assert names(out) == files
    done = subprocess.run(
        [sys.executable, "-c", OUTSIDE % CAPTIONS, out, tmp_path / "rows.pt"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert "mean=[0.5, 0.5, 0.5]" in done.stdout.replace("(", "[").replace(")", "]")
    close(torch.load(tmp_path / "rows.pt"), rows(encoder_of(safer)), atol=1e-6)


@pytest.mark.parametrize("form", ["open_clip", "transformers"])
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_every_file_has_the_mode_of_the_umask(
    safer: Path, tmp_path: Path, form: str, umask: int, mode: int
) -> None:
    """Safetensors writes to a private temporary file, which only its owner may read."""
    before = os.umask(umask)
    try:
        export(safer, form, tmp_path / "out")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {mode}


def test_an_edited_card_is_kept_and_its_notes_are_carried_over(safer: Path, tmp_path: Path) -> None:
    card = tmp_path / "out" / "README.md"
    export(safer, "open_clip", tmp_path / "out")
    card.write_text(card.read_text().replace("## Notes\n", "## Notes\n\nFor the poster.\n"))
    assert (
        "your notes at its end were carried over"
        in export(safer, "open_clip", tmp_path / "out", "--strength", 0.5).out
    )
    assert "For the poster." in card.read_text()
    edited = card.read_text() + "Appended."
    card.write_text(edited)
    said = export(safer, "open_clip", tmp_path / "out", "--json")
    assert [note.partition(":")[0] for note in said.json["notes"]] == [
        "out/README.md",
        "out/README.md was edited",
    ]
    assert (tmp_path / "out" / "README.edited.md").read_text() == edited


def test_nsfwcaps_loads_it_as_the_same_encoder(safer: Path, tmp_path: Path) -> None:
    said = export(safer, "open_clip", tmp_path / "out", "--json")
    trained, exported = encoder_of(safer), encoder_of(said.json["model"])
    assert exported.identity.digest == trained.identity.digest
    assert said.json["weights_sha256"] == trained.identity.weights_sha256


def test_transformers_loads_it(safer: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = export(safer, "transformers", out)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith(f'Load it: transformers.CLIPModel.from_pretrained("{out}")\n')
    model = CLIPModel.from_pretrained(out).eval()
    tokens = CLIPProcessor.from_pretrained(out)(text=CAPTIONS, padding=True, return_tensors="pt")
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        found = model(**tokens, pixel_values=pixels)
    close([found.image_embeds, found.text_embeds], rows(encoder_of(safer)), atol=2e-6)


@pytest.mark.parametrize("full", [False, True])
def test_strength_lies_between_the_base_and_the_run(
    full: bool, place: Place, safer: Path, tmp_path: Path
) -> None:
    run = safer
    if full:
        run = tmp_path / "all"
        place.train(run, epochs=1, curriculum="all", learning_rate=1e-3, full=True)
    out = tmp_path / "out"
    assert export(run, "open_clip", out, "--strength", 0.7).code == 0
    base, tuned = (encoder_of(name).model.state_dict() for name in (place.model, run))
    found = load_file(out / "open_clip_model.safetensors")
    assert found.keys() == tuned.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, 0.3 * base[name] + 0.7 * tuned[name])
    assert any(not torch.equal(tensor, tuned[name]) for name, tensor in found.items())
    assert (
        "at strength 1; the strength of this export was not measured"
        in (out / "README.md").read_text()
    )


@pytest.mark.parametrize("form", ["open_clip", "transformers"])
def test_card_and_record_hold_facts_and_no_path_of_this_machine(
    form: str, place: Place, safer: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = export(safer, form, out, "--json")
    told = json.loads((safer / "model" / "adapter.json").read_bytes())
    record = json.loads((out / "export.json").read_bytes())
    facts = said.json
    assert facts.pop("folder") == str(out)
    assert facts.pop("model") == (f"local-dir:{out}" if form == "open_clip" else f"hf:{out}")
    assert facts.pop("notes") == []
    files = [name for name in names(out) if name != "export.json"]
    digests = {name: contents.sha256(out / name) for name in files}
    assert {**facts, "files": files, "contents": digests} == record
    assert (facts["steps"], facts["strength"], facts["base"]) == (told["steps"], 1.0, "tiny")
    assert (facts["before"], facts["after"]) == (told["validation"][0], told["validation"][1])
    assert facts["base_weights_sha256"] == told["encoder"]["weights_sha256"]
    card = (out / "README.md").read_text()
    for fact in ("safer-clip", "LoRA of rank 4", facts["data_sha256"], facts["weights_sha256"]):
        assert fact in card
    assert f"{told['validation'][1]['safe_text_to_image']:.1%}" in card
    preserved = sum(told["preserved"].values())
    assert preserved > 0
    assert f"| safe items preserved | {preserved} |" in card
    assert f"| learning rate, logit scale | 0.01, {told['scale']:.4g} |" in card
    assert "| pairs | ranked by inverted-softmax, graded by similarity, margin |" in card
    private = (str(place.work.parent), str(safer.parent), str(tmp_path), str(Path.home()))
    for path in out.iterdir():
        assert not any(folder.encode() in path.read_bytes() for folder in private), path.name


def test_a_copy_of_the_adapter_alone_can_be_exported(safer: Path, tmp_path: Path) -> None:
    shutil.copytree(safer / "model", tmp_path / "handed-on")
    said = export(tmp_path / "handed-on", "open_clip", tmp_path / "out", "--json")
    assert said.json["name"] == "handed-on"
    assert said.json["data_sha256"] is None
    assert "| data set |" not in (tmp_path / "out" / "README.md").read_text()


def test_a_run_of_an_older_version_can_be_exported(safer: Path, tmp_path: Path) -> None:
    shutil.copytree(safer / "model", tmp_path / "old")
    path = tmp_path / "old" / "adapter.json"
    told = json.loads(path.read_bytes())
    for name in ("scale", "learning_rate", "preserved", "selection", "overlap"):
        del told[name]
    path.write_text(json.dumps(told))
    assert export(tmp_path / "old", "open_clip", tmp_path / "out", "--json").json["training"] == {}
    assert "safe items preserved" not in (tmp_path / "out" / "README.md").read_text()


def test_exporting_again_replaces_an_export_and_nothing_else(safer: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(safer, "transformers", out).code == 0
    assert export(safer, "open_clip", out).code == 0
    assert "config.json" not in names(out)
    (out / "notes.txt").write_text("mine")
    refused(export(safer, "open_clip", out), 7, str(out), "notes.txt", "choose another --out")
    refused(export(safer, "open_clip", safer), 7, str(safer), "choose another --out")
    assert names(tmp_path) == ["out"]


def test_places_that_cannot_be_written(safer: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused(export(safer, "open_clip", tmp_path / "file"), 7, "is a file")
    refused(export(safer, "open_clip", tmp_path / "file" / "out"), 7, "a file is where a folder")


def test_a_check_that_fails_delivers_nothing(
    safer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gap in (1e-3, float("nan")):
        monkeypatch.setattr(transformers_format, "difference", lambda *_, gap=gap: gap)
        refused(export(safer, "transformers", tmp_path / "out"), 5, "differs from the trained one")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("strength", [0, -0.5, 1.5, "nan"])
def test_strengths_that_are_none(strength: object, safer: Path, tmp_path: Path) -> None:
    refused(export(safer, "open_clip", tmp_path / "out", "--strength", strength), 2, "strength")


def test_wrong_formats_and_runs(place: Place, safer: Path, tmp_path: Path) -> None:
    assert export(safer, "onnx", tmp_path / "out").code == 2
    for run in (place.work, tmp_path / "nowhere"):
        refused(export(run, "open_clip", tmp_path / "out"), 4, str(run), "no trained model")
    shutil.copytree(safer / "model", tmp_path / "bad")
    (tmp_path / "bad" / "adapter.safetensors").write_bytes(b"no tensors")
    refused(export(tmp_path / "bad", "open_clip", tmp_path / "out"), 5, "is damaged")
    assert names(tmp_path) == ["bad"]


def adapted_by_hand(model: str, folder: Path) -> Path:
    """A run whose adapters are random numbers instead of trained ones."""
    encoder = encoder_of(model)
    identity = asdict(encoder.identity)
    adapt(encoder.model, Adaptation(rank=2, image=False))
    torch.manual_seed(0)
    tensors = adapter_tensors(encoder.model)
    folder.mkdir()
    save_file(
        {name: torch.randn_like(tensor) * 0.02 for name, tensor in tensors.items()},
        folder / "adapter.safetensors",
    )
    settings = {"rank": 2, "alpha": 16.0, "towers": ["text"], "full": False, "method": "safe-clip"}
    layers = {"image_layers": [], "text_layers": ["attention", "mlp"]}
    facts = {"steps": 1, "validation": [{}, {}], "kept_epoch": 1}
    values = {"model": model, "encoder": identity, "settings": settings | layers, **facts}
    (folder / "adapter.json").write_text(json.dumps(values))
    return folder


def test_mini_is_exported_as_a_checkpoint(tmp_path: Path) -> None:
    run, out = adapted_by_hand("mini", tmp_path / "run"), tmp_path / "out"
    said = export(run, "open_clip", out)
    assert said.code == 0, said.err
    assert names(out) == ["README.md", "export.json", "open_clip_model.safetensors"]
    name = f"open_clip:nsfwcaps-mini/{out}/open_clip_model.safetensors"
    assert said.out.endswith(f"Load it: --model {name}\n")
    trained, exported = encoder_of(run), encoder_of(name)
    assert exported.identity.digest == trained.identity.digest
    assert trained.identity.name == "run (mini)"
    assert trained.identity.digest != encoder_of("mini").identity.digest
    card = (out / "README.md").read_text()
    assert "nsfwcaps.encoders.mini" in card
    assert "No pairs were held out" in card
    said = export(run, "transformers", tmp_path / "hf")
    refused(said, 5, "TimmModel", "use --to open_clip")
    assert names(tmp_path) == ["out", "run"]


def test_a_configuration_that_names_a_folder_is_refused(tmp_path: Path, place: Place) -> None:
    base = write_model(tmp_path / "base")
    run = adapted_by_hand(base, tmp_path / "run")
    path = tmp_path / "base" / "open_clip_config.json"
    config = json.loads(path.read_bytes())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = str(tmp_path)
    # A tokenizer of BERT, so that the base still loads.
    from nsfwcaps.encoders.token_counts import minilm_folder

    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copy(minilm_folder() / name, tmp_path / "base" / name)
    path.write_text(json.dumps(config))
    said = export(run, "open_clip", tmp_path / "out")
    refused(said, 5, "refers to a local folder")
