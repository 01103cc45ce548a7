"""train: what it delivers, what it leaves alone, and what its numbers say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from support.shell import tree
from support.training_place import Place, metrics, same, tensors

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.models import create
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.training.adapters import (
    Adaptation,
    adapt,
    adapter_tensors,
    load_adapter,
    merged_state_dict,
)
from nsfwcaps.training.loop import Trainer
from nsfwcaps.vectors.columns import from_column

RUN: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 4,
    "curriculum": "all",
    "dropout": 0.1,
    "learning_rate": 1e-3,
    "save_every": 2,
}
STEPS = 9

SIDES = ("unsafe", "safe")


class Watch:
    """What a run did with its model."""

    def __init__(self) -> None:
        self.encoders: list[Any] = []
        self.events: list[str] = []
        self.captions: list[str] = []
        self.pictures: list[str] = []
        self.rows = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from open_clip.transformer import VisionTransformer

        real_load, make, forward = create.load_dual, Trainer._make, VisionTransformer.forward
        text, images = ClipEncoder.started, ClipEncoder.encode_images

        def loaded(model: str, options: Any) -> Any:
            self.encoders.append(real_load(model, options))
            return self.encoders[-1]

        def started(encoder: Any, captions: Any, *arguments: Any) -> Any:
            self.events.append("reference")
            self.captions += captions
            return text(encoder, captions, *arguments)

        def encode_images(encoder: Any, named: Any, *arguments: Any) -> Any:
            self.events.append("reference")
            self.pictures += [name for name, _ in named]
            return images(encoder, named, *arguments)

        def step(trainer: Any, *arguments: Any) -> Any:
            self.events.append("step")
            return make(trainer, *arguments)

        def seen(tower: Any, pixels: Any) -> Any:
            self.rows += len(pixels)
            return forward(tower, pixels)

        monkeypatch.setattr(create, "load_dual", loaded)
        monkeypatch.setattr(ClipEncoder, "started", started)
        monkeypatch.setattr(ClipEncoder, "encode_images", encode_images)
        monkeypatch.setattr(Trainer, "_make", step)
        monkeypatch.setattr(VisionTransformer, "forward", seen)


@pytest.fixture(scope="module")
def watched(
    place: Place, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, StageRecord, Watch]:
    """One run, and what it did."""
    out, watch = tmp_path_factory.mktemp("watched"), Watch()
    with pytest.MonkeyPatch.context() as patch:
        watch.install(patch)
        record = place.train(out, **RUN)
    return out, record, watch


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    made.install(monkeypatch)
    return made


def fresh(place: Place) -> Any:
    """The encoder as it was before any training."""
    settings = EmbedSettings(model=place.model, device=Device.CPU, precision=Precision.FP32)
    return create.load(str(settings.model), EncoderOptions.of(settings))


def published(place: Place) -> list[dict[str, Any]]:
    files = sorted((place.data / "data").glob("*.parquet"))
    return [row for path in files for row in pq.read_table(path).to_pylist()]


def items(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, bytes]]:
    """Id, caption, hash and picture of every item of every pair, partners too."""
    return [
        (
            row[f"{side}_id"],
            row[f"{side}_caption"],
            row[f"{side}_image_sha256"],
            row[f"{side}_image"]["bytes"],
        )
        for row in rows
        for side in (*SIDES, "partner")
        if row[f"{side}_id"] is not None
    ]


def reference(out: Path, group: str) -> dict[str, np.ndarray]:
    """The frozen model's vectors by id or hash."""
    record = StageFolder(out / "train").record()
    assert record is not None
    key = {"captions": "id", "images": "image_sha256"}[group]
    names = [*vectors_of(record.paths(group), key)]
    assert len({name for name, _ in names}) == len(names)
    return dict(names)


