"""Painters of diffusers, on a tiny pipeline of the real classes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import tiny_generators as tiny
from support.odd_pictures import claiming, file_of, scene, turned

from nsfwcaps.construction.painters import load
from nsfwcaps.construction.painters.inpainting import masks
from nsfwcaps.construction.painters.painter import DrawRequest, KnowingPainter, Painter, Subject
from nsfwcaps.construction.painters.sampling import PainterSampling
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, ModelError


def painter(name: str, folder: Path, **sampling: int) -> Painter:
    given = PainterSampling(**{"steps": 2, **sampling})  # type: ignore[arg-type]
    return load.load(f"{name}:{folder}", given, Device.CPU, Precision.FP32)


def subject(caption: str) -> Subject:
    return Subject("1" * 32, caption, "2" * 32, "a red kite on a table")


CAPTIONS = ["a red kite above a lake", "a cup and a handgun on a table"]


def size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


def photo(width: int, height: int) -> bytes:
    cells = np.random.default_rng(3).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(cells).resize((width, height)).save(file, "PNG")
    return file.getvalue()


def test_text_to_image(pipeline: Path) -> None:
    made = painter("diffusers", pipeline)
    assert not made.needs_safe_image
    assert not isinstance(made, KnowingPainter)
    assert made.refusal(subject(CAPTIONS[0]), None) is None
    wanted = [DrawRequest(subject(CAPTIONS[0]), 1), DrawRequest(subject(CAPTIONS[0]), 2)]
    first, second = made.paint(wanted)
    assert size(first) == (tiny.SIDE, tiny.SIDE)
    assert first != second
    assert made.paint(wanted[:1]) == [first]
    (larger,) = painter("diffusers", pipeline, side_px=32).paint(wanted[:1])
    assert size(larger) == (32, 32)


def test_what_a_painter_says_of_itself_has_no_place(pipeline: Path) -> None:
    for name in ("diffusers", "diffusers-inpaint"):
        made = painter(name, pipeline)
        assert made.statement.name == f"{name}:tiny-sd"
        assert str(pipeline.parent) not in repr(made.statement)


def test_identity_is_that_of_what_decides_a_picture(pipeline: Path) -> None:
    names = ("diffusers", "diffusers-inpaint")
    found = [painter(name, pipeline, steps=steps).identity for name in names for steps in (2, 3)]
    found += [painter(name, pipeline, side_px=32).identity for name in names]
    assert len({*found}) == 6
    assert painter("diffusers", pipeline).identity == found[0]


def test_inpainting_keeps_what_lies_outside(pipeline: Path) -> None:
    made = painter("diffusers-inpaint", pipeline, side_px=64)
    assert made.needs_safe_image
    safe = photo(128, 96)
    assert made.refusal(subject(CAPTIONS[0]), safe) is None
    (data,) = made.paint([DrawRequest(subject(CAPTIONS[0]), 1, safe)])
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (64, 48)
        after = np.asarray(picture.convert("RGB"))
    with Image.open(io.BytesIO(safe)) as picture:
        before = np.asarray(picture.convert("RGB").resize((64, 48)))
    hard, soft = (np.asarray(item) for item in masks(64, 48))
    assert (after[hard == 0] == before[hard == 0]).all()
    assert (after[soft == 255] != before[soft == 255]).any(axis=1).mean() > 0.5
    assert 0.3 < (hard > 0).mean() < 0.4
    assert (soft <= hard).all()


def test_inpainting_of_several_sizes_stays_in_order(pipeline: Path) -> None:
    made = painter("diffusers-inpaint", pipeline, side_px=32)
    safe = [photo(64, 32), photo(32, 64), photo(64, 32)]
    wanted = [DrawRequest(subject(CAPTIONS[n % 2]), n, data) for n, data in enumerate(safe)]
    assert [size(data) for data in made.paint(wanted)] == [(32, 16), (16, 32), (32, 16)]


def test_inpainting_starts_from_the_safe_image_or_not_at_all(pipeline: Path) -> None:
    made = painter("diffusers-inpaint", pipeline)
    assert made.refusal(subject(CAPTIONS[0]), None) == "no_safe_image"
    assert made.refusal(subject(CAPTIONS[0]), b"no picture") == "safe_image_broken"
    assert made.refusal(subject(CAPTIONS[0]), claiming(20_000, 20_000)) == "safe_image_too_large"


def test_inpainting_starts_from_the_safe_image_upright(pipeline: Path) -> None:
    made = painter("diffusers-inpaint", pipeline, side_px=32)
    both = [file_of(scene()), turned(scene())]
    upright, twin = (made.paint([DrawRequest(subject(CAPTIONS[0]), 1, data)])[0] for data in both)
    assert twin == upright


@pytest.mark.parametrize("name", ["gpt", "diffusers", "diffusers:", "worlds", ""])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigError, match="diffusers-inpaint:FOLDER or world"):
        load.check(name)


def test_no_name() -> None:
    with pytest.raises(ConfigError, match="add --painter"):
        load.check(None)


def test_a_folder_that_is_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model_index\.json"):
        load.check(f"diffusers:{tmp_path}")
    (tmp_path / "model_index.json").write_text("{}")
    for name in ("diffusers", "diffusers-inpaint"):
        with pytest.raises(ModelError, match="cannot load a diffusers pipeline"):
            painter(name, tmp_path)


def test_source_digest_is_that_of_the_files(pipeline: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "elsewhere"
    shutil.copytree(pipeline, copy)
    before = load.source_digest(f"diffusers:{pipeline}")
    assert load.source_digest(f"diffusers:{copy}") == before
    (copy / "model_index.json").write_text("{}")
    assert load.source_digest(f"diffusers:{copy}") != before
