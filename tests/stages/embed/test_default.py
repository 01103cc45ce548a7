"""embed without a model named: which encoder it is, and what makes the stage stale."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.chosen_vectors import ChosenVectors, at, rows
from support.ingest_place import Place
from support.odd_pictures import claiming
from support.shell import call

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.encoders.mini import model as mini
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device
from nsfwcaps.freshness import StageState, state
from nsfwcaps.models import create
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.embed.settings import EmbedSettings

EMBED = STAGE["embed"]

SAFE = [f"a vase on shelf {number}" for number in range(3)]
UNSAFE = [f"a handgun on shelf {number}" for number in range(2)]


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(buffer, "png")
    return buffer.getvalue()


RED, BLUE = png("red"), png("blue")


def ingest(place: Place, *, safe: bytes | None = None, unsafe: bytes | None = None) -> None:
    """Ingest both pools, with a picture on the first row of those that are given one."""
    pools: dict[str, Any] = {}
    for label, captions, data in (("safe", SAFE, safe), ("unsafe", UNSAFE, unsafe)):
        lines: list[Any] = list(captions)
        if data is not None:
            lines[0] = {"caption": captions[0], "image_path": place.write(f"{label}.png", data)}
        pools[label] = (place.pool(f"{label}.jsonl", lines),)
    place.ingest(**pools)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Models that were loaded; one vector each, so that no weights are."""
    models: list[str | None] = []

    def pretend(model: str, options: EncoderOptions) -> ChosenVectors:
        models.append(model)
        return ChosenVectors(
            {caption: at(30) for caption in (*SAFE, *UNSAFE)},
            {RED: at(0), BLUE: at(90)} if model != "minilm" else {},
            weights=create.source_digest(model),
        )

    monkeypatch.setattr(create, "load", pretend)
    monkeypatch.setattr(create, "source_digest", lambda model: f"digest of {model}")
    return models


@pytest.fixture
def embed(place: Place) -> Callable[..., StageRecord]:
    """Run the stage."""

    def run(**settings: Any) -> StageRecord:
        return run_stage(EMBED, EmbedSettings(**settings), workdir(place), Silent()).record

    return run


def workdir(place: Place) -> Path:
    return place.folder / "work"


def now(place: Place, **settings: Any) -> StageState:
    return state(EMBED, EmbedSettings(**settings), workdir(place))


@pytest.mark.parametrize(
    ("pictures", "settings", "model"),
    [
        ({}, {}, "minilm"),
        ({}, {"images": False}, "minilm"),
        ({"safe": RED, "unsafe": BLUE}, {}, "mini"),
        ({"safe": RED}, {}, "mini"),
        ({"unsafe": BLUE}, {}, "mini"),
        ({"safe": RED, "unsafe": BLUE}, {"images": False}, "minilm"),
        ({"safe": RED}, {"model": "minilm"}, "minilm"),
        ({}, {"model": "mini"}, "mini"),
        ({"safe": RED}, {"model": "mini", "images": False}, "mini"),
    ],
    ids=str,
)
def test_which_model(
    pictures: dict[str, bytes],
    settings: dict[str, Any],
    model: str,
    place: Place,
    asked: list[str | None],
    embed: Callable[..., StageRecord],
) -> None:
    ingest(place, **pictures)
    record = embed(**settings)
    assert asked == [model]
    with_images = model == "mini" and settings.get("images", True)
    assert record.facts["images"] == (len(pictures) if with_images else 0)
    assert record.facts["captions"] == {"safe": 3, "unsafe": 2}


def test_pools_that_gain_pictures_change_the_model(
    place: Place, asked: list[str | None], embed: Callable[..., StageRecord]
) -> None:
    ingest(place)
    embed()
    assert now(place) is StageState.CURRENT
    embed()
    assert asked == ["minilm"]
    ingest(place, safe=RED)
    assert now(place) is StageState.STALE
    record = embed()
    assert asked == ["minilm", "mini"]
    # None of the vectors of the earlier model is taken over.
    assert record.facts["encoder"]["weights_sha256"] == "digest of mini"
    assert now(place) is StageState.CURRENT
    ingest(place)
    assert now(place) is StageState.STALE
    embed()
    assert asked == ["minilm", "mini", "minilm"]


