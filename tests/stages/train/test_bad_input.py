"""train on the command line: what works, and for what does not one message and an exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.odd_pictures import claiming
from support.shell import call
from support.training_place import (
    ARCHITECTURE,
    Place,
    publish,
    refused,
    rewrite,
    tensors,
    train,
    train_rows,
    write_model,
)

from nsfwcaps.encoders.clip import ClipEncoder


@pytest.fixture
def copied(place: Place, tmp_path: Path) -> Place:
    return place.copy(tmp_path / "copied")


# What works.


def test_from_data_to_an_adapter(place: Place, tmp_path: Path) -> None:
    """With an architecture that open_clip knows and a checkpoint's path."""
    import open_clip

    (tmp_path / "tiny-of-train.json").write_text(json.dumps(ARCHITECTURE))
    open_clip.add_model_config(tmp_path / "tiny-of-train.json")
    weights = tmp_path / "weights.safetensors"
    source = Path(place.model.removeprefix("local-dir:")) / "open_clip_model.safetensors"
    shutil.copy(source, weights)
    model = f"open_clip:tiny-of-train/{weights}"
    work = Place(model, tmp_path / "work")
    publish(model, work.work, scenes=24)
    out = tmp_path / "out"
    said = train(work, out, "--dry-run", "--json")
    assert (said.code, said.err) == (0, "")
    plan = said.json["plan"]["train"]
    assert (plan["state"], plan["epochs"], plan["pairs"]) == ("not run", 1, 12)
    assert not (out / "train").exists()
    said = train(work, out, "--json")
    assert (said.code, said.err) == (0, "")
    stage = said.json["stages"][0]
    assert (stage["stage"], stage["skipped"], stage["facts"]["steps"]) == ("train", False, 1)
    assert tensors(out)
    again = train(work, out, "--quiet")
    assert "up to date" in again.out
    assert train(work, out, "--dry-run").out.split()[:4] == ["train", "up", "to", "date"]
    assert call("status", out).code == 0


# Options.


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"weight": "redirect_txt=3"}, 2, ["redirect_txt", "redirect_text"]),
        ({"weight": "redirect_txt=0"}, 2, ["redirect_txt", "redirect_text"]),
        ({"weight": "redirect_text"}, 2, ["redirect_text", "TERM=NUMBER"]),
        ({"weight": "redirect_text=-1"}, 2, ["-1"]),
        ({"image_layers": "atention"}, 2, ["image_layers", "atention", "attention"]),
        ({"text_layers": "convolution"}, 2, ["text_targets", "attention, mlp"]),
        ({"curriculum": "easy/midium"}, 2, ["midium", "medium"]),
        ({"curriculum": ""}, 2, ["unknown level ''"]),
        ({"precision": "fp16"}, 2, ["fp16", "GPU"]),
        ({"model": "minilm"}, 2, ["minilm"]),
        ({"model": "open_clip:no-such-model/none"}, 5, ["no-such-model"]),
        ({"model": "open_clip:ViT-B-32/nowhere.pt"}, 5, ["ViT-B-32"]),
        ({"model": "local-dir:/nowhere"}, 5, ["/nowhere"]),
        ({"data": "/nowhere"}, 3, ["/nowhere", "no data set"]),
        ({"data": ""}, 2, ["--data"]),
        ({"epochs": 0}, 2, ["epochs"]),
        ({"learning_rate": "nan"}, 2, ["learning_rate"]),
        ({"scale": "modl"}, 2, ["train.scale", "or 'model', got 'modl'"]),
        ({"scale": 0}, 2, ["train.scale", "greater than 0, or 'model'"]),
        ({"scale": "model"}, 0, []),
        ({"scale": "20"}, 0, []),
        ({"clip_norm": "none", "rate_decay": "none", "warmup_share": 0}, 0, []),
        ({"clip_norm": "nothing"}, 2, ["train.clip_norm", "or 'none', got 'nothing'"]),
        ({"accumulate": 0}, 2, ["accumulate"]),
        ({"seed": 2**70}, 0, []),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_options_that_cannot_work(
    changes: dict[str, Any], code: int, told: list[str], place: Place, tmp_path: Path
) -> None:
    said = train(place, tmp_path, **changes)
    if code:
        refused(said, code, *told)
    assert said.code == code