def vectors_of(paths: Sequence[Path], key: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name and vector of every row."""
    for table in read_tables(paths):
        vectors = from_column(table["vector"]).astype(np.float32)
        yield from zip(table[key].to_pylist(), vectors, strict=True)


def stored_vectors(place: Place) -> dict[str, np.ndarray]:
    """What the embed stage has of every caption by id, and of every picture by hash."""
    record = StageFolder(place.work / "embed").record()
    assert record is not None
    keys = {"safe": "id", "unsafe": "id", "images": "image_sha256"}
    return {
        name: vector
        for group, key in keys.items()
        for name, vector in vectors_of(record.paths(group), key)
    }


def test_files_that_are_delivered(place: Place, watched: tuple[Path, StageRecord, Watch]) -> None:
    out, record, _ = watched
    assert sorted(tree(out / "model")) == ["adapter.json", "adapter.safetensors", "metrics.jsonl"]
    assert not (out / "train" / "checkpoints").exists()
    told = json.loads((out / "model" / "adapter.json").read_bytes())
    assert told["model"] == place.model
    assert told["encoder"] == record.facts["encoder"]
    assert told["settings"]["rank"] == 4
    assert told["steps"] == record.facts["steps"] == STEPS
    counts = record.facts["pairs"]
    splits = [row["split"] for row in published(place)]
    assert counts == {name: splits.count(name) for name in ("train", "validation")}
    assert len(record.facts["validation"]) == 4
    assert record.facts["kept_epoch"] == 3
    lines = metrics(out)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert all(np.isfinite(line["loss"]) and line["gradient_norm"] > 0 for line in lines)
    rates = [line["learning_rate"] for line in lines]
    assert rates[0] == max(rates) == 1e-3
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0


def test_a_fresh_model_with_the_adapter_embeds_alike(
    place: Place, watched: tuple[Path, StageRecord, Watch]
) -> None:
    out, _, watch = watched
    encoder = fresh(place)
    adapt(encoder.model, Adaptation(rank=4, alpha=16.0))
    load_adapter(encoder.model, tensors(out))
    encoder.model.eval()
    trained = watch.encoders[0]
    trained.model.eval()
    rows = published(place)
    captions = [row["unsafe_caption"] for row in rows]
    pictures = [("", lambda row=row: row["unsafe_image"]["bytes"]) for row in rows]
    again = encoder.encode_text(captions, lambda n: None).rows
    assert np.array_equal(again, trained.encode_text(captions, lambda n: None).rows)
    seen = encoder.encode_images(pictures, lambda n: None).rows
    assert np.array_equal(seen, trained.encode_images(pictures, lambda n: None).rows)
    before = fresh(place).encode_text(captions, lambda n: None).rows
    assert np.abs(again - before).max() > 1e-3


def test_the_base_model_is_untouched(
    place: Place, watched: tuple[Path, StageRecord, Watch]
) -> None:
    model = watched[2].encoders[0].model
    trained = adapter_tensors(model)
    zeroed = {name: torch.zeros_like(tensor) for name, tensor in trained.items()}
    load_adapter(model, zeroed)
    merged = merged_state_dict(model)
    load_adapter(model, trained)
    assert same(merged, dict(fresh(place).model.state_dict()))
    assert not same(merged_state_dict(model), merged)


def test_the_frozen_model_speaks_once_of_each_item_and_never_in_the_loop(
    place: Place, watched: tuple[Path, StageRecord, Watch]
) -> None:
    _, record, watch = watched
    known = items(published(place))
    assert sorted(watch.pictures) == sorted({sha256 for _, _, sha256, _ in known})
    assert len(watch.captions) == len({name for name, _, _, _ in known})
    assert len(watch.encoders) == 1
    first = watch.events.index("step")
    assert set(watch.events[:first]) == {"reference"}
    assert watch.events[first:] == ["step"] * STEPS
    # Pictures that passed through the tower: the reference, four pairs a step, four validations.
    held = record.facts["pairs"]["validation"]
    assert watch.rows == len(watch.pictures) + STEPS * 4 * 2 + 4 * held * 2


def test_reference_is_what_the_frozen_model_says(
    place: Place, watched: tuple[Path, StageRecord, Watch]
) -> None:
    """After training as before it, and what the embed stage has in half precision."""
    captions, images = reference(watched[0], "captions"), reference(watched[0], "images")
    encoder = fresh(place)
    stored = stored_vectors(place)
    for name, caption, sha256, data in items(published(place)):
        said = encoder.encode_text([caption], lambda n: None).rows[0]
        seen = encoder.encode_images([("", lambda data=data: data)], lambda n: None).rows[0]
        np.testing.assert_allclose(captions[name], said, atol=1e-6)
        np.testing.assert_allclose(images[sha256], seen, atol=1e-6)
        np.testing.assert_allclose(captions[name], stored[name], atol=1e-3)
        np.testing.assert_allclose(images[sha256], stored[sha256], atol=1e-3)


def test_numbers_before_training_are_those_of_the_embed_stage(
    place: Place, watched: tuple[Path, StageRecord, Watch]
) -> None:
    """Worked out one query at a time; half precision may turn what is nearly a tie."""
    stored = stored_vectors(place)
    pairs = [row for row in published(place) if row["split"] == "validation"]
    text = {s: {r[f"{s}_caption"]: stored[r[f"{s}_id"]] for r in pairs} for s in SIDES}
    image = {s: {(h := r[f"{s}_image_sha256"]): stored[h] for r in pairs} for s in SIDES}
    told = watched[1].facts["validation"][0]
    for name, asked, sides, kinds in (
        ("safe_text_to_image", "safe", ("safe",), (text, image)),
        ("safe_image_to_text", "safe", ("safe",), (image, text)),
        ("unsafe_text_to_image", "unsafe", SIDES, (text, image)),
        ("unsafe_image_to_text", "unsafe", SIDES, (image, text)),
    ):
        sure, possible = 0, 0
        keys = ("caption", "image_sha256") if kinds[0] is text else ("image_sha256", "caption")
        for row in pairs:
            query = kinds[0][asked][row[f"{asked}_{keys[0]}"]]
            target = row[f"safe_{keys[1]}"]
            own = query @ kinds[1]["safe"][target]
            others = [
                query @ vector
                for side in sides
                for name_of, vector in kinds[1][side].items()
                if (side, name_of) != ("safe", target)
            ]
            sure += own > max(others) + 1e-3
            possible += own > max(others) - 1e-3
        assert sure / len(pairs) - 1e-9 <= told[name] <= possible / len(pairs) + 1e-9
        assert possible - sure <= 2