@pytest.mark.parametrize(("pictures", "model"), [({}, "minilm"), ({"safe": RED}, "mini")], ids=str)
def test_naming_the_default_gives_the_same_vectors(
    pictures: dict[str, bytes],
    model: str,
    place: Place,
    asked: list[str | None],
    embed: Callable[..., StageRecord],
) -> None:
    """So nothing that reads them is stale."""
    ingest(place, **pictures)
    before = embed()
    assert now(place, model=model) is StageState.STALE
    after = embed(model=model)
    assert after.output_digest == before.output_digest
    assert after.settings["model"] == model
    assert before.settings["model"] is None


@pytest.mark.parametrize("changed", ["minilm", "mini"])
def test_new_weights_of_a_default_make_it_stale(
    changed: str,
    place: Place,
    asked: list[str | None],
    embed: Callable[..., StageRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of either: the fingerprint is made before anybody looks for pictures."""
    ingest(place, safe=RED)
    before = embed()
    digest = create.source_digest
    monkeypatch.setattr(
        create, "source_digest", lambda model: f"{'new ' * (model == changed)}{digest(model)}"
    )
    assert now(place) is StageState.STALE
    after = embed()
    assert asked == ["mini", "mini"]
    # New weights of the one that these pools do not use give the vectors there were.
    assert (after.output_digest == before.output_digest) == (changed == "minilm")


@pytest.fixture
def untrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads where the package keeps the trained ones."""
    path = tmp_path / "heads.safetensors"
    mini.save_heads(mini.create(heads=None)[0], path, {})
    monkeypatch.setattr(mini, "HEADS", path)


@pytest.mark.usefixtures("untrained")
def test_with_the_packaged_models(place: Place, embed: Callable[..., StageRecord]) -> None:
    ingest(place, safe=RED, unsafe=BLUE)
    record = embed(device=Device.CPU)
    assert record.facts["encoder"]["name"] == "mini"
    assert (record.facts["captions"], record.facts["images"]) == ({"safe": 3, "unsafe": 2}, 2)
    widths = {len(row["vector"]) for kind in ("safe", "images") for row in rows(record, kind)}
    assert widths == {mini.WIDTH}
    assert now(place, device=Device.CPU) is StageState.CURRENT
    assert state(EMBED, None, workdir(place)) is StageState.CURRENT
    record = embed(device=Device.CPU, images=False)
    assert record.facts["encoder"]["name"] == "minilm"
    assert record.facts["images"] == 0
    assert {len(row["vector"]) for row in rows(record, "safe")} == {384}


@pytest.mark.usefixtures("untrained")
def test_a_picture_that_claims_to_be_enormous_is_set_aside(place: Place) -> None:
    ingest(place, safe=claiming(20_000, 20_000), unsafe=RED)
    said = call("embed", "-w", workdir(place), "--device", "cpu", "--json")
    assert said.code == 0, said.err
    (stage,) = said.json["stages"]
    assert stage["rejects"] == {"image_too_large": 1}
    assert stage["facts"]["images_failed"] == {"image_too_large": 1}
    assert stage["facts"]["captions"] == {"safe": 2, "unsafe": 2}


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("model", ["minilm", "mini"])
def test_pool_of_which_all_is_known_needs_no_encoding(
    model: str, place: Place, embed: Callable[..., StageRecord]
) -> None:
    """One caption fewer: the shard is another, and every vector of it was made before."""
    ingest(place)
    before = {row["id"]: row["vector"] for row in rows(embed(model=model), "safe")}
    unsafe = place.pool("unsafe.jsonl", UNSAFE)
    place.ingest(safe=(place.pool("fewer.jsonl", SAFE[1:]),), unsafe=(unsafe,))
    after = {row["id"]: row["vector"] for row in rows(embed(model=model), "safe")}
    assert (len(before), len(after)) == (3, 2)
    assert after.items() <= before.items()