@pytest.mark.parametrize(
    "changes", [{"curriculum": "easy/midium"}, {"image_layers": "atention"}], ids=str
)
def test_a_slip_is_found_before_anything_is_embedded(
    changes: dict[str, Any], place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loads(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(ClipEncoder, "__init__", loads)
    refused(train(place, tmp_path, **changes), 2)


# Data.


def test_data_without_images(place: Place, copied: Place, tmp_path: Path) -> None:
    for path in (copied.data / "data").glob("*.parquet"):
        table = pq.read_table(path).drop_columns(["unsafe_image", "safe_image"])
        path.unlink()
        pq.write_table(table, path)
    said = train(copied, tmp_path / "out")
    refused(said, 3, "unsafe_image", "--carry-images")


def test_data_of_another_encoder(place: Place, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", seed=1)
    said = train(place, tmp_path / "out", model=other)
    refused(said, 5, "weights_sha256", "mined with")
    assert not (tmp_path / "out" / "model").exists()


def test_data_of_another_version_of_the_encoder(
    place: Place, copied: Place, tmp_path: Path
) -> None:
    path = copied.data / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["stages"]["embed"]["facts"]["encoder"]["weights_sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    said = train(copied, tmp_path / "out")
    refused(said, 5, "mined with another version of 'local-dir:", "run build again")


def test_a_model_that_cannot_be_loaded_is_named_by_its_setting(
    place: Place, tmp_path: Path
) -> None:
    said = train(place, tmp_path / "out", model="open_clip:no-such-model/openai")
    refused(said, 5, "train.model: 'open_clip:no-such-model/openai'", "no architecture")


@pytest.mark.parametrize("text", [None, "[]", "{}", "\x00"])
def test_manifest_that_says_nothing(text: str | None, copied: Place, tmp_path: Path) -> None:
    path = copied.data / "manifest.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    refused(train(copied, tmp_path / "out"), 3, "manifest.json", "publish")


@pytest.mark.parametrize("keep", [0, -100, None])
def test_damaged_files(keep: int | None, copied: Place, tmp_path: Path) -> None:
    path = max((copied.data / "data").glob("*.parquet"), key=lambda item: item.stat().st_size)
    data = bytearray(path.read_bytes())
    path.unlink()
    if keep is None:  # in the middle: the footer is sound
        data[1000:3000] = bytes(2000)
    path.write_bytes(data if keep is None else data[:keep])
    refused(train(copied, tmp_path / "out"), 3, path.name, "damaged")


def without_image(copied: Place, count: int, image: Any) -> list[str]:
    """Take the picture of the first train pairs away, or put another in its place."""
    ids = [row["pair_id"] for row in train_rows(copied)][:count]
    rewrite(copied, lambda row: {**row, "unsafe_image": image} if row["pair_id"] in ids else row)
    return ids


@pytest.mark.parametrize("image", [None, {"bytes": b"no picture", "path": None}], ids=str)
def test_pairs_whose_picture_is_missing_or_broken(
    image: Any, copied: Place, tmp_path: Path
) -> None:
    total = len(train_rows(copied))
    ids = without_image(copied, 2, image)
    said = train(copied, tmp_path / "out")
    refused(said, 3, f"2 of {total} train pairs", ids[0], "max_reject_share")
    said = train(copied, tmp_path / "out", "--json", max_reject_share=0.5)
    assert said.code == 0
    facts = said.json["stages"][0]["facts"]
    assert facts["pairs"]["train"] == total - 2
    assert facts["pairs_without_image"] == {"train": 2, "validation": 0, "test": 0}


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"no picture", "image_undecodable"), (claiming(20_000, 20_000), "image_too_large")],
    ids=["broken", "large"],
)
def test_a_picture_that_does_not_decode_is_counted(
    data: bytes, reason: str, copied: Place, tmp_path: Path
) -> None:
    import hashlib

    named = {
        "unsafe_image": {"bytes": data, "path": None},
        "unsafe_image_sha256": hashlib.sha256(data).hexdigest(),
    }
    ids = [row["pair_id"] for row in train_rows(copied)][:2]
    rewrite(copied, lambda row: {**row, **named} if row["pair_id"] in ids else row)
    said = train(copied, tmp_path / "out", "--json", max_reject_share=0.5)
    assert said.code == 0
    facts = said.json["stages"][0]["facts"]
    assert facts["images_broken"] == {reason: 1}
    assert facts["pairs_without_image"]["train"] == 2


def test_no_pair_is_left(copied: Place, tmp_path: Path) -> None:
    without_image(copied, 1000, None)
    said = train(copied, tmp_path / "out", max_reject_share=1)
    refused(said, 3, "no pairs to train on")


def test_patience_without_a_validation_split(copied: Place, tmp_path: Path) -> None:
    for path in (copied.data / "data").glob("validation-*.parquet"):
        path.unlink()
    refused(train(copied, tmp_path / "out", patience=1), 2, "patience", "validation")
    said = train(copied, tmp_path / "out")
    assert said.code == 0
    assert "validation" not in said.out


def test_a_former_value_is_told_its_name(place: Place, tmp_path: Path) -> None:
    said = train(place, tmp_path, method="subspace")
    refused(said, 2, "train.method: 'subspace' is now 'contrastive-subspace'")
    said = train(place, tmp_path, adapter_inputs="difference")
    refused(said, 2, "train.adapter_inputs: 'difference' is now 'contrast'")
