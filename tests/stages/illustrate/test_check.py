"""illustrate: settings are checked before construct sends requests to the editor."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.construct_place import captions, write_pool
from support.illustrate_place import illustrate, recipe
from support.misbehaving_server import serving
from support.shell import call

from nsfwcaps import pipeline, recipes
from nsfwcaps.errors import InputError

NAMES = [
    ({}, 2, "add --painter"),
    ({"painter": "foo"}, 2, "unknown painter 'foo'"),
    (
        {"painter": "diffusers:nowhere"},
        5,
        "diffusers:nowhere: not the folder of a diffusers pipeline",
    ),
    ({"painter": "diffusers-inpaint:nowhere"}, 5, "not the folder of a diffusers pipeline"),
    (
        {"painter": "diffusers:{folder}", "image_detector": ["foo"]},
        2,
        "--image-detector: unknown image detector 'foo'",
    ),
    (
        {"painter": "diffusers:{folder}", "image_detector": ["nudenet@7"]},
        2,
        "the threshold must be above 0",
    ),
    ({"painter": "diffusers:{folder}", "image_detector": ["nudenet"]}, 5, "nsfwcaps[nudenet]"),
    ({"painter": "diffusers:{folder}", "image_detector": ["q16:no.npy#mini"]}, 5, "no such file"),
    ({"painter": "diffusers:{folder}", "image_hashes": ["nowhere.txt"]}, 3, "cannot be read"),
]
"""Settings of illustrate, exit code and expected message."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a fake pipeline folder, on a machine with diffusers and without NudeNet."""
    monkeypatch.setitem(sys.modules, "nudenet", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    path = tmp_path / "sd"
    path.mkdir()
    (path / "model_index.json").write_text("{}")
    return path


def filled(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    found = dict(settings)
    if "painter" in found:
        found["painter"] = found["painter"].format(folder=folder)
    return found


@pytest.mark.parametrize(("settings", "code", "message"), NAMES)
def test_nothing_is_asked_of_an_editor(
    settings: dict[str, Any], code: int, message: str, folder: Path, tmp_path: Path
) -> None:
    pool = write_pool(tmp_path / "pool.jsonl", captions(30))
    with serving() as server:
        options = {"pool": str(pool), "n": 8, "editor": server.name}
        said = illustrate(tmp_path / "run", options, **filled(settings, folder))
        assert server.asked == []
    assert (said.code, said.out) == (code, "")
    assert message in said.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("settings", "code", "message"), NAMES)
def test_validate_says_the_same_and_reads_no_pool(
    settings: dict[str, Any], code: int, message: str, folder: Path, tmp_path: Path
) -> None:
    path = recipe(tmp_path / "some.json", {"pool": "nowhere.jsonl"}, filled(settings, folder))
    said = call("validate", path)
    assert said.code == 2
    assert message in said.err
    path = recipe(path, {"pool": "nowhere.jsonl"}, {"painter": f"diffusers-inpaint:{folder}"})
    assert call("validate", path).code == 0


def test_the_command_and_its_dry_run_are_checked_too(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool.jsonl", captions(4))
    for more in ([], ["--dry-run"]):
        options = ["--pool", pool, "--painter", "foo", "-w", tmp_path / "run"]
        said = call("construct", *options, *more)
        assert (said.code, said.out) == (2, "")
        assert "unknown painter 'foo'" in said.err


def test_a_machine_without_diffusers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    pool = write_pool(tmp_path / "pool.jsonl", captions(4))
    said = illustrate(tmp_path / "run", {"pool": str(pool)}, painter=f"diffusers:{folder}")
    assert said.code == 5
    assert 'nsfwcaps[generation]"' in said.err


def checked(construct: dict[str, Any], painter: str) -> None:
    values = {"construct": construct, "illustrate": {"painter": painter}}
    pipeline.check(recipes.parse(values, where="recipe"))


def test_inpainting_needs_a_pool_with_images(folder: Path, tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool.jsonl", captions(30))
    options = {"pool": str(pool), "n": 8}
    said = illustrate(tmp_path / "run", options, painter=f"diffusers-inpaint:{folder}")
    assert (said.code, said.out) == (3, "")
    assert "no caption has a local image; use a pool with images" in said.err
    checked(options, f"diffusers:{folder}")
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    names = [None] * 29 + ["a.png"]
    pool = write_pool(tmp_path / "images.jsonl", captions(30), image_path=names)
    checked({"pool": str(pool)}, f"diffusers-inpaint:{folder}")
    said = illustrate(
        tmp_path / "run",
        {"pool": str(pool), "images": False},
        painter=f"diffusers-inpaint:{folder}",
    )
    assert said.code == 2
    assert "--no-images skips them; remove --no-images" in said.err


def test_the_world_draws_captions_of_its_own(tmp_path: Path) -> None:
    options = {"pool": str(write_pool(tmp_path / "pool.jsonl", captions(30)))}
    said = illustrate(tmp_path / "rules", options, painter="world")
    assert (said.code, said.out) == (2, "")
    assert "use --editor world, or --painter" in said.err
    with serving() as server:
        said = illustrate(tmp_path / "run", {**options, "editor": server.name}, painter="world")
        assert server.asked == []
    assert (said.code, said.out) == (3, "")
    assert "use a pool written by 'nsfwcaps world'" in said.err


def test_a_pool_that_is_not_there_is_told_as_ever(folder: Path, tmp_path: Path) -> None:
    painter = f"diffusers-inpaint:{folder}"
    with pytest.raises(InputError, match="no such file"):
        checked({"pool": str(tmp_path / "nowhere.jsonl")}, painter)
    checked({}, painter)  # construct reports a missing pool
    values = {
        "world": {},
        "construct": {"pool": str(tmp_path / "run/pools/safe")},
        "illustrate": {"painter": painter},
    }
    pipeline.check(recipes.parse(values, where="recipe"))  # the run draws it first


def test_recipes_without_the_stage_are_not_checked(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text(json.dumps({"construct": {"pool": "nowhere.jsonl"}}))
    assert call("validate", path).code == 0
